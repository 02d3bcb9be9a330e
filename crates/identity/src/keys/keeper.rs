//! The task that keeps one provider's keys fresh.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{Done, KeySet, Keys};
use crate::failure::cut;

/// First pause after a failed fetch; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A fetch that takes its whole time, and one more.
const LEAST_STALE: Duration = Duration::from_secs(12);

/// Where a key set comes from. Each fetch has a deadline of its own.
pub(crate) trait Source: Send + 'static {
    /// The document as it is published now.
    fn fetch(&mut self) -> impl Future<Output = Result<Vec<u8>, Unreachable>> + Send;

    /// Says which document that is, for the log.
    fn place(&self) -> String;
}

/// Why there are no keys.
#[derive(Debug, Clone)]
pub(crate) struct Unreachable {
    /// What was tried, in words that can be searched for (S4-24, S4-25).
    pub(crate) deed: &'static str,
    pub(crate) url: String,
    pub(crate) cause: String,
    pub(crate) hints: &'static [&'static str],
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.deed, self.url, self.cause)
    }
}

/// How often, and for how long without success.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two scheduled fetches.
    pub(crate) cache: Duration,
    /// How long beyond that a set may serve while the provider is away (SEC-19).
    pub(crate) max_stale: Duration,
}

impl Pace {
    /// How long a set may serve. Even `max_stale: 0s` leaves time for the fetch that is to replace it.
    fn longest(self) -> Duration {
        self.cache + self.max_stale.max(LEAST_STALE)
    }
}

/// Keeps `keys` fresh until the task is aborted. What the first fetch came to is told to `first`.
pub(crate) async fn keep<S: Source>(
    name: Box<str>,
    keys: Arc<Keys>,
    mut source: S,
    pace: Pace,
    first: oneshot::Sender<Result<(), Unreachable>>,
) {
    let _end = End(Arc::clone(&keys));
    let mut first = Some(first);
    let mut state = State {
        next: Instant::now(),
        pause: FIRST_PAUSE,
        fetched: None,
        failing: false,
    };
    loop {
        let too_old = state.fetched.map(|fetched| fetched + pace.longest());
        let scheduled = tokio::select! {
            biased;
            () = until(too_old) => {
                tracing::error!(authenticator = %name, "keys are too old to serve; tokens are answered with 503 until they can be fetched");
                keys.install(None);
                state.fetched = None;
                keys.tell(Done { fetched: None, ..keys.done() });
                continue;
            }
            () = sleep_until(state.next) => true,
            () = keys.bell.notified() => false,
        };
        // read before the fetch: whoever asks from now on may want to see a later document
        let tickets = keys.tickets();
        if !scheduled && tickets <= keys.done().tickets {
            continue; // a scheduled fetch has served that bell meanwhile
        }
        let outcome = attempt(&name, &keys, &mut source).await;
        state.after(&name, scheduled, pace, outcome.as_ref().err());
        keys.tell(Done {
            tickets,
            failed: outcome.is_err(),
            fetched: state.fetched,
        });
        if let Some(first) = first.take() {
            // a lazy start does not wait for it
            let _ = first.send(outcome);
        }
    }
}

/// Without the task nobody would notice that keys are withdrawn or too old: they end with it, however it ends.
struct End(Arc<Keys>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.install(None);
    }
}

struct State {
    next: Instant,
    pause: Duration,
    fetched: Option<Instant>,
    failing: bool,
}

impl State {
    fn after(&mut self, name: &str, scheduled: bool, pace: Pace, failure: Option<&Unreachable>) {
        let now = Instant::now();
        let Some(failure) = failure else {
            if std::mem::take(&mut self.failing) {
                tracing::info!(authenticator = %name, "keys can be fetched again");
            }
            self.fetched = Some(now);
            self.pause = FIRST_PAUSE;
            self.next = now + pace.cache;
            return;
        };
        self.failing = true;
        tracing::warn!(authenticator = %name, "{failure}");
        // a forced fetch that fails says nothing about the schedule
        if scheduled {
            self.next = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn attempt<S: Source>(name: &str, keys: &Keys, source: &mut S) -> Result<(), Unreachable> {
    let document = source.fetch().await?;
    let previous = keys.current();
    let unusable = |cause: String| Unreachable {
        deed: "unusable JWKS",
        url: source.place(),
        cause: cut(cause, 500),
        hints: &["the document must be a JWK set, {\"keys\":[…]}, with a key for signatures"],
    };
    let set = KeySet::read(&document, previous.as_deref()).map_err(unusable)?;
    if set.len() == 0 {
        // a set that is emptied ends every key, and that is not ours to doubt; but one that starts so was never any good
        if previous.is_none() {
            return Err(unusable("no key in it is of use here".into()));
        }
        tracing::warn!(authenticator = %name, "the provider has withdrawn every key");
    }
    tracing::debug!(authenticator = %name, keys = set.len(), "keys fetched");
    keys.install(Some(set));
    Ok(())
}

impl Keys {
    fn done(&self) -> Done {
        *self.done.borrow()
    }

    fn tell(&self, done: Done) {
        self.done.send_replace(done);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
