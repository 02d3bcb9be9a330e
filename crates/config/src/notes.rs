//! Everything found while a configuration is read, and the reading of single values.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::mistakes;
use crate::place::{Place, Step};
use crate::problem::{Flaw, Problem};
use crate::scalar::Scalar;
use crate::scalar::unit::{Count, Size, show_duration, show_size};
use crate::schema;
use crate::suggest;
use crate::written::{Block, List, OneOrMany, Table, Text, Written};

/// Problems and warnings, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Dangerous things that are wanted somewhere, each with its name.
    pub(crate) dangers: Vec<(Place, &'static str)>,
    /// Keys that nobody knows, and the mappings they stand in.
    unknown: Vec<(Place, String)>,
}

/// The elements of a list that could be read.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// Where each of them stands in the list.
    indices: Vec<usize>,
    /// Whether the key was there at all.
    pub(crate) present: bool,
    /// Whether every element could be read: only then may something be said about the list as a whole.
    pub(crate) whole: bool,
}

impl<T> Listed<T> {
    /// Elements that were read by hand, each with its index.
    pub(crate) fn of(items: Vec<(usize, T)>, present: bool, whole: bool) -> Self {
        let (indices, items) = items.into_iter().unzip();
        Listed {
            items,
            indices,
            present,
            whole,
        }
    }

    /// Each element with its index in the list as it was written.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &T)> {
        self.indices.iter().copied().zip(&self.items)
    }

    /// Each element with its place.
    pub(crate) fn placed<'l>(&'l self, place: &'l Place) -> impl Iterator<Item = (Place, &'l T)> {
        self.indices
            .iter()
            .map(|index| place.index(*index))
            .zip(&self.items)
    }

    /// Whether the list is there and has nothing in it.
    pub(crate) fn is_written_empty(&self) -> bool {
        self.present && self.whole && self.items.is_empty()
    }
}

impl Notes {
    /// Something that keeps the gateway from starting.
    pub(crate) fn wrong(&mut self, place: &Place, flaw: impl Into<Flaw>) {
        self.problems.push(flaw.into().at(place));
    }

    /// Something that works and that the operator should know of.
    pub(crate) fn warn(&mut self, place: &Place, flaw: impl Into<Flaw>) {
        self.warnings.push(flaw.into().at(place));
    }

