//! What belongs to an API key: its hash, who holds it, when it ends.

use serde_json::{Value, json};

use super::name::{HeaderName, not_for_identity};
use super::{INTERPOLATED, Scalar};
use crate::checked::API_KEY_PREFIX;
use crate::date_time::DateTime;
use crate::problem::Flaw;

/// The SHA-256 of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) [u8; 32]);

impl Scalar for KeyHash {
    const EXPECTED: &'static str = "the hash of a key like sha256:…";
    /// It may be the key.
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        let Some(hex) = text.strip_prefix("sha256:") else {
            let flaw = if text.starts_with(API_KEY_PREFIX) {
                Flaw::new("is a key in clear where its hash belongs")
            } else {
                Flaw::new("is not the hash of a key")
            };
            return Err(flaw.hint(
                "`portcullis key hash` reads a key and prints what belongs here: sha256:…; the key itself stands nowhere",
            ));
        };
        let flaw = || {
            Flaw::new("is not `sha256:` and 64 lower-case hexadecimal digits")
                .hint("copy the whole of what `portcullis key hash` prints")
        };
        if hex.len() != 64 {
            return Err(flaw());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else {
                return Err(flaw());
            };
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err(flaw());
            };
            *byte = high << 4 | low;
        }
        Ok(KeyHash(bytes))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^sha256:[0-9a-f]{{64}}$|{INTERPOLATED}") })
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// As it is written.
pub(crate) fn show_hash(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut shown = String::from("sha256:");
    for byte in hash {
        let _infallible = write!(shown, "{byte:02x}");
    }
    shown
}

/// The header that carries a key, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyHeader(pub(crate) Box<str>);

/// What headers begin with that the gateway sets, judges or does not pass, or that belong to browsers.
const NOT_FOR_KEYS: &[&str] = &[
    "x-auth-",
    "x-forwarded-",
    "x-real-ip",
    "client-cert",
    "mcp-",
    "sec-",
    "proxy-",
    "access-control-",
    "accept",
    "if-",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "user-agent",
    "referer",
    "service-worker",
];

impl Scalar for KeyHeader {
    const EXPECTED: &'static str = "the name of a header like X-API-Key";

    fn read(text: &str) -> Result<Self, Flaw> {
        let name = HeaderName::read(text)?;
        if &*name.0 == "authorization" {
            return Err(Flaw::new("is for tokens")
                .hint("an API key has a header of its own, like X-API-Key"));
        }
        if let Some(flaw) = not_for_identity(&name) {
            return Err(flaw);
        }
        if NOT_FOR_KEYS.iter().any(|begin| name.0.starts_with(begin)) {
            return Err(Flaw::new("is a header with a meaning of its own")
                .hint("take X-API-Key, or a name that nobody else uses"));
        }
        Ok(KeyHeader(text.into()))
    }
}

/// Who holds a key: a subject, and a word in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) Box<str>);

impl Scalar for KeyId {
    const EXPECTED: &'static str = "a name";
    /// It may be the key.
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.starts_with(API_KEY_PREFIX) {
            return Err(Flaw::new("looks like a key")
                .hint("an id is a name like ci; of the key itself only its hash stands here"));
        }
        short(text, 128)?;
        Ok(KeyId(text.into()))
    }
}

/// Something to be told about a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) Box<str>);

impl Scalar for Label {
    const EXPECTED: &'static str = "text";

    fn read(text: &str) -> Result<Self, Flaw> {
        short(text, 256)?;
        Ok(Label(text.into()))
    }
}

fn short(text: &str, longest: usize) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.len() > longest {
        return Err(Flaw::new(format!("is longer than {longest} bytes")));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err("has blanks around it or control characters in it".into());
    }
    Ok(())
}

/// A moment in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl Scalar for Moment {
    const EXPECTED: &'static str = "a date like 2027-01-31";

    fn read(text: &str) -> Result<Self, Flaw> {
        moment(text).map(Moment).ok_or_else(|| {
            Flaw::new("is neither a date nor a date with a time").hint(
                "they are written 2027-01-31 (from its first moment on, UTC) and 2027-01-31T18:00:00Z or …+02:00 (RFC 3339)",
            )
        })
    }
}

