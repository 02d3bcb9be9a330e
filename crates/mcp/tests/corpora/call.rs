//! A message made of known parts: what policy learns of it is what was put in, or it is refused for a reason that is known too.

use std::fmt::Write as _;

use mcp::message;
use mcp::operation::{Called, Listed, Operation};

const METHODS: [&str; 16] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "initialize",
    "ping",
    "notifications/initialized",
    "server/discover",
    "completion/complete",
    "tasks/cancel",
    "Tools/Call",
    "tools/call ",
    "",
];

/// The lines of the input are: how to write it, the name, a key beside the method, one beside the name, one in `_meta`.
pub(crate) fn check(input: &[u8]) {
    let mut lines = input.splitn(5, |byte| *byte == b'\n');
    let how = lines.next().unwrap_or_default();
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (name, outer, inner, meta) = (text(), text(), text(), text());
    let bit = |at: usize| {
        how.get(at / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    };
    let choice = usize::from(how.first().copied().unwrap_or_default() & 15);
    let method = METHODS.get(choice).copied().unwrap_or_default();
    let (has_name, has_uri, in_batch) = (bit(4), bit(5), bit(6));
    let mut writer = Writer { bits: how, at: 8 };

    let mut params = vec![(inner.clone(), "0".to_owned())];
    params.extend(has_name.then(|| ("name".to_owned(), writer.text(&name))));
    params.extend(has_uri.then(|| ("uri".to_owned(), writer.text(&name))));
    params.push((
        "_meta".to_owned(),
        writer.object(vec![(meta.clone(), "[]".to_owned())]),
    ));
    let members = vec![
        ("method".to_owned(), writer.text(method)),
        (outer.clone(), "{}".to_owned()),
        ("params".to_owned(), writer.object(params)),
        ("id".to_owned(), "7".to_owned()),
    ];
    let one = writer.object(members);
    let body = if in_batch { format!("[{one}]") } else { one };

    let is_refused = plain(&outer, &["method", "params", "id", "result", "error", "jsonrpc"], &["method", "params", "id", "result", "error"])
        || plain(&inner, &["name", "uri", "taskId", "_meta"], PRESENT[usize::from(has_name) * 2 + usize::from(has_uri)])
        || plain(&meta, &["io.modelcontextprotocol/protocolVersion"], &["io.modelcontextprotocol/protocolVersion"])
        // a member of the wrong type
        || ["name", "uri", "taskId"].contains(&&*inner)
        || (has_name || has_uri) && name.contains('\0')
        || choice > 12
        || in_batch && method == "initialize"
        || choice < 2 && !has_name
        || choice == 2 && !has_uri;
    let read = match message::read(body.as_bytes()) {
        Ok(read) => read,
        Err(why) => return assert!(is_refused, "{why}: {body}"),
    };
    assert!(!is_refused, "{body}");
    let expected = match choice {
        0 => Operation::Call(Called::Tool(&name)),
        1 => Operation::Call(Called::Prompt(&name)),
        2 => Operation::Call(Called::Resource(&name)),
        3 => Operation::List(Listed::Tools),
        4 => Operation::List(Listed::Prompts),
        5 => Operation::List(Listed::Resources),
        6 => Operation::List(Listed::ResourceTemplates),
        7..=10 => Operation::Handshake,
        _ => Operation::Other,
    };
    let [message] = &*read.messages else {
        panic!("one message: {body}")
    };
    assert_eq!(message.operation(), expected, "{body}");
    assert_eq!(message.id, Some("7"));
    assert_eq!(read.batch, in_batch);
}

/// The judged keys of `params` that are there already, by whether it has a name and a URI.
const PRESENT: [&[&str]; 4] = [
    &["_meta"],
    &["uri", "_meta"],
    &["name", "_meta"],
    &["name", "uri", "_meta"],
];

/// Whether this key is refused: one that is there already, or that somebody could take for one of ours.
fn plain(key: &str, judged: &[&str], present: &[&str]) -> bool {
    let bare = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let is_judged = judged.contains(&key);
    present.contains(&key)
        || key.chars().any(|c| !(' '..='~').contains(&c))
        || !is_judged && judged.iter().any(|word| bare(word) == bare(key))
}

/// Writes JSON in one of the many ways there are, as bits of the input say.
struct Writer<'b> {
    bits: &'b [u8],
    at: usize,
}

impl Writer<'_> {
    fn next(&mut self) -> bool {
        let byte = self.bits.get(self.at / 8).copied().unwrap_or_default();
        let bit = byte >> (self.at % 8) & 1 == 1;
        self.at += 1;
        bit
    }

    fn space(&mut self) -> &'static str {
        if self.next() { " \t\r\n" } else { "" }
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = String::from("\"");
        for unit in text.chars() {
            let must = matches!(unit, '"' | '\\' | '\0'..='\x1F');
            if self.next() || must {
                for half in unit.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{half:04x}").expect("a string takes everything");
                }
            } else {
                out.push(unit);
            }
        }
        out.push('"');
        out
    }

    /// The members in one of two orders.
    fn object(&mut self, mut members: Vec<(String, String)>) -> String {
        if self.next() {
            members.reverse();
        }
        let members: Vec<_> = members
            .iter()
            .map(|(key, value)| {
                format!("{}{}{}:{value}", self.space(), self.text(key), self.space())
            })
            .collect();
        format!("{}{{{}}}{}", self.space(), members.join(","), self.space())
    }
}
