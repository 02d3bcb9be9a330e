//! TLS of the public listeners: what a handshake is made with, and what it settles.
//!
//! Certificates, keys and the roots of client certificates are one value, made and checked as a whole and replaced as a whole: a
//! handshake uses the one it began with, and connections that are open never notice.

mod pair;
mod set;
pub(crate) mod watch;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use config::{ClientAuth, TlsVersion};
use identity::Clock;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::plan::names::without_port;
use crate::server::slots::Slots;

pub(crate) use set::Set;

/// No certificate or key file is larger than this; a larger file is the wrong file.
const FILE_BYTES: u64 = 1 << 20;
/// How long a handshake keeps its place while it waits for its peer. What costs is done as soon as the peer has said hello; who is slow
/// goes on without a place, or one address could hold all of them by sending a byte on each connection.
const TURN: Duration = Duration::from_millis(250);
/// Of a client's subject, this much is kept.
const SUBJECT_CHARACTERS: usize = 256;
/// What is spoken on top, in the order of preference.
const ALPN: [&[u8]; 2] = [H2, b"http/1.1"];
pub(super) const H2: &[u8] = b"h2";

/// Why a certificate, a key or a root cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct TlsError {
    place: Box<str>,
    reason: Box<str>,
}

impl TlsError {
    pub(crate) fn new(place: impl Into<Box<str>>, reason: impl Into<Box<str>>) -> Self {
        Self {
            place: place.into(),
            reason: reason.into(),
        }
    }
}

/// The TLS of all public listeners.
pub(crate) struct Tls {
    clock: Clock,
    current: ArcSwap<Loaded>,
    hasher: RandomState,
    /// Places for handshakes.
    pub(crate) handshakes: Slots,
    /// Rung when other settings are in use: other files may have to be watched.
    resettled: Notify,
}

/// Everything of one handshake.
pub(crate) struct Loaded {
    settings: Arc<config::Tls>,
    /// Of the files it was made from.
    mark: u64,
    config: Arc<ServerConfig>,
    set: Arc<Set>,
    /// Tickets of sessions that may be resumed. They outlive certificates, but not the rules that clients were judged by.
    tickets: Arc<dyn ProducesTickets>,
    clients: u64,
}

/// The files as they are at one moment.
struct Files {
    /// Certificates and key of each pair.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    clients: Option<Vec<u8>>,
}

impl Tls {
    /// Reads and checks everything. The files are small and read before anything is served.
    ///
    /// At most so many `handshakes` are made at a time.
    pub(crate) fn load(
        settings: &config::Tls,
        handshakes: usize,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let hasher = RandomState::new();
        let settings = Arc::new(settings.clone());
        let files = Files::read(&settings)?;
        let loaded = Loaded::build(&settings, &files, &clock, &hasher, None)?;
        Ok(Self {
            clock,
            current: ArcSwap::from_pointee(loaded),
            hasher,
            handshakes: Slots::new(handshakes),
            resettled: Notify::new(),
        })
    }

    /// Reads and checks what other settings name. Nothing changes before it is [taken](Self::take).
    pub(crate) fn prepare(&self, settings: &config::Tls) -> Result<Arc<Loaded>, TlsError> {
        let old = self.current.load_full();
        let settings = Arc::new(settings.clone());
        let files = Files::read(&settings)?;
        if old.settings == settings && old.mark == self.mark(&files) {
            return Ok(old);
        }
        Loaded::build(&settings, &files, &self.clock, &self.hasher, Some(&old)).map(Arc::new)
    }

    pub(crate) fn take(&self, prepared: Arc<Loaded>) {
        self.current.store(prepared);
        self.resettled.notify_one();
    }

    /// Takes the place of what is in use, if everything in the files is good.
    fn replace(&self, settings: &Arc<config::Tls>, files: &Files) -> Result<(), TlsError> {
        let old = self.current.load();
        if !Arc::ptr_eq(&old.settings, settings) {
            return Ok(()); // replaced since the files were read, by settings whose files were read later
        }
        let new = Loaded::build(settings, files, &self.clock, &self.hasher, Some(&old))?;
        let _newer = self.current.compare_and_swap(&old, Arc::new(new));
        Ok(())
    }

    fn mark(&self, files: &Files) -> u64 {
        self.hasher.hash_one((&files.pairs, &files.clients))
    }

    /// The certificates in use.
    pub(crate) fn set(&self) -> Arc<Set> {
        Arc::clone(&self.current.load().set)
    }

    /// Seconds until a certificate expires; negative when it has.
    pub(crate) fn seconds_left(&self, expires: i64) -> i64 {
        let now = i64::try_from((self.clock)().0).unwrap_or(i64::MAX);
        expires.saturating_sub(now)
    }

