//! What a route asks of DPoP proofs.

use std::time::Duration;

use crate::check::authenticator::Entry as AuthenticatorEntry;
use crate::checked::{Authenticator, Dpop, SenderConstrained};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::written::Block;

const SECOND: Duration = Duration::from_secs(1);
/// Longer ones are not to be taken by anybody (SEP-1932), and each has to be remembered for so long.
const LONGEST: Duration = Duration::from_mins(5);

pub(super) fn dpop(place: &Place, raw: Option<Block<raw::Dpop>>, notes: &mut Notes) -> Dpop {
    let raw = notes.block(place, raw);
    let default = Dpop::default();
    let age_place = place.key("max_age");
    let max_age = notes.duration(
        &age_place,
        raw.max_age.as_ref(),
        default.max_age,
        SECOND..=LONGEST,
    );
    if max_age.subsec_nanos() != 0 {
        notes.wrong(&age_place, "is not in whole seconds");
    }
    Dpop {
        nonce: notes.text_or(&place.key("nonce"), raw.nonce.as_ref(), default.nonce),
        max_age,
    }
}

/// Nothing proves that an API key comes from whom it was given to: where a proof is required it counts beside a bound token alone, and
/// then only if it says whose (`acts_for`).
pub(super) fn can_be_given(
    place: &Place,
    constrained: SenderConstrained,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    match constrained {
        SenderConstrained::Optional => return,
        SenderConstrained::Required => {}
    }
    let accepted = accept.iter().filter_map(|index| authenticators.get(*index));
    let Some(checked) = accepted
        .map(|entry| entry.checked.as_ref())
        .collect::<Option<Vec<_>>>()
    else {
        return; // it may be the one that can
    };
    let keys = |one: &&Authenticator| one.kind.api_keys().is_some();
    if checked.iter().copied().all(|one| keys(&one)) {
        notes.wrong(
            place,
            Flaw::new("lets nobody in: API keys alone are accepted here, and there is no proof of whose they are")
                .hint("take it away, or accept an authenticator whose tokens are bound (cnf)"),
        );
        return;
    }
    for one in checked {
        let useless = one
            .kind
            .api_keys()
            .is_some_and(|keys| keys.keys.iter().all(|holder| holder.acts_for.is_none()));
        if useless {
            notes.warn(
                place,
                Flaw::new(format!("turns away every key of {}", one.name)).hint(
                    "keys count here only beside a bound token, and only with acts_for; take the authenticator out of accept, or this away",
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{good, warnings, wrong};
    use crate::{Auth, Dpop, Requirement, SenderConstrained};

    fn requirement(auth: &str) -> Requirement {
        let config = good(&routes(auth));
        match config.routes.into_iter().next().map(|route| route.auth) {
            Some(Auth::Required(requirement)) => requirement,
            other => panic!("{other:?}"),
        }
    }

    fn routes(auth: &str) -> String {
        format!("routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000', auth: {auth} }} ]")
    }

    #[test]
    fn r9449_what_a_route_asks_of_proofs() {
        let plain = requirement("{}");
        assert_eq!(plain.sender_constrained, SenderConstrained::Optional);
        let minute = Dpop {
            nonce: false,
            max_age: Duration::from_mins(1),
        };
        assert_eq!(plain.dpop, minute);
        let strict =
            requirement("{ sender_constrained: required, dpop: { nonce: true, max_age: 5m } }");
        assert_eq!(strict.sender_constrained, SenderConstrained::Required);
        assert!(strict.dpop.nonce);
        assert_eq!(strict.dpop.max_age, Duration::from_mins(5));
    }

    #[test]
    fn ext_dp_1_no_proof_counts_for_more_than_five_minutes() {
        wrong(
            &routes("{ dpop: { max_age: 301s } }"),
            &["routes[0].auth.dpop.max_age: must be at most 5m"],
        );
        wrong(
            &routes("{ dpop: { max_age: 0s } }"),
            &["routes[0].auth.dpop.max_age: must be at least 1s"],
        );
        wrong(
            &routes("{ dpop: { max_age: 1500ms } }"),
            &["routes[0].auth.dpop.max_age: is not in whole seconds"],
        );
        wrong(
            &routes("{ sender_constrained: true }"),
            &[
                "routes[0].auth.sender_constrained: is true or false where optional or required belongs",
            ],
        );
    }

    /// A route with these keys of `auth`, one authenticator of tokens and one of keys.
    fn with_keys(auth: &str, acts_for: &str) -> String {
        let hash = "0".repeat(64);
        let keys = format!("keys: [ {{ id: ci, hash: 'sha256:{hash}'{acts_for} }} ]");
        format!(
            "authenticators: {{ corp: {{ oidc: {{ issuer: 'https://login.example.com/' }} }}, machines: {{ api_keys: {{ {keys} }} }} }}\n{}",
            routes(auth)
        )
    }

    #[test]
    fn r9449_api_keys_prove_nothing() {
        for auth in ["type: jwt", "type: both, accept: [machines]"] {
            wrong(
                &with_keys(&format!("{{ {auth}, sender_constrained: required }}"), ""),
                &[
                    "routes[0].auth.sender_constrained: lets nobody in: API keys alone are accepted here, and there is no proof of whose they are",
                ],
            );
            good(&with_keys(
                &format!("{{ {auth}, sender_constrained: optional }}"),
                "",
            ));
        }
        let both = "{ type: both, sender_constrained: required }";
        assert_eq!(
            warnings(&with_keys(both, "")),
            ["routes[0].auth.sender_constrained: turns away every key of machines"]
        );
        let acts_for = ", acts_for: { issuer: 'https://login.example.com/', subject: a }";
        assert!(warnings(&with_keys(both, acts_for)).is_empty());
        let other = "1".repeat(64);
        let one_of_two = format!("{acts_for} }}, {{ id: cd, hash: 'sha256:{other}'");
        assert!(warnings(&with_keys(both, &one_of_two)).is_empty());
        assert_eq!(
            warnings(&with_keys("{ sender_constrained: required }", "")),
            ["authenticators.machines: is accepted by no route"]
        );
        assert!(warnings(&with_keys("{ type: both }", "")).is_empty());
    }
}
