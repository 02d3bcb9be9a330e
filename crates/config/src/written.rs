//! One value as it was written: a scalar, a list, a table or a block, or something else in its place.
//!
//! None of these fails to deserialize. A value of the wrong shape is kept as such, so that `check` can speak of all of them at once.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

/// Marks that interpolation leaves on strings. No scalar of a file can begin with NUL: interpolation refuses those.
const MARK: char = '\0';
const NOTHING: &str = "\0nothing";
const REPORTED: &str = "\0reported";
const GIVEN: &str = "\0given:";

/// A key without a value.
pub(crate) fn nothing() -> String {
    NOTHING.to_owned()
}

/// A scalar about which a problem has been noted already.
pub(crate) fn reported() -> String {
    REPORTED.to_owned()
}

/// Text that came, wholly or in part, from outside the file. It is not to be shown.
pub(crate) fn given(text: &str) -> String {
    format!("{GIVEN}{text}")
}

/// What stood there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    /// Text of the file itself.
    Plain(String),
    /// Text put in by `${…}`: never shown.
    Given(String),
    /// A whole number, in decimal.
    Whole(String),
    Fraction,
    Bool(bool),
    /// A key without a value.
    Nothing,
    /// A problem has been noted already; nothing more is said.
    Reported,
    List,
    Mapping,
}

impl Written {
    fn from_text(text: &str) -> Self {
        if !text.starts_with(MARK) {
            return Written::Plain(text.to_owned());
        }
        match text.strip_prefix(GIVEN) {
            Some(text) => Written::Given(text.to_owned()),
            None if text == NOTHING => Written::Nothing,
            None => Written::Reported,
        }
    }
}

/// A scalar that should read as a `T`.
#[derive(Debug)]
pub(crate) struct Text<T> {
    pub(crate) written: Written,
    kind: PhantomData<fn() -> T>,
}

impl<T> Text<T> {
    /// Whether `${…}` put it in.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.written, Written::Given(_))
    }
}

/// A list of scalars.
#[derive(Debug)]
pub(crate) enum List<T> {
    Items(Vec<T>),
    Other(Written),
}

impl<T> List<Text<T>> {
    /// Whether `${…}` put any of it in.
    pub(crate) fn is_given(&self) -> bool {
        match self {
            List::Items(items) => items.iter().any(Text::is_given),
            List::Other(written) => matches!(written, Written::Given(_)),
        }
    }
}

/// A list of scalars, or one of them alone.
#[derive(Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) List<Text<T>>);

/// Names of the operator's own, each with a value.
#[derive(Debug)]
pub(crate) enum Table<V> {
    Entries(BTreeMap<String, V>),
    Other(Written),
}

/// A mapping with keys of ours.
#[derive(Debug)]
pub(crate) enum Block<B> {
    Fields(Box<B>),
    Other(Written),
}

/// One word, or a table.
#[derive(Debug)]
pub(crate) enum WordOrTable<T, V> {
    Word(Text<T>),
    Table(BTreeMap<String, V>),
}

/// One scalar, a list of them, or a mapping with keys of ours.
#[derive(Debug)]
pub(crate) enum ManyOrBlock<T, B> {
    One(Text<T>),
    Many(Vec<Text<T>>),
    Block(Box<B>),
}

/// How each of the above takes what it meets.
trait Shape<'de>: Sized {
    fn other(written: Written) -> Self;

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        // Drained as values: as "ignored", each element would be reported as an unknown key.
        while list.next_element::<serde_json::Value>()?.is_some() {}
        Ok(Self::other(Written::List))
    }

    fn mapping<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<String, serde_json::Value>()?.is_some() {}
        Ok(Self::other(Written::Mapping))
    }
}

impl<T> Shape<'_> for Text<T> {
    fn other(written: Written) -> Self {
        Text {
            written,
            kind: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for List<T> {
    fn other(written: Written) -> Self {
        List::Other(written)
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        items(list).map(List::Items)
    }
}

impl<'de, T> Shape<'de> for OneOrMany<T> {
    fn other(written: Written) -> Self {
        match written {
            Written::Nothing | Written::Reported | Written::List | Written::Mapping => {
                OneOrMany(List::Other(written))
            }
            Written::Plain(_)
            | Written::Given(_)
            | Written::Whole(_)
            | Written::Fraction
            | Written::Bool(_) => OneOrMany(List::Items(vec![Text::other(written)])),
        }
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        List::list(list).map(OneOrMany)
    }
}

impl<'de, V: Deserialize<'de>> Shape<'de> for Table<V> {
    fn other(written: Written) -> Self {
        Table::Other(written)
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        entries(map).map(Table::Entries)
    }
}

impl<'de, B: Deserialize<'de>> Shape<'de> for Block<B> {
    fn other(written: Written) -> Self {
        Block::Other(written)
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        B::deserialize(MapAccessDeserializer::new(map))
            .map(|fields| Block::Fields(Box::new(fields)))
    }
}

