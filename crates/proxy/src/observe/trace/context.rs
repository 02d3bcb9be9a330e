//! W3C Trace Context, level 2: where a trace comes from and where it goes on.

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The flag that says that a trace is recorded.
pub(super) const SAMPLED: u8 = 0b01;
/// The flag that says that the end of the trace id is random.
pub(super) const RANDOM: u8 = 0b10;

/// Members of a `tracestate`, and characters that are passed on of it.
const MEMBERS: usize = 32;
const STATE: usize = 512;
/// Members that go first where there are too many characters.
const LONG_MEMBER: usize = 128;

pub(super) type TraceId = [u8; 16];
pub(super) type SpanId = [u8; 8];

/// What a caller says of the trace that a request belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) flags: u8,
    /// `tracestate` on one line, where it is good.
    pub(super) state: Option<HeaderValue>,
}

impl Parent {
    /// `None` where nothing is said, or what is said is not well-formed: then a trace begins here.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (trace, span, flags) = traceparent(line.as_bytes())?;
        Some(Self {
            trace,
            span,
            flags,
            state: tracestate(headers),
        })
    }
}

/// `version-trace-parent-flags` in lower-case hexadecimal digits. A later version may have more behind a further `-`.
fn traceparent(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (version, rest) = field::<1>(text)?;
    let (trace, rest) = field::<16>(rest.strip_prefix(b"-")?)?;
    let (span, rest) = field::<8>(rest.strip_prefix(b"-")?)?;
    let (flags, rest) = field::<1>(rest.strip_prefix(b"-")?)?;
    let ends_well = match version {
        [0xff] => false,
        [0] => rest.is_empty(),
        _ => rest.is_empty() || rest.first() == Some(&b'-'),
    };
    let [flags] = flags;
    (ends_well && trace != [0; 16] && span != [0; 8]).then_some((trace, span, flags))
}

/// An id from its digits.
pub(super) fn id(digits: &[u8]) -> Option<TraceId> {
    field(digits).map(|(id, _)| id)
}

fn field<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | value;
        }
    }
    Some((bytes, rest))
}

/// All lines as one. What breaks a rule makes the whole of it count as not there; what is too long loses its long members, then its last.
fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut members = Vec::new();
    for line in headers.get_all(TRACESTATE) {
        for member in line.to_str().ok()?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let again = |other: &&str| other.split_once('=').is_some_and(|(known, _)| known == key);
            if !is_key(key)
                || !is_value(value)
                || members.iter().any(again)
                || members.len() >= MEMBERS
            {
                return None;
            }
            members.push(member);
        }
    }
    let mut length = members.iter().map(|member| member.len() + 1).sum::<usize>();
    if length > STATE + 1 {
        members.retain(|member| member.len() <= LONG_MEMBER);
        length = members.iter().map(|member| member.len() + 1).sum();
    }
    while length > STATE + 1 {
        length -= members.pop()?.len() + 1;
    }
    if members.is_empty() {
        return None;
    }
    HeaderValue::try_from(members.join(",")).ok()
}

/// `simple-key` or `tenant@system`, as level 2 joins them: up to 256 characters, the first a small letter or a digit.
fn is_key(key: &str) -> bool {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let more = |byte: u8| small(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(small) && key.bytes().all(more)
}

/// Up to 256 printable characters without `,` and `=`. (Blanks at the end are cut off already.)
fn is_value(value: &str) -> bool {
    let good = |byte: u8| (b' '..=b'~').contains(&byte) && !b",=".contains(&byte);
    (1..=256).contains(&value.len()) && value.bytes().all(good)
}

/// `traceparent` of version 00.
pub(super) fn written(trace: &TraceId, span: SpanId, flags: u8) -> HeaderValue {
    let mut text = [0; 55];
    let mut rest = text.iter_mut();
    let mut put = |byte: u8| {
        if let Some(place) = rest.next() {
            *place = byte;
        }
    };
    let fields: [&[u8]; 4] = [&[0], trace, &span, &[flags]];
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            put(b'-');
        }
        for byte in field {
            put(digit(byte >> 4));
            put(digit(byte & 0xf));
        }
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits and dashes are a header value")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.map(|nibble| char::from(digit(nibble))).collect()
}

fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn parent(line: &str, good: bool) {
        let read = Parent::read(&headers(&[(TRACEPARENT, line)]));
        assert_eq!(read.is_some(), good, "{line}");
    }

    #[test]
    fn a_traceparent_is_read_strictly() {
        let zeros = "0".repeat(32);
        parent(&format!("00-{TRACE}-{SPAN}-01"), true);
        parent(&format!("00-{TRACE}-{SPAN}-ff"), true);
        parent(&format!("cc-{TRACE}-{SPAN}-01"), true);
        parent(&format!("cc-{TRACE}-{SPAN}-01-what-comes"), true);
        for bad in [
            String::new(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!(" 00-{TRACE}-{SPAN}-01"),
        ] {
            parent(&bad, false);
        }
        let line = &*format!("00-{TRACE}-{SPAN}-01");
        let two = headers(&[(TRACEPARENT, line), (TRACEPARENT, line)]);
        assert_eq!(Parent::read(&two), None, "two are two readings");
        let state = headers(&[(TRACESTATE, "a=b")]);
        assert_eq!(Parent::read(&state), None, "a state alone says nothing");
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let line = format!("00-{TRACE}-{SPAN}-03");
        let read = Parent::read(&headers(&[(TRACEPARENT, &line)])).unwrap();
        assert_eq!(read.flags, SAMPLED | RANDOM);
        assert_eq!(hex(&read.trace), TRACE);
        assert_eq!(written(&read.trace, read.span, read.flags), line);
    }

    #[track_caller]
    fn state(lines: &[&str], expected: Option<&str>) {
        let lines: Vec<_> = lines.iter().map(|line| (TRACESTATE, *line)).collect();
        let read = tracestate(&headers(&lines));
        assert_eq!(
            read.as_ref().map(|value| value.to_str().unwrap()),
            expected,
            "{lines:?}"
        );
    }

    #[test]
    fn a_tracestate_keeps_its_order_and_its_rules() {
        state(&[], None);
        state(&["a=1"], Some("a=1"));
        state(&["a=1 , b=2,,", "t@v=x y"], Some("a=1,b=2,t@v=x y"));
        for bad in ["a", "a=", "=1", "A=1", "a=1,a=2", "a=b=c", "_a=1", "a b=1"] {
            state(&[bad], None);
        }
        state(&[&format!("a={}", "x".repeat(257))], None);
        state(&[&format!("{}=x", "k".repeat(257))], None);
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|i| format!("k{i}=v")).collect();
            members.join(",")
        };
        state(&[&many(32)], Some(&many(32)));
        state(&[&many(33)], None);
    }

    #[test]
    fn a_tracestate_that_is_too_long_loses_long_members_then_the_last() {
        let long = format!("long={}", "x".repeat(200));
        let medium = |key: &str| format!("{key}={}", "x".repeat(98)); // 100 characters
        let four = ["a", "b", "c", "d"].map(medium).join(",");
        state(&[&long, &four], Some(&four));
        let six = ["a", "b", "c", "d", "e", "f"].map(medium).join(",");
        let five = ["a", "b", "c", "d", "e"].map(medium).join(",");
        state(&[&six], Some(&five));
        let exactly = format!("{five},k={}", "x".repeat(5));
        assert_eq!(exactly.len(), 512);
        state(&[&exactly], Some(&exactly));
    }
}
