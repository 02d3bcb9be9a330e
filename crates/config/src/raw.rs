//! What was written: a mirror of `gateway.yaml`, key by key.
//!
//! Every field is an `Option`, nothing has a default yet, and nothing is judged. The words over the fields are what an editor shows
//! to the person who writes the file: they become the descriptions of the JSON Schema.

mod access;
mod api_keys;
mod deny;
mod introspection;
mod own;
mod proof;
mod server;
mod sessions;
mod upstream;

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::checked::{
    AdminListen, Algorithm, AudienceClaim, ChallengeAt, IdentityHeaders, Level, LogFormat, OnFull,
    Profile, SenderConstrained, Start as StartWord, TokenType, Transport,
};
use crate::claim_path::ClaimPath;
use crate::host::HostPattern;
use crate::scalar::admin::AdminToken;
use crate::scalar::name::{Audience, FilePath, HeaderName, Reference, RouteName, Scope};
use crate::scalar::path::RoutePath;
use crate::scalar::unit::{Count, Size};
use crate::scalar::upstream::Location;
use crate::scalar::url::{Issuer, KeysUrl, Resource};
use crate::scalar::word::{AuditChoice, AuthType};
use crate::secret::ProxyUrl;
use crate::written::{Block, List, ManyOrBlock, OneOrMany, Table, Text, WordOrTable};

pub(crate) use access::{Access, RateLimit, ToolRule};
pub(crate) use api_keys::{ActsFor, ApiKey, ApiKeys};
pub(crate) use deny::{Deny, DenyEntry};
pub(crate) use introspection::Introspection;
pub(crate) use own::{PublicKey, SharedSecret};
pub(crate) use proof::{ClientCertificate, Dpop};
pub(crate) use server::{Cors, Hsts, Limits, Pair, Server, Timeouts, Tls};
pub(crate) use sessions::Sessions;
pub(crate) use upstream::Upstream;

