//! Words out of a fixed list.

mod access;

use serde_json::{Value, json};

use super::{Scalar, or_interpolated};
use crate::checked::{
    Algorithm, AudienceClaim, AuditLevel, CertificateFormat, ClientAuth, Families, Hmac,
    IdentityHeaders, IntrospectionAuth, Level, LogFormat, OnFull, Profile, SenderConstrained,
    Start, TlsVersion, TokenType, Transport,
};
use crate::problem::Flaw;
use crate::suggest;

/// Something that is one of a few words.
pub(crate) trait Word: Sized + Clone + PartialEq + 'static {
    const EXPECTED: &'static str;
    /// For a value with several words, the first one is its own.
    const WORDS: &'static [(&'static str, Self)];

    /// A better answer for words that somebody may expect to work.
    fn why_not(_: &str) -> Option<Flaw> {
        None
    }

    /// How it is written.
    fn word(&self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, value)| value == self)
            .map_or("", |(word, _)| word)
    }
}

impl<W: Word> Scalar for W {
    const EXPECTED: &'static str = W::EXPECTED;

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Some((_, value)) = W::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(value.clone());
        }
        if let Some(flaw) = W::why_not(text) {
            return Err(flaw);
        }
        let words = || W::WORDS.iter().map(|(word, _)| *word);
        let flaw = Flaw::new(format!(
            "is not one of {}",
            words().collect::<Vec<_>>().join(", ")
        ));
        Err(match suggest::closest(text, words()) {
            Some(word) => flaw.hint(format!("did you mean `{word}`?")),
            None => flaw,
        })
    }

    fn schema() -> Value {
        let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
        or_interpolated(&json!({ "enum": words }))
    }
}

/// Which families of credentials a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthType {
    Oauth,
    Jwt,
    Both,
    None,
}

impl From<Families> for AuthType {
    fn from(families: Families) -> Self {
        match families {
            Families::Oauth => Self::Oauth,
            Families::Jwt => Self::Jwt,
            Families::Both => Self::Both,
        }
    }
}

impl Word for AuthType {
    const EXPECTED: &'static str = "one of oauth, jwt, both, none";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("oauth", AuthType::Oauth),
        ("jwt", AuthType::Jwt),
        ("both", AuthType::Both),
        ("none", AuthType::None),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        let hint = match text {
            "oidc" | "jwks" | "introspection" => {
                "that is a kind of authenticator, which type: oauth takes"
            }
            "shared_secret" | "public_key" | "api_keys" | "api_key" | "apikey" => {
                "that is a kind of authenticator, which type: jwt takes"
            }
            "bearer" | "Bearer" | "token" => {
                "oauth takes tokens of an authorization server, jwt what you hand out yourself, both either"
            }
            _ => return None,
        };
        Some(Flaw::new("is not one of oauth, jwt, both, none").hint(hint))
    }
}

impl Word for Profile {
    const EXPECTED: &'static str = "development or production";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("development", Profile::Development),
        ("production", Profile::Production),
    ];

    fn why_not(_: &str) -> Option<Flaw> {
        Some(
            Flaw::new("is not one of development, production").hint(
                "`production` refuses whatever is dangerous, `development` warns of it; the words are written so",
            ),
        )
    }
}

impl Word for Level {
    const EXPECTED: &'static str = "a log level";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
}

impl Word for LogFormat {
    const EXPECTED: &'static str = "text or json";
    const WORDS: &'static [(&'static str, Self)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// What is recorded, if anything is. `true` and `false` are what a variable like `MCP_ENABLE_FILE_LOGGING` says (S3-49).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuditChoice {
    Level(AuditLevel),
    Off,
}

impl Word for AuditChoice {
    const EXPECTED: &'static str = "info, refusals or off";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("info", AuditChoice::Level(AuditLevel::Info)),
        ("refusals", AuditChoice::Level(AuditLevel::Refusals)),
        ("off", AuditChoice::Off),
        ("true", AuditChoice::Level(AuditLevel::Info)),
        ("false", AuditChoice::Off),
    ];
}

impl Word for AuditLevel {
    const EXPECTED: &'static str = "info or refusals";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("info", AuditLevel::Info),
        ("refusals", AuditLevel::Refusals),
    ];
}

impl Word for OnFull {
    const EXPECTED: &'static str = "block or drop";
    const WORDS: &'static [(&'static str, Self)] =
        &[("block", OnFull::Block), ("drop", OnFull::Drop)];
}

impl Word for IntrospectionAuth {
    const EXPECTED: &'static str = "basic or post";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("basic", IntrospectionAuth::Basic),
        ("post", IntrospectionAuth::Post),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        match text {
            "client_secret_basic" => Some(Flaw::new("is called basic here")),
            "client_secret_post" => Some(Flaw::new("is called post here")),
            _ => None,
        }
    }
}

impl Word for TlsVersion {
    const EXPECTED: &'static str = "\"1.2\" or \"1.3\"";
    const WORDS: &'static [(&'static str, Self)] =
        &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
}

impl Word for ClientAuth {
    const EXPECTED: &'static str = "required or optional";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("required", ClientAuth::Required),
        ("optional", ClientAuth::Optional),
    ];
}

impl Word for CertificateFormat {
    const EXPECTED: &'static str = "one of rfc9440, pem, xfcc";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("rfc9440", CertificateFormat::Rfc9440),
        ("pem", CertificateFormat::Pem),
        ("xfcc", CertificateFormat::Xfcc),
    ];
}

