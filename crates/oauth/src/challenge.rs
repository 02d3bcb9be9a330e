//! The `WWW-Authenticate` challenges `Bearer` (RFC 6750 section 3, RFC 9728 section 5.1) and `DPoP` (RFC 9449 section 7.1).

use std::fmt;

use crate::error::ErrorCode;
use crate::scope::{self, Scopes};

/// What a refused client is told.
///
/// Displayed, it is the value of the header. Whatever the parts hold, only characters that are legal in their place come
/// out, and each attribute at most once (ERR-7, S3-22). A request without credentials gets no `error` (ERR-3): leave it `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Challenge<'a> {
    /// How the token should be, or was, presented.
    pub scheme: Scheme<'a>,
    /// What went wrong, in the one word clients act on.
    pub error: Option<ErrorCode>,
    /// What went wrong, for a person.
    pub description: Option<&'a str>,
    /// All scopes that the request needs.
    pub scope: Option<&'a Scopes>,
    /// Where the document of the protected resource lies.
    pub resource_metadata: Option<&'a str>,
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, Default)]
pub enum Scheme<'a> {
    #[default]
    Bearer,
    /// With a proof signed by one of these algorithms, separated by spaces.
    Dpop { algorithms: &'a str },
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = " ";
        match self.scheme {
            Scheme::Bearer => f.write_str("Bearer")?,
            Scheme::Dpop { algorithms } => {
                write!(f, "DPoP algs=\"{}\"", Description(algorithms))?;
                separator = ", ";
            }
        }
        if let Some(error) = self.error {
            write!(f, "{separator}error=\"{error}\"")?;
            separator = ", ";
        }
        if let Some(description) = self.description {
            write!(
                f,
                "{separator}error_description=\"{}\"",
                Description(description)
            )?;
            separator = ", ";
        }
        if let Some(scopes) = self
            .scope
            .filter(|scopes| scopes.published().next().is_some())
        {
            write!(f, "{separator}scope=\"{}\"", Published(scopes))?;
            separator = ", ";
        }
        if let Some(url) = self.resource_metadata {
            write!(f, "{separator}resource_metadata=\"{}\"", Url(url))?;
        }
        Ok(())
    }
}

/// The scopes a challenge may name (PRM-8).
struct Published<'a>(&'a Scopes);

impl fmt::Display for Published<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scope::write_joined(f, self.0.published())
    }
}

/// The challenge where keys of the operator's are taken in a header of their own. No standard knows it: it has the form of RFC 9110
/// section 11.3, and tells a person what is missing.
#[derive(Clone, Copy, Debug)]
pub struct ApiKey<'a> {
    /// A URL: what the key is for.
    pub realm: &'a str,
    /// Where it belongs.
    pub header: &'a str,
}

impl fmt::Display for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (realm, header) = (Url(self.realm), Description(self.header));
        write!(f, "ApiKey realm=\"{realm}\", header=\"{header}\"")
    }
}

/// Text inside the quotes of `error_description`: quote and backslash are not even legal there escaped.
struct Description<'a>(&'a str);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            f.write_char(match c {
                '"' => '\'',
                '\\' => '/',
                ' '..='~' => c,
                c if c.is_whitespace() || c.is_control() => ' ',
                _ => '?',
            })?;
        }
        Ok(())
    }
}

