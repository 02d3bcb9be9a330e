//! 2026-07-28: no handshake, no session; every request says all about itself, in its body and again in its headers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Request, Response};
use mcp::sse::KEEPALIVE;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::tools::{self, Outcome};
use super::{Call, SERVER_NAME, error, event, event_stream, header, result};
use crate::http_server::{self, Body};

pub(super) const VERSION: &str = "2026-07-28";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// How often a subscription that has nothing to say says so.
const PULSE: Duration = Duration::from_secs(15);
/// How long a client may keep a list, in milliseconds.
const TTL: u64 = 60_000;

/// Whether a message is of this era: it says which version it speaks, in its body or by naming this one in its header.
pub(super) fn speaks(request: &Request<Bytes>, message: &Value) -> bool {
    version_in_body(message).is_some() || header(request, "mcp-protocol-version") == Some(VERSION)
}

/// A POST of one message.
pub(super) fn post(request: &Request<Bytes>, message: &Value) -> Response<Body> {
    let call = Call::new(request, message);
    if call.id.is_null() {
        return http_server::plain(202, "");
    }
    if let Some((code, words)) = mismatch(request, message, &call) {
        return http_server::json(400, &error(&call.id, code, words));
    }
    let version = version_in_body(message).unwrap_or_default();
    if version != VERSION {
        let mut refusal = error(&call.id, -32022, "unsupported protocol version");
        if let Some(error) = refusal.get_mut("error").and_then(Value::as_object_mut) {
            error.insert(
                "data".into(),
                json!({"supported": [VERSION], "requested": version}),
            );
        }
        return http_server::json(400, &refusal);
    }
    match call.method.unwrap_or_default() {
        "server/discover" => call.answer(&complete(
            &call.id,
            json!({"supportedVersions": [VERSION], "capabilities": {"tools": {}}, "ttlMs": TTL, "cacheScope": "public"}),
        )),
        "tools/list" => {
            call.answer(&complete(&call.id, json!({"tools": tools::list(), "ttlMs": TTL, "cacheScope": "public"})))
        }
        "tools/call" => match tools::call(call.tool(), call.arguments(), request.headers()) {
            Outcome::Now(outcome) => call.answer(&complete(&call.id, outcome)),
            Outcome::Steps(steps) => call.answer_slowly(steps, complete),
            Outcome::Unknown => call.answer(&error(&call.id, -32602, "no such tool")),
        },
        "subscriptions/listen" => listen(&call),
        _ => http_server::json(404, &error(&call.id, -32601, "no such method")),
    }
}

/// A stream on which nothing will ever happen: there is nothing here that changes.
fn listen(call: &Call) -> Response<Body> {
    let acknowledged = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": {META_SUBSCRIPTION: call.id}, "notifications": {}},
    });
    let (chunks, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut chunk = event(&acknowledged);
        while chunks.send(chunk).await.is_ok() {
            chunk = Bytes::from_static(KEEPALIVE);
            tokio::select! {
                () = tokio::time::sleep(PULSE) => {}
                () = chunks.closed() => return,
            }
        }
    });
    event_stream(body)
}

/// A result as this era wants it: complete, and with the name of the server.
fn complete(id: &Value, mut outcome: Value) -> Value {
    if let Some(members) = outcome.as_object_mut() {
        members.insert("resultType".into(), "complete".into());
        let server = json!({"name": SERVER_NAME, "version": env!("CARGO_PKG_VERSION")});
        members.insert("_meta".into(), json!({META_SERVER: server}));
    }
    result(id, &outcome)
}

/// What the headers say must be what the body says (HDR-3), and what must be there must be there (VER-1).
fn mismatch(request: &Request<Bytes>, message: &Value, call: &Call) -> Option<(i32, &'static str)> {
    let capabilities = call
        .params
        .get("_meta")
        .and_then(|meta| meta.get(META_CAPABILITIES));
    let Some(version) = version_in_body(message).filter(|_| capabilities.is_some()) else {
        return Some((
            -32602,
            "protocolVersion and clientCapabilities must be in _meta",
        ));
    };
    if header(request, "mcp-protocol-version") != Some(version) {
        return Some((-32020, "MCP-Protocol-Version is not what the body says"));
    }
    if header(request, "mcp-method") != call.method {
        return Some((-32020, "Mcp-Method is not what the body says"));
    }
    let name = match call.method {
        Some("tools/call" | "prompts/get") => call.params.get("name"),
        Some("resources/read") => call.params.get("uri"),
        _ => return None,
    };
    let said = header(request, "mcp-name").and_then(plain);
    (said.as_deref() != name.and_then(Value::as_str))
        .then_some((-32020, "Mcp-Name is not what the body says"))
}

/// A header value without its Base64 wrapping, if it has one (HDR-7).
fn plain(value: &str) -> Option<String> {
    match value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn version_in_body(message: &Value) -> Option<&str> {
    message
        .get("params")?
        .get("_meta")?
        .get(META_VERSION)?
        .as_str()
}
