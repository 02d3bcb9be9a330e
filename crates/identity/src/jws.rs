//! The shape of a token and its header: everything that can be judged without a key.
//!
//! Only `alg`, `kid`, `typ` and `crit` of the header are read. `jwk`, `jku`, `x5u` and `x5c` offer keys of the sender's own
//! choice and are ignored (R8725).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Algorithm, Hmac};
use serde_json::{Map, Value};

use crate::failure::{Failure, excerpt};
use crate::json;

/// A token taken apart. Nothing in it is verified yet.
#[derive(Debug)]
pub(crate) struct Jws<'t> {
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
    /// What the signature is over.
    pub(crate) signed: &'t str,
    /// Canonical base64url.
    pub(crate) signature: &'t str,
}

/// What a token says it is signed with. A key of a pair takes nothing but an [`Algorithm`], a shared secret nothing but an
/// [`Hmac`], so neither can be tried with what is meant for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alg {
    Pair(Algorithm),
    Shared(Hmac),
}

impl Alg {
    /// The name by which it is registered.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pair(algorithm) => name(algorithm),
            Self::Shared(hmac) => hmac.name(),
        }
    }
}

/// What counts of a token's header.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Alg,
    pub(crate) kid: Option<Box<str>>,
    pub(crate) typ: Option<Box<str>>,
    /// Microsoft Graph's tokens have a `nonce` here, and a signature that only Graph can check.
    pub(crate) has_nonce: bool,
}

impl<'t> Jws<'t> {
    /// Takes a compact serialization apart (RFC 7515 section 7.1). Needs no network, so garbage costs nobody a fetch (S4-9).
    pub(crate) fn read(token: &'t str) -> Result<Self, Failure> {
        let (signed, signature) = split(token)?;
        let (header, payload) = signed
            .split_once('.')
            .ok_or(Failure::NotAJwt("one part, not three"))?;
        let header = decode(header)?;
        let payload = decode(payload)?;
        // the signature is decoded again where it is checked; here its spelling is judged: one token has one spelling
        decode(signature)?;
        let header = json::object(&header)
            .map_err(|error| Failure::malformed(format!("header: {error}")))?;
        let header = Header::read(&header)?;
        let claims = json::object(&payload)
            .map_err(|error| Failure::malformed(format!("payload: {error}")))?;
        Ok(Self {
            header,
            claims,
            signed,
            signature,
        })
    }
}

/// Cuts before the signature, after counting the parts.
fn split(token: &str) -> Result<(&str, &str), Failure> {
    match token.bytes().filter(|b| *b == b'.').count() {
        2 => token
            .rsplit_once('.')
            .ok_or(Failure::NotAJwt("one part, not three")),
        0 => Err(Failure::NotAJwt(
            "opaque, one part and not three; the provider must issue JWT access tokens, often by being asked for an audience, or be asked about tokens by an authenticator of kind introspection",
        )),
        4 => Err(Failure::NotAJwt(
            "five parts, an encrypted token (JWE); the provider must issue signed tokens, often by being asked for an audience",
        )),
        _ => Err(Failure::NotAJwt("not three parts")),
    }
}

/// Unpadded base64url in its one canonical spelling: no empty part, no stray bits in the last character.
fn decode(part: &str) -> Result<Vec<u8>, Failure> {
    if part.is_empty() {
        return Err(Failure::NotAJwt("an empty part"));
    }
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Failure::NotAJwt("a part is not canonical base64url"))
}

impl Header {
    fn read(members: &Map<String, Value>) -> Result<Self, Failure> {
        let algorithm = match members.get("alg") {
            Some(Value::String(name)) => alg(name).ok_or_else(|| Failure::AlgorithmNotAllowed {
                found: excerpt(name),
                allowed: "no signature of this name is".into(),
            })?,
            Some(_) => return Err(Failure::malformed("alg is not a string")),
            None => {
                return Err(Failure::AlgorithmNotAllowed {
                    found: "(none named)".into(),
                    allowed: "every token names one".into(),
                });
            }
        };
        // also when it is empty or of a wrong type: whoever writes crit means that it must not be passed over; b64 has to be written
        // beside crit (RFC 7797 section 6), and zip is of encrypted tokens: both change what the payload is
        if ["crit", "b64", "zip"]
            .iter()
            .any(|name| members.contains_key(*name))
        {
            return Err(Failure::CriticalHeader);
        }
        Ok(Self {
            algorithm,
            kid: text(members, "kid")?,
            typ: text(members, "typ")?,
            has_nonce: members.contains_key("nonce"),
        })
    }
}

/// An optional member that must be a string.
fn text(members: &Map<String, Value>, name: &str) -> Result<Option<Box<str>>, Failure> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.as_str().into())),
        Some(_) => Err(Failure::malformed(format!("{name} is not a string"))),
    }
}

/// What this exact name stands for. `none` is nothing that could be named here, in any spelling.
fn alg(name: &str) -> Option<Alg> {
    let shared = |hmac: &Hmac| hmac.name() == name;
    let shared = [Hmac::Hs256, Hmac::Hs384, Hmac::Hs512]
        .into_iter()
        .find(shared);
    shared
        .map(Alg::Shared)
        .or_else(|| algorithm(name).map(Alg::Pair))
}

/// The signature algorithm of this exact name.
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::Rs256,
        "RS384" => Algorithm::Rs384,
        "RS512" => Algorithm::Rs512,
        "PS256" => Algorithm::Ps256,
        "PS384" => Algorithm::Ps384,
        "PS512" => Algorithm::Ps512,
        "ES256" => Algorithm::Es256,
        "ES384" => Algorithm::Es384,
        // RFC 9864 gives the one curve in use a name of its own
        "EdDSA" | "Ed25519" => Algorithm::EdDsa,
        _ => return None,
    })
}

/// The name by which an algorithm is registered.
pub(crate) fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256 => "RS256",
        Algorithm::Rs384 => "RS384",
        Algorithm::Rs512 => "RS512",
        Algorithm::Ps256 => "PS256",
        Algorithm::Ps384 => "PS384",
        Algorithm::Ps512 => "PS512",
        Algorithm::Es256 => "ES256",
        Algorithm::Es384 => "ES384",
        Algorithm::EdDsa => "EdDSA",
    }
}
