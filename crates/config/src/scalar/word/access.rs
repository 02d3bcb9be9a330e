//! Words of `access`.

use super::Word;
use crate::checked::{Calls, ChallengeAt, Discovery, ListFilter, PolicyMode, Unlisted};
use crate::problem::Flaw;

impl Word for Discovery {
    const EXPECTED: &'static str = "one of authenticated, handshake, public";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("authenticated", Discovery::Authenticated),
        ("handshake", Discovery::Handshake),
        ("public", Discovery::Public),
    ];
}

impl Word for Calls {
    const EXPECTED: &'static str = "authenticated or public";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("authenticated", Calls::Authenticated),
        ("public", Calls::Public),
    ];
}

impl Word for ListFilter {
    const EXPECTED: &'static str = "one of all, public, callable";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("all", ListFilter::All),
        ("public", ListFilter::Public),
        ("callable", ListFilter::Callable),
    ];
}

impl Word for Unlisted {
    const EXPECTED: &'static str = "deny or allow";
    const WORDS: &'static [(&'static str, Self)] =
        &[("deny", Unlisted::Deny), ("allow", Unlisted::Allow)];
}

impl Word for PolicyMode {
    const EXPECTED: &'static str = "enforce or dry_run";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("enforce", PolicyMode::Enforce),
        ("dry_run", PolicyMode::DryRun),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        matches!(
            text,
            "log" | "audit" | "warn" | "report" | "monitor" | "permissive" | "off"
        )
        .then(|| {
            Flaw::new("is not one of enforce, dry_run")
                .hint("with dry_run what the rules would refuse passes, and is logged")
        })
    }
}

impl Word for ChallengeAt {
    const EXPECTED: &'static str = "connect or call";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("connect", ChallengeAt::Connect),
        ("call", ChallengeAt::Call),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        (text == "never").then(|| {
            Flaw::new("is not one of connect, call")
                .hint("where nothing needs a credential, nobody is ever challenged")
        })
    }
}
