//! Clients: one for ordinary requests, one for whatever can be put on a wire, one for HTTP/2, and a browser that logs in.
//!
//! For tests: whatever cannot be done within [`PATIENCE`] panics and says what was waited for.
#![expect(
    clippy::missing_panics_doc,
    reason = "said once, above: a test can do nothing with an error but fail"
)]

mod answer;
pub mod browser;
pub mod h2;
mod raw;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::answer::{Answer, Challenge};
pub use self::raw::{Connection, Event, Stream, send_raw};
use crate::proof::Proof;
pub use crate::wire::Headers;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something, not for ever.
pub(crate) async fn patiently<T>(what: &str, deed: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, deed).await;
    done.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// Sends requests to one address, each on a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    host: String,
}

/// A request in the making. Nothing is added that was not asked for but `Host` and, with a body, `Content-Length`.
#[must_use]
#[derive(Clone, Debug)]
pub struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Client {
    /// A client of this address, which is also the host it names.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
        }
    }

    /// Names another host than the address.
    #[must_use]
    pub fn with_host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A GET request.
    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> Request {
        self.request("POST", target)
    }

    /// A DELETE request.
    pub fn delete(&self, target: &str) -> Request {
        self.request("DELETE", target)
    }

    /// A OPTIONS request.
    pub fn options(&self, target: &str) -> Request {
        self.request("OPTIONS", target)
    }

    /// Any method, any target, as they are written.
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request {
            address: self.address,
            method: method.to_owned(),
            target: target.to_owned(),
            host: Some(self.host.clone()),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A raw connection to the same address.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }
}

impl Request {
    /// `Authorization: Bearer …`; a token builder will do.
    pub fn bearer(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// `Authorization: DPoP …` and the proof that belongs to it (RFC 9449).
    pub fn dpop(self, token: &str, proof: &Proof<'_>) -> Self {
        self.header("Authorization", &format!("DPoP {token}"))
            .header("DPoP", &proof.sign())
    }

    /// One more header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another host than that of the client.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// A body as it is; its type is the caller's business.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A JSON body and its type.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// A JSON-RPC request of MCP, with the headers that clients send.
    pub fn rpc(self, id: u64, method: &str, params: &Value) -> Self {
        self.header("Accept", "application/json, text/event-stream")
            .json(&json!({
                "jsonrpc": "2.0",
                "id": id,
                "method": method,
                "params": params,
            }))
    }

    /// A tool call.
    pub fn call(self, tool: &str, arguments: &Value) -> Self {
        self.rpc(
            1,
            "tools/call",
            &json!({"name": tool, "arguments": arguments}),
        )
    }

    /// The bytes that will be sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        if let Some(host) = &self.host {
            line("Host", host);
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.body.is_empty() || self.method == "POST" {
            line("Content-Length", &self.body.len().to_string());
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Answer {
        self.open().await.finish().await
    }

    /// Sends it and reads the head of the answer, for answers that do not end.
    pub async fn open(self) -> Stream {
        let mut connection = Connection::open(self.address).await;
        connection.write(&self.to_bytes()).await;
        let what = format!("an answer to {} {}", self.method, self.target);
        connection
            .into_stream(self.method == "HEAD")
            .await
            .unwrap_or_else(|| panic!("closed without {what}"))
    }
}
