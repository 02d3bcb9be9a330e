//! How many of something one party has at the same time: connections of an address, event streams of a caller.
//!
//! Nothing is kept of those who have none, so the table is as large as what it counts, which is bounded elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;

/// A party, by a keyed hash of what it is: as good as the thing itself, and of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Party(u64);

/// Who has how many.
pub(crate) struct Places {
    hasher: RandomState,
    shards: Box<[Mutex<HashMap<Party, u32>>]>,
    /// All that are taken.
    all: AtomicU32,
}

impl Places {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            all: AtomicU32::new(0),
        })
    }

    pub(crate) fn party(&self, what: impl Hash) -> Party {
        Party(self.hasher.hash_one(what))
    }

    /// One more for this party; `None` when it has `most` of them.
    pub(crate) fn take(self: &Arc<Self>, party: Party, most: u32) -> Option<Place> {
        let mut shard = self.shard(party);
        let taken = shard.entry(party).or_default();
        if *taken >= most {
            if *taken == 0 {
                shard.remove(&party);
            }
            return None;
        }
        *taken += 1;
        self.all.fetch_add(1, Ordering::Relaxed);
        drop(shard);
        Some(Place {
            places: Arc::clone(self),
            party,
        })
    }

    /// One more for this party, however many it has.
    pub(crate) fn add(self: &Arc<Self>, party: Party) -> Place {
        *self.shard(party).entry(party).or_default() += 1;
        self.all.fetch_add(1, Ordering::Relaxed);
        Place {
            places: Arc::clone(self),
            party,
        }
    }

    /// Whether a party has `most` or more. Costs next to nothing while all together have fewer.
    pub(crate) fn is_full(&self, party: impl FnOnce(&Self) -> Party, most: u32) -> bool {
        if self.all.load(Ordering::Relaxed) < most {
            return false;
        }
        let party = party(self);
        self.shard(party)
            .get(&party)
            .is_some_and(|taken| *taken >= most)
    }

    fn shard(&self, party: Party) -> MutexGuard<'_, HashMap<Party, u32>> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        let place = usize::try_from(party.0 % count).unwrap_or_default();
        let shard = self.shards.get(place);
        let shard = shard.expect("a remainder is smaller than what it was divided by");
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Taken for as long as it lives.
pub(crate) struct Place {
    places: Arc<Places>,
    party: Party,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shard = self.places.shard(self.party);
        if let Entry::Occupied(mut entry) = shard.entry(self.party) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        if shard.capacity() > 4 * shard.len().max(16) {
            shard.shrink_to_fit(); // after a flood
        }
        self.places.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(places: &Places) -> usize {
        places
            .shards
            .iter()
            .map(|one| one.lock().unwrap().len())
            .sum()
    }

    #[test]
    fn sec_55_places_are_taken_up_to_the_most_and_freed_by_dropping() {
        let places = Places::new();
        let (a, b) = (places.party("a"), places.party("b"));
        let first = places.take(a, 2).unwrap();
        let _second = places.take(a, 2).unwrap();
        assert!(places.take(a, 2).is_none());
        assert!(places.is_full(|_| a, 2) && !places.is_full(|_| a, 3));
        let _others = places.take(b, 1).expect("others have their own");
        drop(first);
        assert!(!places.is_full(|_| a, 2));
        assert!(places.take(a, 2).is_some());
    }

    #[test]
    fn sec_55_nothing_is_kept_of_those_who_have_none() {
        let places = Places::new();
        let many: Vec<_> = (0..10_000)
            .map(|i| places.take(places.party(i), 1).unwrap())
            .collect();
        assert_eq!(kept(&places), 10_000);
        drop(many);
        assert_eq!(kept(&places), 0);
        let room: usize = places
            .shards
            .iter()
            .map(|one| one.lock().unwrap().capacity())
            .sum();
        assert!(room <= SHARDS * 64, "{room}");
        assert!(places.take(places.party(1), 0).is_none());
        assert_eq!((kept(&places), places.all.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn sec_55_many_threads_never_take_more_than_the_most() {
        let places = Places::new();
        let most = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut held = Vec::new();
                        for _ in 0..1000 {
                            held.extend(places.take(places.party("x"), 100));
                        }
                        held
                    })
                })
                .collect();
            let held: Vec<_> = workers
                .into_iter()
                .flat_map(|one| one.join().unwrap())
                .collect();
            held.len()
        });
        assert_eq!(most, 100);
        assert_eq!(kept(&places), 0);
    }
}
