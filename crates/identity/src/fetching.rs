//! How the keys of an authenticator come in, for those that fetch them.

use std::sync::Arc;

use config::{AuthenticatorKind, Fetch, KeySource, Start};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::authenticators::StartError;
use crate::back_channel::BackChannel;
use crate::discovery::{ByDiscovery, ByFile, ByUrl};
use crate::keys::{Keys, Pace, Source, Unreachable, keep};
use crate::provider::Provider;

/// The first fetch of an authenticator, under way.
pub(crate) struct First {
    start: Start,
    outcome: oneshot::Receiver<Result<(), Unreachable>>,
}

/// Begins to fetch, and goes on until the task is aborted. `None` for authenticators that fetch no keys.
pub(crate) fn begin(
    provider: &Arc<Provider>,
    kind: &AuthenticatorKind,
) -> Option<(AbortHandle, First)> {
    let keys = provider.keys()?;
    let channel = |fetch: &Fetch| BackChannel::new(fetch.ca.clone(), fetch.proxy.clone());
    Some(match kind {
        AuthenticatorKind::Oidc { fetch, .. } => {
            let source = ByDiscovery::new(Arc::clone(provider), channel(fetch));
            spawn(provider, keys, fetch, source)
        }
        AuthenticatorKind::Jwks {
            fetch, keys: from, ..
        } => match from {
            KeySource::Url(url) => {
                let source = ByUrl::new(url.clone(), channel(fetch));
                spawn(provider, keys, fetch, source)
            }
            KeySource::File(path) => spawn(provider, keys, fetch, ByFile::new(path.clone())),
        },
        AuthenticatorKind::Introspection(_)
        | AuthenticatorKind::SharedSecret(_)
        | AuthenticatorKind::PublicKey(_)
        | AuthenticatorKind::ApiKeys(_) => return None,
    })
}

fn spawn(
    provider: &Provider,
    keys: &Arc<Keys>,
    fetch: &Fetch,
    source: impl Source,
) -> (AbortHandle, First) {
    let (told, outcome) = oneshot::channel();
    let pace = Pace {
        cache: fetch.cache,
        max_stale: fetch.max_stale,
    };
    let kept = keep(provider.name.clone(), Arc::clone(keys), source, pace, told);
    let task = tokio::spawn(kept);
    let first = First {
        start: fetch.start,
        outcome,
    };
    (task.abort_handle(), first)
}

impl First {
    /// Waits for it with `start: required`, and for nothing with `lazy`.
    pub(crate) async fn done(self, provider: &Provider) -> Result<(), StartError> {
        match self.start {
            Start::Required => {}
            Start::Lazy => return Ok(()),
        }
        self.outcome(provider).await
    }

    /// Waits for it in any case.
    pub(crate) async fn outcome(self, provider: &Provider) -> Result<(), StartError> {
        let outcome = self.outcome.await.unwrap_or_else(|_| {
            Err(Unreachable {
                deed: "failed to fetch JWKS",
                url: provider.rules.issuer.to_string(),
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
}
