//! The eras with a handshake: `initialize`, sessions, a stream by GET.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use mcp::sse::KEEPALIVE;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::tools::{self, Outcome};
use super::{Call, SERVER_NAME, Shared, accepts, error, event_stream, header, result};
use crate::http_server::{self, Body};
use crate::idp::random_id;

/// The newest first: what a client gets that asks for another one.
const VERSIONS: [&str; 2] = ["2025-11-25", "2025-06-18"];
/// Sessions at once; one more ends another.
const SESSIONS: usize = 1000;
/// How often a stream that has nothing to say says so.
const PULSE: Duration = Duration::from_secs(15);

/// Dropped when the session ends, which ends its streams.
pub(super) type Session = watch::Sender<()>;

/// A POST of one message.
pub(super) fn post(shared: &Shared, request: &Request<Bytes>, message: &Value) -> Response<Body> {
    let call = Call::new(request, message);
    if call.method == Some("initialize") {
        return initialize(shared, &call);
    }
    if let Some(refusal) = refuse(shared, request, &call.id) {
        return refusal;
    }
    // notifications, and answers to requests that we never make
    if call.id.is_null() || call.method.is_none() {
        return http_server::plain(202, "");
    }
    match call.method.unwrap_or_default() {
        "ping" => call.answer(&result(&call.id, &json!({}))),
        "tools/list" => call.answer(&result(&call.id, &json!({"tools": tools::list()}))),
        "tools/call" => match tools::call(call.tool(), call.arguments(), request.headers()) {
            Outcome::Now(outcome) => call.answer(&result(&call.id, &outcome)),
            Outcome::Steps(steps) => call.answer_slowly(steps, |id, outcome| result(id, &outcome)),
            Outcome::Unknown => call.answer(&error(&call.id, -32602, "no such tool")),
        },
        _ => call.answer(&error(&call.id, -32601, "no such method")),
    }
}

/// The stream for what the server has to say by itself, which is nothing but that it is there.
pub(super) fn get(shared: &Shared, request: &Request<Bytes>) -> Response<Body> {
    if let Some(refusal) = refuse(shared, request, &Value::Null) {
        return refusal;
    }
    if !accepts(request, "text/event-stream") {
        return http_server::plain(406, "this is an event stream");
    }
    let session = header(request, "mcp-session-id").unwrap_or_default();
    let Some(mut over) = shared.sessions().get(session).map(watch::Sender::subscribe) else {
        return unknown(&Value::Null);
    };
    let (chunks, body) = mpsc::channel(1);
    tokio::spawn(async move {
        while chunks.send(Bytes::from_static(KEEPALIVE)).await.is_ok() {
            tokio::select! {
                () = tokio::time::sleep(PULSE) => {}
                // the session is over when its sender is gone
                _ = over.changed() => return,
                () = chunks.closed() => return,
            }
        }
    });
    event_stream(body)
}

/// The end of a session.
pub(super) fn delete(shared: &Shared, request: &Request<Bytes>) -> Response<Body> {
    if let Some(refusal) = refuse(shared, request, &Value::Null) {
        return refusal;
    }
    shared
        .sessions()
        .remove(header(request, "mcp-session-id").unwrap_or_default());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn initialize(shared: &Shared, call: &Call) -> Response<Body> {
    let asked = call
        .params
        .get("protocolVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let [newest, ..] = VERSIONS;
    let version = VERSIONS
        .into_iter()
        .find(|version| *version == asked)
        .unwrap_or(newest);
    let mut response = call.answer(&result(
        &call.id,
        &json!({
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": SERVER_NAME, "version": env!("CARGO_PKG_VERSION")},
        }),
    ));
    let id = random_id();
    if let Ok(value) = HeaderValue::try_from(id.as_str()) {
        response.headers_mut().insert("mcp-session-id", value);
    }
    let mut sessions = shared.sessions();
    if sessions.len() >= SESSIONS {
        sessions.pop_first();
    }
    sessions.insert(id, watch::Sender::new(()));
    response
}

/// Why nothing can be done for this request: no session, one we do not know, a version we do not speak.
fn refuse(shared: &Shared, request: &Request<Bytes>, id: &Value) -> Option<Response<Body>> {
    let Some(session) = header(request, "mcp-session-id") else {
        return Some(http_server::json(
            400,
            &error(id, -32600, "Mcp-Session-Id is missing"),
        ));
    };
    if !shared.sessions().contains_key(session) {
        return Some(unknown(id));
    }
    let version = header(request, "mcp-protocol-version");
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return Some(http_server::json(
            400,
            &error(id, -32600, "this MCP-Protocol-Version is not spoken here"),
        ));
    }
    None
}

/// On this the client begins anew (TL-4).
fn unknown(id: &Value) -> Response<Body> {
    http_server::json(404, &error(id, -32001, "no such session"))
}
