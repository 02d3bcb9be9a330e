//! How much one address may still try: a budget that refills steadily (GCRA), in a table that cannot grow beyond its bound.
//!
//! Ours and not a crate's, because of what has to hold together: two networks are charged for one deed or neither, the table is
//! bounded while strangers choose its keys, and when it is full the worst are kept. One number is kept per network: the moment at
//! which its budget will be whole again. Past that moment the entry says nothing and may go.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::Net;

/// Networks in the whole table: 65,536 by default, about 3 MB when full.
const SHARDS: usize = 256;
const PER_SHARD: usize = 256;

/// So many at once, and as many again in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) quota: u32,
    pub(crate) period: Duration,
}

impl Budget {
    pub(crate) fn of(rate: config::Rate) -> Self {
        Self {
            quota: rate.count,
            period: rate.per.duration(),
        }
    }

    pub(crate) fn times(self, factor: u32) -> Self {
        Self {
            quota: self.quota.saturating_mul(factor),
            ..self
        }
    }

    /// Nanoseconds in which one of them comes back.
    fn interval(self) -> u64 {
        (nanoseconds(self.period) / u64::from(self.quota.max(1))).max(1)
    }
}

/// What is left for whom.
pub(crate) struct Budgets {
    /// All times are nanoseconds since then.
    origin: Instant,
    /// Keyed: nobody can choose addresses that fall together.
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
}

/// For each network the moment at which its budget is whole again.
type Shard = HashMap<Net, u64>;

impl Budgets {
    pub(crate) fn new(now: Instant) -> Self {
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

    /// Takes one from a network's budget. With nothing left, nothing is taken: the error says when there will be one again.
    pub(crate) fn take(&self, net: Net, budget: Budget, now: Instant) -> Result<(), Duration> {
        let now = self.since_origin(now);
        let interval = budget.interval();
        let mut shard = self.shard(net);
        let whole = shard.get(&net).copied().unwrap_or_default().max(now);
        let then = whole.saturating_add(interval);
        let most = interval.saturating_mul(u64::from(budget.quota.max(1)));
        let used = then.saturating_sub(now);
        if used > most {
            return Err(Duration::from_nanos(used - most));
        }
        if !shard.contains_key(&net) {
            self.make_room(&mut shard, now);
        }
        shard.insert(net, then);
        Ok(())
    }

    /// Gives one back.
    pub(crate) fn give_back(&self, net: Net, budget: Budget) {
        if let Some(whole) = self.shard(net).get_mut(&net) {
            *whole = whole.saturating_sub(budget.interval());
        }
    }

    /// Before the table grows, what has run out goes. If that is not enough, the one with the most left goes: whoever brings many
    /// addresses with one failure each pushes out those, and not the one that has used up everything. Shards are random samples.
    fn make_room(&self, shard: &mut Shard, now: u64) {
        if shard.len() < shard.capacity() && shard.len() < self.per_shard {
            return;
        }
        shard.retain(|_, whole| *whole > now);
        if shard.len() < self.per_shard {
            return;
        }
        let least = shard.iter().min_by_key(|(_, whole)| **whole);
        if let Some(net) = least.map(|(net, _)| *net) {
            shard.remove(&net);
        }
    }

    fn shard(&self, net: Net) -> MutexGuard<'_, Shard> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        let place = usize::try_from(self.hasher.hash_one(net) % count).unwrap_or_default();
        let shard = self.shards.get(place);
        let shard = shard.expect("a remainder is smaller than what it was divided by");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_origin(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.origin))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
