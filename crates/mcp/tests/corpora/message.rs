//! Any bytes: what is accepted, `serde_json`'s own values say as well, and no key is there that some reader would take for another.

use std::collections::BTreeMap;

use mcp::message::{self, Kind, MAX_BATCH, MAX_ID, Message, Unreadable};
use serde_json::Value;

/// What the gateway makes of a body is right.
pub(crate) fn check(body: &[u8]) {
    let valid: Result<Value, _> = serde_json::from_slice(body);
    let read = match message::read(body) {
        Ok(read) => read,
        Err(Unreadable::Ambiguous(_)) => return,
        Err(Unreadable::NotJson(why)) => return assert!(valid.is_err(), "this is JSON: {why}"),
    };
    let whole = match valid {
        Ok(whole) => whole,
        // values have limits that texts do not have
        Err(error) => {
            let why = error.to_string();
            assert!(
                why.contains("out of range") || why.contains("recursion"),
                "{why}"
            );
            return;
        }
    };
    assert!((1..=MAX_BATCH).contains(&read.messages.len()));
    assert_eq!(read.batch, whole.is_array());
    let values = whole
        .as_array()
        .map_or(std::slice::from_ref(&whole), Vec::as_slice);
    assert_eq!(read.messages.len(), values.len());
    for (message, value) in read.messages.iter().zip(values) {
        one(message, value);
        assert!(!read.batch || message.method != "initialize");
    }
}

fn one(message: &Message<'_>, value: &Value) {
    let params = &value["params"];
    let meta = &params["_meta"];
    let is_call = value.get("method").is_some();
    assert_eq!(message.kind == Kind::Response, !is_call);
    assert_eq!(
        message.kind == Kind::Request,
        is_call && value.get("id").is_some()
    );
    let answers = value.get("result").is_some() || value.get("error").is_some();
    assert_ne!(is_call, answers);
    if is_call {
        assert_eq!(Some(&*message.method), value["method"].as_str());
        assert!(message.method.bytes().all(|byte| byte.is_ascii_graphic()));
    } else {
        assert_eq!(message.method, "");
    }
    assert!(params.is_object() || params.is_null());
    assert!(meta.is_object() || meta.is_null());
    for (seen, value) in [
        (&message.name, params.get("name")),
        (&message.uri, params.get("uri")),
        (&message.task_id, params.get("taskId")),
        (
            &message.version,
            meta.get("io.modelcontextprotocol/protocolVersion"),
        ),
    ] {
        assert_eq!(seen.as_deref(), value.and_then(Value::as_str));
        assert_eq!(seen.is_some(), value.is_some());
    }
    let id: Option<Value> = message
        .id
        .map(|id| serde_json::from_str(id).expect("an id is JSON"));
    assert_eq!(id.as_ref(), value.get("id"));
    assert!(message.id.is_none_or(|id| id.len() <= MAX_ID));
    assert!(!id.is_some_and(|id| id.is_array() || id.is_object() || id.is_boolean()));
    let judged = ["jsonrpc", "method", "params", "id", "result", "error"];
    no_likeness(value, &judged);
    no_likeness(params, &["name", "uri", "taskId", "_meta"]);
    no_likeness(meta, &["io.modelcontextprotocol/protocolVersion"]);
}

/// No two keys are the same to the most lenient reader, where one of them decides something.
fn no_likeness(object: &Value, judged: &[&str]) {
    let folded = |key: &str| -> String {
        let key = key
            .split('\0')
            .next()
            .unwrap_or_default()
            .replace(['_', '-'], "");
        key.chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect()
    };
    let mut seen = BTreeMap::new();
    for key in object
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys())
    {
        seen.entry(folded(key)).or_insert_with(Vec::new).push(key);
    }
    for word in judged {
        let like = seen.get(&folded(word)).map_or(&[][..], Vec::as_slice);
        assert!(like.iter().all(|key| key == word), "{like:?} beside {word}");
    }
}
