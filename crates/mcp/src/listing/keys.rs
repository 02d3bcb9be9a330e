//! Keys of objects, as every reader might understand them.

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// A key that decides something. One that some reader could take for it, and another for something else, is an error: another
/// case (Go, .NET and Jackson can compare so), `snake_case` for `camelCase` (protobuf does), or written with escapes.
pub(super) fn judged(key: &Key<'_>, words: &[&'static str]) -> Result<Option<&'static str>, ()> {
    for &word in words {
        match key {
            Key::Plain(key) if *key == word => return Ok(Some(word)),
            Key::Plain(key) if !is_like(key, word) => {}
            Key::Escaped(key) if key != word && !is_like(key, word) => {}
            Key::Plain(_) | Key::Escaped(_) => return Err(()),
        }
    }
    Ok(None)
}

/// Whether some reader takes `key` for `word`.
pub(super) fn is_like(key: &str, word: &str) -> bool {
    if key.is_ascii() {
        if key.len() == word.len() {
            return key.eq_ignore_ascii_case(word);
        }
        if key.len() < word.len() || key.starts_with(['_', '-']) || key.ends_with(['_', '-']) {
            return false;
        }
    }
    // up and down again: `ſ` is an `s` then, and the Kelvin sign a `k`, as they are to Go
    let folded = key
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    folded.eq(word.chars().flat_map(char::to_lowercase))
}

pub(super) enum Key<'a> {
    /// As it stands in the text.
    Plain(&'a str),
    /// Written with escapes: where it stands is not known.
    Escaped(String),
}

impl Key<'_> {
    /// Decoded.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(key) => key,
            Self::Escaped(key) => key,
        }
    }
}

/// Reads a key.
pub(super) struct AnyKey;

impl<'a> DeserializeSeed<'a> for AnyKey {
    type Value = Key<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Key<'a>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for AnyKey {
    type Value = Key<'a>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'a str) -> Result<Key<'a>, E> {
        Ok(Key::Plain(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key<'a>, E> {
        Ok(Key::Escaped(key.to_owned()))
    }
}
