//! Where key sets come from: a URL, a file, or whatever a provider's discovery document names.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oauth::metadata::ServerMetadata;
use oauth::well_known;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use url::Url;

use crate::back_channel::{self, BackChannel, FetchError, Reach};
use crate::failure::cut;
use crate::keys::{MAX_BYTES, Source, Unreachable};
use crate::provider::{Provider, differ_by_one_slash_at_most};

/// Largest discovery document taken; those in use have about 5 KiB.
const MAX_DOCUMENT: usize = 256 * 1024;

const FETCH_DOCUMENT: &str = "failed to fetch OIDC discovery document";
const USE_DOCUMENT: &str = "unusable OIDC discovery document";
const FETCH_KEYS: &str = "failed to fetch JWKS";

const DOCUMENT_HINTS: &[&str] = &[
    "is the issuer spelled as the provider spells it, with its path?",
    "does the provider offer OpenID Connect discovery? if not, use `jwks` with `jwks_uri`",
    "can this machine reach the provider: name resolution, firewall, `proxy`?",
    "is the provider's certificate from an authority known here? if not, name it with `ca`",
    "`start: lazy` serves 503 until the provider is reached, instead of ending here",
];
const KEYS_HINTS: &[&str] = &[
    "does the URL answer 200 with a JWK set: {\"keys\":[…]}?",
    "can this machine reach it: name resolution, firewall, `proxy`, `ca`?",
    "keys on a private host that is not the issuer's are fetched only by `jwks` with `jwks_uri`",
];
const ISSUER_HINTS: &[&str] = &[
    "set `issuer` to the string in the document's `issuer` member; only one closing slash may differ",
];
const MEMBER_HINTS: &[&str] = &[
    "authorization_endpoint, token_endpoint and jwks_uri must all be there",
    "if the provider cannot be changed, use `jwks` with `jwks_uri`",
];

/// Keys at a URL that the operator wrote.
pub(crate) struct ByUrl {
    url: Box<str>,
    channel: BackChannel,
}

impl ByUrl {
    pub(crate) fn new(url: Box<str>, channel: BackChannel) -> Self {
        Self { url, channel }
    }
}

impl Source for ByUrl {
    async fn fetch(&mut self) -> Result<Vec<u8>, Unreachable> {
        let failed = |cause: String| unreachable(FETCH_KEYS, &self.url, cause, KEYS_HINTS);
        let url = back_channel::url(&self.url).map_err(|cause| failed(cause.into()))?;
        self.channel
            .get(&url, Reach::Anywhere, MAX_BYTES)
            .await
            .map_err(|error| failed(error.to_string()))
    }

    fn place(&self) -> String {
        self.url.to_string()
    }
}

/// Keys in a file, read again as often as a URL would be fetched.
pub(crate) struct ByFile {
    path: PathBuf,
    /// A read that was not done in time. Nobody can end it, so it is waited for again before another one begins.
    late: Option<JoinHandle<Result<Vec<u8>, String>>>,
}

impl ByFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, late: None }
    }
}

impl Source for ByFile {
    async fn fetch(&mut self) -> Result<Vec<u8>, Unreachable> {
        let path = self.path.clone();
        let mut reading = self
            .late
            .take()
            .unwrap_or_else(|| spawn_blocking(move || read(&path)));
        // file systems on a network may hang, and whoever waits for them would never notice that keys are too old
        let cause = match timeout(back_channel::DEADLINE, &mut reading).await {
            Ok(Ok(Ok(document))) => return Ok(document),
            Ok(Ok(Err(cause))) => cause,
            Ok(Err(ended)) => ended.to_string(),
            Err(_) => {
                self.late = Some(reading);
                format!("not read within {} s", back_channel::DEADLINE.as_secs())
            }
        };
        let hints = &["is the file there, and may this process read it?"];
        Err(unreachable(FETCH_KEYS, &self.place(), cause, hints))
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut document = Vec::new();
    // one more than is allowed tells a file of exactly that size from a larger one
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut document)
        .map_err(|error| error.to_string())?;
    if document.len() > MAX_BYTES {
        return Err(format!("larger than {MAX_BYTES} bytes"));
    }
    Ok(document)
}

/// Keys where the provider's discovery document says they are.
pub(crate) struct ByDiscovery {
    provider: Arc<Provider>,
    channel: BackChannel,
    /// Found once; looked for again after a failed fetch, since a provider may move its keys.
    found: Option<KeysAt>,
}

#[derive(Clone)]
struct KeysAt {
    url: Url,
    reach: Reach,
}

impl ByDiscovery {
    pub(crate) fn new(provider: Arc<Provider>, channel: BackChannel) -> Self {
        Self {
            provider,
            channel,
            found: None,
        }
    }

