//! The levels of an answer: message, result, list, entry.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Fate;
use super::keys::{AnyKey, is_like, judged};
use super::reader::{TOO_LONG, Work};
use crate::operation::Listed;

const RESULT: &str = "result";
const CACHE_SCOPE: &str = "cacheScope";
const LISTS: &[&str] = &["tools", "prompts", "resources", "resourceTemplates"];
pub(super) const SCHEMES: &str = "securitySchemes";
pub(super) const META: &str = "_meta";

/// The list under a key of a result.
fn list_of(key: &str) -> Option<Listed> {
    match key {
        "tools" => Some(Listed::Tools),
        "prompts" => Some(Listed::Prompts),
        "resources" => Some(Listed::Resources),
        "resourceTemplates" => Some(Listed::ResourceTemplates),
        _ => None,
    }
}

/// The key by which an entry of a list is known.
fn named_by(listed: Listed) -> &'static [&'static str] {
    match listed {
        Listed::Tools | Listed::Prompts => &["name"],
        Listed::Resources => &["uri"],
        Listed::ResourceTemplates => &["uriTemplate"],
    }
}

/// A JSON-RPC message.
pub(super) struct Message<'w, 'a, 'j, 'p>(pub(super) &'w mut Work<'a, 'j, 'p>);

impl<'a> Visitor<'a> for Message<'_, 'a, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a message")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        let work = self.0;
        let mut seen = false;
        while let Some(key) = members.next_key_seed(AnyKey)? {
            let judged = judged(&key, &[RESULT]);
            let judged = judged.map_err(|()| work.unclear("`result` in an unusual spelling"))?;
            if judged.is_none() {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            if std::mem::replace(&mut seen, true) {
                return Err(work.unclear("two results in one answer"));
            }
            if work.begins_with(&key, b'{') {
                members.next_value_seed(Answer(work))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// What a message has as its `result`.
struct Answer<'w, 'a, 'j, 'p>(&'w mut Work<'a, 'j, 'p>);

impl<'a> DeserializeSeed<'a> for Answer<'_, 'a, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Answer<'_, 'a, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a result")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        let work = self.0;
        let mut seen = Vec::new();
        let mut scopes: Vec<&'a RawValue> = Vec::new();
        while let Some(key) = members.next_key_seed(AnyKey)? {
            let judged = judged(&key, LISTS);
            let judged = judged.map_err(|()| work.unclear("a list under an unusual name"))?;
            let Some(listed) = judged.and_then(list_of) else {
                if is_like(key.text(), CACHE_SCOPE) {
                    scopes.push(members.next_value()?);
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
                continue;
            };
            if seen.contains(&listed) {
                return Err(work.unclear("the same list twice in one answer"));
            }
            seen.push(listed);
            if work.begins_with(&key, b'[') {
                let at = work.value_of(&key) + 1;
                members.next_value_seed(List { work, listed, at })?;
            } else if work.begins_with(&key, b'n') {
                members.next_value::<IgnoredAny>()?; // null, which is an empty list to Go
            } else {
                return Err(work.unclear("a list that is no array"));
            }
        }
        if work.rules.varies && !seen.is_empty() {
            for scope in scopes {
                work.make_private(scope.get());
            }
        }
        Ok(())
    }
}

/// A list, read from behind its bracket on.
struct List<'w, 'a, 'j, 'p> {
    work: &'w mut Work<'a, 'j, 'p>,
    listed: Listed,
    at: usize,
}

impl<'a> DeserializeSeed<'a> for List<'_, 'a, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for List<'_, 'a, '_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut entries: S) -> Result<(), S::Error> {
        let Self {
            work,
            listed,
            mut at,
        } = self;
        // an entry is cut with the comma before it; those before the first that is kept with the comma behind them
        let mut kept = false;
        let mut first_cut = None;
        loop {
            let seed = EntryOf {
                work: &mut *work,
                listed,
            };
            let Some(entry) = entries.next_element_seed(seed)? else {
                break;
            };
            let start = work.skip_past(at, b',');
            let end = work.skip(entry.last) + 1;
            match (work.rules.judge)(listed, &entry.name) {
                Fate::Drop if kept => work.cut(at, end),
                Fate::Drop => {
                    first_cut.get_or_insert(start);
                }
                fate @ (Fate::Keep | Fate::Secured(_)) => {
                    kept = true;
                    if let Some(from) = first_cut.take() {
                        work.cut(from, start);
                    }
                    if let (Fate::Secured(schemes), Listed::Tools) = (fate, listed) {
                        work.secure(&entry, &schemes);
                        if work.is_swollen() {
                            return Err(work.unclear(TOO_LONG.0));
                        }
                    }
                }
            }
            at = end;
        }
        if let Some(from) = first_cut {
            work.cut(from, at);
        }
        Ok(())
    }
}

/// One entry of a list.
pub(super) struct Entry<'a> {
    /// Decoded.
    name: String,
    /// Where its last value ends.
    pub(super) last: usize,
    /// Every value of `securitySchemes`.
    pub(super) schemes: Vec<&'a str>,
    /// Every value of `_meta`.
    pub(super) metas: Vec<&'a str>,
}

struct EntryOf<'w, 'a, 'j, 'p> {
    work: &'w mut Work<'a, 'j, 'p>,
    listed: Listed,
}

impl<'a> DeserializeSeed<'a> for EntryOf<'_, 'a, '_, '_> {
    type Value = Entry<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Entry<'a>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for EntryOf<'_, 'a, '_, '_> {
    type Value = Entry<'a>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an entry of a list")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<Entry<'a>, M::Error> {
        let Self { work, listed } = self;
        let mut name = None;
        let mut entry = Entry {
            name: String::new(),
            last: 0,
            schemes: Vec::new(),
            metas: Vec::new(),
        };
        while let Some(key) = members.next_key_seed(AnyKey)? {
            let judged = judged(&key, named_by(listed));
            let judged = judged.map_err(|()| work.unclear("a name under an unusual key"))?;
            let value: &'a str = members.next_value::<&'a RawValue>()?.get();
            entry.last = work.end_of(value);
            match key.text() {
                _ if judged.is_some() => {
                    let Ok(decoded) = serde_json::from_str(value) else {
                        return Err(work.unclear("a name that is no string"));
                    };
                    if name.replace(decoded).is_some() {
                        return Err(work.unclear("an entry with two names"));
                    }
                }
                SCHEMES => entry.schemes.push(value),
                META => entry.metas.push(value),
                _ => {}
            }
        }
        let Some(name) = name else {
            return Err(work.unclear("an entry without a name"));
        };
        entry.name = name;
        Ok(entry)
    }
}

/// Every member of an object, in its order.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> serde::Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(AnyMembers)
    }
}

struct AnyMembers;

impl<'a> Visitor<'a> for AnyMembers {
    type Value = Members<'a>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<Members<'a>, M::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}
