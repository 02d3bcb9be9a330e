//! A family that knows which series it has, so that those of routes and authenticators that are gone can go, too.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::family::{Family, MetricConstructor};

pub(super) struct Series<S, M, C = fn() -> M> {
    family: Family<S, M, C>,
    known: Mutex<HashSet<S>>,
}

impl<S: Clone + Eq + Hash, M: Clone, C: MetricConstructor<M>> Series<S, M, C> {
    pub(super) fn of(family: Family<S, M, C>) -> Self {
        Self {
            family,
            known: Mutex::default(),
        }
    }

    /// The handle of one series, which is there from now on.
    pub(super) fn handle(&self, labels: &S) -> M {
        if let Some(metric) = self.family.get(labels) {
            return metric.clone();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(labels.clone());
        self.family.get_or_create(labels).clone()
    }

    /// Lets the others go. Whoever holds a handle of theirs counts on, and nobody sees it.
    pub(super) fn retain(&self, is_kept: impl Fn(&S) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| is_kept(labels) || !self.family.remove(labels));
    }
}
