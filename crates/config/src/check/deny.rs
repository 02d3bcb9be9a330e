//! Who is turned away although their credential is good.

mod known;

pub use known::DenyNames;

use std::io;
use std::path::Path;

use serde_json::Value;

use super::file;
use crate::checked::{API_KEY_ISSUER, Authenticator, Denied, Deny, DenyEntry};
use crate::document;
use crate::interpolate;
use crate::load;
use crate::notes::Notes;
use crate::place::{Place, Step};
use crate::problem::{Flaw, Problem, Problems};
use crate::raw;
use crate::scalar::name::Identifier;
use crate::sources::Sources;
use crate::written::{Block, List};

type Entries = List<Block<raw::DenyEntry>>;

pub(super) fn check(
    raw: Option<Block<raw::Deny>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Deny {
    let place = Place::root().key("deny");
    let raw = notes.block(&place, raw);
    let entries = match raw.entries {
        Some(raw) => entries(&place.key("entries"), raw, notes),
        None => Vec::new(),
    };
    let place = place.key("file");
    let file = raw.file.as_ref();
    let file = file.and_then(|field| file::readable(&place, field, sources, notes));
    let Some((file, text)) = file else {
        return Deny {
            file: None,
            entries,
            listed: Vec::new(),
        };
    };
    let listed = match deny_list(&text) {
        Ok(listed) => listed,
        Err(problems) => {
            for problem in &problems {
                let flaw = Flaw::new(format!("is wrong: {} {}", problem.path, problem.reason));
                let flaw = match &problem.hint {
                    Some(hint) => flaw.hint(hint.clone()),
                    None => flaw,
                };
                notes.wrong(&place, flaw);
            }
            Vec::new()
        }
    };
    Deny {
        file: Some(file),
        entries,
        listed,
    }
}

/// A warning for each entry that turns nobody away, of a list without problems.
pub(super) fn missed(deny: &Deny, authenticators: &[Authenticator]) -> Vec<Problem> {
    let names = DenyNames::of(authenticators);
    let place = Place::root().key("deny");
    let mut warnings = names.missed(&place.key("entries"), &deny.entries);
    for warning in names.missed_by(&deny.listed) {
        // A few entries have a place in the file; the warning of all further ones has none.
        let told_by_place = warning.path.starts_with('[');
        let which = if told_by_place {
            &warning.path
        } else {
            "there"
        };
        warnings.push(Problem {
            path: place.key("file").to_string(),
            reason: format!("is read, and {which} {}", warning.reason),
            hint: warning.hint,
        });
    }
    warnings
}

/// Reads the text of a `deny.file`: a YAML list of entries as they stand in `gateway.yaml`. Nothing is put into it.
///
/// All of it is right, or none of it is taken: half a list would let somebody in. So is an empty file no empty list; it may be one
/// that is being written.
pub fn deny_list(text: &str) -> Result<Vec<DenyEntry>, Problems> {
    let mut notes = Notes::default();
    let mut tree = Value::Array(document::list(text)?);
    interpolate::scalars(&mut tree, &Place::root(), &Nothing, &mut notes);
    let mut unknown = Vec::new();
    let raw = serde_ignored::deserialize(tree, |path| unknown.push(load::place(&path)));
    for place in unknown {
        if let (Some(parent), Some(Step::Key(key))) = (place.parent(), place.last()) {
            let flaw = Flaw::new("is not a known key");
            let flaw = flaw.hint("known here: issuer, subject, client, jti, key, authenticator");
            notes.unknown_key(&parent, key, flaw);
        }
    }
    let entries = match raw {
        Ok(raw) => entries(&Place::root(), raw, &mut notes),
        Err(error) => {
            notes.wrong(&Place::root(), error.to_string());
            Vec::new()
        }
    };
    if notes.problems.is_empty() {
        Ok(entries)
    } else {
        Err(Problems::new(notes.problems))
    }
}

/// For files in which `${…}` finds nothing.
struct Nothing;

impl Sources for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn has_folder(&self, _: &Path) -> bool {
        false
    }
}

fn entries(place: &Place, raw: Entries, notes: &mut Notes) -> Vec<DenyEntry> {
    let items = match raw {
        List::Items(items) => items,
        List::Other(written) => {
            notes.shape(place, &written, "a list");
            return Vec::new();
        }
    };
    let mut entries = Vec::with_capacity(items.len());
    for (index, raw) in items.into_iter().enumerate() {
        let place = place.index(index);
        if let Some(raw) = notes.fields(&place, raw) {
            entries.extend(entry(&place, &raw, notes));
        }
    }
    entries
}

fn entry(place: &Place, raw: &raw::DenyEntry, notes: &mut Notes) -> Option<DenyEntry> {
    let mut text = |name: &str, field| {
        let Identifier(text) = notes.text(&place.key(name), field)?;
        Some(text)
    };
    let issuer = text("issuer", raw.issuer.as_ref());
    let named = [
        raw.subject.is_some(),
        raw.client.is_some(),
        raw.jti.is_some(),
        raw.key.is_some(),
    ];
    let what = [
        text("subject", raw.subject.as_ref()).map(Denied::Subject),
        text("client", raw.client.as_ref()).map(Denied::Client),
        text("jti", raw.jti.as_ref()).map(Denied::Jti),
        text("key", raw.key.as_ref()).map(Denied::Key),
    ];
    let authenticator = text("authenticator", raw.authenticator.as_ref());
    match named.into_iter().filter(|is_there| *is_there).count() {
        1 => {}
        0 if raw.issuer.is_some() => {
            let flaw = Flaw::new("names an issuer alone").hint(
                "name one of subject, client, jti and key; an issuer as a whole is turned away by taking its authenticator out",
            );
            notes.wrong(place, flaw);
        }
        0 if notes.has_unknown_keys(place) => {} // said already, and it may be what was meant
        0 => notes.missing(
            &place.key("subject"),
            "name one of subject, client, jti and key",
        ),
        _ => notes.wrong(
            place,
            Flaw::new("names more than one of subject, client, jti and key")
                .hint("write an entry for each"),
        ),
    }
    if raw.subject.is_some() && raw.issuer.is_none() {
        notes.missing(
            &place.key("issuer"),
            "a subject is somebody only within its issuer",
        );
    }
    if raw.authenticator.is_some() && raw.key.is_none() {
        let flaw = Flaw::new("is for an entry with a `key`");
        let flaw = flaw.hint("tokens are told apart by their `issuer`");
        notes.wrong(&place.key("authenticator"), flaw);
    }
    if raw.issuer.is_some() && raw.key.is_some() {
        let flaw = Flaw::new("is for tokens");
        let flaw = flaw.hint("`authenticator` says whose key is meant");
        notes.wrong(&place.key("issuer"), flaw);
    }
    let what = what.into_iter().flatten().next()?;
    let issuer = match authenticator {
        Some(name) => Some(format!("{API_KEY_ISSUER}{name}").into()),
        None => issuer,
    };
    Some(DenyEntry { what, issuer })
}

#[cfg(test)]
mod tests;
