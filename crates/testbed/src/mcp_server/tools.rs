//! The tools, the same in both eras.

use std::time::Duration;

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

/// Bounds of what `slow` may be asked for.
const STEPS: u64 = 20;
const STEP: Duration = Duration::from_millis(100);

/// What a call comes to.
pub(super) enum Outcome {
    /// A result that is known now.
    Now(Value),
    /// A result after this many steps, each worth a progress notification.
    Steps(u64),
    /// There is no such tool.
    Unknown,
}

/// All tools, in the order in which they are listed.
pub(super) fn list() -> Value {
    let tool = |name: &str, description: &str, properties: Value, required: &[&str]| {
        json!({
            "name": name,
            "description": description,
            "inputSchema": {"type": "object", "properties": properties, "required": required},
        })
    };
    json!([
        tool(
            "echo",
            "says it again",
            json!({"message": {"type": "string"}}),
            &["message"]
        ),
        tool(
            "add",
            "adds two numbers",
            json!({"a": {"type": "number"}, "b": {"type": "number"}}),
            &["a", "b"]
        ),
        tool(
            "whoami",
            "tells which identity headers came with the call",
            json!({}),
            &[]
        ),
        tool(
            "slow",
            "takes its time and tells how far it is",
            json!({"steps": {"type": "integer", "minimum": 1, "maximum": STEPS}}),
            &[]
        ),
    ])
}

/// Calls a tool.
pub(super) fn call(name: &str, arguments: &Value, headers: &HeaderMap) -> Outcome {
    let number = |name: &str| arguments.get(name).and_then(Value::as_f64);
    match name {
        "echo" => match arguments.get("message").and_then(Value::as_str) {
            Some(message) => said(message),
            None => wrong("message must be a string"),
        },
        "add" => match (number("a"), number("b")) {
            (Some(a), Some(b)) => said(&(a + b).to_string()),
            _ => wrong("a and b must be numbers"),
        },
        "whoami" => {
            let identity = Value::Object(identity(headers));
            let text = serde_json::to_string_pretty(&identity).unwrap_or_default();
            Outcome::Now(
                json!({"content": [{"type": "text", "text": text}], "structuredContent": identity}),
            )
        }
        "slow" => match arguments.get("steps").map_or(Some(3), Value::as_u64) {
            Some(steps @ 1..=STEPS) => Outcome::Steps(steps),
            _ => wrong("steps must be a whole number from 1 to 20"),
        },
        _ => Outcome::Unknown,
    }
}

/// One step of the work.
pub(super) async fn work() {
    tokio::time::sleep(STEP).await;
}

/// What `slow` says in the end.
pub(super) fn done(steps: u64) -> Value {
    json!({"content": [{"type": "text", "text": format!("done in {steps} steps")}]})
}

fn said(text: &str) -> Outcome {
    Outcome::Now(json!({"content": [{"type": "text", "text": text}]}))
}

/// The model called the tool in a wrong way and may try again: a result, not a protocol error.
fn wrong(text: &str) -> Outcome {
    Outcome::Now(json!({"content": [{"type": "text", "text": text}], "isError": true}))
}

/// What a gateway said about the caller. A credential is named, never shown: none should ever come this far.
fn identity(headers: &HeaderMap) -> Map<String, Value> {
    let mut identity = Map::new();
    for (name, value) in headers {
        let name = name.as_str();
        if name.starts_with("x-auth-")
            || name.starts_with("x-forwarded-")
            || matches!(name, "x-request-id" | "via")
        {
            identity.insert(
                name.to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            );
        } else if matches!(name, "authorization" | "cookie" | "x-api-key") {
            identity.insert(name.to_owned(), "a credential came through".into());
        }
    }
    identity
}
