//! What happens to a request: the only crate that knows the order of stages, and the only one that listens and forwards.
//!
//! [`pipeline`] is the way of a request on one page; `server` brings requests there, `observe` tells what became of them.

mod body;
mod deny;
mod endpoint;
mod explain;
mod observe;
mod outward;
mod pipeline;
mod plan;
mod reload;
mod seals;
mod server;
mod shared;
mod stage;
mod stop;
mod unread;
mod upstream;
mod visit;
pub mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use config::Config;
use identity::{Authenticators, Clock, StartError};
use tokio::net::TcpListener;
use tokio::time::timeout;

pub use explain::{Question, Report, Verdict, explain};
use observe::audit::Opened;
pub use observe::audit::{AuditError, WallClock};
use observe::metrics::Metrics;
pub use observe::trace::Tracing;
use observe::trace::{Exporter, Exporting, Tracer};
use plan::Plan;
pub use reload::{Ask, ReloadError, Reloader};
use server::slots::Slots;
pub use server::tls::TlsError;
use server::tls::{self, Tls};
use server::{accept, admin};
use shared::{PlanCell, Shared};
pub use visit::{Tool, VisitError, tools};

/// After the drain deadline, event streams get this long to send their end.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long the end waits for a collector to take the last spans; at least [`FAREWELL`].
const LAST_EXPORT: Duration = Duration::from_secs(2);
/// What is left of the audit trail gets this long beyond it.
const LAST_RECORDS: Duration = Duration::from_millis(200);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Authenticator(#[from] StartError),
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        address: String,
        cause: std::io::Error,
    },
    /// A certificate or key that the configuration names cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing could be recorded, so nothing is done.
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Why a configuration that passed `check` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A fault of ours, said without a panic.
    #[error("routes.{route}.{key} cannot be used")]
    Value { route: Box<str>, key: &'static str },
    /// A certificate or key for an upstream.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl PlanError {
    pub(crate) fn new(route: &str, key: &'static str) -> Self {
        Self::Value {
            route: route.into(),
            key,
        }
    }
}

/// Whether the certificates and keys that a configuration names can be used at this moment. Nobody is asked and nothing is opened but them.
///
/// # Errors
/// The first of them that cannot.
pub fn try_certificates(config: &Config, clock: Clock) -> Result<(), TlsError> {
    if let Some(settings) = &config.server.tls {
        Tls::load(settings, config.server.limits.handshakes, clock)?;
    }
    for (index, route) in config.routes.iter().enumerate() {
        upstream::try_files(&route.upstream, &format!("routes[{index}].upstream"))?;
    }
    Ok(())
}

/// A gateway that listens but does not serve yet.
pub struct Gateway {
    plans: Arc<PlanCell>,
    reloader: Reloader,
    listeners: Vec<TcpListener>,
    redirect: Option<TcpListener>,
    admin: admin::Listener,
    exporting: Option<Exporting>,
}

