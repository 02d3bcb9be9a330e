//! Which proofs have been used. A proof counts once (RFC 9449 section 11.1).
//!
//! What is not remembered could be used again, so a full memory refuses instead of forgetting. One client cannot fill it: each key
//! has a share. Only a proof that is good in every other way, of a token that is good, comes in here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use foldhash::fast::RandomState;

use crate::caller::Timestamp;

/// All that is remembered, about 100 bytes each. With proofs that count for 60 s it is reached at some 11,000 a second.
const CAPACITY: usize = 1 << 20;
/// What one key may have of it.
const SHARE: usize = CAPACITY / 16;
const SHARDS: usize = 16;
/// Tables that are smaller are not worth shrinking.
const SMALL: usize = 1024;

/// Why a proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was used before.
    Before,
    /// There is no room to remember it.
    Full,
    /// There is no more room for proofs of this key.
    Share,
}

/// The used proofs of all routes of this process.
pub(crate) struct Replay {
    shards: [Mutex<Shard>; SHARDS],
    /// Entries of all shards, so that a busy key cannot fill the shard of others.
    held: AtomicUsize,
    capacity: usize,
    share: usize,
}

/// A key and the name it gave a proof, or a key alone, hashed.
type Mark = [u8; 16];

#[derive(Default)]
struct Shard {
    seen: HashSet<Mark, RandomState>,
    /// By the second after which a proof counts no longer: the proof and its key.
    ends: BTreeMap<u64, Vec<(Mark, Mark)>>,
    /// How many of them each key has.
    keys: HashMap<Mark, usize, RandomState>,
}

impl Replay {
    pub(crate) fn new() -> Self {
        Self::with(CAPACITY, SHARE)
    }

    fn with(capacity: usize, share: usize) -> Self {
        Self {
            shards: Default::default(),
            held: AtomicUsize::new(0),
            capacity,
            share,
        }
    }

    /// Remembers the proof that the key with this thumbprint has called `jti`, up to and including `until`.
    pub(crate) fn take(
        &self,
        thumbprint: &[u8; 32],
        jti: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Taken> {
        let mut hash = Context::new(&SHA256);
        hash.update(thumbprint); // of fixed length: the two cannot be cut elsewhere
        hash.update(jti.as_bytes());
        let proof = mark(hash.finish().as_ref());
        let key = mark(thumbprint);
        let [first, ..] = key;
        let shard = self
            .shards
            .get(usize::from(first) % SHARDS)
            .expect("the remainder is below the length");
        let taken = self.enter(shard, proof, key, until, now);
        if taken != Err(Taken::Full) {
            return taken;
        }
        // what has ended in shards that nobody came to since takes places too
        for other in &self.shards {
            let mut other = other.lock().unwrap_or_else(PoisonError::into_inner);
            self.forget(&mut other, now);
        }
        self.enter(shard, proof, key, until, now)
    }

    fn enter(
        &self,
        shard: &Mutex<Shard>,
        proof: Mark,
        key: Mark,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Taken> {
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget(&mut shard, now);
        if shard.seen.contains(&proof) {
            return Err(Taken::Before);
        }
        if shard.keys.get(&key).is_some_and(|held| *held >= self.share) {
            return Err(Taken::Share);
        }
        let room = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                (held < self.capacity).then_some(held + 1)
            });
        if room.is_err() {
            return Err(Taken::Full);
        }
        shard.seen.insert(proof);
        shard.ends.entry(until.0).or_default().push((proof, key));
        *shard.keys.entry(key).or_default() += 1;
        Ok(())
    }

    /// Lets go of what counts no longer anyway.
    fn forget(&self, shard: &mut Shard, now: Timestamp) {
        let mut forgotten = 0;
        while let Some(ended) = shard.ends.first_entry().filter(|end| *end.key() < now.0) {
            for (proof, key) in ended.remove() {
                shard.seen.remove(&proof);
                if let Some(held) = shard.keys.get_mut(&key) {
                    *held -= 1;
                    if *held == 0 {
                        shard.keys.remove(&key);
                    }
                }
                forgotten += 1;
            }
        }
        if forgotten > 0 {
            self.held.fetch_sub(forgotten, Ordering::Relaxed);
            shrink(&mut shard.seen);
        }
    }
}

