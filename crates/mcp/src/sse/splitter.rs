//! Whole events out of chunks that were cut anywhere.

use super::Event;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How many bytes of memory are kept between two events.
const KEPT: usize = 16 * 1024;

/// Cuts a stream into whole events. Nothing is lost and nothing is changed: the raw bytes of all pieces and of the rest, in their
/// order, are the stream.
///
/// ```
/// use mcp::sse::Splitter;
///
/// let mut splitter = Splitter::new(1024);
/// splitter.push(b"event: endpoint\r\nda");
/// assert_eq!(splitter.event(), Ok(None));
/// splitter.push(b"ta: /messages\r\n\r\n: next\n");
/// let event = splitter.event().unwrap().unwrap();
/// assert_eq!(event.name(), b"endpoint");
/// assert_eq!(event.data(), Some(&b"/messages"[..]));
/// assert_eq!(event.with_data(b"/other"), b"event: endpoint\r\ndata: /other\r\n\r\n");
/// ```
///
/// A blank line that ends in CR ends its event at once; an LF that still follows begins the raw bytes of the piece after it, where it
/// says nothing. A comment between two events is a piece of its own as soon as its line is complete, so that it keeps a connection alive.
#[derive(Clone, Debug)]
pub struct Splitter {
    /// In bytes; a piece may be as long as this.
    cap: usize,
    held: Vec<u8>,
    /// Where the piece begins that is not complete yet.
    begin: usize,
    /// Up to where it has been looked at.
    seen: usize,
    place: Place,
    /// Whether the piece has a field already.
    event_open: bool,
    before: Before,
    too_long: bool,
}

/// Where in its line the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Field,
    Comment,
}

/// What came before the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It begins the stream, perhaps with a BOM.
    Nothing,
    /// A blank line that ended in CR: an LF belongs to it.
    Cr,
    Anything,
}

/// An event that is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an event is longer than it may be")
    }
}

impl std::error::Error for TooLong {}

impl Splitter {
    /// At the start of a stream. No more than `cap` bytes are held of an event that is not complete, besides the last chunk.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            held: Vec::new(),
            begin: 0,
            seen: 0,
            place: Place::Start,
            event_open: false,
            before: Before::Nothing,
            too_long: false,
        }
    }

    /// Takes the next bytes of the stream, however they were cut. Then [`Splitter::event`] is asked until it has none.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.too_long {
            return;
        }
        if self.begin > 0 {
            self.held.drain(..self.begin);
            self.seen -= self.begin;
            self.begin = 0;
        }
        self.held.extend_from_slice(chunk);
    }

    /// The next piece that is complete; `None` when more bytes are needed. After an error there is nothing but the same error.
    pub fn event(&mut self) -> Result<Option<Event>, TooLong> {
        if self.too_long {
            return Err(TooLong);
        }
        let end = self.scan();
        if end.unwrap_or(self.held.len()) - self.begin > self.cap {
            self.too_long = true;
            self.held = Vec::new();
            self.begin = 0;
            return Err(TooLong);
        }
        let Some(end) = end else {
            if self.begin == self.held.len() && self.held.capacity() > KEPT {
                self.held = Vec::new(); // a stream may be silent for hours, and there may be thousands
                self.begin = 0;
                self.seen = 0;
            }
            return Ok(None);
        };
        let raw = self.held.get(self.begin..end).unwrap_or_default().to_vec();
        self.begin = end;
        self.event_open = false;
        let begins_stream = self.before == Before::Nothing;
        self.before = if raw.ends_with(b"\r") {
            Before::Cr
        } else {
            Before::Anything
        };
        Ok(Some(Event::read(raw, begins_stream)))
    }

    /// How many bytes of memory are held.
    pub fn held(&self) -> usize {
        self.held.capacity()
    }

    /// What is left at the end of the stream: a piece that nothing completes. Clients drop it (WHATWG HTML section 9.2.6), but not
    /// all of them do. `None` when there is nothing.
    pub fn rest(mut self) -> Option<Event> {
        self.held.drain(..self.begin);
        let whole = !self.held.is_empty() && self.held.len() <= self.cap;
        whole.then(|| Event::read(self.held, self.before == Before::Nothing))
    }

    /// All bytes that belong to no piece so far.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.held.drain(..self.begin);
        self.held
    }

    /// Where the piece ends that begins at `begin`, if its end has come.
    fn scan(&mut self) -> Option<usize> {
        loop {
            let rest = self.held.get(self.seen..).unwrap_or_default();
            let &first = rest.first()?;
            match (self.place, first) {
                (Place::Start, b'\n') if self.seen == self.begin && self.before == Before::Cr => {
                    self.seen += 1;
                    return Some(self.seen); // the rest of the blank line that ended the piece before
                }
                (Place::Start, b'\n') if self.is_within_crlf() => self.seen += 1,
                (Place::Start, b'\n' | b'\r') => {
                    self.seen += 1;
                    if first == b'\r' && rest.get(1) == Some(&b'\n') {
                        self.seen += 1;
                    }
                    return Some(self.seen);
                }
                (Place::Start, _) => {
                    if self.before == Before::Nothing
                        && self.seen == 0
                        && BOM.starts_with(rest)
                        && rest.len() < BOM.len()
                    {
                        return None; // perhaps a BOM: what kind of line this is shows behind it
                    }
                    if self.before == Before::Nothing && self.seen == 0 && rest.starts_with(BOM) {
                        self.seen += BOM.len();
                        continue;
                    }
                    if first == b':' {
                        self.place = Place::Comment;
                    } else {
                        self.place = Place::Field;
                        self.event_open = true;
                    }
                }
                (Place::Field | Place::Comment, _) => {
                    let Some(ahead) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                        self.seen = self.held.len();
                        return None;
                    };
                    let end = self.seen + ahead;
                    self.seen = end + 1;
                    if self.held.get(end) == Some(&b'\r') && self.held.get(end + 1) == Some(&b'\n')
                    {
                        self.seen += 1;
                    }
                    let comment = self.place == Place::Comment;
                    self.place = Place::Start;
                    if comment && !self.event_open {
                        return Some(self.seen);
                    }
                }
            }
        }
    }

    /// Whether an LF at the start of a line is the second half of the CRLF that ended the line before, cut in two.
    fn is_within_crlf(&self) -> bool {
        let before = self.seen.checked_sub(1).filter(|&at| at >= self.begin);
        before.is_some_and(|at| self.held.get(at) == Some(&b'\r'))
    }
}

#[cfg(test)]
mod tests;
