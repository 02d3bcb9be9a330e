//! Who may come in on a route.

mod opaque;

use super::{challenge, proof};
use crate::check::authenticator::{Entry as AuthenticatorEntry, Family};
use crate::checked::{
    Access, AudienceClaim, Auth, Families, Requirement, SenderConstrained, Server,
};
use crate::notes::{Listed, Notes};
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::{Audience, Reference, Scope};
use crate::scalar::path::RoutePath;
use crate::scalar::word::{AuthType, Word as _};
use crate::suggest;
use crate::written::Block;

pub(super) fn check(
    place: &Place,
    raw: Option<Block<raw::Auth>>,
    anonymous: bool,
    access: &Access,
    server: &Server,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) -> Option<Auth> {
    let danger_place = place.key("dangerous");
    let place = &place.key("auth");
    let raw = notes.block(place, raw);
    let kind = match &raw.kind {
        None => Some(AuthType::Oauth),
        Some(text) => notes.text(&place.key("type"), Some(text)),
    };
    let accept = notes.set(&place.key("accept"), raw.accept.as_ref());
    let audiences = notes.set(&place.key("audiences"), raw.audiences.as_ref());
    let scopes = notes.set(&place.key("required_scopes"), raw.required_scopes.as_ref());
    let constrained = raw.sender_constrained.as_ref();
    let sender_constrained = notes.text_or(
        &place.key("sender_constrained"),
        constrained,
        SenderConstrained::Optional,
    );
    let dpop_written = raw.dpop.is_some();
    let dpop = proof::dpop(&place.key("dpop"), raw.dpop, notes);
    let challenge_written = raw.challenge.as_ref();
    let challenge_at = challenge::check(
        &place.key("challenge"),
        challenge_written,
        kind,
        access,
        notes,
    );
    let path_written = raw.challenge_path.as_ref();
    let challenge_path = notes.text(&place.key("challenge_path"), path_written);
    let Some(families) = families(kind?) else {
        open_to_anyone(place, anonymous, server, notes);
        let ineffective = [
            ("accept", accept.present),
            ("audiences", audiences.present),
            ("required_scopes", scopes.present),
            ("sender_constrained", constrained.is_some()),
            ("dpop", dpop_written),
            ("challenge", challenge_written.is_some()),
            ("challenge_path", path_written.is_some()),
        ];
        for (key, _) in ineffective.iter().filter(|(_, present)| *present) {
            notes.wrong(
                &place.key(key),
                Flaw::new("has no effect with type: none")
                    .hint("nobody is asked for a token there"),
            );
        }
        if anonymous {
            notes.warn(
                &danger_place,
                "anonymous_access: everyone who reaches this machine may call this route",
            );
        }
        return Some(Auth::Anonymous);
    };
    if anonymous {
        notes.wrong(
            &danger_place,
            Flaw::new("anonymous_access does nothing without auth.type: none").hint("take it away"),
        );
    }
    let accept = accepted(place, families, &accept, authenticators, notes)?;
    one_issuer_each(&place.key("accept"), &accept, authenticators, notes);
    let constrained_place = place.key("sender_constrained");
    proof::can_be_given(
        &constrained_place,
        sender_constrained,
        &accept,
        authenticators,
        notes,
    );
    opaque::told_apart(&place.key("accept"), &accept, authenticators, notes);
    if audiences.items.is_empty() && audiences.whole {
        client_ids_are_named(&place.key("audiences"), &accept, authenticators, notes);
    }
    if !audiences.items.is_empty() {
        audiences_count(&place.key("audiences"), &accept, authenticators, notes);
    }
    Some(Auth::Required(Requirement {
        families,
        accept,
        audiences: audiences
            .items
            .into_iter()
            .map(|Audience(text)| text)
            .collect(),
        required_scopes: scopes.items.into_iter().map(|Scope(text)| text).collect(),
        sender_constrained,
        dpop,
        challenge: challenge_at,
        challenge_path: challenge_path.map(|RoutePath(path)| path),
    }))
}

/// Both halves of X1: said aloud, and on loopback only.
fn open_to_anyone(place: &Place, anonymous: bool, server: &Server, notes: &mut Notes) {
    let place = place.key("type");
    if !anonymous {
        notes.wrong(
            &place,
            Flaw::new("opens this route to everyone")
                .hint("if that is meant, say dangerous: [anonymous_access] on the route"),
        );
    }
    if !server
        .listen
        .iter()
        .all(|address| address.ip().is_loopback())
    {
        notes.wrong(
            &place,
            Flaw::new("is for loopback listeners only")
                .hint("let server.listen name loopback addresses alone, or ask for tokens"),
        );
    }
}

/// What a route takes; `None` where nobody is asked.
fn families(kind: AuthType) -> Option<Families> {
    match kind {
        AuthType::Oauth => Some(Families::Oauth),
        AuthType::Jwt => Some(Families::Jwt),
        AuthType::Both => Some(Families::Both),
        AuthType::None => None,
    }
}

fn takes(families: Families, family: Family) -> bool {
    match families {
        Families::Oauth => family == Family::Oauth,
        Families::Jwt => family == Family::Jwt,
        Families::Both => true,
    }
}

