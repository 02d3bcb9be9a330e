//! The one place from which a provider is asked for anything.
//!
//! No redirects, no proxy from the environment, deadlines, a cap on the body, and addresses judged in the resolver that the
//! connection itself uses (SEC-20). A client lives for one fetch: fetches are minutes apart, and until the next one its pool and
//! some hundred certificates would only occupy memory. So a change of the system's certificates counts without a restart too. Only
//! what is asked for each token has a client that is kept, the [`Pool`].

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::ProxyUrl;
use http::StatusCode;
use http::header::ACCEPT;
use reqwest::dns::{Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Proxy, Response, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

mod address;
mod pool;

pub(crate) use pool::Pool;

/// For a whole fetch, from the first byte of name resolution to the last of the body.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// How one provider is asked.
#[derive(Debug, Clone)]
pub(crate) struct BackChannel {
    /// PEM file of the only roots believed.
    ca: Option<PathBuf>,
    proxy: Option<ProxyUrl>,
}

/// Which addresses a URL may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The operator named the host.
    Anywhere,
    /// Somebody else named it: not into our own network.
    Public,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("answered {0}, a redirect, and redirects are not followed")]
    Redirect(StatusCode),
    #[error("answered with more than {0} bytes")]
    TooLarge(usize),
    #[error("not answered within {} s", DEADLINE.as_secs())]
    Late,
    #[error("{0} is not a public address, and the host is not the issuer's")]
    NotPublic(Box<str>),
    #[error("{0}")]
    Roots(String),
    #[error("{0}")]
    Transport(String),
}

impl FetchError {
    /// Whether it says that the provider is out of order, and not that it, or we, would rather not.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Late | Self::Transport(_) => true,
            Self::Status(status) => status.is_server_error(),
            Self::Redirect(_) | Self::TooLarge(_) | Self::NotPublic(_) | Self::Roots(_) => false,
        }
    }
}

impl BackChannel {
    pub(crate) fn new(ca: Option<PathBuf>, proxy: Option<ProxyUrl>) -> Self {
        Self { ca, proxy }
    }

    /// The body of a 200 answer.
    pub(crate) async fn get(
        &self,
        url: &Url,
        reach: Reach,
        cap: usize,
    ) -> Result<Vec<u8>, FetchError> {
        tokio::time::timeout(DEADLINE, self.exchange(url, reach, cap))
            .await
            .unwrap_or(Err(FetchError::Late))
    }

    async fn exchange(&self, url: &Url, reach: Reach, cap: usize) -> Result<Vec<u8>, FetchError> {
        // the resolver is not asked about addresses that are written out
        if reach == Reach::Public && !address::literal_is_public(url) {
            let host = url.host_str().unwrap_or_default();
            return Err(FetchError::NotPublic(host.into()));
        }
        let client = self.client(url, reach).await?;
        let client = client
            .pool_max_idle_per_host(0)
            .build()
            .map_err(transport)?;
        let request = client.get(url.clone()).header(ACCEPT, "application/json");
        body(request.send().await.map_err(transport)?, cap).await
    }

    async fn client(&self, url: &Url, reach: Reach) -> Result<ClientBuilder, FetchError> {
        let secure = url.scheme() == "https"
            || self
                .proxy
                .as_ref()
                .is_some_and(|proxy| is_https(proxy.expose()));
        let roots = if secure {
            self.roots().await?
        } else {
            RootCertStore::empty()
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls(roots)?)
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(DEADLINE)
            .timeout(DEADLINE)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        match &self.proxy {
            // the proxy resolves the name, so it also decides where the name may lead
            Some(proxy) => builder = builder.proxy(Proxy::all(proxy.expose()).map_err(transport)?),
            None if reach == Reach::Public => builder = builder.dns_resolver(PublicOnly),
            None => {}
        }
        Ok(builder)
    }

    /// Reads certificates off the threads that serve requests.
    async fn roots(&self) -> Result<RootCertStore, FetchError> {
        let ca = self.ca.clone();
        let load = move || match ca {
            Some(file) => only(&file)
                .map_err(|cause| FetchError::Roots(format!("ca file {}: {cause}", file.display()))),
            None => Ok(system()),
        };
        tokio::task::spawn_blocking(load)
            .await
            .unwrap_or_else(|error| Err(FetchError::Roots(error.to_string())))
    }
}

/// The body of an answer that is 200 and not larger than this.
async fn body(mut answer: Response, cap: usize) -> Result<Vec<u8>, FetchError> {
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => return Err(FetchError::Redirect(status)),
        status => return Err(FetchError::Status(status)),
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > cap {
            return Err(FetchError::TooLarge(cap));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The roots in a file, and no others.
fn only(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("no certificate in it".into());
    }
    Ok(roots)
}

/// The system's roots; in an image that has none, those compiled in.
fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// The provider is named here and not taken from the process, where another one might have been installed.
fn tls(roots: RootCertStore) -> Result<rustls::ClientConfig, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Transport(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Resolves names to public addresses only. The connection uses what this returns, so a name cannot change its mind in between.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found
                .filter(|found| address::is_public(found.ip()))
                .collect();
            if public.is_empty() {
                return Err(FetchError::NotPublic(name.as_str().into()).into());
            }
            Ok(Box::new(public.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// Reads a URL that may be fetched: https, or http on loopback, where nobody can change what comes back (SEC-19).
pub(crate) fn url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials in the URL");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("neither https nor http on loopback"),
    }
}

/// Whether the host is this machine by its name or number alone.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_https(url: &str) -> bool {
    url.get(..8)
        .is_some_and(|head| head.eq_ignore_ascii_case("https://"))
}

/// The causes, one after the other, without the URL, which the message has already.
fn transport(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Late;
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    FetchError::Transport(text)
}

#[cfg(test)]
mod tests;
