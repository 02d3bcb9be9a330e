//! The compiled configuration: everything that can be decided before the first request is decided here.
//!
//! This is the composition root. A request holds one plan from its beginning to its end.

pub(crate) mod names;
mod site;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, Scheme};
use http::HeaderValue;
use identity::{Authenticators, Clock, Timestamp};

use crate::PlanError;
use crate::observe::metrics::Metrics;
use crate::observe::record::RequestIds;
use crate::server::shutdown::Drain;
use crate::server::tls::Tls;
use crate::stage::cors::Origins;
use crate::stage::forward::Exchange;
use crate::stage::inject::strip::Stripping;
use crate::stage::route::Table;
use crate::stage::trust;
use names::Names;
pub(crate) use site::Site;

/// Everything a request needs to know.
pub(crate) struct Plan {
    pub(crate) trust: trust::Rules,
    pub(crate) table: Table,
    pub(crate) sites: Vec<Arc<Site>>,
    pub(crate) origins: Origins,
    pub(crate) stripping: Stripping,
    pub(crate) sse_keepalive: Option<Duration>,
    pub(crate) authenticators: Arc<Authenticators>,
    pub(crate) clock: Clock,
    pub(crate) request_ids: RequestIds,
    pub(crate) metrics: Metrics,
    pub(crate) tls: Option<Arc<Tls>>,
    /// `Strict-Transport-Security`, for answers over https (R6797).
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) drain: Drain,
}

impl Plan {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether the gateway can do its work: keys are there, and it is not going away.
    pub(crate) fn is_ready(&self) -> bool {
        self.drain.is_serving() && self.authenticators.is_ready()
    }
}

/// What a plan is made of besides the configuration.
pub(crate) struct Parts {
    pub(crate) authenticators: Arc<Authenticators>,
    pub(crate) clock: Clock,
    /// Addresses that the listeners really have.
    pub(crate) bound: Vec<SocketAddr>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) drain: Drain,
}

impl Plan {
    pub(crate) fn build(config: &Config, parts: Parts) -> Result<Self, PlanError> {
        let names = Names::of(config, &parts.bound);
        let metrics = Metrics::new();
        let https = config
            .routes
            .iter()
            .any(|route| route.upstream.origin.scheme() == Scheme::Https);
        let exchange = Arc::new(Exchange::new(
            config.server.timeouts.connect,
            https.then(tls::with_roots),
        ));
        let mut sites = Vec::with_capacity(config.routes.len());
        for route in &config.routes {
            let upstream = site::upstream(config, route, &exchange)?;
            sites.push(Arc::new(site::site(
                config,
                route,
                &names,
                &parts.authenticators,
                &metrics,
                upstream,
            )?));
        }
        let origins = match &config.server.cors {
            config::Cors::Any => Origins::Any,
            config::Cors::Origins(origins) => Origins::Listed(
                origins
                    .iter()
                    .map(|origin| origin.to_string().into())
                    .collect(),
            ),
        };
        Ok(Self {
            trust: trust::Rules {
                proxies: config.server.trusted_proxies.clone(),
                names,
                plain_http: config.server.plain_http,
            },
            table: Table::of(&sites),
            sites,
            origins,
            stripping: Stripping::of(config),
            sse_keepalive: config.server.sse_keepalive,
            authenticators: parts.authenticators,
            clock: parts.clock,
            request_ids: RequestIds::new(),
            metrics,
            tls: parts.tls,
            hsts: config.server.hsts.as_ref().and_then(hsts),
            drain: parts.drain,
        })
    }
}

fn hsts(hsts: &config::Hsts) -> Option<HeaderValue> {
    let subdomains = if hsts.include_subdomains {
        "; includeSubDomains"
    } else {
        ""
    };
    HeaderValue::try_from(format!("max-age={}{subdomains}", hsts.max_age.as_secs())).ok()
}
