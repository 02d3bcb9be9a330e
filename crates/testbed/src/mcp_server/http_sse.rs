//! The transport of 2024-11-05: a stream at `/sse`, messages posted to the address that its first event names.

use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::tools::{self, Outcome};
use super::{Call, SERVER_NAME, Shared, error, event, event_stream, result};
use crate::http_server::{self, Body};
use crate::idp::random_id;

pub(super) const STREAM: &str = "/sse";
pub(super) const MESSAGES: &str = "/messages";
const VERSION: &str = "2024-11-05";
/// Streams at once; one more ends another.
const STREAMS: usize = 1000;
/// Events that wait for a client who does not read.
const WAITING: usize = 64;

/// Where the events of one session go. Gone when the client has left.
pub(super) type Events = mpsc::Sender<Bytes>;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Response<Body> {
    match (request.uri().path(), request.method()) {
        (STREAM, &Method::GET) => stream(shared),
        (MESSAGES, &Method::POST) => message(shared, request),
        _ => http_server::plain(405, "GET the stream, POST messages"),
    }
}

fn stream(shared: &Shared) -> Response<Body> {
    let (events, body) = mpsc::channel(WAITING);
    let id = random_id();
    // there is room for it
    let first = format!("event: endpoint\ndata: {MESSAGES}?sessionId={id}\n\n");
    let _ = events.try_send(first.into());
    let mut streams = shared.streams();
    streams.retain(|_, events| !events.is_closed());
    if streams.len() >= STREAMS {
        streams.pop_first();
    }
    streams.insert(id, events);
    event_stream(body)
}

fn message(shared: &Shared, request: &Request<Bytes>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let id = query.strip_prefix("sessionId=").unwrap_or_default();
    let Some(events) = shared.streams().get(id).cloned() else {
        return http_server::plain(404, "Session not found");
    };
    let Ok(message) = serde_json::from_slice::<Value>(request.body()) else {
        return http_server::plain(400, "not JSON");
    };
    let call = Call::new(request, &message);
    if !call.id.is_null() && call.method.is_some() {
        reply(&call, request, events);
    }
    http_server::plain(202, "Accepted")
}

/// Puts the answer onto the stream.
fn reply(call: &Call<'_>, request: &Request<Bytes>, events: Events) {
    let id = call.id.clone();
    let answer = match call.method.unwrap_or_default() {
        "initialize" => result(
            &id,
            &json!({
                "protocolVersion": VERSION,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": SERVER_NAME, "version": env!("CARGO_PKG_VERSION")},
            }),
        ),
        "ping" => result(&id, &json!({})),
        "tools/list" => result(&id, &json!({"tools": tools::list()})),
        "tools/call" => match tools::call(call.tool(), call.arguments(), request.headers()) {
            Outcome::Now(outcome) => result(&id, &outcome),
            Outcome::Unknown => error(&id, -32602, "no such tool"),
            Outcome::Steps(steps) => {
                tokio::spawn(async move {
                    for _ in 0..steps {
                        tools::work().await;
                    }
                    // nobody is left to tell if this fails
                    let _ = events.send(event(&result(&id, &tools::done(steps)))).await;
                });
                return;
            }
        },
        _ => error(&id, -32601, "no such method"),
    };
    // a client that does not read misses it
    let _ = events.try_send(event(&answer));
}
