//! Who is believed when an upstream is reached by https, and what it is shown.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;
use config::{Member, Scheme, UpstreamTls};
use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::{ClientConfig, ConfigBuilder, Error, InconsistentKeys, RootCertStore};

use crate::server::tls::{TlsError, read};

/// The TLS towards some servers: made from files, and made again when a reload finds others in their place.
pub(super) struct ClientTls {
    hasher: RandomState,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    mark: u64,
}

/// The files as they are at one moment.
#[derive(Hash)]
struct Files {
    ca: Option<Vec<u8>>,
    /// Certificate and key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

/// Whether the files of a route's upstream can be used.
pub(crate) fn try_files(upstream: &config::Upstream, place: &str) -> Result<(), TlsError> {
    let is_https = |member: &Member| match member {
        Member::Unix(_) => false,
        Member::Http(origin) => origin.scheme() == Scheme::Https,
    };
    if upstream.members.iter().any(is_https) {
        ClientTls::load(&upstream.tls, place)?;
    }
    Ok(())
}

impl ClientTls {
    /// Reads and checks everything. `place` is the key below which the files are named.
    pub(super) fn load(settings: &UpstreamTls, place: &str) -> Result<Self, TlsError> {
        let hasher = RandomState::new();
        let files = Files::read(settings, place)?;
        let loaded = Loaded {
            config: Arc::new(build(settings, &files, place)?),
            mark: hasher.hash_one(&files),
        };
        Ok(Self {
            hasher,
            current: ArcSwap::from_pointee(loaded),
        })
    }

    /// What the next connection is made with.
    pub(super) fn current(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.load().config)
    }

    /// Reads the same files again; `None` if they are as they were. Nothing changes before they are [taken](Renewal::take).
    pub(super) fn look_again(
        self: &Arc<Self>,
        settings: &UpstreamTls,
        place: &str,
    ) -> Result<Option<Renewal>, TlsError> {
        let files = Files::read(settings, place)?;
        let mark = self.hasher.hash_one(&files);
        if mark == self.current.load().mark {
            return Ok(None);
        }
        let config = Arc::new(build(settings, &files, place)?);
        Ok(Some(Renewal {
            of: Arc::clone(self),
            loaded: Arc::new(Loaded { config, mark }),
            place: place.into(),
        }))
    }
}

/// Other files than those in use, found good by a plan that is not in use yet.
pub(super) struct Renewal {
    of: Arc<ClientTls>,
    loaded: Arc<Loaded>,
    place: Box<str>,
}

impl Renewal {
    pub(super) fn take(&self) {
        // several routes may have found the same
        if self.of.current.swap(Arc::clone(&self.loaded)).mark != self.loaded.mark {
            tracing::info!(place = %self.place, "upstream certificates replaced");
        }
    }
}

/// For https to whoever the system's roots speak for.
pub(crate) fn with_roots() -> ClientConfig {
    builder(roots()).with_no_client_auth()
}

fn builder(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default protocol versions")
        .with_root_certificates(roots)
}

fn build(settings: &UpstreamTls, files: &Files, place: &str) -> Result<ClientConfig, TlsError> {
    let roots = match &files.ca {
        Some(pem) => only(pem).map_err(|reason| TlsError::new(format!("{place}.ca"), reason))?,
        None => roots(),
    };
    let builder = builder(roots);
    let mut config = match (&files.own, &settings.own) {
        (Some((certificate, key)), Some(names)) => {
            let at = |key: &str, reason: String| TlsError::new(format!("{place}.{key}"), reason);
            let chain = CertificateDer::pem_slice_iter(certificate)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| at("certificate", format!("is not PEM: {error}")))?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|error| at("private_key", format!("is not a PEM private key: {error}")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| match error {
                    Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => at(
                        "private_key",
                        format!("is not the key of {}", names.certificate.display()),
                    ),
                    error => at("certificate", format!("cannot be used: {error}")),
                })?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()]; // nothing else is spoken to upstreams
    Ok(config)
}

/// The roots of a file and no others.
fn only(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("has no certificate in it".to_owned());
    }
    Ok(roots)
}

/// The system's roots, and the ones built in where the system has none (small images, trap 10).
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

impl Files {
    fn read(settings: &UpstreamTls, place: &str) -> Result<Self, TlsError> {
        let at = |path: &std::path::Path, key: &str| read(path, || format!("{place}.{key}"));
        let ca = settings.ca.as_deref().map(|path| at(path, "ca"));
        let own = settings.own.as_ref().map(|own| {
            let certificate = at(&own.certificate, "certificate")?;
            Ok((certificate, at(&own.private_key, "private_key")?))
        });
        Ok(Self {
            ca: ca.transpose()?,
            own: own.transpose()?,
        })
    }
}
