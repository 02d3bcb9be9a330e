//! Headers beside a message: accepted is what a second, plainer reading of the rules accepts.

use mcp::headers::{Lines, Mirrored, compare};
use mcp::message::{Kind, Message, Messages};

const METHODS: [&str; 8] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "tools/list",
    "x",
];
const VERSIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2031-01-01", "next"];

/// The lines of the input are: flags, what is named, Mcp-Name, Mcp-Method, MCP-Protocol-Version. An empty line stands for the usual value.
pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(5, |byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (flags, named, name, method, version) = (next(), next(), next(), next(), next());
    let named = String::from_utf8_lossy(named);
    let flag = |at: usize| usize::from(flags.get(at).copied().unwrap_or_default());
    let wanted = METHODS[flag(0) % METHODS.len()];
    let in_body = [None, Some(VERSIONS[flag(1) / 4 % 4])][flag(1) % 2];
    let kind = [Kind::Request, Kind::Notification, Kind::Response][flag(2) % 3];
    let batch = flag(2) >= 128;
    let message = Message {
        kind,
        method: if kind == Kind::Response {
            "".into()
        } else {
            wanted.into()
        },
        id: Some("1"),
        name: ["tools/call", "prompts/get"]
            .contains(&wanted)
            .then(|| named.clone()),
        uri: (wanted == "resources/read").then(|| named.clone()),
        task_id: (wanted.starts_with("tasks/") && flag(3) % 8 != 7).then(|| named.clone()),
        version: in_body.map(Into::into),
    };
    let encoded = format!("=?base64?{}?=", encode(named.as_bytes()));
    let values = [
        usual(version, VERSIONS[0]),
        usual(method, wanted),
        usual(name, &encoded),
    ];
    let count = |at: usize| [1, 1, 0, 2][flag(3 + at) % 4];
    let of = |at: usize| std::iter::repeat_n(values[at], count(at)).collect::<Lines<'_>>();
    let mirrored = Mirrored {
        version: of(0),
        method: of(1),
        name: of(2),
    };
    let messages = Messages {
        batch,
        messages: vec![message],
    };
    let accepted = compare(&mirrored, &messages).is_ok();

    let message = &messages.messages[0];
    let sent = |at: usize| (count(at) == 1).then(|| trimmed(values[at]));
    let version = in_body.map(str::as_bytes).or(sent(0));
    let is_modern =
        version.is_some_and(|version| is_date(version) && version >= b"2026-07-28".as_slice());
    let request = kind == Kind::Request;
    let mut expected = (0..3).all(|at| count(at) < 2);
    if let (Some(header), Some(body)) = (sent(0), in_body) {
        expected &= header == body.as_bytes();
    }
    if is_modern {
        expected &= !(batch || request && sent(0).is_none());
        expected &= sent(1).map_or(!request, |method| method == message.method.as_bytes());
        if kind != Kind::Response && METHODS[..6].contains(&wanted) {
            let has = message.name.is_some() || message.uri.is_some() || message.task_id.is_some();
            expected &= match sent(2).filter(|name| !name.is_empty()) {
                None => !request || !has,
                Some(name) => has && decoded(name).is_some_and(|name| name == named.as_bytes()),
            };
        }
    }
    assert_eq!(accepted, expected, "{mirrored:?} {messages:?}");
}

fn usual<'v>(value: &'v [u8], usual: &'v str) -> &'v [u8] {
    if value.is_empty() {
        usual.as_bytes()
    } else {
        value
    }
}

fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = value.iter().position(|byte| !is_space(byte)) else {
        return b"";
    };
    let last = value
        .iter()
        .rposition(|byte| !is_space(byte))
        .unwrap_or(first);
    &value[first..=last]
}

fn is_date(version: &[u8]) -> bool {
    version.len() == 10
        && version.iter().enumerate().all(|(at, byte)| {
            if at == 4 || at == 7 {
                *byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        })
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .fold(0, |number: usize, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            out.push(if at <= chunk.len() {
                char::from(ALPHABET[number >> (18 - 6 * at) & 63])
            } else {
                '='
            });
        }
    }
    out
}

/// What a value stands for: the only bytes that are written so.
fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    let inside = value
        .strip_prefix(b"=?base64?")
        .and_then(|rest| rest.strip_suffix(b"?="));
    let Some(inside) = inside else {
        return value
            .iter()
            .all(|byte| matches!(byte, 9 | 32..=126))
            .then(|| value.to_vec());
    };
    let mut bits = Vec::new();
    for byte in inside.iter().take_while(|byte| **byte != b'=') {
        let place = ALPHABET.iter().position(|letter| letter == byte)?;
        bits.extend((0..6).map(|at| place >> (5 - at) & 1));
    }
    let bytes: Vec<_> = bits
        .chunks_exact(8)
        .map(|bits| {
            bits.iter()
                .fold(0, |byte, bit| byte << 1 | u8::from(*bit == 1))
        })
        .collect();
    (encode(&bytes).as_bytes() == inside).then_some(bytes)
}
