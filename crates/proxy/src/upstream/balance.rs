//! Which server of several gets a request, and when one gets none for a while.
//!
//! Pure: time and chance are arguments. Milliseconds are counted from some moment before everything else.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// After so many failures in a row a server is left alone.
const FAILURES: u32 = 3;
/// For so long the first time, twice as long each further time, in milliseconds.
const FIRST_EJECTION: u64 = 2_000;
/// But never longer than this, in milliseconds. One that has served for so long starts anew.
const LONGEST_EJECTION: u64 = 120_000;
/// From its return until it has its full share again, in milliseconds.
const RETURN: u64 = 10_000;

/// What one server has earned. Counters are read and written by many requests at once; one that comes a moment too late does no harm.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// In a row.
    failures: AtomicU32,
    /// In a row, with too little time between them.
    ejections: AtomicU32,
    /// When the last ejection began. 0 = never.
    ejected: AtomicU64,
    /// When it ends or has ended.
    until: AtomicU64,
}

/// How a server stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Serving,
    /// It was ejected and gets this share of what it would get, in percent.
    Returning(u8),
    Ejected,
}

impl Health {
    pub(super) fn standing(&self, now: u64) -> Standing {
        let until = self.until.load(Relaxed);
        if until == 0 {
            return Standing::Serving;
        }
        match now.checked_sub(until) {
            None => Standing::Ejected,
            Some(back) if back < RETURN => {
                // never quite nothing, or nobody would find out
                let share = (back * 100 / RETURN).max(5);
                Standing::Returning(u8::try_from(share).unwrap_or(100))
            }
            Some(_) => Standing::Serving,
        }
    }

    /// A request of this server, begun at a time, was answered in full.
    pub(super) fn succeeded(&self, begun: u64, now: u64) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        let until = self.until.load(Relaxed);
        // Asked nevertheless, by sessions or because there was no other, it did answer: let it come back.
        if now < until && begun > self.ejected.load(Relaxed) {
            self.until.store(now, Relaxed);
        }
    }

    /// A request of this server, begun at a time, failed by the server's fault. Says for how long it is ejected, if it is by this.
    pub(super) fn failed(&self, begun: u64, now: u64) -> Option<Duration> {
        let until = self.until.load(Relaxed);
        if begun < until {
            return None; // that it does not work is known, and so is what was asked before
        }
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        let returning = matches!(self.standing(now), Standing::Returning(_));
        if failures < FAILURES && !returning {
            return None;
        }
        let anew = until == 0 || now > until + LONGEST_EJECTION;
        let before = if anew {
            0
        } else {
            self.ejections.load(Relaxed)
        };
        let length = FIRST_EJECTION
            .saturating_mul(1 << before.min(16))
            .min(LONGEST_EJECTION);
        // Of several failures at once, one ejects.
        self.until
            .compare_exchange(until, now + length, Relaxed, Relaxed)
            .ok()?;
        self.ejected.store(now, Relaxed);
        self.ejections.store(before + 1, Relaxed);
        self.failures.store(0, Relaxed);
        Some(Duration::from_millis(length))
    }
}

/// A set of servers by their number in the list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tried(u64);

impl Tried {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn add(&mut self, index: usize) {
        self.0 |= 1 << (index % 64);
    }

    pub(super) fn has(self, index: usize) -> bool {
        self.0 & (1 << (index % 64)) != 0
    }
}

/// The server with the fewest requests under way among those that were not tried, by chance where several have as few. Ejected ones
/// only when there are no others. `None` when all were tried.
pub(super) fn choose(
    candidates: impl Iterator<Item = (Standing, usize)>,
    tried: Tried,
    chance: u64,
) -> Option<usize> {
    let mut best: Option<((u8, usize), usize)> = None;
    let mut alike = 0_u64;
    for (index, (standing, busy)) in candidates.enumerate() {
        if tried.has(index) {
            continue;
        }
        let draw = mix(chance, index);
        let rank = match standing {
            Standing::Serving => 0,
            Standing::Returning(share) if draw % 100 < u64::from(share) => 0,
            Standing::Returning(_) => 1,
            Standing::Ejected => 2,
        };
        match &best {
            Some((other, _)) if *other < (rank, busy) => continue,
            Some((other, _)) if *other == (rank, busy) => {
                alike += 1;
                if !(draw >> 32).is_multiple_of(alike) {
                    continue; // each of those alike is taken with the same chance
                }
            }
            Some(_) | None => alike = 1,
        }
        best = Some(((rank, busy), index));
    }
    best.map(|(_, index)| index)
}

/// A number for each server from one that is by chance (the finalizer of splitmix64).
fn mix(chance: u64, index: usize) -> u64 {
    let mut z = chance.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
