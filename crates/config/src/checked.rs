//! What the configuration means: complete, typed, plain.
//!
//! Nothing here is optional because it was left out of the file; an `Option` means that absence has a meaning. Only `check` makes
//! these values, so whoever holds a [`Config`] need not ask again whether it is sound.

mod access;
mod admin;
mod api_keys;
mod audit;
mod authenticator;
mod dangers;
mod deny;
mod introspection;
mod own;
mod proof;
mod server;
mod sessions;
mod upstream;

use std::time::Duration;

use crate::claim_path::ClaimPath;
use crate::host::HostPattern;
use crate::scalar::word::Word as _;

pub use access::{
    Access, Calls, ChallengeAt, Discovery, ListFilter, PolicyMode, RateLimit, ToolRule, Unlisted,
};
pub use admin::{Admin, AdminListen};
pub use api_keys::{API_KEY_ISSUER, API_KEY_PREFIX, ActsFor, ApiKeys, KeyHolder};
pub use audit::{Audit, AuditLevel, AuditSink, OnFull};
pub use authenticator::{
    Algorithm, AudienceClaim, Authenticator, AuthenticatorKind, Claims, Fetch, Jwt, KeySource,
    Rules, Start, TokenType,
};
pub use dangers::Dangers;
pub use deny::{Denied, Deny, DenyEntry};
pub use introspection::{Introspection, IntrospectionAuth};
pub use own::{Hmac, SharedSecret, SignedByOne};
pub use proof::{CertificateFormat, ClientCertificate, Dpop, SenderConstrained};
pub use server::{
    ClientAuth, Clients, Cors, Hsts, Limits, Pair, Period, Rate, Server, Timeouts, Tls, TlsVersion,
};
pub use sessions::{EncryptionKey, Sessions};
pub use upstream::{Member, OwnCertificate, Upstream, UpstreamTls};

/// One complete configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub profile: Profile,
    pub server: Server,
    pub admin: Admin,
    pub logging: Logging,
    /// `None`: decisions are told in the log alone.
    pub audit: Option<Audit>,
    /// Upper bound in bytes of what verified credentials may occupy (`credential_cache`).
    pub credential_cache: u64,
    pub deny: Deny,
    pub sessions: Sessions,
    /// In the order of their names; routes refer to them by index.
    pub authenticators: Vec<Authenticator>,
    pub routes: Vec<Route>,
}

/// What the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Development,
    /// Nothing dangerous stands anywhere in the file.
    Production,
}

impl Profile {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        self.word()
    }
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
    /// At its default on routes of transport `http`.
    pub access: Access,
    /// `None`: nothing is counted.
    pub rate_limit: Option<RateLimit>,
    pub identity: Identity,
    pub streams: Streams,
}

impl Route {
    /// The one path below its own at which a route of transport `sse` takes messages. Clients learn it, with the name of their
    /// session, from the first event of their stream.
    pub fn messages(&self) -> Option<String> {
        match self.transport {
            Transport::Sse => Some(format!("{}/message", self.path.trim_end_matches('/'))),
            Transport::Mcp | Transport::Http => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP.
    Mcp,
    /// HTTP+SSE of MCP 2024-11-05: a stream of events, and a path to post to that it names.
    Sse,
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

/// Which kinds of credentials a route takes (`auth.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// An authorization server stands behind the token: `oidc`, `jwks`.
    Oauth,
    /// The operator hands them out: `shared_secret`, `public_key`.
    Jwt,
    Both,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Requirement {
    pub families: Families,
    /// Indices into [`Config::authenticators`]; never empty.
    pub accept: Vec<usize>,
    /// Empty = the route's own resource (SEC-10).
    pub audiences: Vec<Box<str>>,
    /// All of them are needed.
    pub required_scopes: Vec<Box<str>>,
    pub sender_constrained: SenderConstrained,
    pub dpop: Dpop,
    /// [`ChallengeAt::Connect`] unless something is public.
    pub challenge: ChallengeAt,
    /// A second path to the same, where nothing is public: for clients that ask for a login at `initialize` or never.
    pub challenge_path: Option<Box<str>>,
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
