//! What an attacker knows, and could try as a secret.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::targets::{Signer, Target};
use crate::testing::{ISSUER, RESOURCE, TestKey};

/// What could be taken for a secret: all that is known of a target, and what is next to a real one.
#[derive(Default)]
pub(super) struct Secrets {
    der: Vec<u8>,
    jwk: Vec<u8>,
    number: Vec<u8>,
    secret: Vec<u8>,
}

impl Secrets {
    pub(super) fn of(target: &Target) -> Self {
        match &target.signer {
            Signer::Public(key) => Self {
                der: der(key),
                jwk: key.jwk("k1").to_string().into_bytes(),
                number: public_number(key),
                secret: Vec::new(),
            },
            Signer::Shared(secret) => Self::of_hmac(secret.as_bytes()),
        }
    }

    pub(super) fn of_hmac(secret: &[u8]) -> Self {
        Self {
            secret: secret.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        match name {
            "empty" => Vec::new(),
            "null byte" => vec![0],
            "kid" => b"k1".to_vec(),
            "issuer" => ISSUER.into(),
            "audience" => RESOURCE.into(),
            "der" => self.der.clone(),
            "der in base64" => STANDARD.encode(&self.der).into_bytes(),
            "pem" => pem(&self.der).into_bytes(),
            "pem without its last line end" => pem(&self.der).trim_end().into(),
            "jwk" => self.jwk.clone(),
            "jwk set" => [b"{\"keys\":[", &self.jwk[..], b"]}"].concat(),
            "number" => self.number.clone(),
            "number in base64url" => URL_SAFE_NO_PAD.encode(&self.number).into_bytes(),
            "secret" => self.secret.clone(),
            "secret and a line end" => [&self.secret[..], b"\n"].concat(),
            "first half of the secret" => self.secret[..self.secret.len() / 2].to_vec(),
            "hex of the secret" => {
                let digits = b"0123456789abcdef";
                let pair = |byte: &u8| {
                    [
                        digits[usize::from(byte >> 4)],
                        digits[usize::from(byte & 15)],
                    ]
                };
                self.secret.iter().flat_map(pair).collect()
            }
            other => panic!("{other} is no secret"),
        }
    }
}

fn public_number(key: &TestKey) -> Vec<u8> {
    match key {
        TestKey::Es256(pair) => pair.public_key().as_ref().to_vec(),
        TestKey::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        TestKey::Rsa(pair) => {
            let modulus = pair.public_key().modulus();
            modulus.big_endian_without_leading_zero().to_vec()
        }
    }
}

/// `SubjectPublicKeyInfo`.
pub(in crate::tests) fn der(key: &TestKey) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = match key {
        TestKey::Es256(pair) => pair.public_key().as_der(),
        TestKey::Ed25519(pair) => pair.public_key().as_der(),
        TestKey::Rsa(pair) => pair.public_key().as_der(),
    }
    .unwrap();
    der.as_ref().to_vec()
}

/// As `openssl` writes it.
pub(in crate::tests) fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}