impl Word for SenderConstrained {
    const EXPECTED: &'static str = "optional or required";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("optional", SenderConstrained::Optional),
        ("required", SenderConstrained::Required),
    ];

    fn why_not(_: &str) -> Option<Flaw> {
        Some(
            Flaw::new("is not one of optional, required")
                .hint("required takes bound tokens alone, be it to a key (DPoP) or a certificate"),
        )
    }
}

impl Word for Start {
    const EXPECTED: &'static str = "required or lazy";
    const WORDS: &'static [(&'static str, Self)] =
        &[("required", Start::Required), ("lazy", Start::Lazy)];
}

impl Word for AudienceClaim {
    const EXPECTED: &'static str = "aud or client_id";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("aud", AudienceClaim::Aud),
        ("client_id", AudienceClaim::ClientId),
    ];
}

impl Word for TokenType {
    const EXPECTED: &'static str = "a token type like at+jwt";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("at+jwt", TokenType::AtJwt),
        ("application/at+jwt", TokenType::AtJwt),
        ("JWT", TokenType::Jwt),
        ("absent", TokenType::Absent),
    ];
}

impl Word for Transport {
    const EXPECTED: &'static str = "one of mcp, sse, http";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("mcp", Transport::Mcp),
        ("sse", Transport::Sse),
        ("http", Transport::Http),
    ];
}

impl Word for Algorithm {
    const EXPECTED: &'static str = "an algorithm like RS256";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("RS256", Algorithm::Rs256),
        ("RS384", Algorithm::Rs384),
        ("RS512", Algorithm::Rs512),
        ("PS256", Algorithm::Ps256),
        ("PS384", Algorithm::Ps384),
        ("PS512", Algorithm::Ps512),
        ("ES256", Algorithm::Es256),
        ("ES384", Algorithm::Es384),
        ("EdDSA", Algorithm::EdDsa),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        if text
            .get(..2)
            .is_some_and(|family| family.eq_ignore_ascii_case("HS"))
        {
            return Some(
                Flaw::new("is refused: with a shared secret, whoever can check a token can also make one, and a published key would be the secret")
                    .hint("name what the provider signs with: RS256, ES256, …; tokens signed with a secret are for the kind shared_secret"),
            );
        }
        text.eq_ignore_ascii_case("none").then(|| {
            Flaw::new("is refused: a token without a signature can be made by anyone")
                .hint("name what the provider signs with: RS256, ES256, …")
        })
    }
}

impl Word for Hmac {
    const EXPECTED: &'static str = "one of HS256, HS384, HS512";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("HS256", Hmac::Hs256),
        ("HS384", Hmac::Hs384),
        ("HS512", Hmac::Hs512),
    ];

    fn why_not(text: &str) -> Option<Flaw> {
        Algorithm::WORDS
            .iter()
            .any(|(word, _)| *word == text)
            .then(|| {
                Flaw::new("is no algorithm of a shared secret")
                    .hint("tokens signed with a private key are for the kind public_key")
            })
    }
}

/// The presets of `identity.headers`.
impl Word for IdentityHeaders {
    const EXPECTED: &'static str = "a preset, or a mapping of headers to claims";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("default", IdentityHeaders::Default),
        ("oauth2-proxy", IdentityHeaders::Oauth2Proxy),
        ("authelia", IdentityHeaders::Authelia),
        ("none", IdentityHeaders::None),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Scalar>(text: &str, reason: &str, hint: Option<&str>) {
        let Err(flaw) = T::read(text) else {
            panic!("{text} was taken")
        };
        assert_eq!(
            (flaw.reason.as_str(), flaw.hint.as_deref()),
            (reason, hint),
            "{text}"
        );
    }

    #[test]
    fn s0_1_an_unknown_type_lists_the_four() {
        for (word, value) in [
            ("oauth", AuthType::Oauth),
            ("jwt", AuthType::Jwt),
            ("both", AuthType::Both),
            ("none", AuthType::None),
        ] {
            assert_eq!(AuthType::read(word), Ok(value));
            assert_eq!(value.word(), word);
        }
        check::<AuthType>("basic", "is not one of oauth, jwt, both, none", None);
        check::<AuthType>(
            "OAuth",
            "is not one of oauth, jwt, both, none",
            Some("did you mean `oauth`?"),
        );
    }

    #[test]
    fn s3_10_shared_secrets_and_none_are_refused_as_algorithms() {
        for text in ["HS256", "HS384", "HS512", "hs256"] {
            assert!(
                Algorithm::read(text)
                    .unwrap_err()
                    .reason
                    .contains("shared secret"),
                "{text}"
            );
        }
        for text in ["none", "None", "NONE"] {
            assert!(
                Algorithm::read(text)
                    .unwrap_err()
                    .reason
                    .contains("without a signature"),
                "{text}"
            );
        }
        for text in ["ES512", "ES256K", "RS1", "", "é"] {
            assert!(
                Algorithm::read(text)
                    .unwrap_err()
                    .reason
                    .starts_with("is not one of RS256, "),
                "{text}"
            );
        }
    }

    #[test]
    fn sec_13_token_types() {
        assert_eq!(TokenType::read("application/at+jwt"), Ok(TokenType::AtJwt));
        assert_eq!(TokenType::AtJwt.word(), "at+jwt");
        assert!(TokenType::read("dpop+jwt").is_err());
    }
}
