//! A second address in a stream that has one already.

/// What a line has that names the event, without blanks.
const LINE: &[u8] = b"event:endpoint";

/// Looks for a second `endpoint` event. Some clients take whatever address they were told last, and post their messages there, with their
/// token (SEC-56). Servers have no use for it.
///
/// Blanks, letter case and what is not ASCII do not count: some reader may take them away.
#[derive(Debug)]
pub struct Further {
    /// How much of [`LINE`] this line has and nothing else; `None` if it has anything else.
    matched: Option<usize>,
    named: usize,
}

impl Further {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            matched: Some(0),
            named: 0,
        }
    }

    /// Takes the next bytes of the stream, however they were cut; says whether a second such event has begun. None is complete without
    /// these bytes.
    pub fn is_named_in(&mut self, chunk: &[u8]) -> bool {
        let mut rest = chunk;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'\n' | b'\r' => self.end_line(),
                graphic if graphic.is_ascii_graphic() => self.matched = self.matching(*graphic),
                _ => {}
            }
            if self.matched.is_none() {
                // to the end of the line nothing can change
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                rest = rest.get(end.unwrap_or(rest.len())..).unwrap_or_default();
            }
        }
        self.named > 1
    }

    fn matching(&self, byte: u8) -> Option<usize> {
        let at = self.matched?;
        let next = LINE.get(at)?;
        (byte.to_ascii_lowercase() == *next).then_some(at + 1)
    }

    fn end_line(&mut self) {
        if self.matched == Some(LINE.len()) {
            self.named += 1;
        }
        self.matched = Some(0);
    }
}

impl Default for Further {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named(stream: &str, cut: usize) -> bool {
        let mut further = Further::new();
        let mut parts = stream.as_bytes().chunks(cut);
        parts.any(|part| further.is_named_in(part))
    }

    #[test]
    fn sec_56_a_second_address_is_noticed_however_it_is_written_and_cut() {
        let first = "\u{feff}: hello\n\nevent: endpoint\ndata: /m?s=1\n\n";
        for (rest, expected) in [
            ("", false),
            ("event: message\ndata: {}\n\n", false),
            ("data: event: endpoint\n\n", false),
            (": event: endpoint\n\n", false),
            ("data: x\ndata:\nevent: endpoints\n\n", false),
            ("event: end\nevent: point\n\n", false),
            ("event\n:endpoint\n\n", false),
            ("event: endpoint", false),
            ("event: endpoint\n", true),
            ("event:endpoint\rdata: x\r\r", true),
            ("data: x\r\nevent: endpoint\r\n\r\n", true),
            ("event: message\nevent:\tendpoint \ndata: x\n\n", true),
            ("event: message\ndata: {}\n\nEVENT: Endpoint\n\n", true),
            ("\u{feff}event: endpoint\ndata: x\n\n", true),
        ] {
            let stream = format!("{first}{rest}");
            for cut in [1, 2, 7, stream.len()] {
                assert_eq!(is_named(&stream, cut), expected, "{rest:?} by {cut}");
            }
        }
    }
}
