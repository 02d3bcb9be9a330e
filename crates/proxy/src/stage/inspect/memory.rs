//! How much all bodies that are held at once may take (SEC-57).
//!
//! Bodies can be sent slowly, and answers read slowly. So that nobody keeps all others out by that, one caller may hold a part of it
//! only, and so may an address of which nobody is known; and all who are unknown together leave the other half to callers.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use identity::Caller;

use crate::stage::limit;
use crate::stop::Refusal;

/// Counters in a row. A party has one in each of two rows, by a keyed hash: to be taken for another one it would have to meet it in both.
const ROW: u64 = 1024;

/// What is held now, in bytes.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Counters>);

struct Counters {
    hasher: RandomState,
    all: AtomicU64,
    unknown: AtomicU64,
    parties: [Box<[AtomicU64]>; 2],
}

/// How much may be held at once, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    all: u64,
    /// By all who came without a credential.
    unknown: u64,
    /// By one caller, or by one address of those who are unknown.
    party: u64,
}

impl Most {
    pub(crate) fn of(limits: &config::Limits) -> Self {
        let longest = limits.body_bytes.max(limits.list_bytes);
        Self::among(limits.inspect_memory, longest)
    }

    /// The longest body and the longest list find room in every share.
    pub(crate) fn among(all: u64, one: u64) -> Self {
        Self {
            all,
            unknown: (all / 2).max(one),
            party: (all / 4).max(one),
        }
    }
}

/// A share of it, given back when dropped.
pub(crate) struct Held {
    memory: Memory,
    /// The places of its party in the two rows.
    places: [usize; 2],
    is_unknown: bool,
    bytes: u64,
    /// As of the plan of the request.
    most: Most,
}

impl Memory {
    pub(crate) fn new() -> Self {
        let row = || (0..ROW).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Counters {
            hasher: RandomState::new(),
            all: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            parties: [row(), row()],
        }))
    }

    /// Nothing yet, for this caller, or for somebody unknown at this address.
    pub(crate) fn hold(&self, most: Most, caller: Option<&Caller>, client: IpAddr) -> Held {
        let hasher = &self.0.hasher;
        let party = match caller {
            Some(caller) => hasher.hash_one((caller.issuer(), caller.kind(), caller.subject())),
            None => hasher.hash_one(limit::surroundings(client)),
        };
        self.hold_for(most, party, caller.is_none())
    }

    fn hold_for(&self, most: Most, party: u64, is_unknown: bool) -> Held {
        let place = |number: u64| usize::try_from(number % ROW).unwrap_or_default();
        Held {
            memory: self.clone(),
            places: [place(party), place(party >> 32)],
            is_unknown,
            bytes: 0,
            most,
        }
    }
}

impl Counters {
    fn of(&self, places: [usize; 2]) -> impl Iterator<Item = &AtomicU64> {
        let rows = self.parties.iter().zip(places);
        rows.filter_map(|(row, place)| row.get(place))
    }
}

impl Held {
    /// So many bytes more, or 503.
    pub(crate) fn more(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes as u64;
        let counters = &self.memory.0;
        let added = |counter: &AtomicU64| counter.fetch_add(more, Relaxed).saturating_add(more);
        let all = added(&counters.all);
        let unknown = if self.is_unknown {
            added(&counters.unknown)
        } else {
            0
        };
        // every counter counts, whatever the one before says
        let party = counters.of(self.places).map(added).fold(u64::MAX, u64::min);
        self.bytes += more;
        if all > self.most.all || unknown > self.most.unknown || party > self.most.party {
            return Err(Refusal::InspectionFull);
        }
        Ok(())
    }

    /// So many bytes from now on, whatever it was before, or 503.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Refusal> {
        let now = bytes as u64;
        if let Some(less) = self.bytes.checked_sub(now) {
            self.less(less);
            return Ok(());
        }
        self.more(bytes - usize::try_from(self.bytes).unwrap_or(bytes))
    }

    fn less(&mut self, less: u64) {
        let counters = &self.memory.0;
        counters.all.fetch_sub(less, Relaxed);
        if self.is_unknown {
            counters.unknown.fetch_sub(less, Relaxed);
        }
        for counter in counters.of(self.places) {
            counter.fetch_sub(less, Relaxed);
        }
        self.bytes -= less;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.less(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most {
        all: 100,
        unknown: 60,
        party: 40,
    };
    const ANN: u64 = 1 << 32;
    const BOB: u64 = 2 << 32 | 2;
    const HERE: u64 = 3 << 32 | 3;
    const THERE: u64 = 4 << 32 | 4;

    fn all(memory: &Memory) -> u64 {
        let counters = &memory.0;
        let parties = counters.parties.iter().flatten();
        let parties: u64 = parties.map(|counter| counter.load(Relaxed)).sum();
        assert_eq!(parties, 2 * counters.all.load(Relaxed));
        counters.all.load(Relaxed)
    }

    fn is_full(held: &mut Held, bytes: usize) -> bool {
        matches!(held.more(bytes), Err(Refusal::InspectionFull))
    }

    #[test]
    fn sec_57_what_is_held_at_once_is_bounded_and_given_back() {
        let memory = Memory::new();
        let most = Most {
            unknown: 100,
            party: 100,
            ..MOST
        };
        let mut one = memory.hold_for(most, ANN, false);
        let mut other = memory.hold_for(most, BOB, true);
        one.more(60).unwrap();
        other.more(40).unwrap();
        assert!(is_full(&mut other, 1));
        drop(other);
        one.more(40).unwrap();
        one.keep(30).unwrap();
        assert_eq!(all(&memory), 30);
        one.keep(100).unwrap();
        assert!(matches!(one.keep(101), Err(Refusal::InspectionFull)));
        drop(one);
        assert_eq!(all(&memory), 0);
        assert_eq!(memory.0.unknown.load(Relaxed), 0);
    }

    #[test]
    fn sec_57_one_caller_or_address_holds_no_more_than_its_share() {
        let memory = Memory::new();
        let mut first = memory.hold_for(MOST, ANN, false);
        let mut second = memory.hold_for(MOST, ANN, false);
        first.more(30).unwrap();
        second.more(10).unwrap();
        assert!(is_full(&mut second, 1), "all of one caller count together");
        drop(second);
        let mut other = memory.hold_for(MOST, BOB, false);
        other.more(40).unwrap();
        first.more(10).unwrap();
        assert_eq!(all(&memory), 80);
    }

    #[test]
    fn sec_57_who_is_unknown_leaves_room_for_callers() {
        let memory = Memory::new();
        let mut here = memory.hold_for(MOST, HERE, true);
        let mut there = memory.hold_for(MOST, THERE, true);
        here.more(40).unwrap();
        there.more(20).unwrap();
        assert!(is_full(&mut there, 1));
        let mut ann = memory.hold_for(MOST, ANN, false);
        ann.more(39).unwrap();
    }

    #[test]
    fn sec_57_one_body_finds_room_in_every_share() {
        for (all, expected) in [(100, 100), (200, 100), (400, 100), (800, 200)] {
            let memory = Memory::new();
            let mut here = memory.hold_for(Most::among(all, 100), HERE, true);
            here.more(expected).unwrap();
            assert!(is_full(&mut here, 1), "{all}");
        }
    }
}
