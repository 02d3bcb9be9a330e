//! Why the gateway itself ends an event stream, for the operator's log: its client sees a clean end like any other.

use identity::Gone;

use crate::stop::Refusal;

/// What has changed since the stream began. `Display` is the cause in plain words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("it is as old as its route lets it become (streams.max_age)")]
    TooOld,
    #[error("its name or path leads to no route any longer")]
    NoRoute,
    /// What does not depend on the caller.
    #[error("the route's rules for tools were changed: {0}")]
    RulesChanged(&'static str),
    /// The caller's credential counts no longer.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The credential is good, and would not let the caller begin this.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl Ended {
    /// One word: that of a refusal for the same reason, if there is one.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::TooOld => "max_age",
            Self::NoRoute => Refusal::NoRoute.public().reason,
            Self::RulesChanged(_) => "rules_changed",
            Self::Gone(gone) => gone.reason(),
            Self::Refused(refusal) => refusal.public().reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use identity::Failure;
    use oauth::Scopes;

    use super::*;

    #[test]
    fn sec_55_why_a_stream_ended_is_told_apart() {
        let lacking = Refusal::InsufficientScope {
            held: "one".into(),
            needed: Arc::new(Scopes::parse("two").unwrap()),
        };
        for (ended, reason, cause) in [
            (
                Ended::TooOld,
                "max_age",
                "it is as old as its route lets it become (streams.max_age)",
            ),
            (
                Ended::NoRoute,
                "not_found",
                "its name or path leads to no route any longer",
            ),
            (
                Ended::RulesChanged("it was not read"),
                "rules_changed",
                "the route's rules for tools were changed: it was not read",
            ),
            (
                Gone::Failed(Failure::Expired { late: 3 }).into(),
                "expired",
                "token has expired: 3 s ago",
            ),
            (
                Gone::Failed(Failure::Denied("subject")).into(),
                "denied",
                "denied: its subject is on the deny list",
            ),
            (
                Gone::AuthenticatorChanged.into(),
                "authenticator_changed",
                "the authenticator that verified it was changed, or the route takes it no longer",
            ),
            (
                Gone::KeyWithdrawn.into(),
                "unknown_key",
                "the key that verified it was withdrawn by its issuer",
            ),
            (
                Gone::OtherBearer.into(),
                "other_bearer",
                "its provider names another bearer of the token now",
            ),
            (
                lacking.into(),
                "insufficient_scope",
                "the token has scopes [one], this needs [two]",
            ),
        ] {
            assert_eq!((ended.reason(), &*ended.to_string()), (reason, cause));
        }
    }
}
