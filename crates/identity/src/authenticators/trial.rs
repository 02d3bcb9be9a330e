//! Authenticators for trying one credential (`portcullis explain`): nobody is asked but those that it may concern.

use std::sync::Arc;

use config::Config;
use tokio::task::AbortHandle;

use super::{Authenticators, Kept, StartError, further_claims};
use crate::cache::Credentials;
use crate::caller::Clock;
use crate::deny::DenyList;
use crate::fetching;
use crate::proof::Proofs;

/// Keeps fetching until it is dropped.
pub struct Fetching(Vec<AbortHandle>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Authenticators {
    /// As [`start`](Self::start) makes them, but none of them asks anybody before [`fetch`](Self::fetch).
    pub fn idle(config: &Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let extras = further_claims(config);
        let all = config.authenticators.iter();
        let kept = all.map(|settings| Kept::idle(settings, &extras).map(Arc::new));
        Ok(Arc::new(Self {
            kept: kept.collect::<Result<_, _>>()?,
            cache: Arc::new(Credentials::new(config.credential_cache)),
            clock,
            deny: Arc::new(DenyList::new(&config.deny, &config.authenticators)),
            proofs: Arc::new(Proofs::new()),
            extras,
            observer: Arc::default(),
        }))
    }

    /// Fetches what some of them (indices into the configuration's) need, and waits for it also where the gateway would not. Those
    /// that cannot be reached are told; whoever needs them is refused as always.
    pub async fn fetch(&self, these: &[usize]) -> (Fetching, Vec<StartError>) {
        let mut tasks = Vec::new();
        let mut begun = Vec::new();
        for kept in these.iter().filter_map(|index| self.kept.get(*index)) {
            if let Some((task, first)) = fetching::begin(&kept.provider, &kept.settings.kind) {
                tasks.push(task);
                begun.push((&kept.provider, first));
            }
        }
        let fetching = Fetching(tasks);
        let mut errors = Vec::new();
        for (provider, first) in begun {
            errors.extend(first.outcome(provider).await.err());
        }
        (fetching, errors)
    }
}
