//! What a route asks of DPoP proofs.

use std::time::Duration;

use crate::checked::Dpop;
use crate::notes::Notes;
use crate::place::Place;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::{good, wrong};
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
}
