//! The keys of one provider, kept fresh.
//!
//! One task per provider does every fetch, so there is never more than one at a time. Requests read the current set and, if a
//! token names a key that is not in it, ask the task for one fetch out of turn and wait for it together.
//!
//! Unknown `kid`s are not remembered: the pause between forced fetches already bounds what they can cost to one fetch per
//! [`COOLDOWN`], however many there are, and a memory of them would only be something more to fill.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

mod keeper;
mod key;
mod set;

pub(crate) use keeper::{Pace, Source, Unreachable, keep};
pub(crate) use key::Key;
pub(crate) use set::{Choice, KeySet, MAX_BYTES};

/// Between two fetches that unknown keys force (SEC-19).
const COOLDOWN: Duration = Duration::from_secs(10);
/// Longest that a request waits for a forced fetch.
const PATIENCE: Duration = Duration::from_secs(5);

/// The current keys of one provider.
pub(crate) struct Keys {
    /// `None` before the first fetch, and when the set has become too old to serve.
    current: ArcSwapOption<KeySet>,
    /// Forced fetches that were asked for.
    asked: Mutex<Asked>,
    bell: Notify,
    /// Which of them are done.
    done: watch::Sender<Done>,
}

#[derive(Default)]
struct Asked {
    tickets: u64,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
struct Done {
    tickets: u64,
    /// Whether the last fetch failed.
    failed: bool,
    /// When the current set was fetched.
    fetched: Option<Instant>,
}

/// What became of a request for a forced fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refetch {
    /// The set is as it was published after the request.
    Done,
    /// There was one a moment ago; the set is good enough to say that a key is unknown.
    TooSoon,
    /// The provider cannot be reached: nobody knows.
    Failed,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            asked: Mutex::default(),
            bell: Notify::new(),
            done: watch::Sender::new(Done::default()),
        }
    }

    /// The set that tokens are checked with now.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// Whether there is a set with at least one key.
    pub(crate) fn are_there(&self) -> bool {
        self.current
            .load()
            .as_ref()
            .is_some_and(|set| set.len() > 0)
    }

    /// Time since the current set was fetched.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.done.borrow().fetched.map(|fetched| fetched.elapsed())
    }

    /// Asks for a fetch out of turn and waits for it. All who ask while one is under way share it.
    pub(crate) async fn refetch(&self) -> Refetch {
        let mut done = self.done.subscribe();
        let ticket = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = *done.borrow();
            if asked.tickets <= latest.tickets {
                if asked.last.is_some_and(|last| last.elapsed() < COOLDOWN) {
                    return if latest.failed {
                        Refetch::Failed
                    } else {
                        Refetch::TooSoon
                    };
                }
                asked.tickets += 1;
                asked.last = Some(Instant::now());
                self.bell.notify_one();
            }
            asked.tickets
        };
        match timeout(PATIENCE, done.wait_for(|done| done.tickets >= ticket)).await {
            Ok(Ok(done)) if !done.failed => Refetch::Done,
            Ok(_) | Err(_) => Refetch::Failed,
        }
    }

    /// Asks for a fetch out of turn on the operator's behalf, without waiting for it.
    pub(crate) fn fetch_soon(&self) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.tickets += 1;
        self.bell.notify_one();
    }

    fn tickets(&self) -> u64 {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tickets
    }

    /// Puts a set in the place of the current one and ends the keys that it lacks.
    fn install(&self, next: Option<KeySet>) {
        let next = next.map(Arc::new);
        let previous = self.current.swap(next.clone());
        if let Some(previous) = previous {
            previous.retire_unless_in(&next.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
