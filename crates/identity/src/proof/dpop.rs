//! DPoP proofs (RFC 9449 section 4.3): one signed JWT for each request, by the key that the token is bound to.
//!
//! What needs no cryptography is compared first, the key by its thumbprint before it is made a key, and the signature last: a proof
//! that somebody else made costs a parse and one hash.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::htu::Target;
use crate::caller::Timestamp;
use crate::failure::{Failure, excerpt};
use crate::keys::Key;
use crate::{json, jws};

/// The header that carries the proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Longest proof that is looked at. One by an RSA key of 8192 bits for a long URL has some 5 KiB.
const MAX_PROOF: usize = 8 * 1024;
/// Longest name of a proof; in use are random numbers of up to 256 bits.
const MAX_JTI: usize = 256;
/// How far a client's clock may be ahead, in seconds: as far as that of a token's issuer.
pub(super) const AHEAD: u64 = 30;
/// Members that only a private key or a shared secret has (RFC 7518 section 6).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// What a proof has to be for.
pub(super) struct Wanted<'r> {
    pub(super) method: &'r str,
    pub(super) target: Target<'r>,
    /// SHA-256 of the token that it comes with.
    pub(super) token: &'r [u8; 32],
    /// The thumbprint that the token is bound to.
    pub(super) jkt: &'r [u8; 32],
    /// Seconds for which a proof counts.
    pub(super) max_age: u64,
    pub(super) now: Timestamp,
}

/// A proof that is good, but for whether it is new.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) jti: String,
    pub(super) issued_at: Timestamp,
    pub(super) nonce: Option<String>,
}

/// The one proof of a request.
pub(super) fn header(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut lines = headers.get_all(DPOP).iter();
    let Some(line) = lines.next() else {
        return Err(Failure::invalid_proof("there is no DPoP header"));
    };
    if lines.next().is_some() {
        return Err(Failure::invalid_proof("there is more than one DPoP header"));
    }
    if line.len() > MAX_PROOF {
        return Err(Failure::invalid_proof("over 8 KiB"));
    }
    line.to_str()
        .map_err(|_| Failure::invalid_proof("not ASCII"))
}

/// Judges everything that the proof itself says.
pub(super) fn check(proof: &str, wanted: &Wanted<'_>) -> Result<Proof, Failure> {
    let parts = Parts::read(proof)?;
    let checked = claims(&parts.claims, wanted)?;
    let algorithm = text(&parts.header, "alg")?;
    let algorithm = jws::algorithm(algorithm)
        .ok_or_else(|| Failure::invalid_proof("alg is no asymmetric signature"))?;
    if text(&parts.header, "typ")? != "dpop+jwt" {
        return Err(Failure::invalid_proof("typ is not dpop+jwt"));
    }
    // also when it is empty: nothing that could stand there is known
    if parts.header.contains_key("crit") {
        return Err(Failure::invalid_proof("it demands extensions (crit)"));
    }
    let Some(Value::Object(jwk)) = parts.header.get("jwk") else {
        return Err(Failure::invalid_proof("jwk is missing or not an object"));
    };
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(Failure::invalid_proof("jwk is a private key"));
    }
    let thumbprint = thumbprint(jwk).map_err(Failure::invalid_proof)?;
    if !crate::constant_time_eq(&thumbprint, wanted.jkt) {
        return Err(Failure::OtherKey(
            "the token is bound to another key (cnf.jkt)",
        ));
    }
    let key =
        Key::read(jwk).map_err(|why| Failure::invalid_proof(format!("jwk is of no use: {why}")))?;
    if !key.fits(algorithm) {
        return Err(Failure::invalid_proof("alg does not fit jwk"));
    }
    if !key.verifies(algorithm, parts.signed, parts.signature) {
        return Err(Failure::invalid_proof("the signature is not that of jwk"));
    }
    Ok(checked)
}

/// A compact serialization taken apart (RFC 7515 section 7.1).
struct Parts<'p> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: &'p str,
    signature: &'p str,
}

