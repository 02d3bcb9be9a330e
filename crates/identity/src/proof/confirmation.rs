//! `cnf`: what a token is bound to (RFC 7800), and whether a request comes from whoever has that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// What has to be proven by whoever presents a token; at least one of the two, and all that are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// `jkt`: the thumbprint of the key that signs DPoP proofs (RFC 9449 section 6.1).
    pub(crate) jkt: Option<[u8; 32]>,
    /// `x5t#S256`: the SHA-256 of the client's certificate in base64url (RFC 8705 section 3.1).
    pub(crate) certificate: Option<Box<str>>,
}

impl Confirmation {
    /// Reads `cnf` of a token or of an introspection answer. A binding that is not known here cannot be proven here: such a token
    /// is refused, though RFC 7800 would have it passed over (SEC-15).
    pub(crate) fn read(claims: &Map<String, Value>) -> Result<Option<Box<Self>>, Failure> {
        let Some(cnf) = claims.get("cnf") else {
            return Ok(None);
        };
        let Value::Object(cnf) = cnf else {
            return Err(Failure::malformed("cnf is not an object"));
        };
        let mut this = Self {
            jkt: None,
            certificate: None,
        };
        for (name, value) in cnf {
            match name.as_str() {
                "jkt" => this.jkt = Some(sha256(value, "cnf.jkt")?),
                "x5t#S256" => {
                    let hash = sha256(value, "cnf.x5t#S256")?;
                    this.certificate = Some(URL_SAFE_NO_PAD.encode(hash).into());
                }
                _ => {
                    return Err(Failure::ProofRequired(
                        "the token is bound in a way that is not known here (cnf)",
                    ));
                }
            }
        }
        if cnf.is_empty() {
            return Err(Failure::ProofRequired("cnf says nothing"));
        }
        Ok(Some(Box::new(this)))
    }

    /// About how many bytes it occupies.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.certificate.as_ref().map_or(0, |text| text.len() + 32)
    }

    /// Compares the certificate of the connection, if the token is bound to one.
    pub(super) fn holds_certificate(&self, shown: Option<&str>) -> Result<(), Failure> {
        match (&self.certificate, shown) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Failure::ProofRequired(
                "the token is bound to a client certificate (cnf.x5t#S256), and none was shown",
            )),
            (Some(bound), Some(shown))
                if crate::constant_time_eq(bound.as_bytes(), shown.as_bytes()) =>
            {
                Ok(())
            }
            (Some(_), Some(_)) => Err(Failure::OtherKey(
                "the token is bound to another client certificate (cnf.x5t#S256)",
            )),
        }
    }
}

/// A SHA-256 in the one canonical spelling.
fn sha256(value: &Value, name: &str) -> Result<[u8; 32], Failure> {
    value
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Failure::malformed(format!("{name} is not a SHA-256 in base64url")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of RFC 9449 section 6.1.
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    /// Of RFC 8705 section 3.1.
    const X5T: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";

    fn read(claims: Value) -> Result<Option<Box<Confirmation>>, Failure> {
        let Value::Object(claims) = claims else {
            unreachable!()
        };
        Confirmation::read(&claims)
    }

    #[test]
    fn sec_15_what_is_known_is_read() {
        assert_eq!(read(json!({ "sub": "ada" })), Ok(None));
        let jkt = read(json!({ "cnf": { "jkt": JKT } })).unwrap().unwrap();
        assert_eq!(jkt.jkt.map(|hash| hash[0]), Some(0xd1));
        assert_eq!(jkt.certificate, None);
        // the last character of the RFC's example has stray bits: it is no canonical base64url
        assert!(read(json!({ "cnf": { "x5t#S256": X5T } })).is_err());
        let canonical = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0";
        let both = json!({ "cnf": { "x5t#S256": canonical, "jkt": JKT } });
        let both = read(both).unwrap().unwrap();
        assert_eq!(both.certificate.as_deref(), Some(canonical));
        assert!(both.jkt.is_some());
    }

    #[test]
    fn sec_15_what_is_not_known_or_not_legible_is_refused() {
        for (cnf, reason) in [
            (json!({}), "proof_required"),
            (json!({ "jwk": {} }), "proof_required"),
            (json!({ "kid": "k1" }), "proof_required"),
            (json!({ "jkt": JKT, "kid": "k1" }), "proof_required"),
            (json!({ "JKT": JKT }), "proof_required"),
            (json!({ "x5t": JKT }), "proof_required"),
            (json!(null), "malformed_token"),
            (json!(JKT), "malformed_token"),
            (json!([{ "jkt": JKT }]), "malformed_token"),
            (json!({ "jkt": null }), "malformed_token"),
            (json!({ "jkt": [JKT] }), "malformed_token"),
            (json!({ "jkt": "" }), "malformed_token"),
            (json!({ "jkt": format!("{JKT}=") }), "malformed_token"),
            (json!({ "jkt": &JKT[1..] }), "malformed_token"),
            (json!({ "jkt": format!("{JKT}AA") }), "malformed_token"),
            (json!({ "x5t#S256": 1 }), "malformed_token"),
        ] {
            let failure = read(json!({ "cnf": cnf })).expect_err(&cnf.to_string());
            assert_eq!(failure.reason(), reason, "{cnf}");
        }
    }

    #[test]
    fn r8705_the_certificate_is_compared() {
        let bound = |certificate: Option<&str>| Confirmation {
            jkt: None,
            certificate: certificate.map(Box::from),
        };
        let reason = |bound: &Confirmation, shown| {
            bound
                .holds_certificate(shown)
                .map_err(|failure| failure.reason())
        };
        assert_eq!(reason(&bound(None), None), Ok(()));
        assert_eq!(reason(&bound(None), Some(X5T)), Ok(()));
        assert_eq!(reason(&bound(Some(X5T)), Some(X5T)), Ok(()));
        assert_eq!(reason(&bound(Some(X5T)), None), Err("proof_required"));
        assert_eq!(reason(&bound(Some(X5T)), Some(JKT)), Err("invalid_proof"));
        assert_eq!(reason(&bound(Some(X5T)), Some("")), Err("invalid_proof"));
    }
}