    /// A key that nobody knows, in the mapping at `place`. What else was found there or below is no longer of interest.
    pub(crate) fn unknown_key(&mut self, place: &Place, key: &str, flaw: Flaw) {
        let unknown = place.key(key);
        let below = |problem: &Problem| {
            let rest = problem
                .path
                .strip_prefix(&unknown.to_string())
                .map(str::to_owned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.problems.retain(|problem| !below(problem));
        self.warnings.retain(|warning| !below(warning));
        self.wrong(&unknown, flaw);
        self.unknown.push((place.clone(), key.to_owned()));
    }

    pub(crate) fn has_unknown_keys(&self, place: &Place) -> bool {
        self.unknown.iter().any(|(other, _)| other == place)
    }

    /// A key that has to be there. Not said beside a key that is it, misspelt.
    pub(crate) fn missing(&mut self, place: &Place, hint: impl Into<String>) {
        let misspelt = match (place.parent(), place.last()) {
            (Some(parent), Some(Step::Key(key))) => {
                let mut beside = self.unknown.iter().filter(|(other, _)| *other == parent);
                beside.any(|(_, unknown)| suggest::closest(unknown, [key.as_str()]).is_some())
            }
            _ => false,
        };
        if !misspelt {
            self.wrong(place, Flaw::new("is missing").hint(hint));
        }
    }

    /// The value of a scalar. `None` if it is not there, or cannot be read, which is noted.
    pub(crate) fn text<T: Scalar>(&mut self, place: &Place, field: Option<&Text<T>>) -> Option<T> {
        let written = &field?.written;
        match written {
            Written::Plain(text) => self.read(place, text, T::SHOWN.then_some(text)),
            Written::Given(text) => self.read(place, text, None),
            Written::Whole(text) => self.read(place, text, Some(text)),
            Written::Bool(value) if T::TAKES_BOOL => self.read(place, &value.to_string(), None),
            Written::Nothing => {
                self.wrong(
                    place,
                    Flaw::new("has no value")
                        .hint(format!("remove the key, or give it {}", T::EXPECTED)),
                );
                None
            }
            Written::Bool(_)
            | Written::Fraction
            | Written::Reported
            | Written::List
            | Written::Mapping => {
                self.shape(place, written, T::EXPECTED);
                None
            }
        }
    }

    fn read<T: Scalar>(&mut self, place: &Place, text: &str, shown: Option<&String>) -> Option<T> {
        match T::read(text) {
            Ok(value) => Some(value),
            Err(flaw) => {
                let reason = format!("{} {}", shown_value(shown), flaw.reason);
                self.wrong(place, Flaw { reason, ..flaw });
                None
            }
        }
    }

    /// The value of a scalar, or what it is when it is not there.
    pub(crate) fn text_or<T: Scalar>(
        &mut self,
        place: &Place,
        field: Option<&Text<T>>,
        default: T,
    ) -> T {
        self.text(place, field).unwrap_or(default)
    }

    /// The value of a scalar that has to be there.
    pub(crate) fn required<T: Scalar>(
        &mut self,
        place: &Place,
        field: Option<&Text<T>>,
    ) -> Option<T> {
        if field.is_none() {
            self.missing(place, format!("give it {}", T::EXPECTED));
        }
        self.text(place, field)
    }

    pub(crate) fn duration(
        &mut self,
        place: &Place,
        field: Option<&Text<Duration>>,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        let value = self.text_or(place, field, default);
        self.within(place, &value, &allowed, |duration| show_duration(*duration));
        value
    }

    pub(crate) fn size(
        &mut self,
        place: &Place,
        field: Option<&Text<Size>>,
        default: u64,
        allowed: RangeInclusive<u64>,
    ) -> u64 {
        let Size(value) = self.text_or(place, field, Size(default));
        self.within(place, &value, &allowed, |size| show_size(*size));
        value
    }

    pub(crate) fn count(
        &mut self,
        place: &Place,
        field: Option<&Text<Count>>,
        default: u32,
        allowed: RangeInclusive<u32>,
    ) -> u32 {
        let Count(value) = self.text_or(place, field, Count(default.into()));
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        self.within(place, &value, &allowed, u32::to_string);
        value
    }

    fn within<T: PartialOrd>(
        &mut self,
        place: &Place,
        value: &T,
        allowed: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) {
        if value < allowed.start() {
            self.wrong(place, format!("must be at least {}", show(allowed.start())));
        } else if value > allowed.end() {
            self.wrong(place, format!("must be at most {}", show(allowed.end())));
        }
    }

    /// The elements of a list; those that cannot be read are noted and left out.
    pub(crate) fn list<T: Scalar>(
        &mut self,
        place: &Place,
        field: Option<&List<Text<T>>>,
    ) -> Listed<T> {
        let mut listed = Listed {
            items: Vec::new(),
            indices: Vec::new(),
            present: field.is_some(),
            whole: true,
        };
        match field {
            None => {}
            Some(List::Other(written)) => {
                self.shape(place, written, "a list");
                listed.whole = false;
            }
            Some(List::Items(items)) => {
                for (index, item) in items.iter().enumerate() {
                    match self.text(&place.index(index), Some(item)) {
                        Some(item) => {
                            listed.items.push(item);
                            listed.indices.push(index);
                        }
                        None => listed.whole = false,
                    }
                }
            }
        }
        listed
    }

    /// The same for a list in which nothing may stand twice.
    pub(crate) fn set<T: Scalar + PartialEq>(
        &mut self,
        place: &Place,
        field: Option<&List<Text<T>>>,
    ) -> Listed<T> {
        let listed = self.list(place, field);
        for (index, (place, item)) in listed.placed(place).enumerate() {
            if listed
                .items
                .iter()
                .take(index)
                .any(|earlier| earlier == item)
            {
                self.wrong(&place, "is in the list already");
            }
        }
        listed
    }

    pub(crate) fn one_or_many<T: Scalar>(
        &mut self,
        place: &Place,
        field: Option<&OneOrMany<T>>,
    ) -> Listed<T> {
        self.list(place, field.map(|OneOrMany(list)| list))
    }

    /// The fields of a block in which nothing has to be there.
    pub(crate) fn block<B: Default>(&mut self, place: &Place, field: Option<Block<B>>) -> B {
        field
            .and_then(|field| self.fields(place, field))
            .unwrap_or_default()
    }

    /// The fields of a block, none if it is empty. `None` if something else stands there: then nothing in it is missing.
    pub(crate) fn fields<B: Default>(&mut self, place: &Place, field: Block<B>) -> Option<B> {
        match field {
            Block::Fields(fields) => Some(*fields),
            Block::Other(Written::Nothing) => Some(B::default()),
            Block::Other(written) => {
                self.shape(place, &written, "a mapping");
                None
            }
        }
    }

    /// The entries of a table. One that is not there, or empty, has none.
    pub(crate) fn table<V>(
        &mut self,
        place: &Place,
        field: Option<Table<V>>,
    ) -> BTreeMap<String, V> {
        match field {
            None | Some(Table::Other(Written::Nothing)) => BTreeMap::new(),
            Some(Table::Entries(entries)) => entries,
            Some(Table::Other(written)) => {
                self.shape(place, &written, "a mapping");
                BTreeMap::new()
            }
        }
    }

    /// Something of another shape than the one that belongs here.
    pub(crate) fn shape(&mut self, place: &Place, written: &Written, expected: &str) {
        let found = match written {
            Written::Reported => return,
            Written::Nothing => {
                let hint = format!("remove the key, or give it {expected}");
                self.wrong(place, Flaw::new("has no value").hint(hint));
                return;
            }
            Written::Bool(_) => "true or false",
            Written::Fraction => "a number with a fraction",
            Written::List => "a list",
            Written::Mapping => "a mapping",
            Written::Plain(_) | Written::Given(_) | Written::Whole(_) => "a single value",
        };
        let flaw = Flaw::new(format!("is {found} where {expected} belongs"));
        let flaw = match (expected, written) {
            ("a mapping", _) => {
                let keys = schema::keys_at(place).join(", ");
                match (keys.is_empty(), mistakes::example(place)) {
                    (true, _) => flaw,
                    (false, None) => flaw.hint(format!("its keys are: {keys}")),
                    (false, Some(example)) => flaw.hint(format!(
                        "its keys are: {keys}; it is written like {example}"
                    )),
                }
            }
            ("a list", Written::Mapping) => match mistakes::example(place) {
                None => flaw.hint("each entry begins with a dash"),
                Some(example) => flaw.hint(format!("it is written like {example}")),
            },
            (_, Written::List | Written::Mapping) => flaw,
            ("a list", _) => flaw.hint("put it in brackets: [ … ]"),
            // One of a few words: quotes make none of them.
            (words, _) if words.starts_with("one of ") || words.contains(" or ") => flaw,
            _ => flaw.hint("put it in quotes if text is meant"),
        };
        self.wrong(place, flaw);
    }
}

/// A value in a message: cut to a line, controls escaped; `***` for what was put in, and for what looks like a URL with a password.
fn shown_value(value: Option<&String>) -> String {
    const LONGEST: usize = 60;
    match value {
        Some(value) if !(value.contains("://") && value.contains('@')) => {
            let cut: String = value
                .chars()
                .take(LONGEST)
                .flat_map(char::escape_debug)
                .collect();
            let dots = if value.chars().count() > LONGEST {
                "…"
            } else {
                ""
            };
            format!("`{cut}{dots}`")
        }
        _ => "`***`".to_owned(),
    }
}
