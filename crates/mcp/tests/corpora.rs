//! The inputs that fuzzing found worth keeping (`tests/fuzz`), once more, with the same checks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a check that cannot go on has failed"
)]

use std::path::Path;

#[path = "corpora/call.rs"]
mod call;
#[path = "corpora/headers.rs"]
mod headers;
#[path = "corpora/listing.rs"]
mod listing;
#[path = "corpora/message.rs"]
mod message;
#[path = "corpora/sse.rs"]
mod sse;

fn replay(target: &str, check: fn(&[u8])) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/fuzz/corpus/{target}.txt"));
    let inputs = std::fs::read_to_string(file).unwrap();
    assert!(inputs.lines().count() > 100, "the corpus is there");
    for line in inputs.lines() {
        let input = unescaped(line);
        let held = std::panic::catch_unwind(|| check(&input));
        assert!(held.is_ok(), "{line}");
    }
}

/// Bytes that are not printable stand there as `%XX`.
fn unescaped(line: &str) -> Vec<u8> {
    let mut parts = line.split('%').map(str::as_bytes);
    let mut bytes = parts.next().unwrap().to_vec();
    for part in parts {
        let escape = str::from_utf8(&part[..2]).unwrap();
        bytes.push(u8::from_str_radix(escape, 16).unwrap());
        bytes.extend(&part[2..]);
    }
    bytes
}

#[test]
fn sec_53_the_corpus_of_bodies_holds() {
    replay("message", message::check);
}

#[test]
fn sec_53_the_corpus_of_calls_holds() {
    replay("call", call::check);
}

#[test]
fn sec_58_the_corpus_of_headers_holds() {
    replay("headers", headers::check);
}

#[test]
fn sec_57_the_corpus_of_lists_holds() {
    replay("listing", listing::check);
}

#[test]
fn sec_56_the_corpus_of_event_streams_holds() {
    replay("sse", sse::check);
}