/// Indices of the authenticators this route takes; `None` if there are none, or none can be told.
fn accepted(
    place: &Place,
    families: Families,
    accept: &Listed<Reference>,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) -> Option<Vec<usize>> {
    let fitting =
        |entry: &AuthenticatorEntry| entry.family.is_some_and(|family| takes(families, family));
    let candidates: Vec<usize> = authenticators
        .iter()
        .enumerate()
        .filter(|(_, entry)| fitting(entry))
        .map(|(index, _)| index)
        .collect();
    let unclear = authenticators.iter().any(|entry| entry.family.is_none());
    if candidates.is_empty() {
        if !unclear {
            nobody_fits(place, families, authenticators, notes);
        }
        return None;
    }
    let place = place.key("accept");
    if !accept.present {
        // One more authenticator must not widen a route that does not say so (SEC-18).
        let of = |family| {
            let fitting = authenticators.iter().filter(|entry| fitting(entry));
            fitting.filter(|entry| entry.family == Some(family)).count()
        };
        if of(Family::Oauth) > 1 || of(Family::Jwt) > 1 {
            let names: Vec<&str> = authenticators
                .iter()
                .filter(|entry| fitting(entry))
                .map(|entry| entry.name.as_str())
                .collect();
            notes.missing(
                &place,
                format!(
                    "more than one authenticator fits; name those that count here, of {}",
                    names.join(", ")
                ),
            );
        }
        return Some(candidates);
    }
    if accept.is_written_empty() {
        notes.wrong(
            &place,
            Flaw::new("accepts nobody")
                .hint("name one of the authenticators, or leave it out when there is only one"),
        );
        return None;
    }
    let mut indices = Vec::new();
    for (place, Reference(name)) in accept.placed(&place) {
        match authenticators
            .iter()
            .position(|entry| *entry.name == **name)
        {
            Some(index) if candidates.contains(&index) => indices.push(index),
            Some(index) => {
                if authenticators
                    .get(index)
                    .is_some_and(|entry| entry.family.is_some())
                {
                    let word = AuthType::from(families).word();
                    notes.wrong(
                        &place,
                        Flaw::new(format!("is an authenticator that type: {word} does not take"))
                            .hint("type: both takes all kinds; jwt those that you issue yourself, oauth those of an authorization server"),
                    );
                }
            }
            None => {
                let known = authenticators.iter().map(|entry| entry.name.as_str());
                let hint = match suggest::closest(name, known.clone()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                };
                notes.wrong(&place, Flaw::new("names no authenticator").hint(hint));
            }
        }
    }
    (!indices.is_empty()).then_some(indices)
}

fn nobody_fits(
    place: &Place,
    families: Families,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let hint = match (families, authenticators.is_empty()) {
        (Families::Oauth, false) => {
            "it takes oidc, jwks and introspection; the kinds that there are under `authenticators` are taken by type: jwt"
        }
        (Families::Jwt, false) => {
            "it takes shared_secret, public_key and api_keys; the kinds that there are under `authenticators` are taken by type: oauth"
        }
        (Families::Oauth, true) | (Families::Both, _) => {
            "add one of kind oidc, jwks or introspection under `authenticators`"
        }
        (Families::Jwt, true) => {
            "add one of kind shared_secret, public_key or api_keys under `authenticators`"
        }
    };
    notes.wrong(
        &place.key("type"),
        Flaw::new(format!(
            "{} finds no authenticator",
            AuthType::from(families).word()
        ))
        .hint(hint),
    );
}

/// The token's `iss` selects who judges it, so it must select one. A trailing slash does not tell two apart: discovery may add it.
fn one_issuer_each(
    place: &Place,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for entry in accept.iter().filter_map(|index| authenticators.get(*index)) {
        let Some(jwt) = entry.jwt() else { continue };
        for issuer in std::iter::once(&jwt.rules.issuer).chain(&jwt.issuers) {
            let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
            match seen
                .iter()
                .find(|(other, name)| *other == issuer && *name != entry.name)
            {
                Some((_, other)) => notes.wrong(
                    place,
                    Flaw::new(format!(
                        "has two authenticators of one issuer: {other} and {}",
                        entry.name
                    ))
                    .hint("a token's issuer must say which of them judges it"),
                ),
                None => seen.push((issuer, &entry.name)),
            }
        }
    }
}

/// A client id is never a URL, so the route's own resource cannot be the audience of such tokens.
fn client_ids_are_named(
    place: &Place,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    for entry in accept.iter().filter_map(|index| authenticators.get(*index)) {
        let unnamed = entry.jwt().is_some_and(|jwt| {
            jwt.audience_claim == AudienceClaim::ClientId
                && jwt.rules.audiences.is_empty()
                && !entry.takes_any_audience()
        });
        if unnamed {
            notes.missing(place, format!("{} takes client ids as audiences (audience_claim), so name the client ids that may call here", entry.name));
        }
    }
}

/// An authenticator's own audiences stand in for the route's. Where all have some, nobody compares what is written here.
fn audiences_count(
    place: &Place,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let accepted = || accept.iter().filter_map(|index| authenticators.get(*index));
    let unclear = accepted().any(|entry| entry.checked.is_none());
    let used = accepted()
        .filter_map(AuthenticatorEntry::rules)
        .any(|rules| rules.audiences.is_empty());
    if !unclear && !used {
        notes.wrong(
            place,
            Flaw::new(
                "has no effect: what is accepted here has audiences of its own, or none at all",
            )
            .hint("a shared_secret or public_key needs its own audiences; say them there alone"),
        );
    }
}

#[cfg(test)]
mod tests;
