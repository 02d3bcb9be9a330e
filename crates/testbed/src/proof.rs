//! Clients that prove whose token it is (RFC 9449): a key of their own, and a proof for each request.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::idp::random_id;

/// A client's key, for ES256.
pub struct ProofKey(EcdsaKeyPair);

/// A proof in the making: good for its request until something is changed.
#[must_use]
pub struct Proof<'k> {
    key: &'k ProofKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Default for ProofKey {
    fn default() -> Self {
        Self::new()
    }
}

impl ProofKey {
    /// A new one.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self(pair.expect("the system gives randomness for a key"))
    }

    /// Both halves of its public point.
    fn point(&self) -> (String, String) {
        let point = self.0.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|point| point.split_at_checked(32))
            .expect("an uncompressed point is 4, x, y");
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.point();
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    /// What a token that is bound to it has as `cnf.jkt` (RFC 7638).
    pub fn thumbprint(&self) -> String {
        let (x, y) = self.point();
        hash(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
        ))
    }

    /// The `cnf` of a token that is bound to it.
    pub fn cnf(&self) -> Value {
        json!({ "jkt": self.thumbprint() })
    }

    /// A proof for a request with this token.
    pub fn proof(&self, method: &str, url: &str, token: &str) -> Proof<'_> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        let claims = json!({
            "jti": random_id(),
            "htm": method,
            "htu": url,
            "iat": clock::system()(),
            "ath": hash(token),
        });
        let members = |value: Value| value.as_object().cloned().unwrap_or_default();
        Proof {
            key: self,
            header: members(header),
            claims: members(claims),
        }
    }
}

impl Proof<'_> {
    /// A member of the header; `null` takes it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self.header.retain(|_, value| !value.is_null());
        self
    }

    /// A claim; `null` takes it out.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self.claims.retain(|_, value| !value.is_null());
        self
    }

    /// With the nonce that a server asked for.
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// Made so many seconds from now; negative is the past.
    pub fn at(self, seconds: i64) -> Self {
        let now = clock::system()();
        self.claim("iat", now.saturating_add_signed(seconds))
    }

    /// The value of the `DPoP` header.
    ///
    /// # Panics
    /// When the key signs nothing.
    pub fn sign(&self) -> String {
        let text = |members: &Map<String, Value>| {
            URL_SAFE_NO_PAD.encode(Value::Object(members.clone()).to_string())
        };
        let signed = format!("{}.{}", text(&self.header), text(&self.claims));
        let signature = self.key.0.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.expect("a key we made signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
