//! The gateway's reading beside that of other programs: what one of them takes for a call, the gateway has seen as well, or refused
//! the body (SEC-53, X11).
//!
//! The readers are `serde_json` with the last of two keys, `JSON.parse` of Node, Python's `json`, models of readers that find keys in other ways
//! (`readers/read.py`), and `encoding/json` itself where there is a Go.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test can do nothing with an error but fail, in what its functions share too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp::message::Unreadable;
use mcp::operation::{Called, Operation};
use serde_json::Value;

/// A method and what it uses.
type Call = (String, String);

/// One entry of `odd_bodies.txt`.
struct Odd {
    why: String,
    verdict: String,
    body: Vec<u8>,
}

fn odd_bodies() -> Vec<Odd> {
    let blocks = include_str!("odd_bodies.txt").split("\n\n").skip(1);
    let odd = blocks.map(|block| {
        let lines: Vec<_> = block.trim_matches('\n').split('\n').collect();
        let [why, verdict, body] = lines[..] else {
            panic!("three lines: {block}")
        };
        Odd {
            why: why.strip_prefix("# ").unwrap().to_owned(),
            verdict: verdict.to_owned(),
            body: unescaped(body),
        }
    });
    odd.collect()
}

/// The bytes that an entry stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap().as_bytes());
    while let Some(part) = parts.next() {
        if let Some(count) = part.strip_prefix('{') {
            if let Some((count, rest)) = count
                .split_once('}')
                .filter(|(count, _)| !count.contains(':'))
            {
                let members = (0..count.parse().unwrap()).map(|n: usize| format!(r#""m{n}":0"#));
                bytes.extend(members.collect::<Vec<_>>().join(",").as_bytes());
                bytes.extend(rest.as_bytes());
            } else {
                let (count, repeated) = count.split_once(':').unwrap();
                bytes.extend(repeated.repeat(count.parse().unwrap()).as_bytes());
                bytes.extend(parts.next().unwrap().strip_prefix('}').unwrap().as_bytes());
            }
        } else {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend(&part.as_bytes()[2..]);
        }
    }
    bytes
}

/// The calls that the gateway sees, or why it refuses.
fn gateway(body: &[u8]) -> Result<Vec<Call>, Unreadable> {
    let read = mcp::message::read(body)?;
    let calls = read.messages.iter().filter_map(|message| {
        let used = match message.operation() {
            Operation::Call(Called::Tool(name) | Called::Prompt(name) | Called::Resource(name)) => {
                name
            }
            Operation::Handshake | Operation::List(_) | Operation::Response | Operation::Other => {
                return None;
            }
        };
        Some((message.method.clone().into_owned(), used.to_owned()))
    });
    Ok(calls.collect())
}

/// What the table says of a body.
fn verdict(body: &[u8]) -> String {
    match gateway(body) {
        Err(why) => format!("refused, {why}"),
        Ok(calls) if calls.is_empty() => "no call".to_owned(),
        Ok(calls) => {
            let mut text = String::new();
            for (method, name) in calls.iter().take(3) {
                let name: String = name.chars().take(30).collect();
                write!(text, "{method} {name:?}; ").unwrap();
            }
            text.trim_end_matches("; ").to_owned()
        }
    }
}

/// `serde_json`'s own values, of which the last of two equal keys counts.
fn last_wins(body: &[u8]) -> Vec<Call> {
    fn see(value: &Value, calls: &mut Vec<Call>) {
        if let Value::Array(elements) = value {
            for element in elements {
                see(element, calls);
            }
        }
        let used = match value["method"].as_str() {
            Some("tools/call" | "prompts/get") => &value["params"]["name"],
            Some("resources/read") => &value["params"]["uri"],
            _ => return,
        };
        if let Some(used) = used.as_str() {
            calls.push((
                value["method"].as_str().unwrap().to_owned(),
                used.to_owned(),
            ));
        }
    }
    let mut calls = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        see(&value, &mut calls);
    }
    calls
}

/// What a program of `readers/` sees in each body, with the name of the reader.
fn others(program: &str, arguments: &[&str], bodies: &[Vec<u8>]) -> Vec<Vec<(String, Call)>> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut lines = child.stdin.take().unwrap();
    let sent: String = bodies
        .iter()
        .map(|body| STANDARD.encode(body) + "\n")
        .collect();
    let sender = std::thread::spawn(move || lines.write_all(sent.as_bytes()));
    let output = child.wait_with_output().unwrap();
    sender.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    let output = String::from_utf8(output.stdout).unwrap();
    let seen = output.lines().map(|line| {
        let calls: Vec<[String; 3]> = serde_json::from_str(line).unwrap();
        let named =
            |[reader, method, name]: [String; 3]| (format!("{program}: {reader}"), (method, name));
        calls.into_iter().map(named).collect()
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen.len(), bodies.len(), "{program} answers for each body");
    seen
}

