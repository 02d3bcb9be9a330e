//! Dangerous things: only what somebody asked for by name, warned of at every start, and never with `profile: production`.

use crate::checked::Profile;
use crate::later;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::scalar::name::Reference;
use crate::written::{List, Text};

/// A `dangerous` list: which of `offered` are wanted here. Every one of them is warned of.
pub(super) fn dangerous(
    place: &Place,
    field: Option<&List<Text<Reference>>>,
    offered: &[&'static str],
    notes: &mut Notes,
) -> Vec<&'static str> {
    let place = place.key("dangerous");
    let mut wanted = Vec::new();
    for (place, Reference(name)) in notes.set(&place, field).placed(&place) {
        if let Some(known) = offered.iter().find(|known| ***known == **name) {
            wanted.push(*known);
            notes.dangers.push((place, known));
        } else if later::DANGEROUS.contains(&&**name) {
            notes.wrong(&place, "is not supported yet");
        } else {
            notes.wrong(
                &place,
                Flaw::new("is not a dangerous thing of this place")
                    .hint(format!("known here: {}", offered.join(", "))),
            );
        }
    }
    wanted
}

/// With `profile: production` each of them is wrong, wherever it stands.
pub(super) fn judge(profile: Profile, notes: &mut Notes) {
    match profile {
        Profile::Development => return,
        Profile::Production => {}
    }
    for (place, name) in std::mem::take(&mut notes.dangers) {
        notes.wrong(
            &place,
            Flaw::new(format!("is {name}, and the profile is production"))
                .hint("take it away; profile: development is for trying things"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::checked::Profile;
    use crate::testing::{good, warnings, wrong};

    const DANGEROUS: &str = "
server: { listen: '127.0.0.1:1', dangerous: [plain_http] }
routes:
  - { path: /mcp, upstream: 'http://127.0.0.1:3000' }
  - { path: /open, upstream: 'http://127.0.0.1:3000', auth: { type: none }, dangerous: [anonymous_access] }
";

    #[test]
    fn x1_s0_4_production_refuses_every_dangerous_thing_and_says_where() {
        let production = format!("profile: production{DANGEROUS}");
        wrong(
            &production,
            &[
                "server.dangerous[0]: is plain_http, and the profile is production",
                "routes[1].dangerous[0]: is anonymous_access, and the profile is production",
            ],
        );
        let quoted = format!("profile: '${{NODE_ENV:-production}}'{DANGEROUS}");
        assert_eq!(crate::testing::problems(&quoted).len(), 2);
        assert_eq!(good("profile: production").profile, Profile::Production);
    }

    #[test]
    fn x1_in_development_every_dangerous_thing_is_warned_of() {
        for profile in ["", "profile: development"] {
            let text = format!("{profile}{DANGEROUS}");
            assert_eq!(good(&text).profile, Profile::Development);
            assert_eq!(
                warnings(&text),
                [
                    "server.dangerous: plain_http: tokens can be read by anyone on the way",
                    "routes[1].dangerous: anonymous_access: everyone who reaches this machine may call this route",
                ]
            );
        }
        wrong(
            "profile: test",
            &["profile: `test` is not one of development, production"],
        );
    }
}
