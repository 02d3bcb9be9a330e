//! What the gateway gives out and must know again.

use crate::checked::{Profile, Sessions};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::written::Block;

/// So many are no rotation any more, and each may be tried at every request.
const MOST_KEYS: usize = 16;

pub(super) fn check(
    raw: Option<Block<raw::Sessions>>,
    profile: Profile,
    notes: &mut Notes,
) -> Sessions {
    let place = Place::root().key("sessions");
    let raw = notes.block(&place, raw);
    let place = place.key("encryption_keys");
    let keys = notes.set(&place, raw.encryption_keys.as_ref());
    if keys.is_written_empty() {
        notes.wrong(
            &place,
            Flaw::new("names no key")
                .hint("leave it out for a random one, which ends with the process"),
        );
    }
    if keys.items.len() > MOST_KEYS {
        notes.wrong(
            &place,
            Flaw::new(format!("has more than {MOST_KEYS} keys"))
                .hint("drop those that nothing was made with lately"),
        );
    }
    match profile {
        Profile::Development => {}
        Profile::Production => {
            for (place, _) in keys.placed(&place).filter(|(_, key)| key.is_text()) {
                notes.wrong(
                    &place,
                    Flaw::new("`***` is text that somebody made up, and the profile is production")
                        .hint("make one with `portcullis key`; it begins with base64:"),
                );
            }
        }
    }
    Sessions {
        encryption_keys: keys.items,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fixed, good, with, wrong};
    use crate::{load, resolved};

    const RANDOM: &str = "base64:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
    const SAME: &str = "hex:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const TEXT: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";

    fn keys(keys: &str) -> String {
        format!("sessions: {{ encryption_keys: {keys} }}")
    }

    #[test]
    fn sec_72_the_first_key_makes_and_all_verify() {
        assert!(good("").sessions.encryption_keys.is_empty());
        assert!(good("sessions: {}").sessions.encryption_keys.is_empty());
        let found = good(&keys(&format!("['{RANDOM}', {TEXT}]"))).sessions;
        assert!(!found.encryption_keys[0].is_text());
        assert_eq!(found.encryption_keys[1].expose(), TEXT.as_bytes());
        wrong(&keys("[]"), &["sessions.encryption_keys: names no key"]);
        wrong(
            &keys(&format!("['{RANDOM}', '{SAME}']")),
            &["sessions.encryption_keys[1]: is in the list already"],
        );
    }

    #[test]
    fn sec_72_in_production_no_key_is_made_up() {
        let production =
            |key: &str| format!("profile: production\n{}", keys(&format!("['{key}']")));
        good(&production(RANDOM));
        wrong(
            &production(TEXT),
            &[
                "sessions.encryption_keys[0]: `***` is text that somebody made up, and the profile is production",
            ],
        );
    }

    #[test]
    fn sec_81_keys_are_never_shown() {
        let text = with(&keys("['${ENCRYPTION_KEY}']"));
        let sources = |key: &str| Fixed::default().var("ENCRYPTION_KEY", key);
        let config = load(&text, &sources(TEXT)).unwrap().config;
        let printed = resolved(&config);
        assert!(
            printed.contains("sessions:\n  encryption_keys:\n  - '***'\n"),
            "{printed}"
        );
        assert!(!printed.contains(TEXT) && !format!("{config:?}").contains(TEXT));
        let problems = load(&text, &sources(&TEXT[1..])).unwrap_err().to_string();
        assert!(
            problems.contains("`***` has fewer than 32 characters")
                && !problems.contains(&TEXT[1..]),
            "{problems}"
        );
        let problems = crate::testing::problems(&keys(&format!("[{}]", &TEXT[1..])));
        assert_eq!(
            problems,
            ["sessions.encryption_keys[0]: `***` has fewer than 32 characters"]
        );
    }

    #[test]
    fn the_other_keys_of_sessions_are_planned() {
        wrong(
            "sessions: { store: { memory: {} }, max_age: 24h, require_valid_session: true }",
            &[
                "sessions.max_age: is not supported yet",
                "sessions.require_valid_session: is not supported yet",
                "sessions.store: is not supported yet",
            ],
        );
    }
}