/// After a busy hour the memory is given back.
fn shrink(seen: &mut HashSet<Mark, RandomState>) {
    if seen.capacity() > SMALL && seen.len() < seen.capacity() / 8 {
        seen.shrink_to(2 * seen.len());
    }
}

fn mark(hash: &[u8]) -> Mark {
    let mut mark = Mark::default();
    for (to, from) in mark.iter_mut().zip(hash) {
        *to = *from;
    }
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn at(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 + seconds)
    }

    fn key(number: u8) -> [u8; 32] {
        [number; 32]
    }

    #[test]
    fn r9449_a_proof_counts_once() {
        let replay = Replay::new();
        assert_eq!(replay.take(&key(1), "a", at(60), NOW), Ok(()));
        assert_eq!(
            replay.take(&key(1), "a", at(60), NOW),
            Err(Taken::Before),
            "again at once"
        );
        assert_eq!(
            replay.take(&key(1), "a", at(99), at(60)),
            Err(Taken::Before),
            "again in the last second in which it counts"
        );
        assert_eq!(
            replay.take(&key(1), "b", at(60), NOW),
            Ok(()),
            "another proof"
        );
        assert_eq!(
            replay.take(&key(2), "a", at(60), NOW),
            Ok(()),
            "another key's proof of this name"
        );
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let replay = Replay::with(2, 2);
        assert_eq!(replay.take(&key(1), "a", at(60), NOW), Ok(()));
        assert_eq!(replay.take(&key(1), "b", at(90), NOW), Ok(()));
        assert_eq!(replay.take(&key(1), "c", at(121), at(61)), Ok(()));
        assert_eq!(replay.held.load(Ordering::Relaxed), 2);
        assert_eq!(
            replay.take(&key(1), "b", at(121), at(61)),
            Err(Taken::Before)
        );
    }

    #[test]
    fn r9449_a_full_memory_refuses_and_forgets_nothing() {
        let replay = Replay::with(3, 3);
        for number in 1..=3 {
            assert_eq!(replay.take(&key(number), "a", at(60), NOW), Ok(()));
        }
        assert_eq!(replay.take(&key(4), "a", at(60), NOW), Err(Taken::Full));
        for number in 1..=3 {
            let again = replay.take(&key(number), "a", at(60), NOW);
            assert_eq!(again, Err(Taken::Before), "{number}");
        }
        // places in a shard that nobody comes to are given back too
        assert_eq!(replay.take(&key(4), "a", at(121), at(61)), Ok(()));
        assert_eq!(replay.held.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn r9449_one_key_has_a_share_and_no_more() {
        let replay = Replay::with(10, 2);
        assert_eq!(replay.take(&key(1), "a", at(60), NOW), Ok(()));
        assert_eq!(replay.take(&key(1), "b", at(60), NOW), Ok(()));
        assert_eq!(replay.take(&key(1), "c", at(60), NOW), Err(Taken::Share));
        assert_eq!(
            replay.take(&key(17), "c", at(60), NOW),
            Ok(()),
            "the same shard, another key"
        );
        assert_eq!(replay.take(&key(1), "c", at(121), at(61)), Ok(()));
    }

    #[test]
    fn the_tables_shrink_again() {
        let replay = Replay::with(100_000, 100_000);
        for number in 0..50_000 {
            let taken = replay.take(&key(1), &number.to_string(), at(60), NOW);
            assert_eq!(taken, Ok(()));
        }
        assert_eq!(replay.take(&key(1), "x", at(121), at(61)), Ok(()));
        let shard = replay.shards[1].lock().unwrap();
        assert_eq!(shard.seen.len(), 1);
        assert!(shard.seen.capacity() < SMALL, "{}", shard.seen.capacity());
        assert_eq!(shard.keys.len(), 1);
        assert_eq!(shard.ends.len(), 1);
    }
}
