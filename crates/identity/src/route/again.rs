//! Whether a caller that was let in would be let in again: of streams, which outlive the request that opened them, and the
//! configuration they were opened under (SEC-55).

use super::RouteAuthenticator;
use crate::caller::{Caller, Timestamp};
use crate::credential::Credential;
use crate::failure::Failure;

/// Why a credential that was good counts no longer. `Display` is for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// What would be said of it now, if it came with a request.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The route does not take the authenticator that verified it, or that has other settings now (SEC-12).
    #[error("the authenticator that verified it was changed, or the route takes it no longer")]
    AuthenticatorChanged,
    /// The issuer has dropped the key that verified it.
    #[error("the key that verified it was withdrawn by its issuer")]
    KeyWithdrawn,
    /// The provider has said something else of the same token.
    #[error("its provider names another bearer of the token now")]
    OtherBearer,
}

impl Gone {
    /// One word for the log: that of a refusal for the same reason, if there is one.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.reason(),
            Self::AuthenticatorChanged => "authenticator_changed",
            Self::KeyWithdrawn => "unknown_key",
            Self::OtherBearer => "other_bearer",
        }
    }
}

impl RouteAuthenticator {
    /// Whether the caller's credentials would still be taken. Without `now` their times do not count.
    pub fn judge_again(&self, caller: &Caller, now: Option<Timestamp>) -> Result<(), Gone> {
        let key = caller.pair.as_ref().map(|pair| &pair.key);
        for credential in [Some(&caller.credential), key].into_iter().flatten() {
            self.again(credential, now)?;
        }
        let bound = caller.credential.confirmation.as_deref();
        if self.demand.takes(bound) {
            return Ok(());
        }
        let why = "the route asks for a token that is bound (cnf) now";
        Err(Failure::ProofRequired(why).into())
    }

    /// What somebody did by hand is looked for first: that is what an operator wants to see the effect of.
    fn again(&self, credential: &Credential, now: Option<Timestamp>) -> Result<(), Gone> {
        if let Some(by) = self.deny.denies(credential) {
            return Err(Failure::Denied(by).into());
        }
        let expected = self
            .expected(credential)
            .ok_or(Gone::AuthenticatorChanged)?;
        // what its provider is asked about again has its own end
        let life = &credential.life;
        if !life.is_renewed() && life.is_over((self.clock)()) {
            return Err(Gone::KeyWithdrawn);
        }
        credential.audience.judge(expected)?;
        if let Some(now) = now {
            credential.in_time(now)?;
        }
        Ok(())
    }
}
