//! The section `server`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::proof::ClientCertificate;
use crate::host::HostPattern;
use crate::origin::Origin;

/// The public listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// At least one address. Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// What clients type. `None` only when every listener is on loopback.
    pub public_url: Option<Origin>,
    /// `None`: the listeners speak plain HTTP.
    pub tls: Option<Tls>,
    /// Where plain HTTP is answered with the way to https.
    pub redirect_http: Option<SocketAddr>,
    pub hsts: Option<Hsts>,
    /// Further names the gateway answers to (SEC-30).
    pub allowed_hosts: Vec<HostPattern>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where these write whose certificate their client has shown (RFC 8705 section 6.5). `None`: nowhere.
    pub client_certificate: Option<ClientCertificate>,
    /// Peers that say by the PROXY protocol whose connection it is.
    pub proxy_protocol: Vec<IpNet>,
    pub cors: Cors,
    pub limits: Limits,
    pub timeouts: Timeouts,
    /// How long an event stream may be silent before a comment line is sent. `None` switches this off.
    pub sse_keepalive: Option<Duration>,
    /// `dangerous: [plain_http]`: serve plain HTTP to anyone, off loopback (SEC-38).
    pub plain_http: bool,
}

/// How the public listeners speak TLS. What is in the files is looked at when they are loaded, not here.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Never empty. The first is for every name that no other one has.
    pub pairs: Vec<Pair>,
    pub min_version: TlsVersion,
    /// `None`: clients are not asked for certificates.
    pub clients: Option<Clients>,
}

impl Tls {
    /// Every file that is named.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.pairs.iter();
        let files = pairs.flat_map(|pair| [&*pair.certificate, &*pair.private_key]);
        files.chain(self.clients.iter().map(|clients| &*clients.ca))
    }
}

/// `Strict-Transport-Security` (RFC 6797).
#[derive(Debug, Clone, PartialEq)]
pub struct Hsts {
    pub max_age: Duration,
    pub include_subdomains: bool,
}

/// A certificate chain and its key, both PEM files.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Where in the file it is said, like `server.tls`.
    pub place: Box<str>,
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

/// Which client certificates are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// PEM file with the only roots that count.
    pub ca: PathBuf,
    pub auth: ClientAuth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    Required,
    Optional,
}

/// Which origins besides our own a browser may call routes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Cors {
    /// These and our own; the list may be empty.
    Origins(Vec<Origin>),
    /// `"*"`: every origin, without credentials.
    Any,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub connections: usize,
    /// TLS handshakes at a time.
    pub handshakes: usize,
    /// Connections of one address (IPv6: of a /64).
    pub connections_per_address: u32,
    /// Event streams of one address (IPv6: of a /64).
    pub streams_per_address: u32,
    /// Refusals and verifications of one address (SEC-70). `None`: off.
    pub failures_per_address: Option<Rate>,
    /// Bytes of one request head.
    pub header_bytes: usize,
    /// Bytes of one request body.
    pub body_bytes: u64,
    /// Bytes of all request bodies together that are held to be read.
    pub inspect_memory: u64,
    /// Bytes of one list in an answer that is filtered.
    pub list_bytes: u64,
    /// Concurrent h2 streams of one connection.
    pub streams_per_connection: u32,
}

/// So many in that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    pub per: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Second,
    Minute,
    Hour,
}

impl Period {
    pub fn duration(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Timeouts {
    /// From accept (or the first byte of a later request) to the end of the head.
    pub request_head: Duration,
    /// From the end of the head to the end of the body.
    pub request_body: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    pub connect: Duration,
    /// From forwarding the request, its body included, to the upstream's head.
    pub response_head: Duration,
    /// From SIGTERM to exit.
    pub drain: Duration,
}