impl<'de, T, V: Deserialize<'de>> Shape<'de> for WordOrTable<T, V> {
    fn other(written: Written) -> Self {
        WordOrTable::Word(Text::other(written))
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        entries(map).map(WordOrTable::Table)
    }
}

impl<'de, T, B: Deserialize<'de>> Shape<'de> for ManyOrBlock<T, B> {
    fn other(written: Written) -> Self {
        ManyOrBlock::One(Text::other(written))
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        items(list).map(ManyOrBlock::Many)
    }

    fn mapping<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        B::deserialize(MapAccessDeserializer::new(map))
            .map(|fields| ManyOrBlock::Block(Box::new(fields)))
    }
}

fn items<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut list: A) -> Result<Vec<T>, A::Error> {
    let mut items = Vec::new();
    while let Some(item) = list.next_element()? {
        items.push(item);
    }
    Ok(items)
}

fn entries<'de, V: Deserialize<'de>, A: MapAccess<'de>>(
    mut map: A,
) -> Result<BTreeMap<String, V>, A::Error> {
    let mut entries = BTreeMap::new();
    while let Some((name, value)) = map.next_entry()? {
        entries.insert(name, value);
    }
    Ok(entries)
}

struct ShapeVisitor<S>(PhantomData<S>);

impl<'de, S: Shape<'de>> Visitor<'de> for ShapeVisitor<S> {
    type Value = S;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<S, E> {
        Ok(S::other(Written::Nothing))
    }

    fn visit_bool<E>(self, value: bool) -> Result<S, E> {
        Ok(S::other(Written::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<S, E> {
        Ok(S::other(Written::Whole(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<S, E> {
        Ok(S::other(Written::Whole(value.to_string())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<S, E> {
        Ok(S::other(Written::Fraction))
    }

    fn visit_str<E>(self, value: &str) -> Result<S, E> {
        Ok(S::other(Written::from_text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<S, A::Error> {
        S::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S, A::Error> {
        S::mapping(map)
    }
}

/// `Deserialize` for everything that has a `Shape`.
macro_rules! deserialize_by_shape {
    ($($shape:ident<$($parameter:ident $(: $bound:ident)?),+>;)+) => {$(
        impl<'de, $($parameter $(: $bound<'de>)?),+> Deserialize<'de> for $shape<$($parameter),+> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ShapeVisitor(PhantomData))
            }
        }
    )+};
}

deserialize_by_shape! {
    Text<T>;
    List<T: Deserialize>;
    OneOrMany<T>;
    Table<V: Deserialize>;
    Block<B: Deserialize>;
    WordOrTable<T, V: Deserialize>;
    ManyOrBlock<T, B: Deserialize>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read by printing")]
    struct Inner {
        word: Option<Text<u8>>,
        list: Option<List<Text<u8>>>,
    }

    #[track_caller]
    fn check<T: for<'de> Deserialize<'de> + fmt::Debug>(value: serde_json::Value, expected: &str) {
        let mut unknown = Vec::new();
        let read: T =
            serde_ignored::deserialize(value, |path| unknown.push(path.to_string())).unwrap();
        let shown = format!("{read:?} {unknown:?}").replace(", kind: PhantomData<fn() -> u8>", "");
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_fails_and_unknown_keys_are_found() {
        check::<Block<Inner>>(
            json!({"word": {"x": 1}, "list": ["a", 1, [2]], "odd": [1, 2]}),
            r#"Fields(Inner { word: Some(Text { written: Mapping }), list: Some(Items([Text { written: Plain("a") }, Text { written: Whole("1") }, Text { written: List }])) }) ["odd"]"#,
        );
        check::<Block<Inner>>(json!([1]), "Other(List) []");
        check::<Block<Inner>>(json!(nothing()), "Other(Nothing) []");
        check::<List<Text<u8>>>(json!({"a": {"b": 1}}), "Other(Mapping) []");
        check::<OneOrMany<u8>>(
            json!(1.5),
            "OneOrMany(Items([Text { written: Fraction }])) []",
        );
        check::<OneOrMany<u8>>(json!({}), "OneOrMany(Other(Mapping)) []");
        check::<Table<Text<u8>>>(
            json!({"a": true}),
            r#"Entries({"a": Text { written: Bool(true) }}) []"#,
        );
        check::<Table<Text<u8>>>(json!(reported()), "Other(Reported) []");
        check::<WordOrTable<u8, Text<u8>>>(
            json!(given("x")),
            r#"Word(Text { written: Given("x") }) []"#,
        );
        check::<WordOrTable<u8, Text<u8>>>(
            json!({"a": -1}),
            r#"Table({"a": Text { written: Whole("-1") }}) []"#,
        );
    }
}
