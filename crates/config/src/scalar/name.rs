//! Names: of headers, scopes, audiences, files, and the operator's own.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Scalar;
use crate::claim_path::ClaimPath;
use crate::host::HostPattern;
use crate::problem::Flaw;

impl Scalar for SocketAddr {
    const EXPECTED: &'static str = "an address and port like 127.0.0.1:8080";

    fn read(text: &str) -> Result<Self, Flaw> {
        text.parse().map_err(|_| {
            let flaw = Flaw::new("is not an address and port");
            if text.starts_with("localhost:") {
                flaw.hint("names are not looked up here; write 127.0.0.1 or [::1]")
            } else if text.starts_with(':') || text.bytes().all(|byte| byte.is_ascii_digit()) {
                flaw.hint("127.0.0.1:8080 is this machine alone, 0.0.0.0:8080 every interface")
            } else {
                flaw.hint("it is written 127.0.0.1:8080 or [::1]:8080")
            }
        })
    }
}

impl Scalar for HostPattern {
    const EXPECTED: &'static str = "a host name like mcp.example.com";

    fn read(text: &str) -> Result<Self, Flaw> {
        HostPattern::parse(text).map_err(Flaw::new)
    }
}

impl Scalar for ClaimPath {
    const EXPECTED: &'static str = "the name of a claim";

    fn read(text: &str) -> Result<Self, Flaw> {
        ClaimPath::parse(text).map_err(Flaw::new)
    }
}

/// One scope (RFC 6749 §3.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope(pub(crate) Box<str>);

impl Scalar for Scope {
    const EXPECTED: &'static str = "a scope like mcp:read";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.contains(' ') {
            return Err(Flaw::new("has a blank in it").hint("one scope for each list element"));
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        {
            return Err(Flaw::new(
                "has characters that a scope cannot hold (RFC 6749 §3.3)",
            ));
        }
        Ok(Scope(text.into()))
    }
}

/// A value that `aud` must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Audience(pub(crate) Box<str>);

impl Scalar for Audience {
    const EXPECTED: &'static str = "an audience like https://mcp.example.com/mcp";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("is empty").hint(
                "an audience is never unchecked; leave the key out and it is the route's own URL",
            ));
        }
        if matches!(text, "any" | "*") {
            return Err(Flaw::new(
                "is not an audience: it is compared as a whole, and never left unchecked",
            )
            .hint("name what the provider writes into `aud` for this server"));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err("has blanks around it or control characters in it".into());
        }
        Ok(Audience(text.into()))
    }
}

/// The name of a header, lower-cased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeaderName(pub(crate) Box<str>);

impl Scalar for HeaderName {
    const EXPECTED: &'static str = "the name of a header";

    fn read(text: &str) -> Result<Self, Flaw> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(token) {
            return Err("is not the name of a header".into());
        }
        Ok(HeaderName(text.to_ascii_lowercase().into()))
    }
}

/// A file by its path. Whether it can be read is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Scalar for FilePath {
    const EXPECTED: &'static str = "the path of a file";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() || text.contains('\0') {
            return Err("is not the path of a file".into());
        }
        Ok(FilePath(text.into()))
    }
}

/// A name that stands somewhere else in the file, or in a list of ours: it is looked up there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference(pub(crate) Box<str>);

impl Scalar for Reference {
    const EXPECTED: &'static str = "a name";

    fn read(text: &str) -> Result<Self, Flaw> {
        Ok(Reference(text.into()))
    }
}

/// Something that others have named: taken byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identifier(pub(crate) Box<str>);

impl Scalar for Identifier {
    const EXPECTED: &'static str = "text";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        Ok(Identifier(text.into()))
    }
}

/// How a route is called in logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteName(pub(crate) Box<str>);

impl Scalar for RouteName {
    const EXPECTED: &'static str = "a name";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty()
            || text.len() > 128
            || text.trim() != text
            || text.chars().any(char::is_control)
        {
            return Err("is not a name of 1 to 128 characters without blanks around it".into());
        }
        Ok(RouteName(text.into()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": 128 })
    }
}

/// What authenticators may be called: it becomes a metric label and a word in log lines.
pub(crate) fn is_authenticator_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Headers that no identity may be written into: they frame the message, carry credentials, belong to MCP, or are set by us.
const NOT_FOR_IDENTITY: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Why an identity may not be written into this header.
pub(crate) fn not_for_identity(name: &HeaderName) -> Option<Flaw> {
    if means_something(name) {
        return Some("is a header with a meaning of its own".into());
    }
    if name.0.contains('_') {
        return Some(Flaw::new("has a `_`, which servers cannot tell from `-`").hint("write `-`"));
    }
    None
}

/// Whether a header is there for something else already.
pub(crate) fn means_something(name: &HeaderName) -> bool {
    NOT_FOR_IDENTITY.contains(&&*name.0)
}

/// Headers without which a message has no end or no addressee.
pub(crate) fn must_stay(name: &HeaderName) -> bool {
    matches!(&*name.0, "host" | "content-length" | "transfer-encoding")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused<T: Scalar + std::fmt::Debug>(text: &str, reason: &str) {
        assert_eq!(T::read(text).unwrap_err().reason, reason, "{text}");
    }

    #[test]
    fn addresses() {
        assert_eq!(SocketAddr::read("[::1]:0").unwrap().to_string(), "[::1]:0");
        for (text, word) in [
            ("localhost:80", "names"),
            (":8080", "0.0.0.0"),
            ("8080", "0.0.0.0"),
            ("x", "written"),
        ] {
            let flaw = SocketAddr::read(text).unwrap_err();
            assert!(flaw.hint.unwrap().contains(word), "{text}");
        }
    }

    #[test]
    fn scopes() {
        assert_eq!(&*Scope::read("mcp:read/a.b").unwrap().0, "mcp:read/a.b");
        refused::<Scope>("", "is empty");
        refused::<Scope>("a b", "has a blank in it");
        for text in ["a\"b", "a\\b", "é", "a\tb"] {
            refused::<Scope>(
                text,
                "has characters that a scope cannot hold (RFC 6749 §3.3)",
            );
        }
    }

    #[test]
    fn s3_35_an_audience_is_never_unchecked() {
        assert_eq!(
            &*Audience::read("api://mcp-server").unwrap().0,
            "api://mcp-server"
        );
        refused::<Audience>("", "is empty");
        for text in ["any", "*"] {
            refused::<Audience>(
                text,
                "is not an audience: it is compared as a whole, and never left unchecked",
            );
        }
        refused::<Audience>(" a", "has blanks around it or control characters in it");
    }

    #[test]
    fn header_names() {
        let name = HeaderName::read("X-User").unwrap();
        assert_eq!(&*name.0, "x-user");
        assert_eq!(not_for_identity(&name), None);
        for text in [
            "Host",
            "AUTHORIZATION",
            "Cookie",
            "Transfer-Encoding",
            "Mcp-Session-Id",
            "X-Request-Id",
            "x_user",
        ] {
            assert!(
                not_for_identity(&HeaderName::read(text).unwrap()).is_some(),
                "{text}"
            );
        }
        for text in ["", "a b", "a:", "é", "a\r\nb"] {
            refused::<HeaderName>(text, "is not the name of a header");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = (SocketAddr::read(&text), HostPattern::read(&text), ClaimPath::read(&text));
            let _ = (Scope::read(&text), Audience::read(&text), HeaderName::read(&text), RouteName::read(&text));
            is_authenticator_name(&text);
        }
    }
}
