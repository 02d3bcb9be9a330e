//! The `endpoint` event of HTTP+SSE (MCP 2024-11-05): where a client of a stream has to post its messages.
//!
//! Nothing but its data is ever replaced; every other byte of the stream stays what it was (SSE-2). There is one in a stream, and no more.

mod address;
mod further;
mod reference;

pub use address::{address, carried};
pub use further::Further;
pub use reference::resolve;

use super::{Event, Splitter};

/// The longest message URI that is taken, in bytes (SEC-56).
pub const URI_LIMIT: usize = 2048;
/// How many bytes of a stream are searched for the event. Servers send it first, at most after a comment or a `retry` field.
pub const SEARCH_LIMIT: usize = 8192;

/// Why a stream cannot be given to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The stream is over, or has gone on for [`SEARCH_LIMIT`] bytes, without an `endpoint` event.
    Missing,
    /// Over [`URI_LIMIT`] bytes.
    TooLong,
    /// No URI in the characters that RFC 3986 allows.
    NoUri,
    /// There is a second one.
    Again,
    /// It leads to somebody else: this is the origin, without what stands behind it.
    Elsewhere(String),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("no endpoint event at its beginning"),
            Self::TooLong => write!(f, "the URI of its endpoint event is over {URI_LIMIT} bytes"),
            Self::Again => f.write_str("a second endpoint event"),
            Self::NoUri => f.write_str("its endpoint event holds no URI"),
            Self::Elsewhere(origin) => write!(
                f,
                "its endpoint event leads to {origin:?}, which is another origin than that of the stream"
            ),
        }
    }
}

impl std::error::Error for Unusable {}

/// The beginning of a stream, up to the `endpoint` event.
#[derive(Debug)]
pub struct Opening {
    splitter: Splitter,
    /// Whatever stands before the event.
    before: Vec<u8>,
}

/// All that has come of a stream in which the event is complete.
#[derive(Debug)]
pub struct Opened {
    before: Vec<u8>,
    event: Event,
    after: Vec<u8>,
}

impl Opening {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            splitter: Splitter::new(SEARCH_LIMIT),
            before: Vec::new(),
        }
    }

    /// Takes the next bytes, however they were cut; gives itself back while the event is not complete.
    ///
    /// # Errors
    ///
    /// When it is not complete within [`SEARCH_LIMIT`] bytes.
    pub fn take(mut self, chunk: &[u8]) -> Result<Progress, Unusable> {
        self.splitter.push(chunk);
        while let Some(event) = self.splitter.event().map_err(|_| Unusable::Missing)? {
            if self.before.len() + event.raw().len() > SEARCH_LIMIT {
                return Err(Unusable::Missing);
            }
            // without data there is no event, whatever its type (WHATWG HTML section 9.2.6)
            if event.name() == b"endpoint" && event.data().is_some() {
                return Ok(Progress::Opened(Opened {
                    before: self.before,
                    event,
                    after: self.splitter.into_bytes(),
                }));
            }
            self.before.extend_from_slice(event.raw());
        }
        Ok(Progress::Searching(self))
    }
}

impl Default for Opening {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether the event has come.
#[derive(Debug)]
pub enum Progress {
    Searching(Opening),
    Opened(Opened),
}

impl Opened {
    /// Where the upstream wants messages, as it is written.
    ///
    /// # Errors
    ///
    /// When it is longer than [`URI_LIMIT`], or no text.
    pub fn uri(&self) -> Result<&str, Unusable> {
        let data = self.event.data().unwrap_or_default();
        if data.len() > URI_LIMIT {
            return Err(Unusable::TooLong);
        }
        str::from_utf8(data).map_err(|_| Unusable::NoUri)
    }

    /// The same bytes with another URI in its place.
    pub fn with(self, uri: &str) -> Vec<u8> {
        let mut bytes = self.before;
        bytes.extend_from_slice(&self.event.with_data(uri.as_bytes()));
        bytes.extend_from_slice(&self.after);
        bytes
    }
}

#[cfg(test)]
mod tests;
