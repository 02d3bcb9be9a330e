//! Counters for the operator. Names and labels are those of contract section 7; `_total` is added when they are written.
//!
//! Label values come from the configuration or from closed sets of ours, never from a request, so the number of series is bounded
//! whatever callers send. Handles for the common case are resolved once per route.

mod audit;
mod introspections;
mod labels;
mod log_lines;
mod page;
mod process;
mod rehearsals;
mod series;
mod timing;
mod tools;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use identity::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::plan::Site;
use audit::AuditFamilies;
use introspections::Introspections;
use labels::{
    AuthenticationLabels, AuthenticatorLabels, CertificateLabels, ConnectionLabels, MemberLabels,
    RequestLabels, ResultLabels, StateLabels, UpstreamLabels,
};
use process::Process;
use rehearsals::Rehearsals;
use series::Series;
use timing::Durations;

pub(crate) use super::outcome::Outcome;
pub(crate) use audit::AuditMetrics;
pub(crate) use log_lines::LogLines;
pub(crate) use timing::{NOBODYS, OURS, Timing};
pub(crate) use tools::{Tool, ToolCalls, Tools};

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    /// Of requests for our own URLs.
    pub(crate) ours: Timing,
    /// Of requests that no route was found for.
    pub(crate) nobodys: Timing,
    pub(crate) log_lines: LogLines,
    requests: Series<RequestLabels, Counter>,
    durations: Durations,
    own_durations: Durations,
    authentications: Series<AuthenticationLabels, Counter>,
    pub(crate) introspections: Introspections,
    key_ages: Family<AuthenticatorLabels, Gauge>,
    certificates: Family<CertificateLabels, Gauge>,
    upstream_errors: Series<UpstreamLabels, Counter>,
    pub(crate) tool_calls: ToolCalls,
    pub(crate) rehearsals: Rehearsals,
    spans: Family<ResultLabels, Counter>,
    connections_refused: Family<ConnectionLabels, Counter>,
    reloads: Family<ResultLabels, Counter>,
    connections: Family<StateLabels, Gauge>,
    pub(crate) audit: AuditFamilies,
    upstream_members: Family<MemberLabels, Gauge>,
    open_streams: Arc<AtomicI64>,
    open_streams_gauge: Gauge,
    /// Held while a page is made: some families are emptied and filled anew for it, and another page must not see them in between.
    page: Mutex<()>,
}

/// The handles of one route.
#[derive(Clone)]
pub(crate) struct SiteMetrics {
    pub(crate) allowed: Counter,
    pub(crate) timing: Timing,
    /// Servers that could not be reached while another one could be asked.
    pub(crate) passed_over: Counter,
    /// Proven callers by authenticator.
    pub(crate) proven: Vec<(Box<str>, Counter)>,
    /// By which names its tools are counted.
    pub(crate) tools: Tools,
}

impl Metrics {
    /// With the time at which the process began.
    pub(crate) fn new(started: Timestamp) -> Self {
        let mut whole_registry = Registry::default();
        whole_registry.register_collector(Box::new(Process { started }));
        let registry = whole_registry.sub_registry_with_prefix("portcullis");
        registry.register(
            "build",
            "Which program this is",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let log_lines = LogLines::default();
        registry.register_collector(Box::new(log_lines.clone()));
        let requests = Series::of(counted(registry, "requests", "Requests by how they ended"));
        let durations = Family::new_with_constructor(timing::whole as fn() -> Histogram);
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the end of its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let durations = Series::of(durations);
        let own_durations = Family::new_with_constructor(timing::own as fn() -> Histogram);
        registry.register_with_unit(
            "gateway_duration",
            "The gateway's own part: to the head of the answer, less the wait for the upstream",
            Unit::Seconds,
            own_durations.clone(),
        );
        let own_durations = Series::of(own_durations);
        let authentications = Series::of(counted(
            registry,
            "authentications",
            "Credentials judged, by authenticator and result",
        ));
        let introspections = Introspections::register(registry);
        let key_ages = timed(registry, "jwks_age", "Age of the key set in use");
        let certificates = timed(
            registry,
            "certificate_expiry",
            "Until a certificate of the public listeners expires, by the key that names it",
        );
        let upstream_errors = Series::of(counted(
            registry,
            "upstream_errors",
            "Exchanges that failed on the upstream's side",
        ));
        let tool_calls = ToolCalls::register(registry);
        let rehearsals = Rehearsals::register(registry);
        let spans = counted(
            registry,
            "spans",
            "Spans by what became of them: exported, dropped before (the queue was full), failed (the collector did not take them)",
        );
        let connections_refused = counted(
            registry,
            "connections_refused",
            "Connections that were closed before a request came",
        );
        let reloads = counted(
            registry,
            "config_reloads",
            "Configurations that were to take the place of the one in use",
        );
        let upstream_members = counted(
            registry,
            "upstream_members",
            "Servers of a route by how they stand",
        );
        let connections = counted(
            registry,
            "connections",
            "Connections of the public listeners: open, or still in the TLS handshake",
        );
        let audit = AuditFamilies::register(registry);
        let open_streams_gauge = counted(registry, "open_streams", "Event streams open now");
        let timing = |route: &str| Timing::of(route, &durations, &own_durations);
        Self {
            ours: timing(OURS),
            nobodys: timing(NOBODYS),
            registry: whole_registry,
            log_lines,
            requests,
            durations,
            own_durations,
            authentications,
            introspections,
            key_ages,
            certificates,
            upstream_errors,
            tool_calls,
            rehearsals,
            spans,
            connections_refused,
            reloads,
            connections,
            audit,
            upstream_members,
            open_streams: Arc::default(),
            open_streams_gauge,
            page: Mutex::default(),
        }
    }

    /// The handles of a route; `authenticators` are the names it accepts.
    pub(crate) fn site<'n>(
        &self,
        route: &str,
        access: &config::Access,
        authenticators: impl Iterator<Item = &'n str>,
    ) -> SiteMetrics {
        let proven = |name: &str| {
            let labels = AuthenticationLabels {
                authenticator: name.to_owned(),
                result: "proven",
            };
            (Box::from(name), self.authentications.handle(&labels))
        };
        SiteMetrics {
            allowed: self.requests.handle(&RequestLabels {
                route: route.to_owned(),
                outcome: Outcome::Allowed.as_str(),
                reason: "",
            }),
            timing: Timing::of(route, &self.durations, &self.own_durations),
            passed_over: self.upstream_errors.handle(&UpstreamLabels {
                route: route.to_owned(),
                kind: "passed_over",
            }),
            proven: authenticators.map(proven).collect(),
            tools: self.tool_calls.of_route(route, access),
        }
    }