/// Configuration of Portcullis. Strings may hold `${NAME}`, `${NAME:-default}` and `${file:/path}`; `$$` is a dollar.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct File {
    /// development (default), or production: refuses every dangerous thing in this file.
    pub(crate) profile: Option<Text<Profile>>,
    /// The public listener.
    pub(crate) server: Option<Block<Server>>,
    /// The operator's listener: /metrics, /healthz, /readyz.
    pub(crate) admin: Option<Block<Admin>>,
    /// Log lines, to stderr.
    pub(crate) logging: Option<Block<Logging>>,
    /// Where a record of every decision is kept. Without it decisions are told in the log alone.
    pub(crate) audit: Option<Block<Audit>>,
    /// How much memory verified credentials may be remembered in. Default 64MiB.
    pub(crate) credential_cache: Option<Text<Size>>,
    /// Who is turned away although their token is good.
    pub(crate) deny: Option<Block<Deny>>,
    /// What the gateway gives out and must know again.
    pub(crate) sessions: Option<Block<Sessions>>,
    /// Who may vouch for a caller: names of yours, each with exactly one kind.
    pub(crate) authenticators: Option<Table<Block<Authenticator>>>,
    /// What is served, and from where. At least one.
    #[schemars(required)]
    pub(crate) routes: Option<List<Block<Route>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Address and port, or `unix:/path` for a socket that only the gateway's own user may open. Default 127.0.0.1:9090.
    pub(crate) listen: Option<Text<AdminListen>>,
    /// Needed over TCP for everything but probes and metrics: /status and /reload. At least 32 characters.
    pub(crate) token: Option<Text<AdminToken>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Logging {
    /// Default info.
    pub(crate) level: Option<Text<Level>>,
    /// true is level debug, for whoever has a variable that says so. Default false.
    pub(crate) debug: Option<Text<bool>>,
    /// Default text.
    pub(crate) format: Option<Text<LogFormat>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Audit {
    /// File to which records are appended, one JSON object a line. Made with mode 0600, opened again on SIGHUP and when it was renamed.
    pub(crate) file: Option<Text<FilePath>>,
    /// Write records to stdout instead of a file. Default false.
    pub(crate) stdout: Option<Text<bool>>,
    /// info (default): allowed requests and refusals. refusals: only these. off: no records, as without this section. As variables
    /// say it, true is info and false off.
    pub(crate) level: Option<Text<AuditChoice>>,
    /// What happens while records cannot be kept. block (default): requests that need one are answered 503. drop: they pass, and the records that are missing are counted.
    pub(crate) on_full: Option<Text<OnFull>>,
    /// How many records may wait to be written. Requests under way may bring theirs beyond it. Default 4096.
    pub(crate) queue: Option<Text<Count>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Authenticator {
    /// OpenID Connect: keys are found by discovery at start.
    #[schemars(transform = crate::schema::without_key_source)]
    pub(crate) oidc: Option<Block<Jwt>>,
    /// Signed tokens with keys by URL or file, without discovery.
    pub(crate) jwks: Option<Block<Jwt>>,
    /// Tokens of any form: the provider is asked what each is good for (RFC 7662).
    pub(crate) introspection: Option<Block<Introspection>>,
    /// Tokens that you sign yourself with a secret that the gateway knows too.
    pub(crate) shared_secret: Option<Block<SharedSecret>>,
    /// Tokens that you sign yourself with a private key: the gateway has the public one.
    pub(crate) public_key: Option<Block<PublicKey>>,
    /// Keys that you hand out, in a header of their own. Only their hashes stand here.
    pub(crate) api_keys: Option<Block<ApiKeys>>,
    /// Dangerous things that are wanted here: `signature_checked_by_peer`, `expired_tokens`, `any_audience`.
    pub(crate) dangerous: Option<List<Text<Reference>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Jwt {
    /// Compared with `iss` byte for byte; a trailing slash counts.
    #[schemars(required)]
    pub(crate) issuer: Option<Text<Issuer>>,
    /// Further exact issuer strings of the same provider (Entra: v1 and v2).
    pub(crate) issuers: Option<List<Text<Issuer>>>,
    /// Where the key set is fetched: https, or http on loopback. Either this or `jwks_file`.
    pub(crate) jwks_uri: Option<Text<KeysUrl>>,
    /// The key set in a file. Either this or `jwks_uri`.
    pub(crate) jwks_file: Option<Text<FilePath>>,
    /// One of these must be in `aud`. Default: what the route says, which is its own URL. `any` alone needs `any_audience` under
    /// `dangerous`.
    #[schemars(with = "Option<OneOrMany<Audience>>")]
    pub(crate) audiences: Option<List<Text<Audience>>>,
    /// Let several routes accept `audiences`: a token for one is good for all of them. Default false.
    pub(crate) shared_audience: Option<Text<bool>>,
    /// Where the audience stands. Default `aud`; `client_id` for Cognito.
    pub(crate) audience_claim: Option<Text<AudienceClaim>>,
    /// Signature algorithms taken. Default RS256 and ES256.
    pub(crate) algorithms: Option<List<Text<Algorithm>>>,
    /// How far clocks may differ. Default 30s, at most 60s; 0s means 0.
    pub(crate) leeway: Option<Text<Duration>>,
    /// Values of the `typ` header taken. Default at+jwt, JWT and absent, the last two only with the marks of an access token.
    pub(crate) token_types: Option<List<Text<TokenType>>>,
    /// Whether an access token may have a `nonce`. Default false.
    pub(crate) nonce_allowed: Option<Text<bool>>,
    /// Claims of this provider that only access tokens have (Auth0: gty; Entra: azpacr), for those that have no scope. Beside scope,
    /// scp, scopes, `client_id` and cid.
    pub(crate) access_token_marks: Option<List<Text<ClaimPath>>>,
    /// Where in a token the parts of an identity stand; dots reach into nested claims.
    pub(crate) claims: Option<Block<Claims>>,
    /// Scopes that imply others.
    pub(crate) scope_map: Option<Table<List<Text<Scope>>>>,
    /// The longest `exp − iat` taken. Default: any.
    pub(crate) max_token_lifetime: Option<Text<Duration>>,
    /// With `expired_tokens` under `dangerous`: how long after `exp` a token counts that says when it was made. At most 24h.
    pub(crate) expiry_grace: Option<Text<Duration>>,
    /// With `signature_checked_by_peer` under `dangerous`: the peers that have checked the signatures of what they pass on. Loopback,
    /// or with client certificates.
    pub(crate) checked_by: Option<List<Text<IpNet>>>,
    /// How long a fetched key set is fresh. Default 15m.
    pub(crate) cache: Option<Text<Duration>>,
    /// How long beyond `cache` a key set still serves while the provider is away. Default 1h.
    pub(crate) max_stale: Option<Text<Duration>>,
    /// required (default): unreachable at start ends the program. lazy: 503 until reached.
    pub(crate) start: Option<Text<StartWord>>,
    /// Take e-mail addresses without `email_verified`. Default false.
    pub(crate) trust_email: Option<Text<bool>>,
    /// PEM file with the only root certificates believed for this provider. Default: the system's.
    pub(crate) ca: Option<Text<FilePath>>,
    /// Forward proxy on the way to this provider. Default: none; the environment is not looked at.
    pub(crate) proxy: Option<Text<ProxyUrl>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Claims {
    /// Default sub.
    pub(crate) subject: Option<Text<ClaimPath>>,
    /// The first one present is used. Default scope, scopes, scp.
    pub(crate) scopes: Option<OneOrMany<ClaimPath>>,
    /// Default email.
    pub(crate) email: Option<Text<ClaimPath>>,
    /// Default name.
    pub(crate) name: Option<Text<ClaimPath>>,
    /// Default groups.
    pub(crate) groups: Option<Text<ClaimPath>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Route {
    /// For logs and metrics. Default: host and path.
    pub(crate) name: Option<Text<RouteName>>,
    /// Serve this route only under this host name; `*.example.com` stands for one label.
    pub(crate) host: Option<Text<HostPattern>>,
    /// What clients ask for. Replaced by the upstream's path, if that has one.
    #[schemars(required)]
    pub(crate) path: Option<Text<RoutePath>>,
    /// Whether paths below belong to the route too. Default false for mcp; always so for http.
    pub(crate) subpaths: Option<Text<bool>>,
    /// The URL that clients know this route by. Default: `public_url` (or the route's host) and path.
    pub(crate) resource: Option<Text<Resource>>,
    /// Where requests go: an http or https URL or `unix:/path/to.sock`, a list of them, or a block that says more. Without a path the
    /// request keeps its own.
    #[schemars(required)]
    pub(crate) upstream: Option<ManyOrBlock<Location, Upstream>>,
    /// mcp (default): Streamable HTTP. sse: HTTP+SSE of MCP 2024-11-05. http: any web application.
    pub(crate) transport: Option<Text<Transport>>,
    /// Who may come in.
    pub(crate) auth: Option<Block<Auth>>,
    /// What callers may do, of transport mcp and sse. Default: who is let in may do everything, and nobody else anything.
    pub(crate) access: Option<Block<Access>>,
    /// How often one caller may ask; one address, where it has not logged in. Default: as often as it likes.
    pub(crate) rate_limit: Option<Block<RateLimit>>,
    /// How the upstream is told who calls.
    pub(crate) identity: Option<Block<Identity>>,
    /// Long answers.
    pub(crate) streams: Option<Block<Streams>>,
    /// Dangerous things that are wanted here: `anonymous_access`.
    pub(crate) dangerous: Option<List<Text<Reference>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Auth {
    /// oauth (default): an authorization server stands behind the token. jwt: credentials you hand out yourself. both. none.
    #[serde(rename = "type")]
    pub(crate) kind: Option<Text<AuthType>>,
    /// Names of authenticators. Required when more than one would fit.
    pub(crate) accept: Option<List<Text<Reference>>>,
    /// One of these must be in the token. Default: the route's own URL.
    pub(crate) audiences: Option<List<Text<Audience>>>,
    /// All of these are needed; without them the answer is 403.
    pub(crate) required_scopes: Option<List<Text<Scope>>>,
    /// required: only tokens that are bound to a key (DPoP) or to a client certificate. optional (default): these need their proof, others need none.
    pub(crate) sender_constrained: Option<Text<SenderConstrained>>,
    /// What is asked of DPoP proofs.
    pub(crate) dpop: Option<Block<Dpop>>,
    /// Where something is public: when a client is sent to log in. connect: on `initialize` and `server/discover` already. call (default
    /// there): when something is used that is not public.
    pub(crate) challenge: Option<Text<ChallengeAt>>,
    /// With `challenge: call`: a second path to the same, where nothing is public, for clients that log in on connecting or never.
    pub(crate) challenge_path: Option<Text<RoutePath>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Identity {
    /// default (X-Auth-*), oauth2-proxy, authelia, none, or a mapping of headers to claims.
    pub(crate) headers: Option<WordOrTable<IdentityHeaders, Text<ClaimPath>>>,
    /// Further headers to remove from requests.
    pub(crate) strip: Option<List<Text<HeaderName>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Streams {
    /// End a stream when the token that opened it expires. Default true.
    pub(crate) end_at_expiry: Option<Text<bool>>,
    /// The longest a stream may stay open. Default 12h.
    pub(crate) max_age: Option<Text<Duration>>,
    /// Event streams of one caller on this route at a time. Default 64.
    pub(crate) per_caller: Option<Text<Count>>,
}
