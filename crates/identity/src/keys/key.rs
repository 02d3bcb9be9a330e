//! One public key of a provider, judged when it is loaded so that nothing about it need be judged again.
//!
//! jsonwebtoken verifies signatures here and does nothing else: it ignores `use`, `key_ops` and `alg` of a key and turns
//! `kty: oct` into a shared secret, so what may come near it is decided first. It builds an RSA key anew for every signature, a
//! third of what a token never seen before costs; for the algorithm an RSA key is meant for, the provider below it keeps the key.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Algorithm, PublicNumbers};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value, json};

use crate::jws;

/// What can be signed with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A usable public key.
pub(crate) struct Key {
    kid: Option<Box<str>>,
    family: Family,
    /// `alg` of the key: then it is for that algorithm alone.
    only: Option<Algorithm>,
    /// The key's numbers: what makes it this key and no other.
    material: Box<[u8]>,
    decoding: DecodingKey,
    /// An RSA key made ready for one algorithm: its own, or RS256 where it names none.
    ready: Option<(Algorithm, ParsedPublicKey)>,
    /// False once the provider no longer publishes the key: credentials verified by it are dead from then on (SEC-12).
    live: AtomicBool,
}

impl Key {
    /// Reads a JWK; the error says why it is of no use here.
    pub(crate) fn read(jwk: &Map<String, Value>) -> Result<Self, &'static str> {
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.as_str().into()),
            Some(_) => return Err("kid is not a string"),
        };
        for_signatures(jwk)?;
        let (family, material, decoding) = match member(jwk, "kty")? {
            "RSA" => rsa(jwk)?,
            "EC" => elliptic(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err("kty is not one of RSA, EC, OKP"),
        };
        let only = match jwk.get("alg") {
            None => None,
            Some(Value::String(name)) => Some(
                jws::algorithm(name)
                    .filter(|algorithm| family.signs(*algorithm))
                    .ok_or("alg is not a signature of this kty")?,
            ),
            Some(_) => return Err("alg is not a string"),
        };
        let ready = match family {
            Family::Rsa => ready(jwk, only.unwrap_or(Algorithm::Rs256))?,
            Family::P256 | Family::P384 | Family::Ed25519 => None,
        };
        Ok(Self {
            kid,
            family,
            only,
            material,
            decoding,
            ready,
            live: AtomicBool::new(true),
        })
    }

    /// The same of numbers without a name.
    pub(crate) fn of_numbers(numbers: &PublicNumbers) -> Result<Self, &'static str> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match numbers {
            PublicNumbers::Rsa { modulus, exponent } => {
                json!({ "kty": "RSA", "n": text(modulus), "e": text(exponent) })
            }
            PublicNumbers::P256 { x, y } => {
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            PublicNumbers::P384 { x, y } => {
                json!({ "kty": "EC", "crv": "P-384", "x": text(x), "y": text(y) })
            }
            PublicNumbers::Ed25519(point) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(point) })
            }
        };
        Self::read(jwk.as_object().ok_or("no key")?)
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether a token with this algorithm may be checked with this key.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.family.signs(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether the signature is this key's. The caller has asked [`Key::fits`].
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &str, signature: &str) -> bool {
        if let Some((meant, key)) = &self.ready
            && *meant == algorithm
        {
            return URL_SAFE_NO_PAD
                .decode(signature)
                .is_ok_and(|signature| key.verify_sig(signed.as_bytes(), &signature).is_ok());
        }
        self.fits(algorithm)
            && jsonwebtoken::crypto::verify(
                signature,
                signed.as_bytes(),
                &self.decoding,
                foreign(algorithm),
            )
            .unwrap_or(false)
    }

    /// Whether two entries of a key set, fetched at different times, are the same key with the same restrictions.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.family == other.family
            && self.only == other.only
            && self.material == other.material
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Ends every credential that this key verified.
    pub(crate) fn retire(&self) {
        self.live.store(false, Ordering::Release);
    }
}

impl Family {
    fn signs(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => self == Self::Rsa,
            Algorithm::Es256 => self == Self::P256,
            Algorithm::Es384 => self == Self::P384,
            Algorithm::EdDsa => self == Self::Ed25519,
        }
    }
}

/// `use` and `key_ops`, where they are there, must allow what we do (RFC 7517 sections 4.2 and 4.3).
fn for_signatures(jwk: &Map<String, Value>) -> Result<(), &'static str> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(purpose)) if purpose == "sig" => {}
        Some(_) => return Err("use is not sig"),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(deeds)) if deeds.iter().any(|deed| deed == "verify") => Ok(()),
        Some(_) => Err("key_ops lacks verify"),
    }
}

type Parts = (Family, Box<[u8]>, DecodingKey);

