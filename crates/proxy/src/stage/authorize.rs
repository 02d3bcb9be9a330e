//! Whether this caller may do this. Never looks at a header: what is known of the caller is in what `identify` made.

use identity::Caller;
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
