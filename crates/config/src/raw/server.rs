//! The section `server`, as written.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::proof::ClientCertificate;
use crate::checked::{ClientAuth, TlsVersion};
use crate::host::HostPattern;
use crate::origin::Origin;
use crate::scalar::name::{FilePath, Reference};
use crate::scalar::network::Proxies;
use crate::scalar::rate::Budget;
use crate::scalar::unit::{Count, Size};
use crate::scalar::url::AllowedOrigin;
use crate::written::{Block, List, OneOrMany, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Server {
    /// One address and port, or a list. Default 127.0.0.1:8080.
    pub(crate) listen: Option<OneOrMany<SocketAddr>>,
    /// Scheme and host that clients type. Required unless every listener is on loopback.
    pub(crate) public_url: Option<Text<Origin>>,
    /// Speak https. Leave it out to serve plain HTTP behind a TLS terminator.
    pub(crate) tls: Option<Block<Tls>>,
    /// Address and port of a listener that sends browsers from http to https, and refuses everything that carries a credential.
    pub(crate) redirect_http: Option<Text<SocketAddr>>,
    /// Tell browsers to come by https alone from now on (Strict-Transport-Security). Default: not told.
    pub(crate) hsts: Option<Block<Hsts>>,
    /// Further host names the gateway answers to; `*.example.com` stands for one label.
    pub(crate) allowed_hosts: Option<List<Text<HostPattern>>>,
    /// Networks whose Forwarded and X-Forwarded-* headers are believed, from right to left. `private` is loopback and all private
    /// networks; as variables say it, true is `private` and false nobody.
    pub(crate) trusted_proxies: Option<OneOrMany<Proxies>>,
    /// Where `trusted_proxies` that end TLS write the certificate that their client has shown, for tokens that are bound to it.
    pub(crate) client_certificate: Option<Block<ClientCertificate>>,
    /// Networks whose connections begin with a PROXY protocol header, version 1 or 2; the address in it takes the place of the peer's.
    /// Without the header they are closed, and with it those of all others.
    pub(crate) proxy_protocol: Option<List<Text<IpNet>>>,
    /// Which web pages may call routes.
    pub(crate) cors: Option<Block<Cors>>,
    /// Bounds on what one client may ask for.
    pub(crate) limits: Option<Block<Limits>>,
    /// How long each phase may take.
    pub(crate) timeouts: Option<Block<Timeouts>>,
    /// After how much silence an event stream gets a comment line. Default 20s; 0 switches it off.
    pub(crate) sse_keepalive: Option<Text<Duration>>,
    /// Dangerous things that are wanted here: `plain_http`.
    pub(crate) dangerous: Option<List<Text<Reference>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file: the certificate, then those between it and the root. Picked up again when it changes.
    #[schemars(required)]
    pub(crate) certificate: Option<Text<FilePath>>,
    /// PEM file with the key of the certificate.
    #[schemars(required)]
    pub(crate) private_key: Option<Text<FilePath>>,
    /// Further certificates, chosen by the name that a client asks for (SNI); all others get the one above.
    pub(crate) certificates: Option<List<Block<Pair>>>,
    /// "1.2" (default) or "1.3".
    pub(crate) min_version: Option<Text<TlsVersion>>,
    /// PEM file with the roots of client certificates. Without it clients are not asked for any.
    pub(crate) client_ca: Option<Text<FilePath>>,
    /// required (default with `client_ca`): no connection without a client certificate. optional: asked for and checked if sent.
    pub(crate) client_auth: Option<Text<ClientAuth>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Hsts {
    /// How long browsers remember it; 0 makes them forget.
    #[schemars(required)]
    pub(crate) max_age: Option<Text<Duration>>,
    /// Whether all names below the one that was asked for are meant too. Default false.
    pub(crate) include_subdomains: Option<Text<bool>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Pair {
    /// PEM file: the certificate, then those between it and the root.
    #[schemars(required)]
    pub(crate) certificate: Option<Text<FilePath>>,
    /// PEM file with the key of the certificate.
    #[schemars(required)]
    pub(crate) private_key: Option<Text<FilePath>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Cors {
    /// Origins besides the gateway's own, or "*" alone. Default: none.
    pub(crate) allowed_origins: Option<List<Text<AllowedOrigin>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Connections at a time. Default 10000.
    pub(crate) connections: Option<Text<Count>>,
    /// TLS handshakes at a time; more wait, within `timeouts.request_head`. Default 1000.
    pub(crate) handshakes: Option<Text<Count>>,
    /// Connections of one address at a time; peers in `trusted_proxies` are not counted. IPv6 by /64. Default 1000.
    pub(crate) connections_per_address: Option<Text<Count>>,
    /// Event streams of one address at a time. IPv6 by /64. Default 1000.
    pub(crate) streams_per_address: Option<Text<Count>>,
    /// Refused requests and new tokens of one address, like 600/m (default), 10/s, 1000/h; or off. Over it the answer is 429.
    pub(crate) failures_per_address: Option<Text<Budget>>,
    /// Size of one request head. Default 64KiB.
    pub(crate) header_bytes: Option<Text<Size>>,
    /// Size of one request body. Default 4MiB.
    pub(crate) body_bytes: Option<Text<Size>>,
    /// Size of all request bodies together that are held while they are read, on routes that read them. Over it the answer is 503.
    /// Default 256MiB, at least `body_bytes`.
    pub(crate) inspect_memory: Option<Text<Size>>,
    /// Size of one list in an answer that is filtered. Over it the answer is 502. Default 4MiB.
    pub(crate) list_bytes: Option<Text<Size>>,
    /// Concurrent HTTP/2 streams of one connection. Default 100.
    pub(crate) streams_per_connection: Option<Text<Count>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// From accept to the end of the request head. Default 10s.
    pub(crate) request_head: Option<Text<Duration>>,
    /// From the end of the head to the end of the body. Default 30s.
    pub(crate) request_body: Option<Text<Duration>>,
    /// Between two requests of a connection. Default 75s.
    pub(crate) idle: Option<Text<Duration>>,
    /// For a connection to the upstream. Default 5s.
    pub(crate) connect: Option<Text<Duration>>,
    /// From forwarding the request (its body included) to the head of the upstream's answer. Default 300s.
    pub(crate) response_head: Option<Text<Duration>>,
    /// From SIGTERM to exit. Default 25s, below the 30s of Kubernetes.
    pub(crate) drain: Option<Text<Duration>>,
}
