//! The kind `api_keys`.

use super::rules;
use crate::checked::{ActsFor, ApiKeys, AuthenticatorKind, Config, KeyHolder};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::{Flaw, Problem};
use crate::raw;
use crate::scalar::key::{KeyHash, KeyHeader, KeyId, Label, Moment};
use crate::scalar::name::{Identifier, Scope};
use crate::written::{Block, List};

const DEFAULT_HEADER: &str = "X-API-Key";

pub(super) fn check(
    place: &Place,
    raw: Block<raw::ApiKeys>,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let header = notes.text(&place.key("header"), raw.header.as_ref());
    let keys = keys(&place.key("keys"), raw.keys, notes);
    let scope_map = rules::scope_map(&place.key("scope_map"), raw.scope_map, notes);
    Some(AuthenticatorKind::ApiKeys(ApiKeys {
        header: header.map_or_else(|| DEFAULT_HEADER.into(), |KeyHeader(name)| name),
        keys,
        scope_map,
    }))
}

fn keys(place: &Place, raw: Option<List<Block<raw::ApiKey>>>, notes: &mut Notes) -> Vec<KeyHolder> {
    let items = match raw {
        Some(List::Items(items)) => items,
        Some(List::Other(written)) => {
            notes.shape(place, &written, "a list");
            return Vec::new();
        }
        None => {
            notes.missing(
                place,
                "`portcullis key new` makes a key and prints what belongs here of it",
            );
            return Vec::new();
        }
    };
    if items.is_empty() {
        notes.wrong(
            place,
            Flaw::new("names nobody")
                .hint("`portcullis key new` makes a key and prints what belongs here of it"),
        );
    }
    let mut holders: Vec<KeyHolder> = Vec::with_capacity(items.len());
    let mut places = Vec::with_capacity(items.len());
    for (index, raw) in items.into_iter().enumerate() {
        let place = place.index(index);
        let Some(raw) = notes.fields(&place, raw) else {
            continue;
        };
        let Some(holder) = holder(&place, raw, notes) else {
            continue;
        };
        if holders.iter().any(|other| other.id == holder.id) {
            let flaw = Flaw::new("is the id of another key");
            notes.wrong(
                &place.key("id"),
                flaw.hint("to change a key, list both hashes under one id"),
            );
        }
        let same = |other: &KeyHolder| other.hashes.iter().any(|hash| holder.hashes.contains(hash));
        if let Some(other) = holders.iter().position(same).and_then(|at| places.get(at)) {
            // by its place: an id may have been put in, and then it is not shown
            let flaw = Flaw::new(format!("is a hash of {other} too"));
            notes.wrong(&place.key("hash"), flaw.hint("one key is one caller"));
        }
        holders.push(holder);
        places.push(place);
    }
    holders
}

fn holder(place: &Place, raw: raw::ApiKey, notes: &mut Notes) -> Option<KeyHolder> {
    let id = notes.required(&place.key("id"), raw.id.as_ref());
    let hash_place = place.key("hash");
    if raw.hash.is_none() {
        notes.missing(
            &hash_place,
            "`portcullis key new` makes a key and prints its hash",
        );
    }
    let hashes = notes.one_or_many(&hash_place, raw.hash.as_ref());
    if hashes.is_written_empty() {
        notes.wrong(&hash_place, "names no key");
    }
    for (index, (place, hash)) in hashes.placed(&hash_place).enumerate() {
        if hashes
            .items
            .iter()
            .take(index)
            .any(|earlier| earlier == hash)
        {
            notes.wrong(&place, "is in the list already");
        }
    }
    let scopes = notes.set(&place.key("scopes"), raw.scopes.as_ref());
    let groups = notes.set(&place.key("groups"), raw.groups.as_ref());
    let expires = notes.text(&place.key("expires"), raw.expires.as_ref());
    let mut label = |name: &str, field| {
        let Label(text) = notes.text(&place.key(name), field)?;
        Some(text)
    };
    let name = label("name", raw.name.as_ref());
    let email = label("email", raw.email.as_ref());
    let acts_for = raw
        .acts_for
        .and_then(|raw| acts_for(&place.key("acts_for"), raw, notes));
    Some(KeyHolder {
        id: id.map(|KeyId(id)| id)?,
        hashes: hashes.items.into_iter().map(|KeyHash(hash)| hash).collect(),
        scopes: scopes.items.into_iter().map(|Scope(scope)| scope).collect(),
        expires: expires.map(|Moment(seconds)| seconds),
        acts_for,
        name,
        email,
        groups: groups.items.into_iter().map(|Label(text)| text).collect(),
    })
}

fn acts_for(place: &Place, raw: Block<raw::ActsFor>, notes: &mut Notes) -> Option<ActsFor> {
    let raw = notes.fields(place, raw)?;
    let issuer = notes.required(&place.key("issuer"), raw.issuer.as_ref());
    let subject = notes.required(&place.key("subject"), raw.subject.as_ref());
    let (Identifier(issuer), Identifier(subject)) = (issuer?, subject?);
    Some(ActsFor { issuer, subject })
}

/// A warning for each key that counts no longer at `now`, in seconds since 1970-01-01 UTC. The configuration itself knows no clock.
pub fn expired_keys(config: &Config, now: u64) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for authenticator in &config.authenticators {
        let keys = authenticator.kind.api_keys().into_iter();
        for (index, holder) in keys.flat_map(|keys| &keys.keys).enumerate() {
            if holder.expires.is_some_and(|expires| expires <= now) {
                let place = Place::root().key("authenticators").key(&authenticator.name);
                let place = place.key("api_keys").key("keys").index(index);
                let flaw = Flaw::new("is over: the keys of this id are refused");
                let flaw = flaw.hint("take the entry out, or give it a later date");
                warnings.push(flaw.at(&place.key("expires")));
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests;