fn rsa(jwk: &Map<String, Value>) -> Result<Parts, &'static str> {
    // some providers write the sign byte of an ASN.1 integer too
    let modulus = number(jwk, "n")?;
    let exponent = number(jwk, "e")?;
    let leading = modulus.first().ok_or("n is zero")?.leading_zeros() as usize;
    let bits = modulus.len() * 8 - leading;
    if !(2048..=8192).contains(&bits) {
        return Err("RSA key outside 2048 to 8192 bits");
    }
    // 3 and 65537 are in use; a long exponent makes each verification slow, an even one makes it meaningless
    if exponent.len() > 4 || exponent == [1] || exponent.last().is_none_or(|last| last % 2 == 0) {
        return Err("e is not an odd number from 3 to 32 bits");
    }
    let decoding = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    // the modulus ends where its length says, so the two can be joined without ambiguity
    let material = [
        &(modulus.len() as u64).to_be_bytes()[..],
        &modulus,
        &exponent,
    ]
    .concat();
    Ok((Family::Rsa, material.into(), decoding))
}

/// The same key, parsed once for all its signatures.
fn ready(
    jwk: &Map<String, Value>,
    algorithm: Algorithm,
) -> Result<Option<(Algorithm, ParsedPublicKey)>, &'static str> {
    let parameters: &'static RsaParameters = match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return Ok(None),
    };
    let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .map(|key| Some((algorithm, key)))
        .map_err(|_| "n and e are no RSA key")
}

fn elliptic(jwk: &Map<String, Value>) -> Result<Parts, &'static str> {
    use signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED};

    let (family, length, curve) = match member(jwk, "crv")? {
        "P-256" => (Family::P256, 32, &ECDSA_P256_SHA256_FIXED),
        "P-384" => (Family::P384, 48, &ECDSA_P384_SHA384_FIXED),
        _ => return Err("crv is not one of P-256, P-384"),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err("x or y has not the length of the curve");
    }
    let point = [&[4][..], &x, &y].concat();
    if ParsedPublicKey::new(curve, &point).is_err() {
        return Err("x and y are no point of the curve");
    }
    let decoding = DecodingKey::from_ec_der(&point);
    Ok((family, point.into(), decoding))
}

fn edwards(jwk: &Map<String, Value>) -> Result<Parts, &'static str> {
    if member(jwk, "crv")? != "Ed25519" {
        return Err("crv is not Ed25519");
    }
    let x = bytes(jwk, "x")?;
    if x.len() != 32 {
        return Err("x has not the length of the curve");
    }
    if is_of_small_order(&x) {
        return Err("x is a point of small order: one signature would fit many messages");
    }
    let decoding = DecodingKey::from_ed_der(&x);
    Ok((Family::Ed25519, x.into(), decoding))
}

/// The eight points that a multiple of eight turns into nothing, in every spelling of theirs. With such a key some signatures are
/// good for anything; the library below does not look.
fn is_of_small_order(point: &[u8]) -> bool {
    let Some((last, rest)) = point.split_last() else {
        return true;
    };
    let last = last & 0x7f; // without the sign of x
    let Some((first, middle)) = rest.split_first() else {
        return true;
    };
    let all = |digit: u8| middle.iter().all(|one| *one == digit);
    // y is 0, 1, or -1, 0, 1 once around (p-1, p, p+1)
    let tiny = *first <= 1 && all(0) && last == 0;
    let around = (0xec..=0xee).contains(first) && all(0xff) && last == 0x7f;
    tiny || around
        || ORDER_8
            .iter()
            .any(|y| y.strip_suffix(&[last]) == Some(rest))
}

/// The y of the points of order 8.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// A positive integer, without leading zeros.
fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, &'static str> {
    let mut digits = bytes(jwk, name)?;
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    Ok(digits)
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD
        .decode(member(jwk, name)?.trim_end_matches('='))
        .map_err(|_| "a number is not base64url")
}

fn member<'v>(jwk: &'v Map<String, Value>, name: &'static str) -> Result<&'v str, &'static str> {
    jwk.get(name)
        .and_then(Value::as_str)
        .ok_or("a member of its kty is missing or not a string")
}

/// The same algorithm in jsonwebtoken's words.
fn foreign(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    use jsonwebtoken::Algorithm as Foreign;
    match algorithm {
        Algorithm::Rs256 => Foreign::RS256,
        Algorithm::Rs384 => Foreign::RS384,
        Algorithm::Rs512 => Foreign::RS512,
        Algorithm::Ps256 => Foreign::PS256,
        Algorithm::Ps384 => Foreign::PS384,
        Algorithm::Ps512 => Foreign::PS512,
        Algorithm::Es256 => Foreign::ES256,
        Algorithm::Es384 => Foreign::ES384,
        Algorithm::EdDsa => Foreign::EdDSA,
    }
}
