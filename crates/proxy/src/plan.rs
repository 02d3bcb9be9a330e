//! The compiled configuration: everything that can be decided before the first request is decided here.
//!
//! This is the composition root. A request holds one plan from its beginning to its end.

pub(crate) mod names;
pub(crate) mod site;

use std::sync::Arc;
use std::time::Duration;

use config::{Config, Profile, Secret};
use http::header::{HeaderName, HeaderValue};
use identity::{Authenticators, Timestamp};

use crate::PlanError;
use crate::observe::audit::Audit;
use crate::seals::Keys;
use crate::server::Terms;
use crate::shared::Shared;
use crate::stage::cors::Origins;
use crate::stage::inject::strip::Stripping;
use crate::stage::route::Table;
use crate::stage::trust;
use crate::stage::{inspect, limit};
use names::Names;
pub(crate) use site::Site;

/// Everything a request needs to know.
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) trust: trust::Rules,
    pub(crate) table: Table,
    /// One for each route, in the order of the configuration.
    pub(crate) sites: Vec<Arc<Site>>,
    pub(crate) origins: Origins,
    pub(crate) stripping: Stripping,
    /// Where API keys stand, whatever the route.
    pub(crate) key_headers: Box<[HeaderName]>,
    pub(crate) limits: limit::Rules,
    pub(crate) sse_keepalive: Option<Duration>,
    /// What all bodies that are looked at may take together, in bytes.
    pub(crate) inspect_memory: inspect::Most,
    /// How long an answer may be in which there may be a list that is filtered, in bytes; an event, where it is a stream.
    pub(crate) list_bytes: u64,
    pub(crate) authenticators: Arc<Authenticators>,
    /// `Strict-Transport-Security`, for answers over https (R6797).
    pub(crate) hsts: Option<HeaderValue>,
    /// Of the public listeners; a connection keeps those it was accepted under.
    pub(crate) terms: Arc<Terms>,
    /// From SIGTERM to exit.
    pub(crate) drain_deadline: Duration,
    /// What the operator has to know (SEC-79).
    pub(crate) admin_token: Option<Secret>,
    /// What every plan of this process has in common.
    pub(crate) shared: Arc<Shared>,
}

impl Plan {
    /// The routes, each followed by its second path where it has one.
    pub(crate) fn faces(&self) -> impl Iterator<Item = &Arc<Site>> {
        let sites = self.sites.iter();
        sites.flat_map(|site| [site].into_iter().chain(&site.challenging))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// Whether the gateway can do its work: keys are there, what has to be recorded can be, and it is not going away.
    pub(crate) fn is_ready(&self) -> bool {
        self.hindrance().is_none()
    }

    /// Why it cannot, in words for a probe that anybody on the machine may read.
    pub(crate) fn hindrance(&self) -> Option<&'static str> {
        if !self.shared.drain.is_serving() {
            Some("it is stopping")
        } else if !self.authenticators.is_ready() {
            Some("the keys of an authenticator are missing")
        } else if !self.shared.audit.as_ref().is_none_or(Audit::is_ready) {
            Some("the audit trail takes no records")
        } else {
            None
        }
    }
}

impl Plan {
    /// Compiles a configuration. Nothing in use is touched: a plan that is not used leaves no more than series that stand at 0.
    pub(crate) fn build(
        config: &Config,
        authenticators: Arc<Authenticators>,
        shared: Arc<Shared>,
    ) -> Result<Self, PlanError> {
        let names = Names::of(config, &shared.bound);
        let keys = Keys::of(config, &shared.own_key);
        let mut sites = Vec::with_capacity(config.routes.len());
        for (index, route) in config.routes.iter().enumerate() {
            let place = format!("routes[{index}].upstream");
            let compiled = |route: &config::Route| {
                let upstream = shared.upstreams.of_route(config, route, &place)?;
                site::site(
                    config,
                    route,
                    &names,
                    &authenticators,
                    &shared.metrics,
                    upstream,
                    &keys,
                )
            };
            let mut site = compiled(route)?;
            if let Some(second) = site::challenging(route) {
                site.challenging = Some(Arc::new(compiled(&second)?));
            }
            sites.push(Arc::new(site));
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
            profile: config.profile,
            trust: trust::Rules {
                proxies: config.server.trusted_proxies.clone(),
                certificate: config
                    .server
                    .client_certificate
                    .as_ref()
                    .and_then(trust::Told::of),
                names,
                plain_http: config.server.plain_http,
            },
            table: Table::of(&sites),
            sites,
            origins,
            stripping: Stripping::of(config),
            key_headers: site::key_headers(config.authenticators.iter())
                .into_iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            limits: limit::Rules::of(&config.server.limits),
            sse_keepalive: config.server.sse_keepalive,
            inspect_memory: inspect::Most::of(&config.server.limits),
            list_bytes: config.server.limits.list_bytes,
            authenticators,
            hsts: config.server.hsts.as_ref().and_then(hsts),
            terms: Terms::of(&config.server, &shared),
            drain_deadline: config.server.timeouts.drain,
            admin_token: config.admin.token.clone(),
            shared,
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
