//! Asking a provider what a token is good for (RFC 7662).
//!
//! Whoever presents a token can make the gateway ask, so everything about it is bounded: calls at a time, for all and for each
//! address; how long anybody waits; what is remembered. One token is asked about once at a time, however many bring it. A provider
//! that does not answer is left alone for a while, and then everybody has an answer at once. All of this is each authenticator's
//! own: what one provider does or does not do is of no concern to the tokens of others (SEC-17).

mod answer;
mod breaker;
mod endpoint;
mod flights;
mod form;
mod memory;
mod places;
mod vigil;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::Secret;
use tokio::time::{Instant, timeout};

use crate::back_channel::{BackChannel, DEADLINE, FetchError, Pool, url};
use crate::caller::{Clock, Timestamp};
use crate::credential::Credential;
use crate::failure::Failure;
use crate::provider::Provider;
use breaker::{Breaker, PAUSE};
use endpoint::Endpoint;
use flights::{Flight, Flights, Joined, Key};
pub(crate) use form::Form;
use memory::Memory;
use places::{Place, Places, Turn};
pub use vigil::{Renewed, Vigil};

/// When to ask again what a provider could not say: when the breaker lets the next one try.
pub(crate) const RETRY_AFTER: Duration = PAUSE;

/// What is known of a token: what it means, or why it does not count.
type Outcome = Result<Arc<Credential>, Failure>;

/// Is told of every call to a provider: the authenticator's name, a word out of a closed set, how long it took.
pub type Observer = Box<dyn Fn(&str, &'static str, Duration) + Send + Sync>;

/// One provider that is asked.
pub(crate) struct Introspection {
    endpoint: Result<Endpoint, &'static str>,
    /// Zero: every request asks.
    cache: Duration,
    prefix: Option<Box<str>>,
    breaker: Breaker,
    places: Arc<Places>,
    flights: Arc<Flights<Outcome>>,
    memory: Memory,
    observer: OnceLock<Arc<OnceLock<Observer>>>,
}

/// Who asks about which token, and when.
pub(crate) struct Question<'t> {
    pub(crate) token: &'t str,
    /// Its SHA-256.
    pub(crate) key: Key,
    /// Whose share of the calls it takes.
    pub(crate) client: IpAddr,
    pub(crate) now: Timestamp,
}

impl Introspection {
    pub(crate) fn new(settings: &config::Introspection) -> Self {
        let config::Introspection {
            rules: _,
            endpoint,
            client_id,
            client_secret,
            client_auth,
            cache,
            token_prefix,
            ca,
            proxy,
        } = settings;
        let channel = BackChannel::new(ca.clone(), proxy.clone());
        let endpoint = url(endpoint).map(|url| {
            let pool = Pool::new(channel, url);
            Endpoint::new(pool, *client_auth, client_id, client_secret)
        });
        Self {
            endpoint,
            cache: *cache,
            prefix: token_prefix.clone(),
            breaker: Breaker::new(),
            places: Places::new(),
            flights: Flights::new(),
            memory: Memory::new(),
            observer: OnceLock::new(),
        }
    }

    /// How its tokens begin; nothing where every token may be one.
    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    /// Whom to tell of calls.
    pub(crate) fn observed_by(&self, observer: &Arc<OnceLock<Observer>>) {
        let _before = self.observer.set(Arc::clone(observer));
    }

    /// What the token means, as remembered or as the provider says now.
    pub(crate) async fn ask(
        &self,
        provider: &Arc<Provider>,
        question: Question<'_>,
        clock: &Clock,
    ) -> Outcome {
        let Question {
            token,
            key,
            client,
            now,
        } = question;
        if let Some(known) = self.memory.find(&key, now) {
            return known;
        }
        let failed = |cause: &str| failed(provider, cause);
        let waiter = match self.flights.join(key, self.cache.is_zero()) {
            Joined::Waiting(waiter) => waiter,
            Joined::First(flight, waiter) => {
                let Some(turn) = self.places.turn(client) else {
                    return Err(failed(
                        "too many tokens of this address wait to be asked about",
                    ));
                };
                let (provider, clock) = (Arc::clone(provider), Arc::clone(clock));
                tokio::spawn(fly(provider, flight, turn, Secret::new(token), clock));
                waiter
            }
            Joined::Full => return Err(failed("too many tokens wait to be asked about")),
        };
        match timeout(DEADLINE, waiter.answer()).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err(failed("nobody asked in the end")),
            Err(_) => Err(failed(&FetchError::Late.to_string())),
        }
    }

    /// Waits for a place, and puts the question.
    async fn answer(
        &self,
        provider: &Arc<Provider>,
        flight: &mut Flight<Outcome>,
        turn: &Turn,
        token: &Secret,
        clock: &Clock,
    ) -> Option<Outcome> {
        let waited = timeout(DEADLINE, async {
            flight.turn().await;
            turn.place().await
        });
        let _place: Place = match waited.await {
            Ok(place) => place.ok()?,
            Err(_) => return Some(Err(failed(provider, "too many calls are under way"))),
        };
        if !flight.depart() {
            return None;
        }
        let Ok(endpoint) = &self.endpoint else {
            return Some(Err(failed(provider, "the endpoint is no URL to be asked")));
        };
        let Some(leave) = self.breaker.leave() else {
            self.tell(provider, "not_asked", Duration::ZERO);
            return Some(Err(failed(
                provider,
                "it did not answer before and is left alone",
            )));
        };
        let (asked, began) = (clock(), Instant::now());
        let told = timeout(DEADLINE, endpoint.ask(token)).await;
        let took = began.elapsed();
        let body = match told.unwrap_or(Err(FetchError::Late)) {
            Ok(body) => body,
            Err(error) => {
                let opened = if error.is_outage() {
                    leave.failed()
                } else {
                    leave.answered();
                    false
                };
                if opened {
                    tracing::warn!(
                        authenticator = %provider.name, cause = %error, pause = ?PAUSE,
                        "the provider does not answer about tokens: nobody asks for a while"
                    );
                }
                let word = if error.is_outage() {
                    "unreachable"
                } else {
                    "refused"
                };
                self.tell(provider, word, took);
                return Some(Err(failed(provider, &error.to_string())));
            }
        };
        if leave.answered() {
            tracing::info!(authenticator = %provider.name, "the provider answers about tokens again");
        }
        let outcome = answer::judge(provider, &body, asked, self.cache).map(Arc::new);
        self.tell(provider, word(&outcome), took);
        self.memory.keep(flight.key(), &outcome, asked, self.cache);
        Some(outcome)
    }

    fn tell(&self, provider: &Provider, result: &'static str, took: Duration) {
        if let Some(observer) = self.observer.get().and_then(|observer| observer.get()) {
            observer(&provider.name, result, took);
        }
    }
}

/// A question on its way. It belongs to nobody who waits for it.
async fn fly(
    provider: Arc<Provider>,
    mut flight: Flight<Outcome>,
    turn: Turn,
    token: Secret,
    clock: Clock,
) {
    let Some(introspection) = provider.introspection() else {
        return;
    };
    let outcome = introspection
        .answer(&provider, &mut flight, &turn, &token, &clock)
        .await;
    if let Some(outcome) = outcome {
        flight.land(outcome);
    }
}

/// What came of a call, for the metrics.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "active",
        Err(Failure::Inactive) => "inactive",
        Err(failure) if failure.retry_after().is_some() => "refused",
        Err(_) => "not_accepted",
    }
}

pub(crate) fn failed(provider: &Provider, cause: &str) -> Failure {
    Failure::IntrospectionFailed {
        authenticator: provider.name.clone(),
        cause: cause.into(),
    }
}
