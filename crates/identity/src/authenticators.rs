//! Everybody who may vouch for a caller.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::{Auth, AuthenticatorKind, ClaimPath, Config, IdentityHeaders, KeySource, Start};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::back_channel::BackChannel;
use crate::cache::Credentials;
use crate::caller::Clock;
use crate::credential::Expected;
use crate::discovery::{ByDiscovery, ByFile, ByUrl};
use crate::keys::{Pace, Source, Unreachable, keep};
use crate::provider::Provider;
use crate::route::RouteAuthenticator;

/// All authenticators of one configuration: their keys, the tasks that keep those fresh, and the memory of verified credentials.
pub struct Authenticators {
    providers: Vec<Arc<Provider>>,
    /// Aborted on drop.
    tasks: Vec<AbortHandle>,
    pub(crate) cache: Credentials,
    pub(crate) clock: Clock,
    /// Every claim beyond the usual that some route asks for; credentials keep their values in this order.
    extras: Arc<[ClaimPath]>,
    /// The sets of authenticators that routes take; the place of a set is its realm in the cache.
    realms: Mutex<Vec<Box<[usize]>>>,
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

type First = oneshot::Receiver<Result<(), Unreachable>>;

impl Authenticators {
    /// Fetches what every authenticator needs, all at the same time, and goes on keeping it fresh.
    ///
    /// Waits for those with `start: required`; if one of them cannot be reached, the program must not serve.
    pub async fn start(config: &Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let extras = further_claims(config);
        let mut this = Self {
            providers: Vec::new(),
            tasks: Vec::new(),
            cache: Credentials::new(config.credential_cache),
            clock,
            extras: Arc::clone(&extras),
            realms: Mutex::default(),
        };
        let mut firsts = Vec::new();
        for (index, authenticator) in config.authenticators.iter().enumerate() {
            let provider = Arc::new(Provider::new(index, authenticator, Arc::clone(&extras)));
            firsts.push(this.spawn(&provider, &authenticator.kind));
            this.providers.push(provider);
        }
        for (provider, first) in this.providers.iter().zip(firsts) {
            match provider.jwt.start {
                Start::Required => first_fetch(provider, first).await?,
                Start::Lazy => {}
            }
        }
        this.tell_apart(config)?;
        for provider in &this.providers {
            tracing::info!(
                authenticator = %provider.name,
                method = provider.method,
                issuer = provider.issuer(),
                ready = provider.keys.are_there(),
                "authenticator initialised"
            );
        }
        Ok(Arc::new(this))
    }

    /// A token's issuer selects one authenticator of a route. Two that are spelled differently in the configuration may turn out
    /// to be the same provider, and then the second would never be asked.
    fn tell_apart(&self, config: &Config) -> Result<(), StartError> {
        for route in &config.routes {
            let Auth::Required(requirement) = &route.auth else {
                continue;
            };
            let mut seen: Vec<&Provider> = Vec::new();
            for provider in requirement
                .accept
                .iter()
                .filter_map(|index| self.providers.get(*index))
            {
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

    fn spawn(&mut self, provider: &Arc<Provider>, kind: &AuthenticatorKind) -> First {
        let channel = BackChannel::new(provider.jwt.ca.clone(), provider.jwt.proxy.clone());
        match kind {
            AuthenticatorKind::Oidc(_) => {
                self.keep(provider, ByDiscovery::new(Arc::clone(provider), channel))
            }
            AuthenticatorKind::Jwks(_, KeySource::Url(url)) => {
                self.keep(provider, ByUrl::new(url.clone(), channel))
            }
            AuthenticatorKind::Jwks(_, KeySource::File(path)) => {
                self.keep(provider, ByFile::new(path.clone()))
            }
        }
    }

    fn keep(&mut self, provider: &Provider, source: impl Source) -> First {
        let (told, first) = oneshot::channel();
        let pace = Pace {
            cache: provider.jwt.cache,
            max_stale: provider.jwt.max_stale,
        };
        let task = keep(
            provider.name.clone(),
            Arc::clone(&provider.keys),
            source,
            pace,
            told,
        );
        self.tasks.push(tokio::spawn(task).abort_handle());
        first
    }

    /// What one route takes: these authenticators (indices into the configuration's), for these audiences.
    ///
    /// An authenticator's own audiences count in the place of the route's. `own_resources` are the identifiers of the route
    /// itself: the default audiences, and the only ones compared ignoring one closing slash (SEC-10). `extra_claims` must be
    /// among those that the configuration's routes name.
    pub fn for_route(
        self: &Arc<Self>,
        accept: &[usize],
        audiences: &[Box<str>],
        own_resources: &[Box<str>],
        extra_claims: &[ClaimPath],
    ) -> RouteAuthenticator {
        // clients try issuers in the order in which the route names them; to the cache the order is all the same
        let mut realm = accept.to_vec();
        realm.sort_unstable();
        realm.dedup();
        let accepted = accept
            .iter()
            .filter_map(|index| self.providers.get(*index))
            .map(|provider| {
                let own = &provider.jwt.audiences;
                (
                    Arc::clone(provider),
                    Expected::new(own, audiences, own_resources),
                )
            })
            .collect();
        let place = |claim: &ClaimPath| self.extras.iter().position(|known| known == claim);
        RouteAuthenticator {
            all: Arc::clone(self),
            accepted,
            realm: self.realm(&realm),
            extras: (!extra_claims.is_empty()).then(|| extra_claims.iter().map(place).collect()),
        }
    }

    /// The number of a set of authenticators. There are no more sets than routes.
    fn realm(&self, accept: &[usize]) -> u32 {
        let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
        let place = realms.iter().position(|known| **known == *accept);
        let place = place.unwrap_or_else(|| {
            realms.push(accept.into());
            realms.len() - 1
        });
        u32::try_from(place).expect("a configuration has fewer routes than there are u32")
    }

    /// Whether every authenticator that is not lazy has keys.
    pub fn is_ready(&self) -> bool {
        self.providers
            .iter()
            .all(|provider| match provider.jwt.start {
                Start::Required => provider.keys.are_there(),
                Start::Lazy => true,
            })
    }

    /// For each authenticator the age of its key set; `None` while it has none.
    pub fn key_ages(&self) -> Vec<(Box<str>, Option<Duration>)> {
        self.providers
            .iter()
            .map(|provider| (provider.name.clone(), provider.keys.age()))
            .collect()
    }
}

impl Drop for Authenticators {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn first_fetch(provider: &Provider, first: First) -> Result<(), StartError> {
    let outcome = first.await.unwrap_or_else(|_| {
        Err(Unreachable {
            deed: "failed to fetch JWKS",
            url: provider.jwt.issuer.to_string(),
            cause: "the task that fetches it ended".into(),
            hints: &[],
        })
    });
    outcome.map_err(|unreachable| StartError {
        authenticator: provider.name.clone(),
        deed: unreachable.deed,
        url: unreachable.url,
        cause: unreachable.cause,
        hints: unreachable.hints.to_vec(),
    })
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
        let keys = std::sync::Arc::downgrade(&world.all.providers[0].keys);
        drop(world);
        // an aborted task is dropped when its turn comes
        tokio::task::yield_now().await;
        assert_eq!(keys.strong_count(), 0);
    }
}
