//! What providers have said of tokens, and for how long that counts.
//!
//! Failures to ask are never kept: the next one asks again (S3-48). What is kept is bounded by bytes, and by the answer's own time.

use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::Outcome;
use super::flights::Key;
use crate::caller::Timestamp;
use crate::credential::Life;

/// Of one provider. What routes take is remembered in the memory of all credentials besides; here is what they share, and what they
/// do not take.
const BYTES: u64 = 8 * 1024 * 1024;
/// How long a no counts: whoever repeats a bad token asks the provider nothing, and a token that becomes good is soon good here.
const NO_COUNTS: Duration = Duration::from_secs(10);
/// Nobody has come with the token for so long.
const IDLE: Duration = Duration::from_mins(10);
/// An entry without a credential: the digest, a failure with some text, the cache's own records.
const NO_WEIGHS: u32 = 800;

pub(super) struct Memory(Cache<Key, Remembered, foldhash::fast::RandomState>);

#[derive(Clone)]
struct Remembered {
    outcome: Outcome,
    until: Timestamp,
}

impl Memory {
    pub(super) fn new() -> Self {
        let weight = |_: &Key, one: &Remembered| match &one.outcome {
            Ok(credential) => credential.weight(),
            Err(_) => NO_WEIGHS,
        };
        let cache = Cache::builder()
            .max_capacity(BYTES)
            .weigher(weight)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(IDLE)
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self(cache)
    }

    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let known = self.0.get(key)?;
        (now < known.until).then_some(known.outcome)
    }

    /// Keeps what was said at this time.
    pub(super) fn keep(&self, key: Key, outcome: &Outcome, asked: Timestamp, cache: Duration) {
        let until = match outcome {
            Ok(credential) => match credential.life {
                Life::Until(until) => until,
                Life::Key(_) | Life::Settings => return,
            },
            Err(failure) if failure.retry_after().is_some() => return,
            Err(_) => asked.after(cache.min(NO_COUNTS)),
        };
        if until > asked {
            let outcome = outcome.clone();
            self.0.insert(key, Remembered { outcome, until });
        }
    }
}