/// RFC 3339 section 5.6, with a capital T and Z and without fractions, or the date alone.
fn moment(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=days).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * 86_400;
    let Some(time) = time else {
        return u64::try_from(midnight).ok();
    };
    let (clock, offset) = if let Some(clock) = time.strip_suffix('Z') {
        (clock, 0)
    } else {
        let at = time.rfind(['+', '-'])?;
        let (clock, zone) = time.split_at_checked(at)?;
        let [hours, minutes] = numbers(zone.get(1..)?, ':', [2, 2])?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        let ahead = hours * 3600 + minutes * 60;
        (clock, if zone.starts_with('-') { -ahead } else { ahead })
    };
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    u64::try_from(midnight + hour * 3600 + minute * 60 + second - offset).ok()
}

/// Numbers of exactly so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut read = [0; N];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(read)
}

/// In years that begin in March, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, march) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let day = (153 * march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day - 719_468
}

/// As it is written, in UTC.
pub(crate) fn show_moment(seconds: u64) -> String {
    format!("{}Z", DateTime::of(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(text: &str, seconds: u64) {
        assert_eq!(Moment::read(text).unwrap(), Moment(seconds), "{text}");
    }

    #[test]
    fn moments() {
        is("1970-01-01", 0);
        is("2026-11-21", 1_795_219_200);
        is("2024-02-29", 1_709_164_800);
        is("2026-11-21T13:50:07Z", 1_795_269_007);
        is("2026-11-21T14:50:07+01:00", 1_795_269_007);
        is("2026-11-21T08:20:07-05:30", 1_795_269_007);
        is("9999-12-31T23:59:59Z", 253_402_300_799);
        for text in [
            "",
            "2026",
            "2026-2-3",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-32",
            "1969-12-31",
            "31.12.2026",
            "2026-11-21 13:50:07Z",
            "2026-11-21T13:50:07",
            "2026-11-21T13:50Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T13:60:00Z",
            "2026-11-21T13:50:60Z",
            "2026-11-21T13:50:07.5Z",
            "2026-11-21T13:50:07+24:00",
            "2026-11-21T13:50:07é",
            "1970-01-01T00:00:00+01:00",
            "1700000000",
            "+026-01-01",
        ] {
            assert!(Moment::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_again(seconds in 0..253_402_300_800_u64) {
            prop_assert_eq!(Moment::read(&show_moment(seconds)).unwrap(), Moment(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Moment::read(&text);
            let _ = KeyHash::read(&text);
            let _ = KeyHash::read(&format!("sha256:{text}"));
        }
    }

    #[test]
    fn t_ak_a_hash_is_sha256_and_64_lower_case_digits() {
        let text = "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756";
        let KeyHash(bytes) = KeyHash::read(text).unwrap();
        assert_eq!((bytes[0], bytes[31]), (0xbd, 0x56));
        assert_eq!(show_hash(&bytes), text);
        for bad in [
            &text[..70],
            &text.to_uppercase().replace("SHA", "sha"),
            &format!("{text}0"),
            &text.replace("bd", "xx"),
        ] {
            let flaw = KeyHash::read(bad).unwrap_err();
            assert!(flaw.reason.contains("64"), "{bad}");
        }
        for (bad, told) in [
            ("portcullis_abc", "in clear"),
            (
                "bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756",
                "not the hash",
            ),
            ("$2b$12$abc", "not the hash"),
            ("", "not the hash"),
        ] {
            let flaw = KeyHash::read(bad).unwrap_err();
            assert!(flaw.reason.contains(told), "{bad}: {}", flaw.reason);
            assert!(flaw.hint.unwrap().contains("key hash"));
        }
    }

    #[test]
    fn t_ak_a_key_has_a_header_of_its_own() {
        assert_eq!(&*KeyHeader::read("X-My-Key").unwrap().0, "X-My-Key");
        for bad in [
            "",
            "a b",
            "Authorization",
            "Cookie",
            "Host",
            "X_API_Key",
            "X-Auth-Key",
            "x-forwarded-key",
            "Mcp-Key",
            "DPoP",
            "Content-Type",
            "X-Request-Id",
            "Accept-Language",
            "Proxy-Key",
        ] {
            assert!(KeyHeader::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_and_labels() {
        assert_eq!(&*KeyId::read("ci runner é").unwrap().0, "ci runner é");
        for bad in ["", " a", "a\tb", "portcullis_x", &"a".repeat(129)] {
            assert!(KeyId::read(bad).is_err(), "{bad}");
        }
        assert!(Label::read(&"a".repeat(256)).is_ok());
        assert!(Label::read(&"a".repeat(257)).is_err());
    }
}
