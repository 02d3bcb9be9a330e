//! Spans as a collector reads them: protobuf by the field numbers of `opentelemetry-proto`, with a reader of its own.
//!
//! For tests: what cannot be read panics.
#![expect(
    clippy::missing_panics_doc,
    reason = "said once, above: a test can do nothing with an error but fail"
)]

use std::collections::BTreeMap;

use crate::recorder::Recorded;

/// Texts as they are, numbers in digits.
pub type Attributes = BTreeMap<String, String>;

/// One span. Ids are in hexadecimal digits, times in nanoseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty at the root.
    pub parent: String,
    pub state: String,
    pub flags: u64,
    pub name: String,
    /// 2 server, 3 client.
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: Attributes,
    /// 0 unset, 2 error.
    pub status: u64,
}

/// One export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    pub resource: Attributes,
    pub spans: Vec<Span>,
}

impl Export {
    /// Reads the body of a request that a collector got.
    #[track_caller]
    pub fn read(request: &Recorded) -> Self {
        let mut export = Self::default();
        for (field, value) in fields(&request.body) {
            assert_eq!(field, 1, "resource_spans");
            for (field, value) in fields(value.bytes()) {
                match field {
                    1 => export.resource = attributes(value.bytes(), 1),
                    2 => export.spans.extend(scope(value.bytes())),
                    other => panic!("field {other} of ResourceSpans"),
                }
            }
        }
        export
    }
}

fn scope(bytes: &[u8]) -> Vec<Span> {
    let fields = fields(bytes).into_iter();
    let spans = fields.filter(|(field, _)| *field == 2);
    spans.map(|(_, value)| span(value.bytes())).collect()
}

fn span(bytes: &[u8]) -> Span {
    let mut span = Span {
        attributes: attributes(bytes, 9),
        ..Span::default()
    };
    for (field, value) in fields(bytes) {
        match field {
            1 => span.trace = hex(value.bytes()),
            2 => span.id = hex(value.bytes()),
            3 => span.state = value.text(),
            4 => span.parent = hex(value.bytes()),
            5 => span.name = value.text(),
            6 => span.kind = value.number(),
            7 => span.start = value.number(),
            8 => span.end = value.number(),
            9 => {}
            15 => {
                let code = fields_of(value.bytes(), 3).first().map(Field::number);
                span.status = code.unwrap_or_default();
            }
            16 => span.flags = value.number(),
            other => panic!("field {other} of Span"),
        }
    }
    span
}

/// The `KeyValue`s in this field of a message.
fn attributes(bytes: &[u8], field: u64) -> Attributes {
    let mut attributes = Attributes::new();
    for pair in fields_of(bytes, field) {
        let key = fields_of(pair.bytes(), 1).remove(0).text();
        let any = fields_of(pair.bytes(), 2).remove(0);
        let value = match fields(any.bytes()).remove(0) {
            (1, value) => value.text(),
            (3, value) => value.number().to_string(),
            (other, _) => panic!("field {other} of AnyValue"),
        };
        let before = attributes.insert(key, value);
        assert_eq!(before, None, "every key once");
    }
    attributes
}

enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Field<'b> {
    #[track_caller]
    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("bytes where a number belongs"),
        }
    }

    #[track_caller]
    fn bytes(&self) -> &'b [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("a number where bytes belong"),
        }
    }

    #[track_caller]
    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("texts are UTF-8")
    }
}

fn fields_of(bytes: &[u8], wanted: u64) -> Vec<Field<'_>> {
    let fields = fields(bytes).into_iter();
    let found = fields.filter(|(field, _)| *field == wanted);
    found.map(|(_, value)| value).collect()
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(little(take(&mut bytes, 8))),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Number(little(take(&mut bytes, 4))),
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = little(take(bytes, 1));
        value |= (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than ten bytes")
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at_checked(count).expect("more bytes");
    *bytes = rest;
    taken
}

fn little(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    let text = |byte: &u8| {
        [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).expect("a digit"))
    };
    bytes.iter().flat_map(text).collect()
}
