//! Everybody who may vouch for a caller.

mod trial;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::{
    Auth, Authenticator, AuthenticatorKind, ClaimPath, Config, IdentityHeaders, KeySource,
};
use tokio::task::AbortHandle;

use crate::api_keys::{KeyRing, KeyTable};
use crate::cache::Credentials;
use crate::caller::Clock;
use crate::credential::Expected;
use crate::deny::DenyList;
use crate::fetching;
use crate::introspection::Observer;
use crate::proof::{Demand, Proofs};
use crate::provider::Provider;
use crate::route::RouteAuthenticator;

pub use trial::Fetching;

/// All authenticators of one configuration: their keys, the tasks that keep those fresh, and the memory of verified credentials.
pub struct Authenticators {
    kept: Vec<Arc<Kept>>,
    pub(crate) cache: Arc<Credentials>,
    clock: Clock,
    deny: Arc<DenyList>,
    proofs: Arc<Proofs>,
    /// Every claim beyond the usual that some route asks for; credentials keep their values in this order.
    extras: Arc<[ClaimPath]>,
    observer: Arc<OnceLock<Observer>>,
}

/// One authenticator at work. A configuration that says the same of it shares it with the one before.
struct Kept {
    settings: Authenticator,
    provider: Arc<Provider>,
    /// The keys that callers present, where they present keys.
    table: Option<Arc<KeyTable>>,
    /// Keeps its keys fresh. Aborted when no configuration has it any more.
    task: Option<AbortHandle>,
}

/// What one set of authenticators takes over from the one before.
struct Common {
    clock: Clock,
    cache: Arc<Credentials>,
    proofs: Arc<Proofs>,
    extras: Arc<[ClaimPath]>,
    observer: Arc<OnceLock<Observer>>,
}

impl Kept {
    /// Before it asks anybody.
    fn idle(settings: &Authenticator, extras: &Arc<[ClaimPath]>) -> Result<Self, StartError> {
        let provider = Arc::new(Provider::new(settings, Arc::clone(extras))?);
        let keys = settings.kind.api_keys();
        let table = keys.and_then(|keys| KeyTable::new(&provider, keys));
        Ok(Self {
            settings: settings.clone(),
            provider,
            table: table.map(Arc::new),
            task: None,
        })
    }

    /// A file is read again at once: what a new configuration is loaded for may be a change of that very file. A URL is not: how
    /// often a provider is asked is no matter of how often the operator saves a file.
    fn look_again(&self) {
        match &self.settings.kind {
            AuthenticatorKind::Jwks {
                keys: KeySource::File(_),
                ..
            } => {
                if let Some(keys) = self.provider.keys() {
                    keys.fetch_soon();
                }
            }
            AuthenticatorKind::Jwks {
                keys: KeySource::Url(_),
                ..
            }
            | AuthenticatorKind::Oidc { .. }
            | AuthenticatorKind::Introspection(_)
            | AuthenticatorKind::SharedSecret(_)
            | AuthenticatorKind::PublicKey(_)
            | AuthenticatorKind::ApiKeys(_) => {}
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// An authenticator with `start: required` that could not be reached (S4-8).
#[derive(Debug, Clone)]
pub struct StartError {
    /// Its name in the configuration.
    pub authenticator: Box<str>,
    /// What was tried, in words that can be searched for.
    pub deed: &'static str,
    /// Where.
    pub url: String,
    /// What came of it.
    pub cause: String,
    /// What to look at.
    pub hints: Vec<&'static str>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            authenticator,
            deed,
            url,
            cause,
            ..
        } = self;
        write!(f, "authenticator {authenticator}: {deed} {url}: {cause}")
    }
}

impl std::error::Error for StartError {}

/// Whether every public key in the configuration is one: what `check` can know without asking anybody.
pub fn try_keys(config: &Config) -> Result<(), StartError> {
    for settings in &config.authenticators {
        Provider::new(settings, Arc::default())?;
    }
    Ok(())
}

impl Authenticators {
    /// Fetches what every authenticator needs, all at the same time, and goes on keeping it fresh.
    ///
    /// Waits for those with `start: required`; if one of them cannot be reached, the program must not serve.
    pub async fn start(config: &Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let cache = Arc::new(Credentials::new(config.credential_cache));
        let common = Common {
            clock,
            cache,
            proofs: Arc::new(Proofs::new()),
            extras: further_claims(config),
            observer: Arc::default(),
        };
        Self::build(config, common, &[]).await
    }