    async fn discover(&self) -> Result<KeysAt, Unreachable> {
        let issuer = &self.provider.rules.issuer;
        let candidates = well_known::discovery_candidates(issuer);
        let (url, metadata) = document(&self.channel, issuer, &candidates).await?;
        let unusable = |cause: String, hints| unreachable(USE_DOCUMENT, &url, cause, hints);
        if !differ_by_one_slash_at_most(&metadata.issuer, issuer) {
            let found = &metadata.issuer;
            return Err(unusable(
                format!("issuer mismatch: configured {issuer:?}, the document says {found:?}"),
                ISSUER_HINTS,
            ));
        }
        let required = |member: &str, value: Option<String>| {
            value.ok_or_else(|| unusable(format!("{member} is missing"), MEMBER_HINTS))
        };
        required("authorization_endpoint", metadata.authorization_endpoint)?;
        required("token_endpoint", metadata.token_endpoint)?;
        let jwks_uri = required("jwks_uri", metadata.jwks_uri)?;
        let keys = keys_at(issuer, &jwks_uri)
            .map_err(|cause| unusable(format!("jwks_uri {jwks_uri:?}: {cause}"), MEMBER_HINTS))?;
        // last, so that nothing of a document that is of no use is believed
        if !self.provider.spell(&metadata.issuer) {
            return Err(unusable(
                format!("its issuer changed to {:?}", metadata.issuer),
                ISSUER_HINTS,
            ));
        }
        Ok(keys)
    }
}

impl Source for ByDiscovery {
    async fn fetch(&mut self) -> Result<Vec<u8>, Unreachable> {
        // forgotten while it is in use: only a successful fetch remembers it
        let found = match self.found.take() {
            Some(found) => found,
            None => self.discover().await?,
        };
        let keys = self.channel.get(&found.url, found.reach, MAX_BYTES).await;
        let keys = keys.map_err(|error| {
            unreachable(
                FETCH_KEYS,
                found.url.as_str(),
                error.to_string(),
                KEYS_HINTS,
            )
        })?;
        self.found = Some(found);
        Ok(keys)
    }

    fn place(&self) -> String {
        let found = self.found.as_ref().map(|found| found.url.to_string());
        found.unwrap_or_else(|| self.provider.rules.issuer.to_string())
    }
}

/// The first candidate that answers with a document. An answer that is none leads to the next one; no answer at all ends the
/// search, since all candidates are at one host.
async fn document(
    channel: &BackChannel,
    issuer: &str,
    candidates: &[String],
) -> Result<(String, ServerMetadata), Unreachable> {
    let mut tried = Vec::new();
    for candidate in candidates {
        let failed = |cause: String| unreachable(FETCH_DOCUMENT, candidate, cause, DOCUMENT_HINTS);
        let url = back_channel::url(candidate).map_err(|cause| failed(cause.into()))?;
        match channel.get(&url, Reach::Anywhere, MAX_DOCUMENT).await {
            Ok(body) => match ServerMetadata::parse(&body) {
                Ok(metadata) => return Ok((candidate.clone(), metadata)),
                Err(error) => tried.push((candidate, error.to_string())),
            },
            Err(error @ FetchError::Status(_)) => tried.push((candidate, error.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    // the place that people look at first is the one to report
    let mut tried = tried.into_iter();
    let Some((first, cause)) = tried.next() else {
        let cause = "the issuer is not an http(s) URL without query and fragment";
        return Err(unreachable(
            FETCH_DOCUMENT,
            issuer,
            cause.into(),
            ISSUER_HINTS,
        ));
    };
    let mut causes = cause;
    for (url, cause) in tried {
        causes = format!("{causes}; {url}: {cause}");
    }
    Err(unreachable(FETCH_DOCUMENT, first, causes, DOCUMENT_HINTS))
}

/// The document names a host: the issuer's own may be anywhere, since the operator named it; any other only a public one (SEC-20).
fn keys_at(issuer: &str, jwks_uri: &str) -> Result<KeysAt, &'static str> {
    let url = back_channel::url(jwks_uri)?;
    let issuer = back_channel::url(issuer)?;
    let own = issuer.host() == url.host()
        || (back_channel::is_loopback(&issuer) && back_channel::is_loopback(&url));
    let reach = if own { Reach::Anywhere } else { Reach::Public };
    Ok(KeysAt { url, reach })
}

fn unreachable(
    deed: &'static str,
    url: &str,
    cause: String,
    hints: &'static [&'static str],
) -> Unreachable {
    Unreachable {
        deed,
        url: url.to_owned(),
        // it may quote the provider
        cause: cut(cause, 500),
        hints,
    }
}
