//! A small MCP server over Streamable HTTP that speaks both eras, at `/mcp`, and over HTTP+SSE, at `/sse`.
//!
//! It trusts whoever reaches it, as a server behind a gateway does; it answers in JSON where the client takes JSON, and in an event
//! stream otherwise and for tools that have progress to tell.

mod http_sse;
mod legacy;
mod modern;
mod tools;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::http_server::{self, Body, Handler, HttpServer};

const SERVER_NAME: &str = "testbed";

/// A running server; dropping it ends it.
pub struct McpServer {
    url: String,
    shared: Arc<Shared>,
    _server: HttpServer,
}

#[derive(Default)]
struct Shared {
    requests: AtomicUsize,
    sessions: Mutex<BTreeMap<String, legacy::Session>>,
    streams: Mutex<BTreeMap<String, http_sse::Events>>,
}

impl McpServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<Self> {
        let (listener, address) = http_server::bind().await?;
        let shared = Arc::<Shared>::default();
        let server = HttpServer::serve(listener, shared.clone());
        Ok(Self {
            url: format!("http://{address}/mcp"),
            shared,
            _server: server,
        })
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its streams of HTTP+SSE begin.
    pub fn sse_url(&self) -> String {
        let origin = self.url.trim_end_matches("/mcp");
        format!("{origin}{}", http_sse::STREAM)
    }

    /// How many HTTP requests it has had.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, legacy::Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<String, http_sse::Events>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Shared {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !is_near(&request) {
            return http_server::plain(403, "pages from elsewhere have no business here");
        }
        match request.uri().path() {
            "/mcp" => {}
            http_sse::STREAM | http_sse::MESSAGES => return http_sse::answer(&self, &request),
            _ => return http_server::plain(404, "the endpoint is /mcp"),
        }
        match *request.method() {
            Method::POST => {
                let Ok(message) = serde_json::from_slice::<Value>(request.body()) else {
                    return http_server::json(400, &error(&Value::Null, -32700, "not JSON"));
                };
                if !message.is_object() {
                    return http_server::json(400, &error(&Value::Null, -32600, "not one message"));
                }
                if !accepts(&request, "application/json") && !accepts(&request, "text/event-stream")
                {
                    return http_server::plain(406, "neither JSON nor an event stream is accepted");
                }
                if modern::speaks(&request, &message) {
                    modern::post(&request, &message)
                } else {
                    legacy::post(&self, &request, &message)
                }
            }
            Method::GET => legacy::get(&self, &request),
            Method::DELETE => legacy::delete(&self, &request),
            _ => {
                let mut response = http_server::plain(405, "POST, GET or DELETE");
                response
                    .headers_mut()
                    .insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
                response
            }
        }
    }
}

/// A message, with what all methods need to know of it.
struct Call<'m> {
    /// `null` for a notification.
    id: Value,
    method: Option<&'m str>,
    params: &'m Value,
    takes_json: bool,
    takes_events: bool,
}

impl<'m> Call<'m> {
    fn new(request: &Request<Bytes>, message: &'m Value) -> Self {
        Self {
            id: message.get("id").cloned().unwrap_or_default(),
            method: message.get("method").and_then(Value::as_str),
            params: message.get("params").unwrap_or(&Value::Null),
            takes_json: accepts(request, "application/json"),
            takes_events: accepts(request, "text/event-stream"),
        }
    }

    fn tool(&self) -> &'m str {
        self.params
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn arguments(&self) -> &'m Value {
        self.params.get("arguments").unwrap_or(&Value::Null)
    }

    /// The answer, in whichever form is accepted.
    fn answer(&self, message: &Value) -> Response<Body> {
        if self.takes_json {
            return http_server::json(200, message);
        }
        let (chunks, body) = mpsc::channel(1);
        // there is room for one, and it is empty
        let _ = chunks.try_send(event(message));
        event_stream(body)
    }

    /// Progress, step by step, and then the answer; for who takes no events, the answer alone. Stops when the client leaves.
    fn answer_slowly(&self, steps: u64, result: fn(&Value, Value) -> Value) -> Response<Body> {
        let id = self.id.clone();
        let token = self
            .params
            .get("_meta")
            .and_then(|meta| meta.get("progressToken"));
        let token = token.filter(|_| self.takes_events).cloned();
        let last = if self.takes_events {
            event
        } else {
            |message: &Value| message.to_string().into()
        };
        let (chunks, body) = mpsc::channel(1);
        tokio::spawn(async move {
            for step in 1..=steps {
                tokio::select! {
                    () = tools::work() => {}
                    () = chunks.closed() => return,
                }
                let Some(token) = &token else { continue };
                let progress = json!({
                    "jsonrpc": "2.0",
                    "method": "notifications/progress",
                    "params": {"progressToken": token, "progress": step, "total": steps},
                });
                if chunks.send(event(&progress)).await.is_err() {
                    return;
                }
            }
            // nobody is left to tell if this fails
            let _ = chunks.send(last(&result(&id, tools::done(steps)))).await;
        });
        if self.takes_events {
            return event_stream(body);
        }
        let mut response = http_server::json(200, &Value::Null);
        *response.body_mut() = Body::Stream(body);
        response
    }
}

fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// An error without id if the request had none that could be read.
fn error(id: &Value, code: i32, words: &str) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "error": {"code": code, "message": words}});
    if let (false, Some(members)) = (id.is_null(), message.as_object_mut()) {
        members.insert("id".into(), id.clone());
    }
    message
}

fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

fn event_stream(chunks: mpsc::Receiver<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Stream(chunks));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // for proxies that would collect the events (TM-8)
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn header<'r>(request: &'r Request<Bytes>, name: &str) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

fn accepts(request: &Request<Bytes>, media_type: &str) -> bool {
    let Some(accepted) = header(request, "accept") else {
        return true;
    };
    accepted.split(',').any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*" || range.eq_ignore_ascii_case(media_type)
    })
}

/// No origin, or one on this machine: against pages that reach for local servers (TM-4).
fn is_near(request: &Request<Bytes>) -> bool {
    match request.headers().get(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let url = origin
                .to_str()
                .ok()
                .and_then(|origin| Url::parse(origin).ok());
            let host = url.as_ref().and_then(Url::host_str);
            matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
        }
    }
}

#[cfg(test)]
mod tests;
