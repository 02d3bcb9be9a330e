//! Rules between API keys, tokens and routes.

use super::{AuthenticatorEntry, RouteEntry};
use crate::checked::{API_KEY_ISSUER, ApiKeys, Auth, IdentityHeaders, Requirement};
use crate::notes::Notes;
use crate::problem::Flaw;

pub(super) fn check(
    authenticators: &[AuthenticatorEntry],
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    for entry in authenticators {
        if let Some(rules) = entry.rules()
            && rules.issuer.starts_with("urn:portcullis:")
        {
            notes.wrong(
                &entry.place.key("issuer"),
                Flaw::new("is how the gateway calls its own").hint(format!(
                    "{API_KEY_ISSUER}… is the issuer of API keys: no token may claim to be one"
                )),
            );
        }
        if let Some(keys) = keys(entry) {
            known_issuers(entry, keys, authenticators, notes);
            told_to_no_server(entry, keys, routes, notes);
        }
    }
    for route in routes {
        if let Auth::Required(requirement) = &route.route.auth {
            one_caller_each(route, requirement, authenticators, notes);
        }
    }
}

fn keys(entry: &AuthenticatorEntry) -> Option<&ApiKeys> {
    entry.checked.as_ref()?.kind.api_keys()
}

/// A key that acts for nobody who can come is a mistake in the issuer, most likely its slash.
fn known_issuers(
    entry: &AuthenticatorEntry,
    keys: &ApiKeys,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    if authenticators.iter().any(|entry| entry.checked.is_none()) {
        return; // it may be that one's
    }
    let bare = |issuer: &str| Box::<str>::from(issuer.strip_suffix('/').unwrap_or(issuer));
    let known = |wanted: &str| {
        authenticators.iter().any(|entry| {
            let further = entry.jwt().into_iter().flat_map(|jwt| &jwt.issuers);
            let own = entry.rules().map(|rules| &rules.issuer);
            own.into_iter()
                .chain(further)
                .any(|one| bare(one) == bare(wanted))
        })
    };
    for (index, holder) in keys.keys.iter().enumerate() {
        if let Some(acts_for) = &holder.acts_for
            && !known(&acts_for.issuer)
        {
            let place = entry.place.key("keys").index(index);
            notes.warn(
                &place.key("acts_for").key("issuer"),
                Flaw::new("is the issuer of no authenticator: the key can come with no token")
                    .hint("write it as the tokens do"),
            );
        }
    }
}

/// A header in which servers are told who calls cannot be the one in which callers say so.
fn told_to_no_server(
    entry: &AuthenticatorEntry,
    keys: &ApiKeys,
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    for route in routes {
        let IdentityHeaders::Map(map) = &route.route.identity.headers else {
            continue;
        };
        if map
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(&keys.header))
        {
            let at = route.place.key("identity").key("headers");
            notes.wrong(
                &entry.place.key("header"),
                Flaw::new(format!("is written to by {at}"))
                    .hint("give the keys a header of their own"),
            );
        }
    }
}

/// A route on which one key is two callers would have to choose.
fn one_caller_each(
    route: &RouteEntry,
    requirement: &Requirement,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let accepted: Vec<(&AuthenticatorEntry, &ApiKeys)> = requirement
        .accept
        .iter()
        .filter_map(|index| authenticators.get(*index))
        .filter_map(|entry| Some((entry, keys(entry)?)))
        .collect();
    for (index, (entry, keys)) in accepted.iter().enumerate() {
        for (other, others) in accepted.iter().take(index) {
            let hashes = || others.keys.iter().flat_map(|holder| &holder.hashes);
            let shared = keys.keys.iter().position(|holder| {
                holder
                    .hashes
                    .iter()
                    .any(|hash| hashes().any(|other| other == hash))
            });
            if let Some(shared) = shared {
                notes.wrong(
                    &route.place.key("auth").key("accept"),
                    Flaw::new(format!(
                        "has the same key twice: keys[{shared}] of {} is one of {} too",
                        entry.name, other.name
                    ))
                    .hint("one key is one caller; make another one with `portcullis key new`"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
