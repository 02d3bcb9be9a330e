//! Signing keys, made when the process needs them.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// RSA keys of one process. Making one takes a while, so they are made on demand and shared by all providers in turn.
const RSA_KEYS: usize = 6;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The name in `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One key for each algorithm, all published together; RS256 and PS256 share the RSA key under two names.
pub(super) struct KeySet {
    generation: u32,
    rsa: &'static RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl KeySet {
    /// The keys that come after those of `generation`; no key of the one is in the next.
    pub(super) fn after(generation: u32) -> Self {
        Self {
            generation: generation + 1,
            rsa: next_rsa(),
            ec: EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect(MADE),
            ed: Ed25519KeyPair::generate().expect(MADE),
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The name of a key, never used again after a rotation.
    pub(super) fn kid(&self, algorithm: Algorithm) -> String {
        format!(
            "{}-{}",
            algorithm.as_str().to_ascii_lowercase(),
            self.generation
        )
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(padding, &random, message, &mut signature)
                .expect(SIGNED);
            signature
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_SHA256),
            Algorithm::Es256 => self
                .ec
                .sign(&random, message)
                .expect(SIGNED)
                .as_ref()
                .to_vec(),
            Algorithm::EdDsa => self.ed.sign(message).as_ref().to_vec(),
        }
    }

    /// Whether the key of this name signed the message.
    pub(super) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = Algorithm::ALL
            .into_iter()
            .find(|algorithm| self.kid(*algorithm) == kid)
        else {
            return false;
        };
        let rsa = self.rsa.public_key().as_ref();
        let judged = match algorithm {
            Algorithm::Rs256 => UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, rsa)
                .verify(message, signature),
            Algorithm::Ps256 => UnparsedPublicKey::new(&signature::RSA_PSS_2048_8192_SHA256, rsa)
                .verify(message, signature),
            Algorithm::Es256 => UnparsedPublicKey::new(
                &signature::ECDSA_P256_SHA256_FIXED,
                self.ec.public_key().as_ref(),
            )
            .verify(message, signature),
            Algorithm::EdDsa => {
                UnparsedPublicKey::new(&signature::ED25519, self.ed.public_key().as_ref())
                    .verify(message, signature)
            }
        };
        judged.is_ok()
    }

    /// The public half, as in a key set.
    pub(super) fn jwk(&self, algorithm: Algorithm) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let (modulus, exponent) = rsa_numbers(self.rsa.public_key().as_ref()).expect(DER);
                json!({"kty": "RSA", "n": text(modulus), "e": text(exponent)})
            }
            Algorithm::Es256 => {
                // an uncompressed point: 4, x, y
                let (x, y) = self
                    .ec
                    .public_key()
                    .as_ref()
                    .get(1..)
                    .and_then(|point| point.split_at_checked(32))
                    .expect(DER);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Algorithm::EdDsa => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(self.ed.public_key().as_ref())})
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), self.kid(algorithm).into());
            members.insert("alg".into(), algorithm.as_str().into());
            members.insert("use".into(), "sig".into());
        }
        jwk
    }

    /// The public RSA key as PEM: what an attacker uses as a shared secret in an algorithm confusion.
    pub(super) fn rsa_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.rsa.public_key().as_der().expect(DER);
        let text = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }
}

const MADE: &str = "the system gives randomness for a key";
const SIGNED: &str = "a key we made signs";
const DER: &str = "a key we made has a well-formed public half";

/// Keys that no provider ever publishes.
pub(super) fn foreign() -> &'static KeySet {
    static FOREIGN: OnceLock<KeySet> = OnceLock::new();
    FOREIGN.get_or_init(|| KeySet::after(0))
}

fn next_rsa() -> &'static RsaKeyPair {
    static KEYS: [OnceLock<RsaKeyPair>; RSA_KEYS] = [const { OnceLock::new() }; RSA_KEYS];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    KEYS.get(turn % RSA_KEYS)
        .expect("the remainder is below the length")
        .get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect(MADE))
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017), without leading zeros.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(0x30, der)?;
    let (modulus, rest) = element(0x02, sequence)?;
    let (exponent, _) = element(0x02, rest)?;
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent))
}

/// The content of a DER element with this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
        (
            digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit)),
            rest,
        )
    };
    rest.split_at_checked(length)
}

/// A name nobody can guess.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
