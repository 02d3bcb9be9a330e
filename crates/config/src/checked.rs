//! What the configuration means: complete, typed, plain.
//!
//! Nothing here is optional because it was left out of the file; an `Option` means that absence has a meaning. Only `check` makes
//! these values, so whoever holds a [`Config`] need not ask again whether it is sound.

mod admin;
mod api_keys;
mod audit;
mod deny;
mod server;
mod upstream;

use std::path::PathBuf;
use std::time::Duration;

use crate::claim_path::ClaimPath;
use crate::host::HostPattern;
use crate::secret::ProxyUrl;

pub use admin::{Admin, AdminListen};
pub use api_keys::API_KEY_PREFIX;
pub use audit::{Audit, AuditLevel, AuditSink, OnFull};
pub use deny::{Denied, Deny, DenyEntry};
pub use server::{
    ClientAuth, Clients, Cors, Hsts, Limits, Pair, Period, Rate, Server, Timeouts, Tls, TlsVersion,
};
pub use upstream::{Member, OwnCertificate, Upstream, UpstreamTls};

/// One complete configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub server: Server,
    pub admin: Admin,
    pub logging: Logging,
    /// `None`: decisions are told in the log alone.
    pub audit: Option<Audit>,
    /// Upper bound in bytes of what verified credentials may occupy (`credential_cache`).
    pub credential_cache: u64,
    pub deny: Deny,
    /// In the order of their names; routes refer to them by index.
    pub authenticators: Vec<Authenticator>,
    pub routes: Vec<Route>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Logging {
    pub level: Level,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Somebody who may vouch for a caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Authenticator {
    pub name: Box<str>,
    pub kind: AuthenticatorKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AuthenticatorKind {
    /// Keys and endpoints by OpenID Connect discovery.
    Oidc(Jwt),
    /// Keys by URL or file, no discovery.
    Jwks(Jwt, KeySource),
}

/// Where the keys of a `jwks` authenticator come from.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySource {
    /// https, or http on loopback (SEC-19).
    Url(Box<str>),
    File(PathBuf),
}

/// How signed tokens of one provider are judged. Shared by `oidc` and `jwks`.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    /// Kept byte for byte: no URL type may touch it (TRAP-1).
    pub issuer: Box<str>,
    /// Further exact issuer strings of the same provider (Entra v1/v2).
    pub issuers: Vec<Box<str>>,
    /// Audiences of its own; empty = what the route says (SEC-10).
    pub audiences: Vec<Box<str>>,
    /// Whether several routes may share `audiences`.
    pub shared_audience: bool,
    pub audience_claim: AudienceClaim,
    /// Never empty; asymmetric only.
    pub algorithms: Vec<Algorithm>,
    /// At most 60 s.
    pub leeway: Duration,
    pub token_types: Vec<TokenType>,
    /// Whether a token with a `nonce` may be an access token (SEC-13; only presets say so).
    pub nonce_allowed: bool,
    pub claims: Claims,
    /// scope → scopes it implies (SCP-5).
    pub scope_map: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Longest `exp − iat` taken.
    pub max_token_lifetime: Option<Duration>,
    /// How long a key set is fresh.
    pub cache: Duration,
    /// How long beyond `cache` a key set may still serve when the provider is away (SEC-19).
    pub max_stale: Duration,
    pub start: Start,
    /// Take `email` without `email_verified` (SEC-4).
    pub trust_email: bool,
    /// PEM file of the only roots believed for this provider's TLS.
    pub ca: Option<PathBuf>,
    /// Proxy for the back channel.
    pub proxy: Option<ProxyUrl>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceClaim {
    Aud,
    /// Cognito: `client_id`, and then `token_use` must be `access`.
    ClientId,
}

/// Signature algorithms a key set may be used with. HS* and `none` cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// Values of the `typ` header parameter that are taken (SEC-13, RFC 9068 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` and `application/at+jwt`.
    AtJwt,
    /// `JWT`, then with a positive mark.
    Jwt,
    /// No `typ`, then with a positive mark.
    Absent,
}

/// Where in a token the parts of an identity are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    pub subject: ClaimPath,
    /// The first one present is used, never the union (SEC-16).
    pub scopes: Vec<ClaimPath>,
    pub email: ClaimPath,
    pub name: ClaimPath,
    pub groups: ClaimPath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Unreachable at start: the program ends with the reason.
    Required,
    /// 503 until reached.
    Lazy,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// For logs and metrics; default: the path.
    pub name: Box<str>,
    pub host: Option<HostPattern>,
    /// Starts with `/`, no trailing slash unless it is `/` itself.
    pub path: Box<str>,
    /// Whether paths below `path` belong to the route too. Always so for `http` (SEC-31).
    pub subpaths: bool,
    /// The resource identifier, where it cannot be told from host and path (SEC-11).
    pub resource: Option<Box<str>>,
    pub upstream: Upstream,
    pub transport: Transport,
    pub auth: Auth,
    pub identity: Identity,
    pub streams: Streams,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    Mcp,
    /// Any web application.
    Http,
}

/// Who may come in.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    /// Nobody is asked (`type: none` with `dangerous: [anonymous_access]`, X1).
    Anonymous,
    Required(Requirement),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    /// Indices into [`Config::authenticators`]; never empty.
    pub accept: Vec<usize>,
    /// Empty = the route's own resource (SEC-10).
    pub audiences: Vec<Box<str>>,
    /// All of them are needed.
    pub required_scopes: Vec<Box<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub headers: IdentityHeaders,
    /// Further inbound headers to remove, lower case (SEC-34).
    pub strip: Vec<Box<str>>,
}

/// How the upstream is told who calls.
#[derive(Debug, Clone, PartialEq)]
pub enum IdentityHeaders {
    /// `X-Auth-*` of contract section 5.
    Default,
    /// `X-Forwarded-User`, `-Email`, `-Groups`, `-Preferred-Username`.
    Oauth2Proxy,
    /// `Remote-User`, `Remote-Name`, `Remote-Email`, `Remote-Groups`.
    Authelia,
    None,
    /// header (lower case) → claim.
    Map(Vec<(Box<str>, ClaimPath)>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    pub end_at_expiry: bool,
    pub max_age: Duration,
    /// Event streams of one caller at a time.
    pub per_caller: u32,
}
