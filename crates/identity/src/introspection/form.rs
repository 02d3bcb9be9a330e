//! Whether a token says itself who issued it (SEC-17).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::json;

/// Reads whatever anybody might read as base64url: what is not canonical is no reason to take a JWT for something else.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token as somebody sees it who has no key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// It means something to its provider alone. An encrypted token (JWE) is one of these.
    Opaque,
    /// Three parts, the first of them an object: a JWT, and whom it names as its issuer, if that can be read.
    Jwt(Option<Box<str>>),
}

impl Form {
    pub(crate) fn of(token: &str) -> Self {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Self::Opaque;
        };
        let decoded = LENIENT.decode(header).unwrap_or_default();
        if !decoded.trim_ascii_start().starts_with(b"{") {
            return Self::Opaque;
        }
        let claims = LENIENT.decode(claims).unwrap_or_default();
        let issuer = match json::object(&claims) {
            Ok(claims) => claims.get("iss").and_then(Value::as_str).map(Box::from),
            Err(_) => None,
        };
        Self::Jwt(issuer)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let text = |part: &str| URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.{}", text(header), text(claims), text("signature"))
    }

    #[test]
    fn sec_17_what_says_itself_who_issued_it() {
        let claims = r#"{"iss":"https://issuer.example"}"#;
        let named = Form::Jwt(Some("https://issuer.example".into()));
        for header in [
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"none"}"#,
            " {",
            "{}",
            "{\"a\":1,\"a\":2}",
        ] {
            assert_eq!(Form::of(&token(header, claims)), named, "{header}");
        }
        // an empty signature, and stray bits in the last character
        assert_eq!(
            Form::of(&token("{}", claims).replace(&URL_SAFE_NO_PAD.encode("signature"), "")),
            named
        );
        assert_eq!(
            Form::of(&token("{}", claims).replacen("e30", "e31", 1)),
            named
        );
    }

    #[test]
    fn sec_17_a_jwt_whose_issuer_cannot_be_read_is_a_jwt_all_the_same() {
        for claims in [
            "",
            "{}",
            r#"{"iss":1}"#,
            r#"{"iss":"a","iss":"b"}"#,
            "[]",
            "x",
        ] {
            assert_eq!(Form::of(&token("{}", claims)), Form::Jwt(None), "{claims}");
        }
    }

    #[test]
    fn everything_else_is_opaque() {
        let jwe = format!("{}.a.b", token(r#"{"enc":"A256GCM"}"#, "x"));
        for opaque in [
            "abc",
            "a.b",
            "a.b.c",
            "ya29.a0.x",
            &jwe,
            "..",
            "",
            "W10.e30.x",
        ] {
            assert_eq!(Form::of(opaque), Form::Opaque, "{opaque}");
        }
    }
}
