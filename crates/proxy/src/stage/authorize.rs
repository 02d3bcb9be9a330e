//! Whether this caller may do this. Never looks at a header: what is known of the caller is in what `identify` made.

use identity::{Caller, Timestamp};
use oauth::Scopes;

use crate::plan::Site;
use crate::stage::identify::Identified;
use crate::stop::Refusal;

/// What a route asks of its callers.
pub(crate) enum Policy {
    /// Everybody may come, and comes as nobody.
    Anonymous,
    /// A proven caller with all of these scopes.
    Scopes(Scopes),
}

/// The permit: `inject` takes nothing less, and only [`grant`] makes one.
pub(crate) struct Granted {
    caller: Option<Caller>,
}

impl Granted {
    /// The proven caller; `None` on routes that ask nobody.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
}

/// 401 without a caller where one is needed, 403 where a scope is missing.
pub(crate) fn grant(site: &Site, identified: Identified) -> Result<Granted, Refusal> {
    match (&site.policy, identified) {
        (Policy::Anonymous, _) => Ok(Granted { caller: None }),
        (Policy::Scopes(_), Identified::Anonymous) => Err(Refusal::MissingCredentials),
        (Policy::Scopes(needed), Identified::Proven(caller))
            if needed.is_subset(caller.scopes()) =>
        {
            Ok(Granted {
                caller: Some(caller),
            })
        }
        (Policy::Scopes(needed), Identified::Proven(caller)) => Err(Refusal::InsufficientScope {
            held: caller.scopes().to_string(),
            needed: needed.to_string(),
        }),
    }
}

/// Whether somebody who was let in may go on listening: what [`grant`] and `identify` ask, of a caller whose token is gone (SEC-55).
pub(crate) fn still(site: &Site, caller: Option<&Caller>, now: Timestamp) -> bool {
    match (&site.policy, caller, &site.authentication) {
        (Policy::Anonymous, _, _) => true,
        (Policy::Scopes(needed), Some(caller), Some(authentication)) => {
            let now = Some(now).filter(|_| site.streams.end_at_expiry);
            needed.is_subset(caller.scopes()) && authentication.still_good(caller, now)
        }
        (Policy::Scopes(_), None, _) | (Policy::Scopes(_), _, None) => false,
    }
}
