//! Keys, and tokens signed by them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{ISSUER, NOW, RESOURCE};

/// A private key, and what is published of it.
pub(crate) enum TestKey {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key with a `kid`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.bare_jwk();
        jwk["kid"] = kid.into();
        jwk
    }

    /// The public key without a `kid`.
    pub(crate) fn bare_jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let e = public.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": text(n), "e": text(e) })
            }
        }
    }

    /// Signs exactly this text as header and payload.
    pub(crate) fn sign_text(&self, alg: &str, header: &str, payload: &str) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", text(header.as_bytes()), text(payload.as_bytes()));
        let random = SystemRandom::new();
        let message = signed.as_bytes();
        let signature = match self {
            Self::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if alg == "PS256" {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                pair.sign(padding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        };
        format!("{signed}.{}", text(&signature))
    }

    fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }
}

/// A token in the making: good in every way until something is changed.
pub(crate) struct Token<'k> {
    key: &'k TestKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'k> Token<'k> {
    pub(crate) fn new(key: &'k TestKey) -> Self {
        let Value::Object(header) = json!({ "alg": key.alg(), "kid": "k1", "typ": "at+jwt" })
        else {
            unreachable!()
        };
        let Value::Object(claims) = json!({
            "iss": ISSUER,
            "sub": "ada",
            "aud": RESOURCE,
            "client_id": "app",
            "scope": "mcp",
            "iat": NOW.0 - 60,
            "exp": NOW.0 + 600,
            "jti": "1",
        }) else {
            unreachable!()
        };
        Self {
            key,
            header,
            claims,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    pub(crate) fn no_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn no_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// These claims and no others.
    pub(crate) fn only(mut self, claims: Value) -> Self {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        self.claims = claims;
        self
    }

    pub(crate) fn sign(self) -> String {
        let header = Value::Object(self.header);
        let alg = header["alg"].as_str().unwrap_or_default().to_owned();
        self.key.sign_text(
            &alg,
            &header.to_string(),
            &Value::Object(self.claims).to_string(),
        )
    }
}
