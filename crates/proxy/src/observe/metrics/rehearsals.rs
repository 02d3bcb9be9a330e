//! Calls that the rules for tools would have refused, where they do not count yet (SEC-52).

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::counted;
use super::labels::RehearsalLabels;
use super::series::Series;

/// By route and by the reason that a refusal would have had.
pub(crate) struct Rehearsals(Series<RehearsalLabels, Counter>);

impl Rehearsals {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self(Series::of(counted(
            registry,
            "tool_dry_run",
            "Requests that the rules for tools would have refused, where they do not count yet",
        )))
    }

    pub(crate) fn count(&self, route: &str, reason: &'static str) {
        let route = route.to_owned();
        self.0.handle(&RehearsalLabels { route, reason }).inc();
    }

    /// Lets go of the series of other routes.
    pub(super) fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.0.retain(|labels| is_kept(&labels.route));
    }
}