impl<'p> Parts<'p> {
    fn read(proof: &'p str) -> Result<Self, Failure> {
        let not_a_jws = || Failure::invalid_proof("no three parts of canonical base64url");
        let (signed, signature) = proof.rsplit_once('.').ok_or_else(not_a_jws)?;
        let (header, payload) = signed.split_once('.').ok_or_else(not_a_jws)?;
        let decode = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part).ok();
            decoded
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(not_a_jws)
        };
        let (header, payload) = (decode(header)?, decode(payload)?);
        decode(signature)?;
        let object = |text: &[u8]| {
            json::object(text).map_err(|error| Failure::invalid_proof(error.to_string()))
        };
        Ok(Self {
            header: object(&header)?,
            claims: object(&payload)?,
            signed,
            signature,
        })
    }
}

fn claims(claims: &Map<String, Value>, wanted: &Wanted<'_>) -> Result<Proof, Failure> {
    let jti = text(claims, "jti")?;
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(Failure::invalid_proof("jti is empty or over 256 bytes"));
    }
    if text(claims, "htm")? != wanted.method {
        return Err(Failure::invalid_proof("htm is not the request's method"));
    }
    let htu = text(claims, "htu")?;
    if !wanted.target.is(htu) {
        let Target {
            secure,
            authority,
            path,
        } = wanted.target;
        let scheme = if secure { "https" } else { "http" };
        let asked = excerpt(&format!("{scheme}://{authority}{path}"));
        return Err(Failure::invalid_proof(format!(
            "htu is {}, the request was for {asked}",
            excerpt(htu)
        )));
    }
    let ath = text(claims, "ath")?;
    if !crate::constant_time_eq(
        ath.as_bytes(),
        URL_SAFE_NO_PAD.encode(wanted.token).as_bytes(),
    ) {
        return Err(Failure::invalid_proof("ath is not the hash of the token"));
    }
    let issued_at = seconds(claims, "iat")?
        .ok_or_else(|| Failure::invalid_proof("iat is missing or no time"))?;
    let now = wanted.now.0;
    if issued_at > now.saturating_add(AHEAD) {
        let early = issued_at - now;
        return Err(Failure::invalid_proof(format!("iat is {early} s ahead")));
    }
    if now > issued_at.saturating_add(wanted.max_age) {
        let late = now - issued_at;
        return Err(Failure::invalid_proof(format!("iat is {late} s ago")));
    }
    // neither is of RFC 9449; a proof that has them means them (RFC 7519 section 4.1)
    if seconds(claims, "exp")?.is_some_and(|end| end <= now)
        || seconds(claims, "nbf")?.is_some_and(|start| start > now.saturating_add(AHEAD))
    {
        return Err(Failure::invalid_proof("now is not between nbf and exp"));
    }
    let nonce = match claims.get("nonce") {
        None => None,
        Some(Value::String(nonce)) => Some(nonce.clone()),
        Some(_) => return Err(Failure::invalid_proof("nonce is not a string")),
    };
    Ok(Proof {
        jti: jti.to_owned(),
        issued_at: Timestamp(issued_at),
        nonce,
    })
}

fn text<'m>(members: &'m Map<String, Value>, name: &'static str) -> Result<&'m str, Failure> {
    members
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::invalid_proof(format!("{name} is missing or not a string")))
}

/// A time in whole seconds; a fraction is cut off.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, Failure> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_u64().or_else(|| {
        let seconds = value.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the bounds are those of a time before the year 9999"
        )]
        (0.0..253_402_300_799.0)
            .contains(&seconds)
            .then_some(seconds as u64)
    });
    seconds
        .map(Some)
        .ok_or_else(|| Failure::invalid_proof(format!("{name} is not a time")))
}

/// SHA-256 over the members that make the key, in their order (RFC 7638). Of text that is not base64url there is none: the JSON
/// that is hashed is written here.
fn thumbprint(jwk: &Map<String, Value>) -> Result<[u8; 32], &'static str> {
    const MISSING: &str = "jwk lacks a member of its kty";
    let member = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str).ok_or(MISSING)?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.bytes().all(legal) {
            Ok(text)
        } else {
            Err("a member of jwk is not base64url")
        }
    };
    let text = match member("kty")? {
        "EC" => format!(
            r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
            member("crv")?,
            member("x")?,
            member("y")?
        ),
        "OKP" => format!(
            r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#,
            member("crv")?,
            member("x")?
        ),
        "RSA" => format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            member("e")?,
            member("n")?
        ),
        _ => return Err("kty of jwk is not one of RSA, EC, OKP"),
    };
    Ok(sha256(text.as_bytes()))
}

pub(super) fn sha256(text: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text).as_ref());
    hash
}

#[cfg(test)]
mod tests;
