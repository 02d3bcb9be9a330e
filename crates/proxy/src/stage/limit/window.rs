//! How often a caller may do something on a route: a window that opens with its first request and lasts as long as the route says
//! (S0-60), in a table that cannot grow beyond its bound.
//!
//! A fixed window and not a budget that refills: the operator says "50 in 60 s", and that is what a caller gets and can count. Whoever
//! waits for the end of one has twice as much around it, once; what has to be spread evenly is for the server behind to say.
//!
//! What is refused takes nothing, and what is asked for together is taken whole or not at all. Limits are arguments and never kept, so
//! that a reload changes them at once and leaves the counts. When the table is full, the entry goes that has used the smallest share of
//! what it may: nobody is turned away for want of room, and whoever wants to be forgotten needs a crowd that has used up as much as he
//! has, each member by its own deeds. A crowd like that gets its share of the upstream in any case.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Parties in the whole table: 65,536, about 4 MB when full.
const SHARDS: usize = 256;
const PER_SHARD: usize = 256;

/// What may be done in one window. A limit that is absent is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) window: Duration,
    pub(crate) requests: Option<u32>,
    pub(crate) calls: Option<u32>,
}

impl Rate {
    /// As much for several as for so many.
    pub(super) fn times(self, factor: u32) -> Self {
        let times = |most: u32| most.saturating_mul(factor);
        Self {
            window: self.window,
            requests: self.requests.map(times),
            calls: self.calls.map(times),
        }
    }
}

/// What is done, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    pub(crate) requests: u32,
    /// Tool calls.
    pub(crate) calls: u32,
}

/// Which of the limits was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Requests,
    Calls,
}

impl Counted {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Calls => "tool calls",
        }
    }

    /// The name of the policy in `RateLimit`.
    pub(super) fn policy(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Calls => "tool-calls",
        }
    }
}

/// A window that has no room for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) counted: Counted,
    pub(crate) most: u32,
    /// What is left: not 0 if more than that was asked for together.
    pub(crate) left: u32,
    pub(crate) window: Duration,
    /// Until the window ends.
    pub(crate) wait: Duration,
}

/// A party, by a keyed hash of what it is: as good as the thing itself, and of one size. Nobody can choose names that fall together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Party(u64);

/// Who has done how much.
pub(super) struct Windows {
    /// All times are nanoseconds since then.
    origin: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
}

type Shard = HashMap<Party, Window, foldhash::fast::RandomState>;

/// What a party has done since its window opened.
#[derive(Debug, Clone, Copy)]
struct Window {
    opened: u64,
    /// By the length that the window had when it was used last; only for sweeping.
    ends: u64,
    done: Deeds,
    /// Of what it may do, in 65,536ths; only for making room.
    share: u32,
}

impl Windows {
    pub(super) fn new(now: Instant) -> Self {
        Self::with_room(now, SHARDS, PER_SHARD)
    }

    fn with_room(now: Instant, shards: usize, per_shard: usize) -> Self {
        Self {
            origin: now,
            hasher: RandomState::new(),
            shards: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
            per_shard,
        }
    }

    pub(super) fn party(&self, what: impl Hash) -> Party {
        Party(self.hasher.hash_one(what))
    }

    /// Takes all of this from a party's window, or nothing.
    pub(super) fn take(
        &self,
        party: Party,
        rate: Rate,
        wanted: Deeds,
        now: Instant,
    ) -> Result<(), Full> {
        let now = nanoseconds(now.saturating_duration_since(self.origin));
        let length = nanoseconds(rate.window);
        let mut shard = self.shard(party);
        let known = shard.get(&party).copied();
        let window = known.filter(|window| now < window.opened.saturating_add(length));
        let (opened, done) = window.map_or((now, Deeds::default()), |it| (it.opened, it.done));
        let ends = opened.saturating_add(length);
        let mut used = 0;
        let mut fit = |counted, most: Option<u32>, done: u32, wanted: u32| {
            let Some(most) = most else { return Ok(done) };
            let sum = done.saturating_add(wanted);
            if wanted > 0 && sum > most {
                return Err(Full {
                    counted,
                    most,
                    left: most.saturating_sub(done),
                    window: rate.window,
                    wait: Duration::from_nanos(ends.saturating_sub(now)),
                });
            }
            used = used.max(share_of(sum, most));
            Ok(sum)
        };
        let requests = fit(
            Counted::Requests,
            rate.requests,
            done.requests,
            wanted.requests,
        )?;
        let calls = fit(Counted::Calls, rate.calls, done.calls, wanted.calls)?;
        if known.is_none() {
            self.make_room(&mut shard, now);
        }
        let window = Window {
            opened,
            ends,
            done: Deeds { requests, calls },
            share: used,
        };
        shard.insert(party, window);
        Ok(())
    }

    /// Gives back what was taken a moment ago.
    pub(super) fn give_back(&self, party: Party, taken: Deeds) {
        if let Some(window) = self.shard(party).get_mut(&party) {
            let done = &mut window.done;
            done.requests = done.requests.saturating_sub(taken.requests);
            done.calls = done.calls.saturating_sub(taken.calls);
        }
    }

    /// Before the table grows, windows that have ended go. If that is not enough, the one that has used the smallest share goes, and of
    /// several the one that ends first. Shards are random samples.
    fn make_room(&self, shard: &mut Shard, now: u64) {
        if shard.len() < shard.capacity() && shard.len() < self.per_shard {
            return;
        }
        shard.retain(|_, window| window.ends > now);
        if shard.len() < self.per_shard {
            return;
        }
        let least = shard
            .iter()
            .min_by_key(|(_, window)| (window.share, window.ends));
        if let Some(party) = least.map(|(party, _)| *party) {
            shard.remove(&party);
        }
    }

    fn shard(&self, party: Party) -> MutexGuard<'_, Shard> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        let place = usize::try_from(party.0 % count).unwrap_or_default();
        let shard = self.shards.get(place);
        let shard = shard.expect("a remainder is smaller than what it was divided by");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn share_of(done: u32, most: u32) -> u32 {
    let share = (u64::from(done) << 16) / u64::from(most.max(1));
    u32::try_from(share).unwrap_or(u32::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