/// Every call that any reader sees, for each body.
fn all_others(bodies: &[Vec<u8>]) -> Vec<Vec<(String, Call)>> {
    let mut all: Vec<_> = bodies
        .iter()
        .map(|body| {
            last_wins(body)
                .into_iter()
                .map(|call| ("serde_json".to_owned(), call))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut programs = vec![("node", &["read.js"][..]), ("python3", &["-B", "read.py"])];
    if Command::new("go").arg("version").output().is_ok() {
        programs.push(("go", &["run", "read.go"]));
    }
    for (program, arguments) in programs {
        for (all, more) in all.iter_mut().zip(others(program, arguments, bodies)) {
            all.extend(more);
        }
    }
    all
}

/// What a reader saw and the gateway neither saw nor refused.
fn exceptions(bodies: &[Vec<u8>], seen: &[Vec<(String, Call)>]) -> Vec<String> {
    let mut exceptions = Vec::new();
    for (body, seen) in bodies.iter().zip(seen) {
        let Ok(known) = gateway(body) else { continue };
        for (reader, call) in seen {
            if !known.contains(call) {
                let body = String::from_utf8_lossy(body);
                exceptions.push(format!(
                    "{reader} sees {call:?}, the gateway {known:?}: {body}"
                ));
            }
        }
    }
    exceptions
}

#[test]
fn sec_53_x11_whatever_any_reader_takes_for_a_call_the_gateway_sees_or_refuses() {
    let odd = odd_bodies();
    assert!(odd.len() >= 300, "{}", odd.len());
    let bodies: Vec<_> = odd.iter().map(|odd| odd.body.clone()).collect();
    assert_eq!(
        bodies.iter().collect::<BTreeSet<_>>().len(),
        bodies.len(),
        "each one once"
    );

    let seen = all_others(&bodies);
    assert_eq!(exceptions(&bodies, &seen), [] as [String; 0]);

    // each reader reads, and each but the strictest is fooled by something that the gateway refuses
    let mut by_reader: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (body, seen) in bodies.iter().zip(&seen) {
        let refused = gateway(body).is_err();
        for reader in seen
            .iter()
            .map(|(reader, _)| &**reader)
            .collect::<BTreeSet<_>>()
        {
            let (calls, fooled) = by_reader.entry(reader).or_default();
            *calls += 1;
            *fooled += u32::from(refused);
        }
    }
    println!("{by_reader:#?}");
    for reader in [
        "serde_json",
        "node: JSON.parse",
        "python3: last",
        "python3: Go",
        "python3: C",
    ] {
        let (calls, fooled) = by_reader[reader];
        assert!(
            calls > 60 && fooled > 10,
            "{reader} sees {calls}, {fooled} of them in refused bodies"
        );
    }
}

#[test]
fn sec_53_what_the_gateway_makes_of_each_odd_body() {
    let wrong: Vec<_> = odd_bodies()
        .iter()
        .filter(|odd| verdict(&odd.body) != odd.verdict)
        .map(|odd| {
            format!(
                "{}: {} and not {}",
                odd.why,
                verdict(&odd.body),
                odd.verdict
            )
        })
        .collect();
    assert_eq!(wrong, [] as [String; 0]);
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

/// What tells readers apart, when it stands in the wrong place.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "null",
    "\"name\":\"x\",",
    "\"Name\":\"x\",",
    "\"method\":\"tools/call\",",
    "\"params\":{\"name\":\"x\"},",
    "\\u0000",
    "\\ud800",
    "\u{17F}",
    "\u{FEFF}",
    "\0",
    "\n",
    " ",
    "_",
    "/**/",
    "[{\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}],",
    "\"_meta\":{},",
];

/// A body with one to three changes: something put in, taken out, doubled, or written in the other case.
fn changed(body: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=numbers.below(2) {
        // mostly where a member may stand, or nearly everything would be no JSON any more
        let mut at = numbers.below(body.len() + 1);
        if numbers.below(4) > 0 {
            let members = body
                .iter()
                .skip(at)
                .position(|byte| matches!(byte, b'{' | b','));
            at = members.map_or(at, |more| at + more + 1);
        }
        let length = numbers.below(12).min(body.len() - at);
        match numbers.below(6) {
            0..=2 => _ = body.splice(at..at, PIECES[numbers.below(PIECES.len())].bytes()),
            3 => _ = body.drain(at..at + length),
            4 => body.extend_from_within(at..at + length),
            _ => body[at..at + length].iter_mut().for_each(|byte| {
                if byte.is_ascii_alphabetic() {
                    *byte ^= 0x20;
                }
            }),
        }
    }
    body
}

#[test]
fn sec_53_x11_nor_does_any_change_of_an_odd_body_make_an_exception() {
    let odd: Vec<_> = odd_bodies()
        .into_iter()
        .filter(|odd| odd.body.len() < 1000)
        .collect();
    let mut numbers = Numbers(0x5EED);
    let bodies: Vec<_> = (0..6_000)
        .map(|n: usize| changed(&odd[n % odd.len()].body, &mut numbers))
        .collect();
    let read = bodies
        .iter()
        .filter(|body| gateway(body).is_ok_and(|calls| !calls.is_empty()))
        .count();
    assert!(read > 100, "some are still calls: {read}");
    assert_eq!(exceptions(&bodies, &all_others(&bodies)), [] as [String; 0]);
}
