//! When clients are sent to log in, where something is public.

use crate::checked::{Access, Auth, ChallengeAt, Route};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::scalar::path;
use crate::scalar::word::AuthType;
use crate::written::Text;

/// What holds when nothing is said follows from what is public; what overrides that does not change it, so that it can be switched.
pub(super) fn check(
    place: &Place,
    field: Option<&Text<ChallengeAt>>,
    kind: Option<AuthType>,
    access: &Access,
    notes: &mut Notes,
) -> ChallengeAt {
    let written = notes.text(place, field);
    match (written, access.has_exemptions()) {
        (Some(ChallengeAt::Call), false) => {
            // Where nobody is asked at all, that is what is said.
            if kind != Some(AuthType::None) {
                notes.wrong(
                    place,
                    Flaw::new("has no effect: nothing can be done here without a credential").hint(
                        "say what is public: access.discovery, access.calls or access.public_tools",
                    ),
                );
            }
            ChallengeAt::Connect
        }
        (Some(written), _) => written,
        (None, true) => ChallengeAt::Call,
        (None, false) => ChallengeAt::Connect,
    }
}

/// A path of its own, on a route where the other one does not challenge.
pub(super) fn path_fits(place: &Place, route: &Route, notes: &mut Notes) {
    let Auth::Required(requirement) = &route.auth else {
        return;
    };
    let Some(challenging) = &requirement.challenge_path else {
        return;
    };
    let place = place.key("auth").key("challenge_path");
    if *challenging == route.path {
        notes.wrong(
            &place,
            Flaw::new("is the route's own path").hint("it is a second one, like /mcp/login"),
        );
        return;
    }
    match requirement.challenge {
        ChallengeAt::Call => {}
        ChallengeAt::Connect => notes.wrong(
            &place,
            Flaw::new("has no effect: clients are sent to log in at the route's own path already")
                .hint("it is for routes where access makes something public, with challenge: call"),
        ),
    }
    if let Some(own) = path::own(challenging) {
        notes.wrong(
            &place,
            Flaw::new(format!(
                "belongs to the gateway, which answers {own} and all below it itself"
            ))
            .hint("choose another path"),
        );
    }
    if route
        .host
        .as_ref()
        .is_some_and(|host| host.exact().is_none())
    {
        notes.wrong(
            &place,
            Flaw::new("has no one URL that tokens could be made for, under a wildcard host")
                .hint("name the host in full, or take it away"),
        );
    }
}

#[cfg(test)]
pub(super) mod tests;
