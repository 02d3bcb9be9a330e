//! Who may vouch for a caller.

use std::path::PathBuf;
use std::time::Duration;

use super::dangers::Dangers;
use super::own::{SharedSecret, SignedByOne};
use super::{ApiKeys, Introspection};
use crate::claim_path::ClaimPath;
use crate::secret::ProxyUrl;

/// Somebody who may vouch for a caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Authenticator {
    pub name: Box<str>,
    pub kind: AuthenticatorKind,
    pub dangers: Dangers,
}

#[derive(Debug, Clone, PartialEq)]
pub enum AuthenticatorKind {
    /// Keys and endpoints by OpenID Connect discovery.
    Oidc {
        jwt: Jwt,
        /// Never empty.
        algorithms: Vec<Algorithm>,
        fetch: Fetch,
    },
    /// Keys by URL or file, no discovery.
    Jwks {
        jwt: Jwt,
        /// Never empty.
        algorithms: Vec<Algorithm>,
        fetch: Fetch,
        keys: KeySource,
    },
    /// The provider is asked about each token (RFC 7662).
    Introspection(Introspection),
    /// Tokens of a secret that both sides know.
    SharedSecret(SharedSecret),
    /// Tokens of one private key.
    PublicKey(SignedByOne),
    /// Keys that the operator hands out.
    ApiKeys(ApiKeys),
}

impl AuthenticatorKind {
    /// What every token is judged by; `None` for credentials that are no tokens.
    pub fn rules(&self) -> Option<&Rules> {
        match self {
            Self::Oidc { jwt, .. }
            | Self::Jwks { jwt, .. }
            | Self::SharedSecret(SharedSecret { jwt, .. })
            | Self::PublicKey(SignedByOne { jwt, .. }) => Some(&jwt.rules),
            Self::Introspection(introspection) => Some(&introspection.rules),
            Self::ApiKeys(_) => None,
        }
    }

    /// The keys that callers present, where they present keys.
    pub fn api_keys(&self) -> Option<&ApiKeys> {
        match self {
            Self::ApiKeys(keys) => Some(keys),
            Self::Oidc { .. }
            | Self::Jwks { .. }
            | Self::Introspection(_)
            | Self::SharedSecret(_)
            | Self::PublicKey(_) => None,
        }
    }

    /// How signed tokens are judged; `None` where no signature is checked here.
    pub fn jwt(&self) -> Option<&Jwt> {
        match self {
            Self::Oidc { jwt, .. }
            | Self::Jwks { jwt, .. }
            | Self::SharedSecret(SharedSecret { jwt, .. })
            | Self::PublicKey(SignedByOne { jwt, .. }) => Some(jwt),
            Self::Introspection(_) | Self::ApiKeys(_) => None,
        }
    }
}

/// Where the keys of a `jwks` authenticator come from.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySource {
    /// https, or http on loopback (SEC-19).
    Url(Box<str>),
    File(PathBuf),
}

/// How the tokens of one issuer are judged, however they are verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Kept byte for byte: no URL type may touch it (TRAP-1).
    pub issuer: Box<str>,
    /// Audiences of its own; empty = what the route says (SEC-10).
    pub audiences: Vec<Box<str>>,
    /// Whether several routes may share `audiences`.
    pub shared_audience: bool,
    /// At most 60 s.
    pub leeway: Duration,
    pub claims: Claims,
    /// scope → scopes it implies (SCP-5).
    pub scope_map: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Take `email` without `email_verified` (SEC-4).
    pub trust_email: bool,
}

/// How signed tokens of one issuer are judged beyond that.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    pub rules: Rules,
    /// Further exact issuer strings of the same provider (Entra v1/v2).
    pub issuers: Vec<Box<str>>,
    pub audience_claim: AudienceClaim,
    pub token_types: Vec<TokenType>,
    /// Whether a token with a `nonce` may be an access token (SEC-13; only presets say so).
    pub nonce_allowed: bool,
    /// Claims that mark a token as an access token, besides those of SEC-13.
    pub access_token_marks: Vec<ClaimPath>,
    /// Longest `exp − iat` taken.
    pub max_token_lifetime: Option<Duration>,
}

/// How a provider's keys are fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// How long a key set is fresh.
    pub cache: Duration,
    /// How long beyond `cache` a key set may still serve when the provider is away (SEC-19).
    pub max_stale: Duration,
    pub start: Start,
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
