//! One pass over an answer: where its lists are, what stands in them, and what has to change.
//!
//! serde walks the text and checks all of it; where something stands is known from the slices it hands out of the same text.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserializer as _, Error, IgnoredAny};
use serde_json::value::RawValue;

use super::keys::Key;
use super::splice::Splice;
use super::visit::{Entry, META, Members, Message, SCHEMES};
use super::{Rules, Unclear};

/// Every change there has to be, in no order.
pub(super) fn read<'p>(text: &str, rules: Rules<'_, 'p>) -> Result<Vec<Splice<'p>>, Unclear> {
    let mut work = Work {
        text,
        rules,
        splices: Vec::new(),
        added: 0,
        unclear: None,
    };
    match first_byte(text) {
        Some(b'[') => {
            for message in parse::<Vec<&RawValue>>(text)? {
                if message.get().starts_with('[') {
                    return Err(Unclear("an array of arrays, which is no batch"));
                }
                work.message(message.get())?;
            }
        }
        _ => work.message(text)?,
    }
    if work.is_swollen() {
        return Err(TOO_LONG);
    }
    Ok(work.splices)
}

pub(super) const TOO_LONG: Unclear =
    Unclear("a list that is too long with what is said of its entries");
const NO_JSON: Unclear = Unclear("a list answer is not JSON");

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Unclear> {
    serde_json::from_str(text).map_err(|_| NO_JSON)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn first_byte(text: &str) -> Option<u8> {
    text.bytes().find(|&byte| !is_space(byte))
}

pub(super) struct Work<'a, 'j, 'p> {
    text: &'a str,
    pub(super) rules: Rules<'j, 'p>,
    splices: Vec<Splice<'p>>,
    /// Bytes of what is put in.
    added: usize,
    /// Set before an error goes through serde, which keeps no errors of ours.
    unclear: Option<Unclear>,
}

impl<'a, 'p> Work<'a, '_, 'p> {
    fn message(&mut self, text: &'a str) -> Result<(), Unclear> {
        if first_byte(text) != Some(b'{') {
            return parse::<IgnoredAny>(text).map(|_| ());
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(Message(self));
        let read = read.and_then(|()| json.end());
        read.map_err(|_| self.unclear.unwrap_or(NO_JSON))
    }

    pub(super) fn unclear<E: Error>(&mut self, why: &'static str) -> E {
        self.unclear = Some(Unclear(why));
        E::custom(why)
    }

    /// Where a slice of the text ends.
    pub(super) fn end_of(&self, slice: &'a str) -> usize {
        self.start_of(slice) + slice.len()
    }

    fn start_of(&self, slice: &'a str) -> usize {
        slice.as_ptr().addr() - self.text.as_ptr().addr()
    }

    /// The first place from `at` on where there is no white space.
    pub(super) fn skip(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let ahead = rest.iter().position(|byte| !is_space(*byte));
        at + ahead.unwrap_or(rest.len())
    }

    /// The same, behind `byte` if that comes next.
    pub(super) fn skip_past(&self, at: usize, byte: u8) -> usize {
        let at = self.skip(at);
        if self.byte(at) == Some(byte) {
            return self.skip(at + 1);
        }
        at
    }

    /// Where the value of a key begins.
    pub(super) fn value_of(&self, key: &Key<'a>) -> usize {
        match key {
            Key::Plain(key) => self.skip_past(self.end_of(key) + 1, b':'),
            Key::Escaped(_) => self.text.len(), // never asked for: a judged key is not written so
        }
    }

    pub(super) fn begins_with(&self, key: &Key<'a>, byte: u8) -> bool {
        self.byte(self.value_of(key)) == Some(byte)
    }

    /// The value of `cacheScope`.
    pub(super) fn make_private(&mut self, scope: &'a str) {
        let public = parse::<String>(scope).is_ok_and(|word| word.eq_ignore_ascii_case("public"));
        if public {
            self.replace(scope, "\"private\"");
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn replace(&mut self, slice: &'a str, text: impl Into<Cow<'p, str>>) {
        let place = self.start_of(slice)..self.end_of(slice);
        self.put(place, text.into());
    }

    fn insert(&mut self, at: usize, text: String) {
        self.put(at..at, text.into());
    }

    fn put(&mut self, place: Range<usize>, text: Cow<'p, str>) {
        self.added += text.len();
        if !self.is_swollen() {
            self.splices.push(Splice { place, text });
        }
    }

    /// Whether more was to be put in than there may be: then the answer is shown to nobody.
    pub(super) fn is_swollen(&self) -> bool {
        self.added > self.rules.most_added
    }

    pub(super) fn cut(&mut self, from: usize, to: usize) {
        let (place, text) = (from..to, Cow::Borrowed(""));
        self.splices.push(Splice { place, text });
    }

    /// Says in an entry what it takes to call it.
    pub(super) fn secure(&mut self, entry: &Entry<'a>, schemes: &str) {
        for value in &entry.schemes {
            self.replace(value, schemes.to_owned());
        }
        for meta in &entry.metas {
            self.secure_meta(meta, schemes);
        }
        if entry.schemes.is_empty() {
            self.insert(entry.last, format!(",\"{SCHEMES}\":{schemes}"));
        }
        if entry.metas.is_empty() {
            let text = format!(",\"{META}\":{{\"{SCHEMES}\":{schemes}}}");
            self.insert(entry.last, text);
        }
    }

    fn secure_meta(&mut self, meta: &'a str, schemes: &str) {
        let Ok(members) = parse::<Members<'a>>(meta) else {
            // null, or no object
            return self.replace(meta, format!("{{\"{SCHEMES}\":{schemes}}}"));
        };
        let mut said = false;
        for value in members.0.iter().filter(|(key, _)| key == SCHEMES) {
            said = true;
            self.replace(value.1.get(), schemes.to_owned());
        }
        if said {
            return;
        }
        let comma = if members.0.is_empty() { "" } else { "," };
        let inside = self.start_of(meta) + 1;
        self.insert(inside, format!("\"{SCHEMES}\":{schemes}{comma}"));
    }
}