    /// Lets go of the series of routes and authenticators that none of these sites has: names come and go with configurations, and
    /// nothing that grows with each of them may stay.
    pub(crate) fn keep_only<'s>(&self, sites: impl Iterator<Item = &'s Arc<Site>>) {
        let mut routes = HashSet::from([OURS, NOBODYS]);
        let mut tools = HashMap::new();
        let mut authenticators = HashSet::from([""]);
        for site in sites {
            routes.insert(&site.name);
            tools.insert(&*site.name, &site.metrics.tools);
            authenticators.extend(site.metrics.proven.iter().map(|(name, _)| &**name));
        }
        let is_kept = |route: &str| routes.contains(route);
        self.requests.retain(|labels| is_kept(&labels.route));
        self.upstream_errors.retain(|labels| is_kept(&labels.route));
        self.tool_calls.keep_only(&tools);
        self.rehearsals.retain(is_kept);
        self.durations.retain(|labels| is_kept(&labels.route));
        self.own_durations.retain(|labels| is_kept(&labels.route));
        self.authentications
            .retain(|labels| authenticators.contains(&*labels.authenticator));
        self.introspections
            .retain(|authenticator| authenticators.contains(authenticator));
    }

    pub(crate) fn request(&self, route: &str, outcome: Outcome, reason: &'static str) {
        self.requests
            .handle(&RequestLabels {
                route: route.to_owned(),
                outcome: outcome.as_str(),
                reason,
            })
            .inc();
    }

    /// A credential that was refused. Which authenticator it was meant for is the caller's claim, so it is no label.
    pub(crate) fn unproven(&self, reason: &'static str) {
        self.authentications
            .handle(&AuthenticationLabels {
                authenticator: String::new(),
                result: reason,
            })
            .inc();
    }

    pub(crate) fn upstream_error(&self, route: &str, kind: &'static str) {
        self.upstream_errors
            .handle(&UpstreamLabels {
                route: route.to_owned(),
                kind,
            })
            .inc();
    }

    /// The handle of one result; a family without any is not shown.
    pub(crate) fn spans(&self, result: &'static str) -> Counter {
        self.spans.get_or_create(&ResultLabels { result }).clone()
    }

    pub(crate) fn connection_refused(&self, reason: &'static str) {
        let labels = ConnectionLabels { reason };
        self.connections_refused.get_or_create(&labels).inc();
    }

    /// `ok` or `refused`.
    pub(crate) fn reload(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    pub(crate) fn open_stream(&self) -> OpenStream {
        self.open_streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(&self.open_streams))
    }

    fn count_connections(&self, state: &'static str, count: usize) {
        self.connections
            .get_or_create(&StateLabels { state })
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// A metric of its own, on the page from now on.
fn counted<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// The same in seconds.
fn timed<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

/// Counted as long as it lives.
pub(crate) struct OpenStream(Arc<AtomicI64>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SiteMetrics {
    pub(crate) fn count_proven(&self, authenticator: &str) {
        if let Some((_, counter)) = self
            .proven
            .iter()
            .find(|(name, _)| **name == *authenticator)
        {
            counter.inc();
        }
    }
}