/// A URL inside quotes: what may not stand there is percent-encoded, which a URL that was one never needs.
struct Url<'a>(&'a str);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' | ..=b' ' | 0x7F.. => write!(f, "%{byte:02X}")?,
                _ => f.write_char(char::from(byte))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

    fn described(description: &str) -> String {
        Challenge {
            description: Some(description),
            ..Challenge::default()
        }
        .to_string()
    }

    #[test]
    fn err_6_everything_at_once() {
        let scopes = Scopes::parse("mcp:read mcp:call").unwrap();
        let challenge = Challenge {
            scheme: Scheme::Bearer,
            error: Some(ErrorCode::InsufficientScope),
            description: Some("this needs more"),
            scope: Some(&scopes),
            resource_metadata: Some(METADATA),
        };
        assert_eq!(
            challenge.to_string(),
            "Bearer error=\"insufficient_scope\", error_description=\"this needs more\", scope=\"mcp:call mcp:read\", \
             resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn s3_43_a_key_is_asked_for_by_its_header() {
        let challenge = ApiKey {
            realm: "https://mcp.example.com/mcp",
            header: "X-API-Key",
        };
        assert_eq!(
            challenge.to_string(),
            "ApiKey realm=\"https://mcp.example.com/mcp\", header=\"X-API-Key\""
        );
    }

    #[test]
    fn r9449_a_challenge_for_proofs_names_their_algorithms() {
        let challenge = Challenge {
            scheme: Scheme::Dpop {
                algorithms: "ES256 EdDSA",
            },
            error: Some(ErrorCode::UseDpopNonce),
            resource_metadata: Some(METADATA),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.to_string(),
            format!(
                "DPoP algs=\"ES256 EdDSA\", error=\"use_dpop_nonce\", resource_metadata=\"{METADATA}\""
            )
        );
        let plain = Challenge {
            error: None,
            resource_metadata: None,
            ..challenge
        };
        assert_eq!(plain.to_string(), "DPoP algs=\"ES256 EdDSA\"");
    }

    #[test]
    fn err_3_without_credentials_there_is_no_error() {
        let challenge = Challenge {
            resource_metadata: Some(METADATA),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.to_string(),
            format!("Bearer resource_metadata=\"{METADATA}\"")
        );
        assert_eq!(Challenge::default().to_string(), "Bearer");
    }

    #[test]
    fn prm_8_offline_access_is_never_challenged() {
        let both = Scopes::parse("mcp offline_access").unwrap();
        let alone = Scopes::parse("offline_access").unwrap();
        let shown = |scopes| {
            Challenge {
                scope: Some(scopes),
                ..Challenge::default()
            }
            .to_string()
        };
        assert_eq!(shown(&both), "Bearer scope=\"mcp\"");
        assert_eq!(shown(&alone), "Bearer");
        assert_eq!(shown(&Scopes::default()), "Bearer");
    }

    #[test]
    fn s3_22_a_description_cannot_break_the_header() {
        assert_eq!(
            described("say \"no\""),
            "Bearer error_description=\"say 'no'\""
        );
        assert_eq!(described("a\\\"b"), "Bearer error_description=\"a/'b\"");
        assert_eq!(
            described("a\r\nSet-Cookie: x=1"),
            "Bearer error_description=\"a  Set-Cookie: x=1\""
        );
        assert_eq!(
            described("abgelaufen – später"),
            "Bearer error_description=\"abgelaufen ? sp?ter\""
        );
        assert_eq!(
            described("a\0b\u{85}c\u{7f}"),
            "Bearer error_description=\"a b c \""
        );
    }

    #[test]
    fn err_7_a_url_cannot_break_the_header() {
        let challenge = Challenge {
            resource_metadata: Some("https://x/\" ,error=\"é\n"),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.to_string(),
            "Bearer resource_metadata=\"https://x/%22%20,error=%22%C3%A9%0A\""
        );
    }

    /// A reader of its own, so that the property does not lean on the code under test: attributes of a Bearer challenge, or
    /// `None` where RFC 6750 and RFC 9110 allow no such text.
    fn attributes(text: &str) -> Option<Vec<(String, String)>> {
        let mut rest = text.strip_prefix("Bearer")?;
        let mut found = Vec::new();
        while !rest.is_empty() {
            rest = rest.strip_prefix(if found.is_empty() { " " } else { ", " })?;
            let (name, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                return None;
            }
            if !value
                .bytes()
                .all(|b| matches!(b, 0x20..=0x7E) && b != b'\\')
            {
                return None;
            }
            found.push((name.to_owned(), value.to_owned()));
            rest = after;
        }
        Some(found)
    }

    proptest! {
        #[test]
        fn err_7_only_legal_characters_come_out_and_each_attribute_once(
            description in proptest::option::of(any::<String>()),
            url in proptest::option::of(any::<String>()),
            scope in "[!#-\\[\\]-~]{1,8}( [!#-\\[\\]-~]{1,8}){0,4}",
            with_error in any::<bool>(),
        ) {
            let scopes = Scopes::parse(&scope).unwrap();
            let challenge = Challenge {
                scheme: Scheme::Bearer,
                error: with_error.then_some(ErrorCode::InvalidToken),
                description: description.as_deref(),
                scope: Some(&scopes),
                resource_metadata: url.as_deref(),
            };
            let text = challenge.to_string();
            let found = attributes(&text).ok_or_else(|| TestCaseError::fail(text.clone()))?;
            let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
            let mut expected = Vec::new();
            if with_error { expected.push("error"); }
            if description.is_some() { expected.push("error_description"); }
            expected.push("scope");
            if url.is_some() { expected.push("resource_metadata"); }
            prop_assert_eq!(names, expected);
        }

        #[test]
        fn s3_22_a_legal_description_is_left_alone(description in "[ !#-\\[\\]-~]{0,80}") {
            prop_assert_eq!(described(&description), format!("Bearer error_description=\"{description}\""));
        }
    }
}
