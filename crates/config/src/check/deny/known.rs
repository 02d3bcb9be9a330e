//! Entries of the deny list that turn nobody away, because they name what the configuration does not have.
//!
//! Whether a subject, a client or a token exists only its provider can say. What an authenticator, its issuer and the API keys are
//! called is said here, and a slip in one of these would let somebody in who should be out.

use std::collections::{BTreeMap, BTreeSet};

use crate::checked::{
    API_KEY_ISSUER, Authenticator, AuthenticatorKind, Denied, DenyEntry, SharedSecret, SignedByOne,
};
use crate::place::Place;
use crate::problem::{Flaw, Problem};
use crate::suggest;

/// So many entries are told one by one; a list for many gateways may have thousands that mean nobody of this one.
const MOST_TOLD: usize = 8;
/// And so many names are listed.
const MOST_NAMES: usize = 8;

/// What an entry names and the configuration does not have.
enum Miss<'e> {
    Issuer,
    /// By this key of the entry, and this name.
    Authenticator(&'static str, &'e str),
    /// In this authenticator no such key.
    KeyOf(&'e str, &'e str),
    /// In none.
    Key(&'e str),
}

/// What entries of a deny list can name, in one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenyNames {
    /// Of tokens, as their tokens write them.
    issuers: BTreeSet<Box<str>>,
    /// Those that discovery may spell with or without a slash at their end; they stand here without.
    discovered: BTreeSet<Box<str>>,
    /// Authenticators of kind `api_keys`: the ids of their keys, and where each stands.
    keys: BTreeMap<Box<str>, BTreeMap<Box<str>, usize>>,
}

impl DenyNames {
    pub fn of(authenticators: &[Authenticator]) -> Self {
        let mut names = Self::default();
        for authenticator in authenticators {
            match &authenticator.kind {
                AuthenticatorKind::Oidc { jwt, .. } => {
                    names.discovered.insert(bare(&jwt.rules.issuer).into());
                    names.issuers.extend(jwt.issuers.iter().cloned());
                }
                AuthenticatorKind::Jwks { jwt, .. }
                | AuthenticatorKind::SharedSecret(SharedSecret { jwt, .. })
                | AuthenticatorKind::PublicKey(SignedByOne { jwt, .. }) => {
                    names.issuers.insert(jwt.rules.issuer.clone());
                    names.issuers.extend(jwt.issuers.iter().cloned());
                }
                AuthenticatorKind::Introspection(introspection) => {
                    names.issuers.insert(introspection.rules.issuer.clone());
                }
                AuthenticatorKind::ApiKeys(keys) => {
                    let ids = keys.keys.iter().enumerate();
                    let ids = ids.map(|(index, holder)| (holder.id.clone(), index));
                    names.keys.insert(authenticator.name.clone(), ids.collect());
                }
            }
        }
        names
    }

    /// A warning for each entry that means nobody here, by its place in the list (`[3].key`): the first few, and how many more.
    pub fn missed_by(&self, entries: &[DenyEntry]) -> Vec<Problem> {
        self.missed(&Place::root(), entries)
    }

    pub(super) fn missed(&self, list: &Place, entries: &[DenyEntry]) -> Vec<Problem> {
        let missed = |(index, entry)| Some((index, self.miss(entry)?));
        let mut missed = entries.iter().enumerate().filter_map(missed);
        // Looking for the name that was meant costs more than finding that it is not there.
        let mut told: Vec<Problem> = missed
            .by_ref()
            .take(MOST_TOLD)
            .map(|(index, miss)| {
                let (key, flaw) = self.told(&miss);
                flaw.at(&list.index(index).key(key))
            })
            .collect();
        let further = missed.count();
        if further > 0 {
            let flaw = Flaw::new(format!("{further} more entries turn nobody away"));
            told.push(flaw.at(list));
        }
        told
    }

