//! Tokens, good and bad.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Shared;
use super::keys::{self, Algorithm};

/// A token in the making: an access token of alice that is good but for its missing audience.
#[must_use]
#[derive(Clone)]
pub struct TokenBuilder {
    idp: Arc<Shared>,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    now: u64,
}

impl TokenBuilder {
    pub(super) fn new(idp: Arc<Shared>) -> Self {
        let now = (idp.clock)();
        let claims: [(&str, Value); 7] = [
            ("iss", idp.issuer.as_str().into()),
            ("sub", "alice".into()),
            ("client_id", "pub".into()),
            ("scope", super::DEFAULT_SCOPE.into()),
            ("iat", now.into()),
            ("exp", (now + super::TOKEN_LIFETIME).into()),
            ("jti", keys::random_id().into()),
        ];
        let claims = claims
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self {
            idp,
            algorithm: Algorithm::Rs256,
            header: Map::new(),
            claims,
            now,
        }
    }

    /// Another user than alice.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// One audience, as a string.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// The scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Any claim, with any value.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// A member of the header; `null` takes it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Seconds from now; negative is the past.
    pub fn expires_in(self, seconds: i64) -> Self {
        let at = self.now.saturating_add_signed(seconds);
        self.claim("exp", at)
    }

    /// Signed with the provider's key for this algorithm.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// With a `jti` of its own, so that no cache has seen this token.
    pub fn fresh(self) -> Self {
        self.claim("jti", keys::random_id())
    }

    /// A token that says nothing to anybody but the provider: it is remembered there, and told of at `/introspect`.
    pub fn opaque(&self) -> String {
        self.opaque_as(&keys::random_id())
    }

    /// The same under a name of one's own.
    pub fn opaque_as(&self, token: &str) -> String {
        self.idp.issue_opaque(token, self.claims.clone());
        token.to_owned()
    }

    /// The token, signed with the published key.
    pub fn sign(&self) -> String {
        self.sign_raw(&self.header_text(), &self.claims_text())
    }

    /// Signed with a key nobody published, under the name of the published one.
    pub fn sign_with_other_key(&self) -> String {
        let input = input(&self.header_text(), &self.claims_text());
        let signature = keys::foreign().sign(self.algorithm, input.as_bytes());
        joined(&input, &signature)
    }

    /// Signed as HS256 with this secret.
    pub fn sign_with_secret(&self, secret: &[u8]) -> String {
        let mut header = self.header_members();
        header.insert("alg".into(), "HS256".into());
        let input = input(&Value::Object(header).to_string(), &self.claims_text());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        joined(&input, hmac::sign(&key, input.as_bytes()).as_ref())
    }

    /// With `alg: none` and nothing after the last dot.
    pub fn unsigned(&self) -> String {
        let mut header = self.header_members();
        header.insert("alg".into(), "none".into());
        joined(
            &input(&Value::Object(header).to_string(), &self.claims_text()),
            b"",
        )
    }

    /// Signed, and then its subject changed to mallory.
    pub fn tampered(&self) -> String {
        let good = self.sign();
        let signature = good.rsplit('.').next().unwrap_or_default();
        let changed = self.clone().claim("sub", "mallory");
        format!(
            "{}.{signature}",
            input(&changed.header_text(), &changed.claims_text())
        )
    }

    /// These very texts as header and claims, properly signed: for members named twice and other things no map can hold.
    pub fn sign_raw(&self, header: &str, claims: &str) -> String {
        let input = input(header, claims);
        let signature = self.idp.state().keys.sign(self.algorithm, input.as_bytes());
        joined(&input, &signature)
    }

    /// The header as it would be signed.
    pub fn header_text(&self) -> String {
        Value::Object(self.header_members()).to_string()
    }

    /// The claims as they would be signed.
    pub fn claims_text(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    fn header_members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("alg".into(), self.algorithm.as_str().into());
        members.insert("typ".into(), "at+jwt".into());
        members.insert(
            "kid".into(),
            self.idp.state().keys.kid(self.algorithm).into(),
        );
        members.extend(self.header.clone());
        members.retain(|_, value| !value.is_null());
        members
    }
}

/// So that a request can be given a builder where it wants a token.
impl From<TokenBuilder> for String {
    fn from(token: TokenBuilder) -> Self {
        token.sign()
    }
}

fn input(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    )
}

fn joined(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
