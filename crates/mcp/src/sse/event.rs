//! One whole event: its bytes, and what they say.

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A piece of an event stream that can be judged alone: an event with the blank line that ends it, or what stands between events
/// (a blank line, a comment). The raw bytes of all pieces in their order are the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    raw: Vec<u8>,
    /// Only there a BOM is none of the first line's bytes.
    begins_stream: bool,
    name: Vec<u8>,
    data: Option<Vec<u8>>,
    strays: bool,
}

impl Event {
    /// `raw` begins at the start of a line.
    pub(super) fn read(raw: Vec<u8>, begins_stream: bool) -> Self {
        let mut name = Vec::new();
        let mut data: Option<Vec<u8>> = None;
        let mut strays = false;
        for line in Lines::of(&raw, begins_stream) {
            match line.field() {
                (b"event", value) => name = value.to_vec(),
                (b"data", value) => {
                    if let Some(data) = &mut data {
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    } else {
                        data = Some(value.to_vec());
                    }
                }
                (b"" | b"id" | b"retry", _) => {}
                _ => strays |= line.text.iter().any(|byte| matches!(byte, b'{' | b'[')),
            }
        }
        Self {
            raw,
            begins_stream,
            name,
            data,
            strays,
        }
    }

    #[cfg(test)]
    pub(super) fn begins_stream(&self) -> bool {
        self.begins_stream
    }

    /// As it came, byte for byte.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// As it came, byte for byte.
    pub fn into_raw(self) -> Vec<u8> {
        self.raw
    }

    /// The value of the last `event` field. Empty is the same as `message`.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The values of all `data` fields, joined by LF; `None` without such a field. Empty in an event that primes a stream (TL-9).
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    /// Whether an object or an array may stand in a line that is no field and no comment: nothing to clients that know what a stream is,
    /// but a whole answer in JSON, or its lines with a blank before each, to those that do not.
    pub fn has_json_outside(&self) -> bool {
        self.strays
    }

    /// The bytes of the same event with other data. It stands where the first `data` line stood; every line that is none stays byte
    /// for byte. Data of several lines becomes several `data` lines. Without a `data` line nothing changes.
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len().max(data.len()) + 16);
        let mut written = false;
        for line in Lines::of(&self.raw, self.begins_stream) {
            out.extend_from_slice(line.before);
            if line.field().0 != b"data" {
                if line.text.is_empty() && line.end == b"\n" && out.ends_with(b"\r") {
                    // the line between them is gone, and an LF alone would be the other half of a CRLF
                    out.push(b'\r');
                }
                out.extend_from_slice(line.text);
                out.extend_from_slice(line.end);
            } else if !std::mem::replace(&mut written, true) {
                let end: &[u8] = if line.end.is_empty() { b"\n" } else { line.end };
                for new in Lines::of(data, false) {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(new.text);
                    if !new.end.is_empty() {
                        out.extend_from_slice(end);
                    }
                }
                if data.is_empty() || data.ends_with(b"\n") || data.ends_with(b"\r") {
                    out.extend_from_slice(b"data: ");
                }
                out.extend_from_slice(line.end);
            }
        }
        out
    }
}

struct Line<'r> {
    /// The BOM of a stream, at its first line.
    before: &'r [u8],
    text: &'r [u8],
    /// LF, CR, CRLF, or nothing at the end of what there is.
    end: &'r [u8],
}

impl<'r> Line<'r> {
    /// A comment has an empty name, and so has a blank line.
    fn field(&self) -> (&'r [u8], &'r [u8]) {
        let Some(colon) = self.text.iter().position(|&byte| byte == b':') else {
            return (self.text, b"");
        };
        let (name, value) = self.text.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        (name, value.strip_prefix(b" ").unwrap_or(value))
    }
}

struct Lines<'r> {
    before: &'r [u8],
    rest: &'r [u8],
}

impl<'r> Lines<'r> {
    fn of(text: &'r [u8], begins_stream: bool) -> Self {
        let bom = if begins_stream && text.starts_with(BOM) {
            BOM.len()
        } else {
            0
        };
        let (before, rest) = text.split_at(bom);
        Self { before, rest }
    }
}

impl<'r> Iterator for Lines<'r> {
    type Item = Line<'r>;

    fn next(&mut self) -> Option<Line<'r>> {
        if self.rest.is_empty() && self.before.is_empty() {
            return None;
        }
        let before = std::mem::take(&mut self.before);
        let length = self.rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let (text, after) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        let end = match after {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (end, rest) = after.split_at(end);
        self.rest = rest;
        Some(Line { before, text, end })
    }
}
