//! Tokens that the operator's own services sign.

use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Claims;
use crate::checked::{Algorithm, Hmac, TokenType};
use crate::claim_path::ClaimPath;
use crate::public_key::PublicKey as Pem;
use crate::scalar::name::{Audience, Scope};
use crate::scalar::own::{IssuerName, SharedKey};
use crate::written::{Block, List, OneOrMany, Table, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SharedSecret {
    /// What tokens are signed with: at least 32 bytes (48 for HS384, 64 for HS512), used as they stand here. Whoever knows it can make tokens.
    #[schemars(required)]
    pub(crate) secret: Option<Text<SharedKey>>,
    /// HS256 (default), HS384 or HS512: this one alone is taken.
    pub(crate) algorithm: Option<Text<Hmac>>,
    /// Compared with `iss` byte for byte; any name will do.
    #[schemars(required)]
    pub(crate) issuer: Option<Text<IssuerName>>,
    /// One of these must be in `aud`. `any` alone needs `any_audience` under `dangerous`.
    #[schemars(required, with = "Option<OneOrMany<Audience>>")]
    pub(crate) audiences: Option<List<Text<Audience>>>,
    /// Let several routes accept `audiences`: a token for one is good for all of them. Default false.
    pub(crate) shared_audience: Option<Text<bool>>,
    /// How far clocks may differ. Default 30s, at most 60s; 0s means 0.
    pub(crate) leeway: Option<Text<Duration>>,
    /// Values of the `typ` header taken. Default at+jwt, JWT and absent.
    pub(crate) token_types: Option<List<Text<TokenType>>>,
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
    /// Take e-mail addresses without `email_verified`. Default false.
    pub(crate) trust_email: Option<Text<bool>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct PublicKey {
    /// One public key in PEM: RSA of 2048 bits and more, P-256, P-384 or Ed25519. A file is put in by `${file:/keys/jwt.pem}`.
    #[schemars(required)]
    pub(crate) pem: Option<Text<Pem>>,
    /// Signature algorithms taken, of those the key is for. Default: the usual one of its kind (RS256, ES256, ES384, `EdDSA`).
    pub(crate) algorithms: Option<List<Text<Algorithm>>>,
    /// Compared with `iss` byte for byte; any name will do.
    #[schemars(required)]
    pub(crate) issuer: Option<Text<IssuerName>>,
    /// One of these must be in `aud`. `any` alone needs `any_audience` under `dangerous`.
    #[schemars(required, with = "Option<OneOrMany<Audience>>")]
    pub(crate) audiences: Option<List<Text<Audience>>>,
    /// Let several routes accept `audiences`: a token for one is good for all of them. Default false.
    pub(crate) shared_audience: Option<Text<bool>>,
    /// How far clocks may differ. Default 30s, at most 60s; 0s means 0.
    pub(crate) leeway: Option<Text<Duration>>,
    /// Values of the `typ` header taken. Default at+jwt, JWT and absent, the last two only with the marks of an access token.
    pub(crate) token_types: Option<List<Text<TokenType>>>,
    /// Further claims whose presence marks a token as an access token, beside scope, scopes, scp, `client_id` and cid.
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
    /// Take e-mail addresses without `email_verified`. Default false.
    pub(crate) trust_email: Option<Text<bool>>,
}