    /// The same for another configuration, beside this one, which stays as it is.
    ///
    /// Authenticators of which both say the same are carried over with their keys: nothing is fetched for them, and what is
    /// remembered of their credentials stays good. Of all others nothing is believed any more (SEC-12).
    pub async fn restart(&self, config: &Config) -> Result<Arc<Self>, StartError> {
        let wanted = further_claims(config);
        let still = wanted.iter().all(|claim| self.extras.contains(claim));
        // One claim fewer is no reason to begin anew: its values are kept and not looked at.
        let (extras, known) = if still {
            (Arc::clone(&self.extras), &*self.kept)
        } else {
            (wanted, &[][..])
        };
        let cache = if self.cache.capacity() == config.credential_cache {
            Arc::clone(&self.cache)
        } else {
            Arc::new(Credentials::new(config.credential_cache))
        };
        let common = Common {
            clock: Arc::clone(&self.clock),
            cache,
            proofs: Arc::clone(&self.proofs),
            extras,
            observer: Arc::clone(&self.observer),
        };
        Self::build(config, common, known).await
    }

    async fn build(
        config: &Config,
        common: Common,
        known: &[Arc<Kept>],
    ) -> Result<Arc<Self>, StartError> {
        let Common {
            clock,
            cache,
            proofs,
            extras,
            observer,
        } = common;
        let mut kept = Vec::with_capacity(config.authenticators.len());
        let mut begun = Vec::new();
        for settings in &config.authenticators {
            if let Some(known) = known.iter().find(|known| known.settings == *settings) {
                known.look_again();
                kept.push(Arc::clone(known));
                continue;
            }
            let mut one = Kept::idle(settings, &extras)?;
            if let Some(introspection) = one.provider.introspection() {
                introspection.observed_by(&observer);
            }
            let (task, first) = fetching::begin(&one.provider, &settings.kind).unzip();
            one.task = task;
            begun.push((Arc::clone(&one.provider), first));
            kept.push(Arc::new(one));
        }
        proofs.keep(config, clock());
        let this = Self {
            kept,
            cache,
            clock,
            deny: Arc::new(DenyList::new(&config.deny, &config.authenticators)),
            proofs,
            extras,
            observer,
        };
        let mut initialised = Vec::with_capacity(begun.len());
        for (provider, first) in begun {
            if let Some(first) = first {
                first.done(&provider).await?;
            }
            initialised.push(provider);
        }
        this.tell_apart(config)?;
        for provider in initialised {
            tracing::info!(
                authenticator = %provider.name,
                method = provider.method,
                issuer = provider.issuer(),
                ready = provider.is_ready(),
                "authenticator initialised"
            );
        }
        Ok(Arc::new(this))
    }

    fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.kept.iter().map(|kept| &kept.provider)
    }

    fn provider(&self, index: usize) -> Option<&Arc<Provider>> {
        self.kept.get(index).map(|kept| &kept.provider)
    }

    /// A token's issuer selects one authenticator of a route. Two that are spelled differently in the configuration may turn out
    /// to be the same provider, and then the second would never be asked.
    fn tell_apart(&self, config: &Config) -> Result<(), StartError> {
        for route in &config.routes {
            let Auth::Required(requirement) = &route.auth else {
                continue;
            };
            let mut seen: Vec<&Provider> = Vec::new();
            let accepted = requirement.accept.iter();
            let accepted = accepted.filter_map(|index| self.provider(*index));
            // who is asked about tokens may have the issuer of somebody who signs them
            for provider in accepted.filter(|provider| provider.introspection().is_none()) {
                let issuer = provider.issuer();
                if let Some(first) = seen.iter().find(|first| first.issuer() == issuer) {
                    return Err(StartError {
                        authenticator: provider.name.clone(),
                        deed: "cannot be told apart by its issuer",
                        url: issuer.into(),
                        cause: format!(
                            "{} has the same, and route {} accepts both",
                            first.name, route.name
                        ),
                        hints: vec!["leave one of them out of the route's `accept`"],
                    });
                }
                seen.push(provider);
            }
        }
        Ok(())
    }

