//! What is said of tokens that the operator signs: the secret, the key, the issuer.

use super::Scalar;
use super::strength::weakness;
use crate::problem::Flaw;
use crate::public_key::{self, PublicKey};
use crate::secret::Secret;

/// 256 bits, if every one of them counts (RFC 7518 section 3.2).
const SHORTEST: usize = 32;
const LONGEST: usize = 4096;

/// `shared_secret.secret`.
#[derive(Debug, Clone)]
pub(crate) struct SharedKey(pub(crate) Secret);

impl Scalar for SharedKey {
    const EXPECTED: &'static str = "a secret of at least 32 bytes";
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        // a key that is published would be a secret that everybody knows: the oldest confusion of all
        if public_key::looks_like_one(text) {
            return Err(
                Flaw::new("is a key of a pair or a certificate, not a secret")
                    .hint("tokens signed with a private key are for the kind public_key"),
            );
        }
        let flaw = if let Some(weakness) = weakness(text) {
            weakness
        } else if text.len() < SHORTEST {
            "has fewer than 32 bytes"
        } else if text.len() > LONGEST {
            "has more than 4096 bytes"
        } else if text.trim() != text {
            "has blanks or line ends around it, which would be part of it"
        } else {
            return Ok(Self(Secret::new(text)));
        };
        Err(Flaw::new(flaw)
            .hint("make one with `openssl rand -hex 64`, and put it in by ${JWT_SECRET}"))
    }
}

impl Scalar for PublicKey {
    const EXPECTED: &'static str = "a public key in PEM";
    /// Somebody puts the private one there one day.
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        PublicKey::parse(text)
    }
}

/// What tokens that the operator signs have in `iss`: any name, or a URL (RFC 7519 section 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerName(pub(crate) Box<str>);

impl Scalar for IssuerName {
    const EXPECTED: &'static str = "what your tokens have in `iss`, like your-service";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err("has blanks around it or control characters in it".into());
        }
        // keys of API callers and the gateway's own tokens have issuers of this form
        if text.starts_with("urn:portcullis:") {
            return Err("is a name of the gateway's own".into());
        }
        if text.len() > 1024 {
            return Err("is longer than 1024 bytes".into());
        }
        Ok(IssuerName(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        let flaw = SharedKey::read(text).unwrap_err();
        assert!(flaw.reason.contains(reason), "{flaw:?}");
        assert!(flaw.hint.is_some());
    }

    #[test]
    fn x4_s0_32_a_secret_is_long_unknown_and_no_key_of_a_pair() {
        let good = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
        assert_eq!(SharedKey::read(good).unwrap().0.expose(), good);
        refused(&good[1..], "fewer than 32");
        refused("", "fewer than 32");
        refused(&format!("{good} "), "blanks or line ends");
        refused(&format!("{good}\n"), "blanks or line ends");
        refused("dev-key-min-32-chars-required!!", "published example");
        refused("your-secure-session-secret", "published example");
        refused(&"ab".repeat(32), "short pattern");
        let long = (0..600).map(|n| (n * 7919).to_string());
        refused(&long.collect::<String>().repeat(2)[1..], "more than 4096");
    }

    #[test]
    fn s0_32_a_public_key_is_never_a_secret() {
        for text in [
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnaJb\n-----END PUBLIC KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "MCowBQYDK2VwAyEAM8XdNSrS5Ng8NtUx/bJfF/31TRif3JAkcW4jteuBcZ8=",
            r#"{"kty":"oct","k":"qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E"}"#,
        ] {
            let flaw = SharedKey::read(text).unwrap_err();
            assert!(flaw.hint.unwrap().contains("public_key"), "{text}");
        }
    }
}
