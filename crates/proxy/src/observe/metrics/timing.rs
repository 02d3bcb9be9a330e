//! How long requests take.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use super::labels::RouteLabels;
use super::series::Series;

/// In place of a route: our own URLs.
pub(crate) const OURS: &str = "portcullis";
/// In place of a route where none was found.
pub(crate) const NOBODYS: &str = "none";

pub(super) type Durations = Series<RouteLabels, Histogram>;

pub(super) fn whole() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0,
    ])
}

pub(super) fn own() -> Histogram {
    Histogram::new([
        0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.1,
        1.0,
    ])
}

/// The handles of one route.
#[derive(Clone)]
pub(crate) struct Timing {
    whole: Histogram,
    own: Histogram,
}

impl Timing {
    pub(super) fn of(route: &str, whole: &Durations, own: &Durations) -> Self {
        let route = route.to_owned();
        let labels = RouteLabels { route };
        Self {
            whole: whole.handle(&labels),
            own: own.handle(&labels),
        }
    }

    /// `own` is not known of a request that nobody waited for to its end.
    pub(crate) fn observe(&self, whole: Duration, own: Option<Duration>) {
        self.whole.observe(whole.as_secs_f64());
        if let Some(own) = own {
            self.own.observe(own.as_secs_f64());
        }
    }
}