    fn miss<'e>(&self, entry: &'e DenyEntry) -> Option<Miss<'e>> {
        let issuer = entry.issuer.as_deref();
        let of_keys = issuer.and_then(|issuer| issuer.strip_prefix(API_KEY_ISSUER));
        match (&entry.what, issuer, of_keys) {
            (Denied::Key(id), _, Some(name)) => match self.keys.get(name) {
                None => Some(Miss::Authenticator("authenticator", name)),
                Some(ids) => (!ids.contains_key(id)).then_some(Miss::KeyOf(name, id)),
            },
            (Denied::Key(id), _, None) => {
                let known = self.keys.values().any(|ids| ids.contains_key(id));
                (!known).then_some(Miss::Key(id))
            }
            (Denied::Subject(_) | Denied::Client(_) | Denied::Jti(_), None, _) => None,
            // The subject of a key is its id.
            (Denied::Subject(_) | Denied::Client(_) | Denied::Jti(_), Some(_), Some(name)) => {
                (!self.keys.contains_key(name)).then_some(Miss::Authenticator("issuer", name))
            }
            (Denied::Subject(_) | Denied::Client(_) | Denied::Jti(_), Some(issuer), None) => {
                let known = self.issuers.contains(issuer) || self.discovered.contains(bare(issuer));
                (!known).then_some(Miss::Issuer)
            }
        }
    }

    /// Which key of the entry it is, and what to say of it.
    fn told(&self, miss: &Miss) -> (&'static str, Flaw) {
        let (key, reason, hint) = match *miss {
            Miss::Issuer => (
                "issuer",
                "is the issuer of no authenticator".to_owned(),
                "write it byte for byte as the tokens have it in `iss`; a slash at its end counts"
                    .to_owned(),
            ),
            Miss::Authenticator(key, name) => {
                let names = self.keys.keys().map(|name| &**name);
                let hint = match suggest::closest(name, names) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => self.there_are("there are"),
                };
                let reason = "names no authenticator of kind api_keys".to_owned();
                (key, reason, hint)
            }
            Miss::KeyOf(name, id) => {
                let hint = self.close(id, |other| other == name);
                let reason = format!("is no id in {}", ids_of(name));
                (
                    "key",
                    reason,
                    hint.unwrap_or_else(|| "write it as it stands there".to_owned()),
                )
            }
            Miss::Key(id) => {
                let hint = self.close(id, |_| true);
                let reason = "is the id of no API key".to_owned();
                (
                    "key",
                    reason,
                    hint.unwrap_or_else(|| self.there_are("the ids stand under")),
                )
            }
        };
        let flaw = Flaw::new(format!("{reason}: the entry turns nobody away"));
        (key, flaw.hint(hint))
    }

    /// The key that was meant, by its place: an id may have been put in by `${…}`, and then it is not shown.
    fn close(&self, id: &str, of: impl Fn(&str) -> bool) -> Option<String> {
        let mut close = self
            .keys
            .iter()
            .filter(|(name, _)| of(name))
            .filter_map(|(name, ids)| {
                let close = suggest::closest(id, ids.keys().map(|id| &**id))?;
                Some(ids_of(name).index(*ids.get(close)?))
            });
        let place = close.next()?;
        Some(format!("did you mean the id of {place}?"))
    }

    fn there_are(&self, these: &str) -> String {
        if self.keys.is_empty() {
            return "there is none".to_owned();
        }
        let names = self.keys.keys().take(MOST_NAMES);
        let names = names.map(|name| &**name).collect::<Vec<_>>().join(", ");
        let dots = if self.keys.len() > MOST_NAMES {
            ", …"
        } else {
            ""
        };
        format!("{these} {names}{dots}")
    }
}

fn ids_of(authenticator: &str) -> Place {
    let place = Place::root().key("authenticators").key(authenticator);
    place.key("api_keys").key("keys")
}

fn bare(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

#[cfg(test)]
mod tests;