    /// One handshake. The caller bounds the time. Boxed on both sides: it must not become part of every connection's memory.
    pub(super) async fn accept(
        &self,
        tcp: TcpStream,
    ) -> io::Result<(Box<TlsStream<TcpStream>>, Session)> {
        tcp.peek(&mut [0]).await?; // who says nothing takes nobody's place
        let place = self
            .handshakes
            .semaphore()
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let loaded = self.current.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&loaded.config));
        let mut handshake = Box::pin(acceptor.accept(tcp));
        let finished = timeout(TURN, &mut handshake).await;
        drop(place);
        let stream = Box::new(match finished {
            Ok(finished) => finished?,
            Err(_) => handshake.await?,
        });
        let (_, connection) = stream.get_ref();
        let served = connection
            .server_name()
            .map_or(0, |name| loaded.set.choose(name));
        let client = connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(ClientCertificate::of);
        let set = Arc::clone(&loaded.set);
        Ok((
            stream,
            Session {
                set,
                served,
                client,
            },
        ))
    }
}

/// What a handshake settled, for all requests of its connection.
pub(crate) struct Session {
    set: Arc<Set>,
    /// Which certificate of the set was shown.
    served: usize,
    client: Option<ClientCertificate>,
}

impl Session {
    /// Whether the certificate that was shown is the one for this `Host`: with another, the request was meant for elsewhere.
    pub(crate) fn is_for(&self, authority: &str) -> bool {
        self.set.choose(without_port(authority)) == self.served
    }

    /// Of the verified client certificate, if there is one.
    pub(crate) fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_ref()
    }
}

/// What of a client certificate is kept: enough to name it, and to know it again in a token that is bound to it.
pub(crate) struct ClientCertificate {
    pub(crate) subject: Box<str>,
    /// SHA-256 of the certificate, in base64url: what RFC 8705 section 3.1 calls `x5t#S256`.
    pub(crate) thumbprint: Box<str>,
}

impl ClientCertificate {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let hash = digest(&SHA256, certificate);
        Self {
            subject: subject(certificate),
            thumbprint: BASE64_URL_SAFE_NO_PAD.encode(hash).into(),
        }
    }
}

fn subject(certificate: &CertificateDer<'_>) -> Box<str> {
    // The verifier has read it already, so this one reads it too.
    let subject = X509Certificate::from_der(certificate)
        .map(|(_, certificate)| certificate.subject().to_string());
    let subject = subject.unwrap_or_default();
    subject.chars().take(SUBJECT_CHARACTERS).collect()
}

impl Loaded {
    fn build(
        settings: &Arc<config::Tls>,
        files: &Files,
        clock: &Clock,
        hasher: &RandomState,
        old: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let failed = |error: &dyn std::fmt::Display| TlsError::new("server.tls", error.to_string());
        let auth = settings.clients.as_ref().map(|clients| clients.auth);
        let clients = hasher.hash_one((&files.clients, auth));
        let tickets = match old {
            Some(old) if old.clients == clients => Arc::clone(&old.tickets),
            _ => rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| failed(&error))?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut pairs = Vec::with_capacity(settings.pairs.len());
        for (pair, (certificate, key)) in settings.pairs.iter().zip(&files.pairs) {
            pairs.push(pair::check(pair, certificate, key, &provider, clock())?);
        }
        let set = Arc::new(Set::new(pairs)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(settings.min_version))
            .map_err(|error| failed(&error))?;
        let builder =
            match (&settings.clients, &files.clients) {
                (Some(wanted), Some(pem)) => {
                    let verifier =
                        WebPkiClientVerifier::builder_with_provider(roots(pem)?.into(), provider);
                    let verifier = match wanted.auth {
                        ClientAuth::Required => verifier,
                        ClientAuth::Optional => verifier.allow_unauthenticated(),
                    };
                    builder.with_client_cert_verifier(verifier.build().map_err(|error| {
                        TlsError::new("server.tls.client_ca", error.to_string())
                    })?)
                }
                _ => builder.with_no_client_auth(),
            };
        let mut config = builder.with_cert_resolver(Arc::clone(&set) as _);
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
        config.ticketer = Arc::clone(&tickets);
        Ok(Self {
            settings: Arc::clone(settings),
            mark: hasher.hash_one((&files.pairs, &files.clients)),
            config: Arc::new(config),
            set,
            tickets,
            clients,
        })
    }
}

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
    match least {
        TlsVersion::V1_2 => rustls::ALL_VERSIONS,
        TlsVersion::V1_3 => &NEWEST,
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let failed = |error: &dyn std::fmt::Display| {
        TlsError::new("server.tls.client_ca", format!("cannot be used: {error}"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    Ok(roots)
}

impl Files {
    fn read(settings: &config::Tls) -> Result<Self, TlsError> {
        let mut pairs = Vec::with_capacity(settings.pairs.len());
        for pair in &settings.pairs {
            let certificate = read(&pair.certificate, || format!("{}.certificate", pair.place))?;
            let key = read(&pair.private_key, || format!("{}.private_key", pair.place))?;
            pairs.push((certificate, key));
        }
        let clients = settings
            .clients
            .as_ref()
            .map(|clients| read(&clients.ca, || "server.tls.client_ca".to_owned()))
            .transpose()?;
        Ok(Self { pairs, clients })
    }
}

/// The bytes of a certificate or key file.
pub(crate) fn read(path: &Path, place: impl Fn() -> String) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if read as u64 <= FILE_BYTES => Ok(bytes),
        Ok(_) => Err(TlsError::new(place(), "is larger than 1 MiB")),
        Err(error) => Err(TlsError::new(place(), format!("cannot be read: {error}"))),
    }
}

#[cfg(test)]
mod tests;
