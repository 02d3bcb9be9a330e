//! Whether this caller may do this. Never looks at a header: what is known of the caller is in what `identify` made, what is asked
//! for in what `inspect` read.
//!
//! Twice: [`admit`] before a byte of the body is read, where nothing in it could change the answer, and [`grant`] after.

pub(crate) mod access;
mod tools;

use std::sync::Arc;

use config::Transport;
use http::Method;
use identity::{Caller, Timestamp};
use oauth::Scopes;

use crate::plan::Site;
use crate::stage::identify::Identified;
use crate::stage::inspect::Call;
use crate::stage::stream::Ended;
use crate::stop::Refusal;

use access::Access;

/// What a route asks of its callers; made when the plan is built.
pub(crate) struct Policy {
    /// Whether it asks who they are at all. Where it does not, everybody comes as nobody.
    pub(crate) asks: bool,
    /// All of them are needed, but for what nobody needs a credential for.
    pub(crate) required: Arc<Scopes>,
    /// What depends on the body of a request.
    pub(crate) access: Access,
}

/// Somebody who may come in, if what is asked for allows it. Only [`admit`] makes one.
pub(crate) struct Admitted {
    caller: Option<Caller>,
}

/// The permit: `inject` takes nothing less, and only [`grant`] makes one.
pub(crate) struct Granted {
    caller: Option<Caller>,
    rehearsed: Option<Box<Refusal>>,
}

impl Admitted {
    /// The proven caller; `None` for nobody in particular.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }
}

impl Granted {
    /// The proven caller; `None` for nobody in particular.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// What the rules for tools would have said, if they counted already (SEC-52).
    pub(crate) fn rehearsed(&self) -> Option<&Refusal> {
        self.rehearsed.as_deref()
    }
}

/// 401 for a request without a credential that no body could make good (T-H6, I-3). Only what is posted can be open to everybody
/// (SEC-50).
pub(crate) fn admit(
    site: &Site,
    method: &Method,
    identified: Identified,
) -> Result<Admitted, Refusal> {
    let policy = &site.policy;
    let caller = match identified {
        Identified::Proven(caller) if policy.asks => Some(caller),
        Identified::Proven(_) => None,
        Identified::Anonymous => {
            let is_open = policy.access.is_open() && method == Method::POST;
            if policy.asks && !is_open {
                return Err(no_credential(site, method));
            }
            None
        }
    };
    Ok(Admitted { caller })
}

/// 401, or 405 for what clients do by themselves around a handshake without a credential: a 401 would send them to log in before anything
/// asks for it, or fail them when they are done, and 405 says that there is no such stream and that a session ends by itself (I-12).
/// Over HTTP+SSE nothing begins without one.
fn no_credential(site: &Site, method: &Method) -> Refusal {
    if site.transport == Transport::Mcp && site.policy.access.waits() {
        if *method == Method::GET {
            return Refusal::Unprompted("stream");
        }
        if *method == Method::DELETE {
            return Refusal::Unprompted("end of a session");
        }
    }
    Refusal::MissingCredentials
}

/// 401 without a caller where one is needed, 403 where a scope or the operator's leave is missing.
pub(crate) fn grant(site: &Site, admitted: Admitted, call: &Call<'_>) -> Result<Granted, Refusal> {
    let Admitted { caller } = admitted;
    let policy = &site.policy;
    policy.judge(caller.as_ref(), call)?;
    let rehearsed = match call {
        Call::Unread => None,
        Call::Read(messages) => policy.access.rehearse(policy, caller.as_ref(), messages),
    };
    Ok(Granted {
        caller,
        rehearsed: rehearsed.map(Box::new),
    })
}

impl Policy {
    /// All that is asked for, or nothing (BAT-2).
    fn judge(&self, caller: Option<&Caller>, call: &Call<'_>) -> Result<(), Refusal> {
        let messages = match call {
            Call::Unread if self.asks => return self.whole(caller),
            Call::Unread => return Ok(()),
            Call::Read(messages) => messages,
        };
        self.access.judge(self, caller, messages)
    }

    /// What every request needs that is not open to everybody.
    fn whole(&self, caller: Option<&Caller>) -> Result<(), Refusal> {
        let Some(caller) = caller else {
            return Err(Refusal::MissingCredentials);
        };
        if self.required.is_subset(caller.scopes()) {
            return Ok(());
        }
        Err(Refusal::InsufficientScope {
            held: caller.scopes().to_string(),
            needed: Arc::clone(&self.required),
        })
    }

    /// All scopes that are needed for what is asked for, whoever asks.
    pub(crate) fn needed(&self, call: &Call<'_>) -> Arc<Scopes> {
        match call {
            Call::Unread => Arc::clone(&self.required),
            Call::Read(messages) => self.access.needed(self, messages),
        }
    }
}

/// Whether somebody who was let in may go on listening: what [`grant`] and `identify` ask, of a caller whose token is gone (SEC-55).
/// What is asked for is as it was `kept`. What was `posted` and not read may be any call, which rules for tools might refuse.
pub(crate) fn still(
    site: &Site,
    caller: Option<&Caller>,
    call: &Call<'_>,
    posted: bool,
    now: Timestamp,
) -> Result<(), Ended> {
    let policy = &site.policy;
    if let (Some(caller), Some(authentication)) = (caller, &site.authentication) {
        let now = Some(now).filter(|_| site.streams.end_at_expiry);
        authentication.judge_again(caller, now)?;
    }
    match call {
        Call::Unread if posted && policy.access.has_rules() => {
            return Err(Ended::RulesChanged("what was called was not read"));
        }
        Call::Unread | Call::Read(_) => {}
    }
    let caller = caller.filter(|_| policy.asks);
    Ok(policy.judge(caller, call)?)
}
