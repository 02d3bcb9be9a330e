//! Asking again about a token on which an event stream hangs (SEC-55, X18).

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use config::Secret;

use super::{Outcome, Question};
use crate::bearer;
use crate::cache::Digest;
use crate::caller::{Caller, Clock, Timestamp};
use crate::credential::{Credential, Life};
use crate::pair::Pair;
use crate::route::Gone;

/// How often the provider is asked where no answer counts for any time (`cache: 0s`).
const EVERY: Duration = Duration::from_secs(30);
/// How much longer a stream goes on while the provider cannot be asked.
const GRACE: Duration = Duration::from_mins(1);

/// Watches over the token of one event stream. It holds the token, and nobody else does once the request is gone.
pub struct Vigil {
    token: Arc<Secret>,
    client: IpAddr,
    clock: Clock,
    caller: Caller,
    /// When the answer that is known has to be renewed.
    due: Timestamp,
    asking: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

/// What came of asking again.
pub enum Renewed {
    /// The token is good, and this is its bearer now: scopes may be others.
    Caller(Caller),
    /// It counts no longer, or nobody can say so for too long.
    Over(Gone),
}

impl Caller {
    /// Whoever has to ask again, if the credential is one that a provider was asked about. `client` is whose share of the calls it takes.
    pub fn vigil(&self, client: IpAddr, clock: &Clock) -> Option<Vigil> {
        let token = bearer::value(self.token.as_ref()?)?;
        Some(Vigil {
            token: Arc::new(Secret::new(token)),
            client,
            clock: Arc::clone(clock),
            caller: Caller {
                token: None,
                ..self.clone()
            },
            due: due(&self.credential, clock())?,
            asking: None,
        })
    }
}

impl Vigil {
    /// Begins to ask, if it is time. [`poll`](Self::poll) tells what came of it.
    pub fn judge(&mut self, now: Timestamp) {
        if now < self.due || self.asking.is_some() {
            return;
        }
        let provider = Arc::clone(&self.caller.credential.provider);
        let (token, clock, client) = (
            Arc::clone(&self.token),
            Arc::clone(&self.clock),
            self.client,
        );
        self.asking = Some(Box::pin(async move {
            let question = Question {
                token: token.expose(),
                key: Digest::of(0, token.expose()).sha256(),
                client,
                now,
            };
            provider.ask(question, &clock).await
        }));
    }

    /// Ready when an answer changes something.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Renewed> {
        let Some(asking) = &mut self.asking else {
            return Poll::Pending;
        };
        let Poll::Ready(outcome) = asking.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.asking = None;
        let now = (self.clock)();
        match outcome {
            Ok(credential) => Poll::Ready(
                self.renew(credential, now)
                    .map_or_else(Renewed::Over, Renewed::Caller),
            ),
            // asked again at the next judgement
            Err(failure) if failure.retry_after().is_some() && now < self.due.after(GRACE) => {
                Poll::Pending
            }
            Err(failure) => Poll::Ready(Renewed::Over(failure.into())),
        }
    }

    fn renew(&mut self, credential: Arc<Credential>, now: Timestamp) -> Result<Caller, Gone> {
        let before = &self.caller.credential;
        let same = credential.issuer == before.issuer
            && credential.kind == before.kind
            && credential.subject == before.subject
            && credential.confirmation == before.confirmation; // nobody has proven another one
        if !same {
            return Err(Gone::OtherBearer);
        }
        self.due = due(&credential, now).ok_or(Gone::AuthenticatorChanged)?;
        let pair = match &self.caller.pair {
            Some(pair) => Some(Arc::new(Pair::of(&credential, Arc::clone(&pair.key))?)),
            None => None,
        };
        self.caller = Caller {
            late: credential.late(now),
            credential,
            extras: self.caller.extras.clone(),
            pair,
            nonce_due: false,
            token: None,
        };
        Ok(self.caller.clone())
    }
}

/// `None` for credentials that nobody is asked about.
fn due(credential: &Credential, now: Timestamp) -> Option<Timestamp> {
    let introspection = credential.provider.introspection()?;
    match credential.life {
        Life::Until(_) if introspection.cache.is_zero() => Some(now.after(EVERY)),
        Life::Until(end) => Some(end),
        Life::Key(_) | Life::Settings => None,
    }
}
