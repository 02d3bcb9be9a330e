//! What verified credentials mean, remembered by a digest of the credential.
//!
//! Only verified credentials come in, so a stranger can neither fill it nor push anybody out. Each entry is judged anew at every
//! use: its key must still be the provider's, and times and audience are compared with the moment and the route (SEC-12).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::credential::Credential;

/// An entry that nobody used for so long is dropped, so that memory shrinks after a busy hour. Verifying again costs microseconds.
const IDLE: Duration = Duration::from_mins(10);

/// Which credential, looked at by whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest {
    /// The set of authenticators that the route takes: the same token may mean something else to another authenticator.
    realm: u32,
    sha256: [u8; 32],
}

impl Digest {
    pub(crate) fn of(realm: u32, token: &str) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self { realm, sha256 }
    }
}

/// Bounded by bytes. The settings of its authenticators are fixed for its life: a new configuration makes a new cache.
pub(crate) struct Credentials(Cache<Digest, Arc<Credential>, foldhash::fast::RandomState>);

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
        Self(cache)
    }

    /// The credential, if it was verified before by a key that its provider still publishes.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Arc<Credential>> {
        self.0
            .get(digest)
            .filter(|credential| credential.key.is_live())
    }

    pub(crate) fn keep(&self, digest: Digest, credential: &Arc<Credential>) {
        self.0.insert(digest, Arc::clone(credential));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.entry_count()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}