impl Gateway {
    /// Reads certificates and reaches the authenticators first, so that a gateway that cannot judge anybody never takes a port (S4-8); then binds.
    ///
    /// `wall` tells when something was; the clock, whether a token is good.
    pub async fn start(
        config: Config,
        clock: Clock,
        wall: WallClock,
        tracing: Option<Tracing>,
    ) -> Result<Self, ServeError> {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            profile = config.profile.as_str(),
            "starting"
        );
        let audit = config.audit.as_ref().map(Opened::open).transpose()?;
        let tls = config
            .server
            .tls
            .as_ref()
            .map(|settings| {
                let handshakes = config.server.limits.handshakes;
                Tls::load(settings, handshakes, Arc::clone(&clock)).map(Arc::new)
            })
            .transpose()?;
        let authenticators = Authenticators::start(&config, Arc::clone(&clock)).await?;
        let mut listeners = Vec::with_capacity(config.server.listen.len());
        let mut bound = Vec::with_capacity(config.server.listen.len());
        for &address in &config.server.listen {
            let (listener, address) = bind(address)?;
            tracing::info!(%address, "listening");
            listeners.push(listener);
            bound.push(address);
        }
        let mut redirect = None;
        if let Some(address) = config.server.redirect_http {
            let (listener, address) = bind(address)?;
            tracing::info!(%address, "redirecting to https");
            redirect = Some(listener);
        }
        let listen = &config.admin.listen;
        let admin = admin::Listener::bind(listen).map_err(|cause| ServeError::Listen {
            address: listen.to_string(),
            cause,
        })?;
        let metrics = Metrics::new(clock());
        let (tracer, exporter) = tracing
            .map(|tracing| Tracer::new(tracing, &metrics))
            .unzip();
        let audit = audit.map(|opened| opened.begin(&bound, wall, &metrics));
        let audit = audit.transpose()?; // from here on the process is on record
        let slots = Slots::new(config.server.limits.connections);
        let shared = Shared::new(clock, metrics, audit, tracer, slots, bound, tls);
        authenticators.observe(shared.metrics.introspections.observer());
        let plan = Plan::build(&config, authenticators, Arc::new(shared))?;
        for site in plan.faces() {
            site.introduce();
        }
        if config.sessions.encryption_keys.is_empty()
            && plan.sites.iter().any(|site| site.seals.is_some())
        {
            tracing::info!(
                "no sessions.encryption_keys: MCP sessions end with this process, and no other gateway knows them"
            );
        }
        let plans = PlanCell::new(plan);
        Ok(Self {
            reloader: Reloader::new(Arc::clone(&plans), config),
            plans,
            listeners,
            redirect,
            admin,
            exporting: exporter.map(Exporter::start),
        })
    }

    /// Tells the operator how many log lines were dropped, for whoever counts them.
    pub fn count_dropped_lines(&self, dropped: Arc<AtomicU64>) {
        let shared = Arc::clone(&self.plans.load().shared);
        shared.metrics.log_lines.are_counted_by(dropped);
    }

    /// The addresses clients may use.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Puts other configurations in the place of this one, also while it serves.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// The audit trail, for the one who hears signals.
    pub fn trail(&self) -> Trail {
        Trail(Arc::clone(&self.plans.load().shared))
    }

    /// Serves until `stop` resolves, then drains: nothing new is accepted, requests finish, event streams end at the deadline.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self {
            plans,
            listeners,
            redirect,
            admin,
            exporting,
            reloader: _,
        } = self;
        let shared = Arc::clone(&plans.load().shared);
        let (drain, tls) = (shared.drain.clone(), shared.tls.clone());
        let slots = shared.slots.semaphore();
        let terms = {
            let plans = Arc::clone(&plans);
            move || Arc::clone(&plans.load().terms)
        };
        let mut public = tokio::task::JoinSet::new();
        for listener in listeners {
            let plans = Arc::clone(&plans);
            let handle = move |peer, request| pipeline::handle(plans.load(), peer, request);
            public.spawn(accept::run(
                listener,
                tls.clone(),
                Arc::clone(&slots),
                terms.clone(),
                drain.clone(),
                handle,
            ));
        }
        if let Some(listener) = redirect {
            let plans = Arc::clone(&plans);
            let handle = move |peer, request| pipeline::redirect(plans.load(), peer, request);
            public.spawn(accept::run(
                listener,
                None,
                Arc::clone(&slots),
                terms.clone(),
                drain.clone(),
                handle,
            ));
        }
        let probes = tokio::spawn(admin.serve(Arc::clone(&plans)));
        let watching = tls.map(|tls| tokio::spawn(tls::watch::run(tls)));
        let denying = tokio::spawn(deny::keep(Arc::clone(&shared)));
        tracing::info!("ready");

        stop.await;
        drain.begin();
        let whole = plans.load().drain_deadline;
        tracing::info!(deadline = ?whole, "draining"); // from here on it is true
        let deadline = Instant::now() + whole;
        let graceful = whole.saturating_sub(FAREWELL);
        let mut all_ended = async || while public.join_next().await.is_some() {};
        if timeout(graceful, all_ended()).await.is_err() {
            drain.end_streams();
            let _late = timeout(FAREWELL, all_ended()).await;
        }
        public.shutdown().await; // what is left is cut
        if let Some(audit) = &shared.audit {
            let left = deadline.saturating_duration_since(Instant::now());
            audit.end(left.max(LAST_RECORDS)).await;
        }
        if let Some(exporting) = exporting {
            let left = deadline.saturating_duration_since(Instant::now());
            exporting.flush(left.clamp(FAREWELL, LAST_EXPORT)).await;
        }
        probes.abort();
        denying.abort();
        let _ended = probes.await; // the socket's file goes with it
        watching.inspect(tokio::task::JoinHandle::abort);
        tracing::info!("stopped");
    }
}

/// The audit trail of a gateway; nothing where there is none.
pub struct Trail(Arc<Shared>);

impl Trail {
    /// Has the file opened again, if the one that is open was renamed.
    pub fn reopen(&self) {
        if let Some(audit) = &self.0.audit {
            audit.reopen();
        }
    }

    /// Writes what is left, and the last line; done already when the gateway was drained.
    pub async fn end(&self) {
        if let Some(audit) = &self.0.audit {
            audit.end(LAST_RECORDS).await;
        }
    }
}

fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |cause| ServeError::Listen {
        address: address.to_string(),
        cause,
    };
    let listener = accept::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
