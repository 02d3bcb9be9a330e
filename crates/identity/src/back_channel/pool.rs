//! A client that is kept, with its connections.

use std::time::Duration;

use http::HeaderMap;
use reqwest::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{BackChannel, FetchError, Reach, body, transport};

/// A client knows the certificates of the moment it was made: so long it may go on with them.
const RENEW: Duration = Duration::from_mins(10);
/// When to try again after it could not be renewed.
const AGAIN: Duration = Duration::from_mins(1);
/// Connections that nobody uses now; more are closed.
const IDLE: usize = 16;
/// Shorter than what servers and what stands between usually allow: a connection they have closed is a call that fails.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Asks one URL, which the operator named, again and again.
pub(crate) struct Pool {
    channel: BackChannel,
    url: Url,
    kept: Mutex<Option<(Client, Instant)>>,
}

impl Pool {
    pub(crate) fn new(channel: BackChannel, url: Url) -> Self {
        Self {
            channel,
            url,
            kept: Mutex::default(),
        }
    }

    /// The body of a 200 answer. The deadline is whoever asks'.
    pub(crate) async fn post(
        &self,
        headers: HeaderMap,
        form: String,
        cap: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let client = self.client().await?;
        let request = client.post(self.url.clone()).headers(headers).body(form);
        body(request.send().await.map_err(transport)?, cap).await
    }

    async fn client(&self) -> Result<Client, FetchError> {
        let mut kept = self.kept.lock().await;
        let now = Instant::now();
        let known = match &mut *kept {
            Some((client, until)) if now < *until => return Ok(client.clone()),
            Some((client, until)) => {
                // before trying, so that a file that cannot be read now is tried once in a while and not by every call
                *until = now + AGAIN;
                Some(client.clone())
            }
            None => None,
        };
        let client = match (self.make().await, known) {
            (Ok(client), _) => client,
            (Err(error), Some(known)) => {
                tracing::warn!(url = %self.url, cause = %error, "the connections to this provider are not renewed: the old ones serve on");
                return Ok(known);
            }
            (Err(error), None) => return Err(error),
        };
        *kept = Some((client.clone(), now + RENEW));
        Ok(client)
    }

    async fn make(&self) -> Result<Client, FetchError> {
        let client = self.channel.client(&self.url, Reach::Anywhere).await?;
        client
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_FOR)
            .build()
            .map_err(transport)
    }
}
