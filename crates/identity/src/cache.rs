//! What verified credentials mean, remembered by a digest of the credential.
//!
//! Only verified credentials come in, so a stranger can neither fill it nor push anybody out. Each entry is judged anew at every
//! use: its key must still be the provider's, and times and audience are compared with the moment and the route (SEC-12).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::caller::Timestamp;
use crate::credential::Credential;

/// An entry that nobody used for so long is dropped, so that memory shrinks after a busy hour. Verifying again costs microseconds.
const IDLE: Duration = Duration::from_mins(10);

/// Which credential, looked at by whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest {
    /// The set of authenticators that the route takes: the same token may mean something else to another authenticator.
    realm: u32,
    pub(crate) sha256: [u8; 32],
}

impl Digest {
    pub(crate) fn of(realm: u32, token: &str) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self { realm, sha256 }
    }

    /// Of the token alone, whoever looks at it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

/// What is remembered of a credential.
pub(crate) enum Found {
    Good(Arc<Credential>),
    /// It was good the last time somebody asked, and somebody has to ask again.
    Over,
    Nothing,
}

/// Bounded by bytes. It outlives configurations: what an authenticator has verified is found only by routes that take this very one,
/// with these settings, and one with other settings is another one (SEC-12).
pub(crate) struct Credentials {
    cache: Cache<Digest, Arc<Credential>, foldhash::fast::RandomState>,
    capacity: u64,
    realms: Mutex<Realms>,
}

/// The sets of authenticators that routes take, by their process-wide ids, and their numbers.
#[derive(Default)]
struct Realms {
    known: Vec<(Box<[u64]>, u32)>,
    next: u32,
}

/// More sets than configurations have routes. Of more, the oldest are forgotten, and with them what was remembered there.
const MOST_REALMS: usize = 10_000;

impl Credentials {
    /// Least recently used goes first: with a policy that counts use, a full cache of popular entries refuses newcomers, and
    /// each client's next token is a newcomer.
    pub(crate) fn new(bytes: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_: &Digest, credential: &Arc<Credential>| credential.weight())
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(IDLE)
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self {
            cache,
            capacity: bytes,
            realms: Mutex::default(),
        }
    }

    /// The bound in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The number of a set of authenticators: the same for as long as any of them is configured.
    pub(crate) fn realm(&self, ids: &[u64]) -> u32 {
        let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, number)) = realms.known.iter().find(|(known, _)| **known == *ids) {
            return *number;
        }
        if realms.known.len() >= MOST_REALMS {
            realms.known.remove(0);
        }
        let number = realms.next;
        realms.next = realms.next.wrapping_add(1);
        realms.known.push((ids.into(), number));
        number
    }

    /// The credential, if it was verified before and what its life hangs on is still there.
    pub(crate) fn find(&self, digest: &Digest, now: Timestamp) -> Found {
        match self.cache.get(digest) {
            Some(credential) if !credential.life.is_over(now) => Found::Good(credential),
            Some(credential) if credential.life.is_renewed() => Found::Over,
            Some(_) | None => Found::Nothing,
        }
    }

    pub(crate) fn forget(&self, digest: &Digest) {
        self.cache.invalidate(digest);
    }

    pub(crate) fn keep(&self, digest: Digest, credential: &Arc<Credential>) {
        self.cache.insert(digest, Arc::clone(credential));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.entry_count()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.weighted_size()
    }
}
