//! What lives as long as the process: counters, references, the end of the gateway, the plan in use. A reload carries all of it over.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use identity::Clock;

use crate::observe::metrics::Metrics;
use crate::observe::record::RequestIds;
use crate::plan::Plan;
use crate::server::shutdown::Drain;
use crate::server::tls::Tls;

/// Every plan holds the same one. What is compiled from the configuration belongs to [`Plan`] instead.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) request_ids: RequestIds,
    pub(crate) drain: Drain,
    /// Addresses that the public listeners really have.
    pub(crate) bound: Vec<SocketAddr>,
    /// `None` where the public listeners speak plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Shared {
    pub(crate) fn new(clock: Clock, bound: Vec<SocketAddr>, tls: Option<Arc<Tls>>) -> Self {
        Self {
            clock,
            metrics: Metrics::new(),
            request_ids: RequestIds::new(),
            drain: Drain::new(),
            bound,
            tls,
        }
    }
}

/// The plan in use. A request loads it once and holds it to its end; a reload puts another in its place.
pub(crate) struct PlanCell(ArcSwap<Plan>);

impl PlanCell {
    /// With the first plan.
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(plan)))
    }

    pub(crate) fn load(&self) -> Arc<Plan> {
        self.0.load_full()
    }
}
