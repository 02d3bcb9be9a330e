//! Calls to providers about tokens (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use identity::Observer;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::counted;
use super::labels::{AuthenticationLabels, AuthenticatorLabels};
use super::series::Series;

/// Both by authenticator.
pub(crate) struct Introspections(Arc<Both>);

struct Both {
    calls: Series<AuthenticationLabels, Counter>,
    durations: Series<AuthenticatorLabels, Histogram>,
}

impl Introspections {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let calls = Series::of(counted(
            registry,
            "introspections",
            "Calls to providers about tokens, by what came of them",
        ));
        let durations = Family::new_with_constructor(buckets as fn() -> Histogram);
        registry.register_with_unit(
            "introspection_duration",
            "From the call to the end of the answer",
            Unit::Seconds,
            durations.clone(),
        );
        let durations = Series::of(durations);
        Self(Arc::new(Both { calls, durations }))
    }

    /// Counts what it is told of.
    pub(crate) fn observer(&self) -> Observer {
        let both = Arc::clone(&self.0);
        Box::new(move |authenticator, result, took| both.count(authenticator, result, took))
    }

    /// Lets go of the series of other authenticators.
    pub(super) fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        let Both { calls, durations } = &*self.0;
        calls.retain(|labels| is_kept(&labels.authenticator));
        durations.retain(|labels| is_kept(&labels.authenticator));
    }
}

impl Both {
    fn count(&self, authenticator: &str, result: &'static str, took: Duration) {
        let labels = AuthenticationLabels {
            authenticator: authenticator.to_owned(),
            result,
        };
        self.calls.handle(&labels).inc();
        // what was not asked took nobody any time
        if !took.is_zero() {
            let authenticator = authenticator.to_owned();
            let labels = AuthenticatorLabels { authenticator };
            self.durations.handle(&labels).observe(took.as_secs_f64());
        }
    }
}

/// A provider nearby, one far away, one in trouble, and the deadline.
fn buckets() -> Histogram {
    Histogram::new([
        0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    ])
}