    /// What one route takes: these authenticators (indices into the configuration's), for these audiences.
    ///
    /// An authenticator's own audiences count in the place of the route's. `own_resources` are the identifiers of the route
    /// itself: the default audiences, and the only ones compared ignoring one closing slash (SEC-10). `extra_claims` must be
    /// among those that the configuration's routes name.
    pub fn for_route(
        &self,
        accept: &[usize],
        audiences: &[Box<str>],
        own_resources: &[Box<str>],
        extra_claims: &[ClaimPath],
    ) -> RouteAuthenticator {
        let accepted = accept
            .iter()
            .filter_map(|index| self.provider(*index))
            .map(|provider| {
                let own = &provider.rules.audiences;
                let expected = if provider.dangers.any_audience {
                    Expected::anybody()
                } else {
                    Expected::new(own, audiences, own_resources)
                };
                (Arc::clone(provider), expected)
            })
            .collect::<Box<[_]>>();
        // clients try issuers in the order in which the route names them; to the cache the order is all the same
        let mut realm: Vec<_> = accepted.iter().map(|(provider, _)| provider.id).collect();
        realm.sort_unstable();
        realm.dedup();
        let tables = accept.iter().filter_map(|index| {
            let kept = self.kept.get(*index)?;
            kept.table.clone()
        });
        let place = |claim: &ClaimPath| self.extras.iter().position(|known| known == claim);
        RouteAuthenticator {
            cache: Arc::clone(&self.cache),
            clock: Arc::clone(&self.clock),
            deny: Arc::clone(&self.deny),
            demand: Demand::of(&self.proofs),
            accepted,
            keys: KeyRing::new(tables),
            realm: self.cache.realm(&realm),
            extras: (!extra_claims.is_empty()).then(|| extra_claims.iter().map(place).collect()),
        }
    }

    /// Who is turned away in spite of a good credential.
    pub fn deny(&self) -> &Arc<DenyList> {
        &self.deny
    }

    /// From here on somebody is told of every call about a token, and so of those of later configurations.
    pub fn observe(&self, observer: Observer) {
        let _before = self.observer.set(observer);
    }

    /// Whether every authenticator that is not lazy has keys.
    pub fn is_ready(&self) -> bool {
        self.providers().all(|provider| provider.is_ready())
    }

    /// For each authenticator with keys that can grow old, the age of its key set; `None` while it has none.
    pub fn key_ages(&self) -> Vec<(Box<str>, Option<Duration>)> {
        self.providers()
            .filter_map(|provider| Some((provider.name.clone(), provider.keys()?.age())))
            .collect()
    }
}

/// The claims that routes with a map of headers name, each once.
fn further_claims(config: &Config) -> Arc<[ClaimPath]> {
    let mut claims: Vec<ClaimPath> = Vec::new();
    for route in &config.routes {
        match &route.identity.headers {
            IdentityHeaders::Map(headers) => {
                for (_, claim) in headers {
                    if !claims.contains(claim) {
                        claims.push(claim.clone());
                    }
                }
            }
            IdentityHeaders::Default
            | IdentityHeaders::Oauth2Proxy
            | IdentityHeaders::Authelia
            | IdentityHeaders::None => {}
        }
    }
    claims.into()
}

#[cfg(test)]
mod tests {
    use crate::testing::World;

    #[tokio::test]
    async fn nothing_is_fetched_for_authenticators_that_are_gone() {
        let world = World::new().await;
        let keys = std::sync::Arc::downgrade(world.all.kept[0].provider.keys().unwrap());
        drop(world);
        // an aborted task is dropped when its turn comes
        tokio::task::yield_now().await;
        assert_eq!(keys.strong_count(), 0);
    }
}
