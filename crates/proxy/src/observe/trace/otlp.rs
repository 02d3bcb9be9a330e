//! Spans as `ExportTraceServiceRequest` of OTLP 1.x in protobuf (`opentelemetry-proto`, `trace/v1/trace.proto`): only the fields that we have.
//!
//! The format is frozen: field numbers of a stable message never change.

/// One message under construction.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

/// How a field is read (protobuf wire types).
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

impl Message {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// A `KeyValue` with a text in it.
    pub(super) fn attribute(&mut self, field: u32, key: &str, value: &str) {
        self.message(field, |pair| {
            pair.text(1, key);
            pair.message(2, |any| any.text(1, value));
        });
    }

    /// A `KeyValue` with a number in it.
    pub(super) fn attribute_number(&mut self, field: u32, key: &str, value: u64) {
        self.message(field, |pair| {
            pair.text(1, key);
            pair.message(2, |any| any.number(3, value));
        });
    }
}

/// `Resource`: who speaks. Written once.
pub(super) fn resource(attributes: &[(Box<str>, Box<str>)]) -> Message {
    let mut resource = Message::default();
    for (key, value) in attributes {
        resource.attribute(1, key, value);
    }
    resource
}

/// The whole request, around spans that are written already.
pub(super) fn request(resource: &Message, spans: &[Message]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.bytes(1, &resource.0);
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, "portcullis");
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                scope_spans.bytes(2, &span.0);
            }
        });
    });
    request.into_bytes()
}

/// How many spans a collector says it has not taken, of those in one export (`partial_success.rejected_spans`).
pub(super) fn rejected(mut answer: &[u8]) -> u64 {
    let Some(Field::Bytes(mut partial)) = field(&mut answer, 1) else {
        return 0;
    };
    match field(&mut partial, 1) {
        Some(Field::Number(rejected)) => rejected,
        Some(Field::Bytes(_)) | None => 0,
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number; `None` too where something cannot be read.
fn field<'a>(message: &mut &'a [u8], wanted: u64) -> Option<Field<'a>> {
    loop {
        let tag = number(message)?;
        let value = match u32::try_from(tag & 7).ok()? {
            VARINT => Field::Number(number(message)?),
            BYTES => {
                let length = usize::try_from(number(message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                *message = rest;
                Field::Bytes(bytes)
            }
            _ => return None, // there are no others in this message
        };
        if tag >> 3 == wanted {
            return Some(value);
        }
    }
}

fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_rejects_is_read() {
        let mut answer = Message::default();
        answer.message(1, |partial| {
            partial.text(2, "too old");
            partial.number(1, 300);
        });
        let answer = answer.into_bytes();
        assert_eq!(rejected(&answer), 300);
        for end in 0..answer.len() {
            assert_eq!(rejected(&answer[..end]), 0);
        }
        for nothing in [
            &b"{}"[..],
            b"\x0a\x00",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(rejected(nothing), 0);
        }
    }

    /// The examples of the protobuf documentation ("Encoding").
    #[test]
    fn numbers_and_texts_are_written_as_in_the_documentation() {
        let mut message = Message::default();
        message.number(1, 150);
        message.text(2, "testing");
        message.message(3, |inner| inner.number(1, 150));
        let expected = b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01";
        assert_eq!(message.into_bytes(), expected);
        let mut message = Message::default();
        message.number(16, u64::MAX);
        message.fixed64(1, 2);
        message.fixed32(2, 3);
        let expected =
            b"\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x09\x02\0\0\0\0\0\0\0\x15\x03\0\0\0";
        assert_eq!(message.into_bytes(), expected);
    }
}
