//! From text to [`Config`](crate::Config): parse, fill in, read, check.

use serde_json::{Map, Value};

use crate::check::{self, Loaded};
use crate::document;
use crate::interpolate;
use crate::later;
use crate::mistakes;
use crate::notes::Notes;
use crate::place::{Place, Step};
use crate::problem::{Flaw, Problems};
use crate::raw;
use crate::schema;
use crate::sources::Sources;
use crate::suggest;

/// Reads the text of a `gateway.yaml`.
///
/// Syntax ends it at once; everything else that is wrong is said together.
pub fn load(text: &str, sources: &dyn Sources) -> Result<Loaded, Problems> {
    let mut notes = Notes::default();
    let mut tree = document::parse(text)?;
    interpolate::mapping(&mut tree, &Place::root(), sources, &mut notes);
    read(tree, sources, notes)
}

/// The same from a tree whose scalars are filled in.
pub(crate) fn read(
    tree: Map<String, Value>,
    sources: &dyn Sources,
    mut notes: Notes,
) -> Result<Loaded, Problems> {
    let mut unknown = Vec::new();
    let file = serde_ignored::deserialize(Value::Object(tree), |path| unknown.push(place(&path)));
    let file: raw::File = match file {
        Ok(file) => file,
        // Every shape is taken by the types of `written`, so this says that one of them is wrong.
        Err(error) => {
            notes.wrong(&Place::root(), error.to_string());
            return Err(Problems::new(notes.problems));
        }
    };
    for place in unknown {
        note_unknown(&place, &mut notes);
    }
    check::check(file, sources, notes)
}

fn note_unknown(place: &Place, notes: &mut Notes) {
    let (Some(parent), Some(Step::Key(key))) = (place.parent(), place.last()) else {
        notes.wrong(place, "is not known");
        return;
    };
    let known = schema::keys_at(&parent);
    let flaw = if later::is_planned(place) {
        Flaw::new("is not supported yet")
    } else if key == "enabled" {
        Flaw::new("is not a known key: what is written is on")
            .hint("to turn something off, take its block away; which authenticators a route takes is said by its auth.type and auth.accept")
    } else if key == "<<" {
        Flaw::new("is a merge key, which YAML 1.2 does not have")
            .hint("anchors and aliases of whole values do work")
    } else {
        let home = home_of(key, &parent);
        let close = suggest::closest(key, known.iter().map(String::as_str));
        let hint = match (mistakes::instead(&parent, key), home, close) {
            (Some(instead), _, _) => instead.to_owned(),
            (None, Some(home), _) => format!("it is a key of {home}: check the indentation"),
            (None, None, Some(close)) => format!("did you mean `{close}`?"),
            (None, None, None) => format!("known here: {}", known.join(", ")),
        };
        Flaw::new("is not a known key").hint(hint)
    };
    notes.unknown_key(&parent, key, flaw);
}

/// Where a key belongs that stands too deep, beside the block that it is of, or beside the routes and not in one.
fn home_of(key: &str, parent: &Place) -> Option<String> {
    let holds = |place: &Place| schema::keys_at(place).iter().any(|known| known == key);
    let beside = schema::block_with(parent, key).map(|block| parent.key(&block).to_string());
    if parent.parent().is_none() {
        let route = Place::root().key("routes").index(0);
        if holds(&route) {
            return Some("a route".to_owned());
        }
        let in_a_route = || Some(format!("{} of a route", schema::block_with(&route, key)?));
        return beside.or_else(in_a_route);
    }
    if beside.is_some() {
        return beside;
    }
    let mut above = parent.parent();
    while let Some(place) = above {
        if holds(&place) {
            return Some(match place.parent() {
                Some(_) => place.to_string(),
                None => "the file itself".to_owned(),
            });
        }
        above = place.parent();
    }
    None
}

/// Where something stands that nobody reads.
pub(crate) fn place(path: &serde_ignored::Path<'_>) -> Place {
    use serde_ignored::Path;
    match path {
        Path::Root => Place::root(),
        Path::Seq { parent, index } => place(parent).index(*index),
        Path::Map { parent, key } => place(parent).key(key),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => place(parent),
    }
}

#[cfg(test)]
mod tests;
