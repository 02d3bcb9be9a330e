//! What an upstream answers, right and wrong.

use std::time::Duration;

use serde_json::Value;

/// One answer. Whoever makes it decides every byte but `Date`, which is never sent.
#[must_use]
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, String)>,
    pub(super) shape: Shape,
    pub(super) delay: Duration,
    pub(super) early: bool,
    pub(super) then_close: bool,
}

/// How the answer goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// With its length in front.
    Length,
    Chunked,
    /// An event stream that the test writes.
    Events,
    /// The length in front is this, whatever the body is; the connection ends after the body.
    Announced(usize),
    /// The body is the whole answer, head included.
    Raw,
    /// The request is never answered.
    Silence,
    /// The connection ends instead of an answer.
    Close,
}

impl Reply {
    fn new(status: u16, shape: Shape) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
            shape,
            delay: Duration::ZERO,
            early: false,
            then_close: false,
        }
    }

    /// This status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::new(status, Shape::Length)
    }

    /// 200 with a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::status(200)
            .header("Content-Type", "application/json")
            .body(body.to_string())
    }

    /// 200 with an event stream, written through the handle that `Recorder::stream` gives.
    pub fn events() -> Self {
        Self::new(200, Shape::Events)
            .header("Content-Type", "text/event-stream")
            .header("Cache-Control", "no-cache")
    }

    /// The request is read and never answered.
    pub fn silence() -> Self {
        Self::new(200, Shape::Silence)
    }

    /// The request is read and the connection ends.
    pub fn close() -> Self {
        Self::new(200, Shape::Close)
    }

    /// 200 with a longer body announced than sent; then the connection ends.
    pub fn half(announced: usize, sent: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Shape::Announced(announced))
            .header("Content-Type", "application/json")
            .body(sent)
    }

    /// These very bytes, head included.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Shape::Raw).body(bytes)
    }

    /// One more header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks instead of with its length.
    pub fn chunked(mut self) -> Self {
        self.shape = Shape::Chunked;
        self
    }

    /// One more trailer; the body is sent in chunks.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.chunked()
    }

    /// Answers this much later.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers before the body of the request is read.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Ends the connection after the answer, without having said so.
    pub fn then_close(mut self) -> Self {
        self.then_close = true;
        self
    }

    /// Head and body, for a shape that is whole; the head alone for an event stream or the answer to HEAD.
    pub(super) fn to_bytes(&self, to_head: bool) -> Vec<u8> {
        if self.shape == Shape::Raw {
            return self.body.clone();
        }
        let mut text = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                text.push_str(part);
            }
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        match self.shape {
            Shape::Chunked | Shape::Events => line("Transfer-Encoding", "chunked"),
            Shape::Announced(length) => line("Content-Length", &length.to_string()),
            // these statuses have no body, and saying so is an error
            Shape::Length if matches!(self.status, 100..200 | 204 | 304) => {}
            Shape::Length => line("Content-Length", &self.body.len().to_string()),
            Shape::Raw | Shape::Silence | Shape::Close => {}
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        match self.shape {
            _ if to_head => {}
            Shape::Chunked => {
                bytes.extend_from_slice(&chunk(&self.body));
                bytes.extend_from_slice(b"0\r\n");
                for (name, value) in &self.trailers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
            }
            Shape::Length | Shape::Announced(_) => bytes.extend_from_slice(&self.body),
            Shape::Events | Shape::Raw | Shape::Silence | Shape::Close => {}
        }
        bytes
    }
}

/// One chunk of a body; nothing for an empty one, which would end it.
pub(super) fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
