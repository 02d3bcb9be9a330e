//! What lives as long as the process: counters, references, the end of the gateway, the plan in use. A reload carries all of it over.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use identity::Clock;

use crate::observe::audit::Audit;
use crate::observe::metrics::Metrics;
use crate::observe::record::RequestIds;
use crate::observe::trace::Tracer;
use crate::plan::Plan;
use crate::reload::Reloads;
use crate::seals::OwnKey;
use crate::server::shutdown::Drain;
use crate::server::slots::Slots;
use crate::server::tls::Tls;
use crate::stage::{inspect, limit, session};
use crate::upstream::Upstreams;

/// Every plan holds the same one. What is compiled from the configuration belongs to [`Plan`] instead.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// `None`: decisions are told in the log alone.
    pub(crate) audit: Option<Audit>,
    pub(crate) request_ids: RequestIds,
    /// `None` where no collector is named.
    pub(crate) tracer: Option<Tracer>,
    pub(crate) drain: Drain,
    pub(crate) limits: limit::Tables,
    /// Bodies that are being looked at.
    pub(crate) inspected: inspect::Memory,
    pub(crate) slots: Slots,
    pub(crate) reloads: Reloads,
    pub(crate) started: Instant,
    /// Addresses that the public listeners really have.
    pub(crate) bound: Vec<SocketAddr>,
    /// `None` where the public listeners speak plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whose the sessions are that were begun without a credential.
    pub(crate) claims: session::Claims,
    /// Stands for `sessions.encryption_keys` where there are none.
    pub(crate) own_key: OwnKey,
    /// The servers that plans lead to.
    pub(crate) upstreams: Arc<Upstreams>,
    /// Set once the first plan is there. Weak: the plan in use holds this struct.
    plans: OnceLock<Weak<PlanCell>>,
}

impl Shared {
    pub(crate) fn new(
        clock: Clock,
        metrics: Metrics,
        audit: Option<Audit>,
        tracer: Option<Tracer>,
        slots: Slots,
        bound: Vec<SocketAddr>,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        Self {
            clock,
            metrics,
            audit,
            request_ids: RequestIds::new(),
            tracer,
            drain: Drain::new(),
            limits: limit::Tables::new(),
            inspected: inspect::Memory::new(),
            slots,
            reloads: Reloads::new(),
            started: Instant::now(),
            bound,
            tls,
            claims: session::Claims::new(),
            own_key: OwnKey::new(),
            upstreams: Upstreams::new(),
            plans: OnceLock::new(),
        }
    }

    /// The plan in use now, for what outlives the plan of its request; `None` when the gateway is gone.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        Some(self.plans.get()?.upgrade()?.load())
    }
}

/// The plan in use. A request loads it once and holds it to its end; a reload puts another in its place.
pub(crate) struct PlanCell(ArcSwap<Plan>);

impl PlanCell {
    /// With the first plan.
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let shared = Arc::clone(&plan.shared);
        let cell = Arc::new(Self(ArcSwap::from_pointee(plan)));
        let _first = shared.plans.set(Arc::downgrade(&cell)); // there is one cell for each `Shared`
        cell
    }

    pub(crate) fn load(&self) -> Arc<Plan> {
        self.0.load_full()
    }

    /// From here on requests begin with this plan.
    pub(crate) fn replace(&self, plan: Plan) {
        self.0.store(Arc::new(plan));
    }
}
