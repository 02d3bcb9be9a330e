//! Event streams (WHATWG HTML section 9.2), as far as somebody in the middle must understand them.

pub mod endpoint;
mod event;
mod splitter;

pub use event::Event;
pub use splitter::{Splitter, TooLong};

/// A comment that keeps a connection alive. It may be written only where [`Boundary::is_between_events`] says so.
pub const KEEPALIVE: &[u8] = b": keepalive\n\n";

/// Tells where in an event stream something of our own may be written (SEC-56).
///
/// Lines end in LF, CR or CRLF, and chunks are cut anywhere. A CR as the last byte is undecided, since the LF of the same line
/// end may follow: nothing may be written until another byte has come. So a stream that uses CR alone and falls silent gets no
/// keepalive; no server known does that, and a comment in the wrong place would be worse.
#[derive(Clone, Debug, Default)]
pub struct Boundary {
    line: Line,
    /// Whether a field has come since the last blank line.
    event_open: bool,
}

/// Where in a line the stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Inside,
    /// At the start of a line, unless an LF comes: then still in the end of the line before.
    AfterCr,
}

impl Boundary {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream, however they were cut.
    pub fn observe(&mut self, chunk: &[u8]) {
        let mut rest = chunk.iter();
        while let Some(&byte) = rest.next() {
            match byte {
                b'\n' if self.line == Line::AfterCr => self.line = Line::Start,
                b'\n' => self.end_line(Line::Start),
                b'\r' => self.end_line(Line::AfterCr),
                first => {
                    if self.line != Line::Inside {
                        self.line = Line::Inside;
                        // a comment belongs to no event and opens none
                        self.event_open |= first != b':';
                    }
                    // to the end of the line nothing can change
                    let inside = rest.as_slice();
                    let ahead = inside.iter().position(|b| matches!(b, b'\n' | b'\r'));
                    rest = inside
                        .get(ahead.unwrap_or(inside.len())..)
                        .unwrap_or_default()
                        .iter();
                }
            }
        }
    }

    /// Whether every event seen so far is complete, and with it the line end that completes it.
    pub fn is_between_events(&self) -> bool {
        self.line == Line::Start && !self.event_open
    }

    fn end_line(&mut self, next: Line) {
        if self.line != Line::Inside {
            self.event_open = false;
        }
        self.line = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn between(stream: &str) -> bool {
        let mut boundary = Boundary::new();
        boundary.observe(stream.as_bytes());
        boundary.is_between_events()
    }

    #[test]
    fn sec_56_only_a_blank_line_ends_an_event() {
        assert!(between(""));
        assert!(!between("d"));
        assert!(!between("data: x"));
        assert!(!between("data: x\n"));
        assert!(between("data: x\n\n"));
        assert!(!between("data: x\n\ndata: y\n"));
        assert!(!between("id: 7\n"));
        assert!(!between("data: x\nid: 7\n"));
        assert!(between("event: message\ndata: x\n\n"));
        assert!(between("\n\n\n"));
    }

    #[test]
    fn sec_56_every_line_end_counts() {
        assert!(between("data: x\r\n\r\n"));
        assert!(!between("data: x\r\n"));
        assert!(
            between("data: x\r\r\n"),
            "CR ends the field, CRLF is the blank line"
        );
        assert!(between("data: x\n\r\n"));
        assert!(between("data: x\r\n\n"));
        assert!(!between("data: x\r\rdata: y\r"));
    }

    #[test]
    fn sec_56_after_a_cr_nothing_is_written_until_the_next_byte() {
        assert!(!between("data: x\r"));
        assert!(
            !between("data: x\r\n\r"),
            "the LF of this blank line is on its way"
        );
        assert!(!between("data: x\n\r"));
        assert!(!between("data: x\r\r"));
        assert!(!between("\r"));
    }

    #[test]
    fn a_comment_opens_no_event_and_closes_none() {
        assert!(between(": connected\n"));
        assert!(!between(": connected"));
        assert!(!between(": connected\r"));
        assert!(between(": connected\r\n"));
        assert!(!between("data: x\n: ping\n"));
    }

    #[test]
    fn tl_9_a_priming_event_is_an_event() {
        assert!(!between("id: 1\ndata:\n"));
        assert!(between("id: 1\ndata:\n\n"));
        assert!(between("retry: 500\n\n"));
    }

    /// What a client understands of a whole stream: the fields of each event. Comments and empty events are nothing to it.
    fn events(stream: &str) -> Vec<Vec<String>> {
        let mut events = Vec::new();
        let mut fields = Vec::new();
        for line in stream.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
            if line.is_empty() {
                events.push(std::mem::take(&mut fields));
            } else if !line.starts_with(':') {
                fields.push(line.to_owned());
            }
        }
        events.push(fields);
        events.retain(|fields| !fields.is_empty());
        events
    }

    /// Streams in which line ends and colons are as frequent as anything else.
    fn stream() -> impl Strategy<Value = String> {
        let piece = prop_oneof!["\n", "\r", "\r\n", ":", "data: x", "é", "id"];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn sec_56_how_the_stream_is_cut_changes_nothing(stream in stream(), cuts in proptest::collection::vec(1..9_usize, 0..40)) {
            let mut boundary = Boundary::new();
            let mut rest = stream.as_bytes();
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                boundary.observe(chunk);
                boundary.observe(b"");
                rest = after;
            }
            boundary.observe(rest);
            prop_assert_eq!(boundary.is_between_events(), between(&stream));
        }

        #[test]
        fn sec_56_what_is_written_where_it_may_be_disturbs_no_event(stream in stream()) {
            let mut boundary = Boundary::new();
            let mut with_ours = Vec::new();
            let mut written = 0;
            for byte in stream.bytes() {
                if boundary.is_between_events() {
                    with_ours.extend_from_slice(KEEPALIVE);
                    written += 1;
                }
                boundary.observe(&[byte]);
                with_ours.push(byte);
            }
            prop_assert!(stream.is_empty() || written > 0);
            prop_assert_eq!(events(&String::from_utf8(with_ours).unwrap()), events(&stream));
        }

        #[test]
        fn sec_56_never_between_cr_and_lf(stream in stream()) {
            let mut boundary = Boundary::new();
            for byte in stream.bytes() {
                boundary.observe(&[byte]);
                prop_assert!(byte != b'\r' || !boundary.is_between_events());
            }
        }
    }
}
