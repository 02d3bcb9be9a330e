//! Keys that are planned and not there yet: whoever copies them from a newer file is told so, and not sent looking for a typing error.

use crate::place::Place;

/// Paths of such keys. `*` is any one name or index.
const LATER: &[&str] = &[
    "sessions.store",
    "sessions.max_age",
    "sessions.require_valid_session",
    "authorization_server",
    "authenticators.*.login",
    "routes.*.rate_limit.shared",
    "routes.*.upstream_auth",
    "routes.*.public_paths",
    "routes.*.websocket",
    "routes.*.identity.assertion",
];

/// Names for `dangerous` lists that are planned and not there yet.
pub(crate) const DANGEROUS: &[&str] = &["shared_origin", "session_not_checked"];

/// Whether the key at `place` is planned.
pub(crate) fn is_planned(place: &Place) -> bool {
    LATER.iter().any(|planned| place.fits(planned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn planned_keys_are_told_from_unknown_ones() {
        let route = Place::root().key("routes").index(1);
        assert!(is_planned(&route.key("rate_limit").key("shared")));
        assert!(is_planned(&Place::root().key("sessions").key("store")));
        assert!(is_planned(
            &Place::root().key("authenticators").key("x").key("login")
        ));
        assert!(!is_planned(&route.key("access")));
        assert!(!is_planned(&route));
        assert!(!is_planned(&route.key("rate_limit")));
    }

    #[test]
    fn no_planned_key_exists() {
        for planned in LATER {
            let (parent, key) = planned.rsplit_once('.').unwrap_or(("", planned));
            let place = parent.split('.').filter(|word| !word.is_empty()).fold(
                Place::root(),
                |place, word| {
                    let is_list = ["routes", "deny.entries"].contains(&&*place.to_string());
                    if word == "*" && is_list {
                        place.index(0)
                    } else {
                        place.key(word)
                    }
                },
            );
            let keys = schema::keys_at(&place);
            assert!(
                !keys.is_empty() && !keys.iter().any(|known| known == key),
                "{planned}"
            );
        }
    }
}
