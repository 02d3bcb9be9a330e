//! A new configuration in the place of the old one: as a whole, or not at all.
//!
//! Everything that may fail (keys of new authenticators, certificates, the plan itself) is made beside what is in use. Only then one
//! plan replaces the other: requests that have begun end on theirs, event streams are judged by the new one within seconds.

mod ask;
mod restart;

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use identity::{Authenticators, StartError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::PlanError;
use crate::observe::audit::Event;
use crate::plan::Plan;
use crate::server::tls::{Loaded, Tls, TlsError};
use crate::shared::PlanCell;
pub use ask::Ask;
pub(crate) use ask::Reloads;

/// A reload that is not done by then is refused. A provider alone has 10 s; files that hang have no deadline of their own.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why the old configuration stays in use.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// These keys are read only at start: what they decide cannot be had a second time, or must not change in passing (SEC-81).
    #[error("needs a restart: {} changed", .0.join(", "))]
    NeedsRestart(Vec<String>),
    #[error(transparent)]
    Authenticator(#[from] StartError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("no record of it can be kept: the audit trail takes none")]
    Unaccountable,
    #[error("not ready within {} s", DEADLINE.as_secs())]
    Late,
    #[error("the gateway is going away")]
    Ending,
}

impl ReloadError {
    /// Whether the same configuration may be taken later without a change of it.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Authenticator(_) | Self::Unaccountable | Self::Late => true,
            Self::NeedsRestart(_) | Self::Tls(_) | Self::Plan(_) | Self::Ending => false,
        }
    }
}

/// Puts configurations in the place of the one in use. Clones are the same one.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    plans: Arc<PlanCell>,
    /// What the plan in use was made from. Held throughout a reload: there is one at a time.
    running: Mutex<Config>,
}

impl Reloader {
    pub(crate) fn new(plans: Arc<PlanCell>, running: Config) -> Self {
        let running = Mutex::new(running);
        Self(Arc::new(Inner { plans, running }))
    }

    /// Takes a configuration, or says why everything stays as it is. Either is counted and logged here.
    pub async fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let mut running = self.0.running.lock().await;
        match self.replace(&running, &config).await {
            Ok(()) => {
                self.note(None);
                *running = config;
                tracing::info!(
                    routes = running.routes.len(),
                    authenticators = running.authenticators.len(),
                    "configuration reloaded" // last: whoever reads it finds it true everywhere else
                );
                Ok(())
            }
            Err(error) => {
                self.refused(&error);
                Err(error)
            }
        }
    }

    /// Tells and counts that there was a configuration that is not taken: it could not be read, or [`reload`](Self::reload) refused it.
    pub fn refused(&self, cause: &dyn std::fmt::Display) {
        let text = cause.to_string();
        if let Some(audit) = &self.0.plans.load().shared.audit {
            // Several problems are several lines; a reason is one.
            let words: Vec<_> = text.split_whitespace().collect();
            let refused = Some(words.join(" ").into());
            audit.record(None, Event::Reload { refused });
        }
        self.note(Some(text));
        tracing::error!(%cause, "configuration not reloaded; the one in use stays");
    }

    /// Resolves when the operator asks for a reload. One listens at a time.
    pub async fn asked(&self) -> Ask {
        let shared = Arc::clone(&self.0.plans.load().shared);
        shared.reloads.asked().await
    }

    fn note(&self, refused: Option<String>) {
        let plan = self.0.plans.load();
        let result = if refused.is_some() { "refused" } else { "ok" };
        plan.shared.metrics.reload(result);
        plan.shared.reloads.note(plan.now(), refused);
    }

    async fn replace(&self, old: &Config, new: &Config) -> Result<(), ReloadError> {
        let in_use = self.0.plans.load();
        let shared = &in_use.shared;
        if !shared.drain.is_serving() {
            return Err(ReloadError::Ending);
        }
        let changed = restart::needed(old, new);
        if !changed.is_empty() {
            return Err(ReloadError::NeedsRestart(changed));
        }
        let prepared = async {
            let tls = prepare(shared.tls.as_ref(), new).await?;
            let authenticators = in_use.authenticators.restart(new).await?;
            let plan = build(new.clone(), authenticators, &in_use).await?;
            Ok::<_, ReloadError>((tls, plan))
        };
        let (tls, plan) = timeout(DEADLINE, prepared)
            .await
            .map_err(|_| ReloadError::Late)??;
        let audit = shared.audit.as_ref();
        let place = match audit {
            Some(audit) => audit
                .place()
                .await
                .map_err(|_| ReloadError::Unaccountable)?,
            None => None,
        };
        tell(old, new, &plan);
        // From here on nothing fails.
        if let (Some(tls), Some(prepared)) = (&shared.tls, tls) {
            tls.take(prepared);
            tls.handshakes.resize(new.server.limits.handshakes);
        }
        shared.slots.resize(new.server.limits.connections);
        for site in plan.faces() {
            site.upstream.take_certificates();
        }
        // Requests end on the old plan yet, so its routes are told of until the next reload.
        let metrics = &shared.metrics;
        metrics.keep_only(in_use.sites.iter().chain(&plan.sites));
        self.0.plans.replace(plan);
        if let Some(audit) = audit {
            audit.record(place, Event::Reload { refused: None });
        }
        Ok(())
    }
}

/// Reads and checks certificates on a thread that may wait for files.
async fn prepare(tls: Option<&Arc<Tls>>, new: &Config) -> Result<Option<Arc<Loaded>>, ReloadError> {
    let (Some(tls), Some(settings)) = (tls.cloned(), new.server.tls.clone()) else {
        return Ok(None);
    };
    let prepared = tokio::task::spawn_blocking(move || tls.prepare(&settings)).await;
    Ok(Some(prepared.map_err(|_| ReloadError::Ending)??))
}

/// The same for the plan, which reads the certificates of upstreams.
async fn build(
    new: Config,
    authenticators: Arc<Authenticators>,
    in_use: &Plan,
) -> Result<Plan, ReloadError> {
    let shared = Arc::clone(&in_use.shared);
    let built =
        tokio::task::spawn_blocking(move || Plan::build(&new, authenticators, shared)).await;
    Ok(built.map_err(|_| ReloadError::Ending)??)
}

/// Routes that are new or no longer there, as at start.
fn tell(old: &Config, new: &Config, plan: &Plan) {
    for (route, site) in new.routes.iter().zip(&plan.sites) {
        if !old.routes.contains(route) {
            site.introduce();
        }
    }
    for gone in &old.routes {
        if new.routes.iter().all(|route| route.name != gone.name) {
            tracing::info!(route = %gone.name, "route removed");
        }
    }
}
