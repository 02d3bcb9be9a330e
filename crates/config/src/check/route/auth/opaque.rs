//! Who is asked about tokens that say nothing themselves (SEC-17).

use crate::check::authenticator::Entry;
use crate::checked::{AuthenticatorKind, Introspection};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;

/// One, or several whose tokens begin differently: nobody may be shown tokens of somebody else, or say that they are good.
pub(super) fn told_apart(place: &Place, accept: &[usize], entries: &[Entry], notes: &mut Notes) {
    let asked: Vec<_> = accept
        .iter()
        .filter_map(|index| entries.get(*index))
        .filter_map(|entry| Some((entry, introspection(entry)?)))
        .collect();
    if asked.len() < 2 {
        return;
    }
    let name = |(entry, _): &(&Entry, &Introspection)| entry.name.clone();
    if asked.iter().any(|(_, one)| one.token_prefix.is_none()) {
        let names: Vec<_> = asked.iter().map(name).collect();
        notes.wrong(
            place,
            Flaw::new(format!(
                "has more than one authenticator of kind introspection: {}",
                names.join(" and ")
            ))
            .hint("give each a token_prefix, so that a token says who is asked about it"),
        );
        return;
    }
    for (index, one) in asked.iter().enumerate() {
        let prefix = one.1.token_prefix.as_deref().unwrap_or_default();
        let mut earlier = asked.iter().take(index);
        if let Some(other) = earlier.find(|other| other.1.token_prefix.as_deref() == Some(prefix)) {
            let (first, second) = (name(other), name(one));
            notes.wrong(
                place,
                Flaw::new(format!(
                    "has two authenticators with one token_prefix: {first} and {second}"
                ))
                .hint("a token must say who is asked about it"),
            );
        }
    }
}

fn introspection(entry: &Entry) -> Option<&Introspection> {
    match &entry.checked.as_ref()?.kind {
        AuthenticatorKind::Introspection(introspection) => Some(introspection),
        AuthenticatorKind::Oidc { .. }
        | AuthenticatorKind::Jwks { .. }
        | AuthenticatorKind::SharedSecret(_)
        | AuthenticatorKind::PublicKey(_)
        | AuthenticatorKind::ApiKeys(_) => None,
    }
}
