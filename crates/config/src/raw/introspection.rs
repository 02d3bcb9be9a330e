//! A provider that is asked about each token.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Claims;
use crate::checked::IntrospectionAuth;
use crate::scalar::credential::{ClientId, ClientSecret, TokenPrefix};
use crate::scalar::name::{Audience, FilePath, Scope};
use crate::scalar::url::{EndpointUrl, Issuer};
use crate::secret::ProxyUrl;
use crate::written::{Block, List, Table, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Introspection {
    /// Where the provider is asked: https, or http on loopback.
    #[schemars(required)]
    pub(crate) endpoint: Option<Text<EndpointUrl>>,
    /// The gateway's own client at the provider.
    #[schemars(required)]
    pub(crate) client_id: Option<Text<ClientId>>,
    /// Its secret; put it in by `${NAME}` or `${file:/path}`.
    #[schemars(required)]
    pub(crate) client_secret: Option<Text<ClientSecret>>,
    /// basic (default): id and secret in the Authorization header. post: in the form.
    pub(crate) client_auth: Option<Text<IntrospectionAuth>>,
    /// Compared with `iss` byte for byte; a trailing slash counts.
    #[schemars(required)]
    pub(crate) issuer: Option<Text<Issuer>>,
    /// One of these must be in `aud`. Default: what the route says, which is its own URL.
    pub(crate) audiences: Option<List<Text<Audience>>>,
    /// Let several routes accept `audiences`: a token for one is good for all of them. Default false.
    pub(crate) shared_audience: Option<Text<bool>>,
    /// How far clocks may differ. Default 30s, at most 60s; 0s means 0.
    pub(crate) leeway: Option<Text<Duration>>,
    /// Where in an answer the parts of an identity stand; dots reach into nested claims.
    pub(crate) claims: Option<Block<Claims>>,
    /// Scopes that imply others.
    pub(crate) scope_map: Option<Table<List<Text<Scope>>>>,
    /// Take e-mail addresses without `email_verified`. Default false.
    pub(crate) trust_email: Option<Text<bool>>,
    /// How long an answer counts, and so how long a revoked token may still be taken. Default 5m; 0s asks for every request.
    pub(crate) cache: Option<Text<Duration>>,
    /// How tokens of this provider begin. Needed when a route takes more than one of this kind.
    pub(crate) token_prefix: Option<Text<TokenPrefix>>,
    /// PEM file with the only root certificates believed for this provider. Default: the system's.
    pub(crate) ca: Option<Text<FilePath>>,
    /// Forward proxy on the way to this provider. Default: none; the environment is not looked at.
    pub(crate) proxy: Option<Text<ProxyUrl>>,
}
