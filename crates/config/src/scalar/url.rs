//! URLs: issuers, key sets, upstreams, resources, proxies.
//!
//! They are checked and kept as text. A URL type that adds a slash to an issuer makes every token of that issuer foreign (TRAP-1).

use serde_json::{Value, json};

use super::{Scalar, path};
use crate::checked::Upstream;
use crate::origin::Origin;
use crate::problem::Flaw;
use crate::secret::ProxyUrl;

impl Scalar for Origin {
    const EXPECTED: &'static str = "a URL like https://mcp.example.com";

    fn read(text: &str) -> Result<Self, Flaw> {
        not_empty(text)?;
        let (_, rest) = split(text)?;
        Origin::parse(text).map_err(|reason| match rest {
            "" | "/" => reason.into(),
            _ => Flaw::new(reason).hint("the path is a matter of each route"),
        })
    }
}

/// One of `cors.allowed_origins`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AllowedOrigin {
    Any,
    One(Origin),
}

impl Scalar for AllowedOrigin {
    const EXPECTED: &'static str = "an origin like https://inspector.example.com";

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "*" => Ok(AllowedOrigin::Any),
            "null" => Err(Flaw::new(
                "is what any sandboxed page sends, so it names nobody",
            )),
            _ => {
                not_empty(text)?;
                split(text)?;
                Origin::parse(text)
                    .map(AllowedOrigin::One)
                    .map_err(Flaw::new)
            }
        }
    }
}

/// Text of a URL that is kept as it was written, and the origin in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Url {
    pub(crate) text: Box<str>,
    pub(crate) origin: Origin,
}

/// The issuer of tokens: no query, no fragment (RFC 8414 §2), https unless on loopback.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Issuer(pub(crate) Url);

/// Where a key set is fetched (SEC-19).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeysUrl(pub(crate) Url);

/// A resource identifier (RFC 8707 §2).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource(pub(crate) Url);

impl Scalar for Issuer {
    const EXPECTED: &'static str = "a URL like https://login.example.com/";

    fn read(text: &str) -> Result<Self, Flaw> {
        let url = url(text)?;
        if text.contains('?') {
            return Err("has a query".into());
        }
        if text.contains("/.well-known/") {
            return Err(Flaw::new("is the address of a document, not an issuer")
                .hint("leave out everything from /.well-known on"));
        }
        https_or_loopback(
            &url,
            "anyone on the way could replace the keys of a provider reached over http",
        )?;
        Ok(Issuer(url))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Scalar for KeysUrl {
    const EXPECTED: &'static str = "a URL like https://login.example.com/keys";

    fn read(text: &str) -> Result<Self, Flaw> {
        let url = url(text)?;
        https_or_loopback(
            &url,
            "anyone on the way could replace keys that are fetched over http",
        )?;
        Ok(KeysUrl(url))
    }
}

impl Scalar for Resource {
    const EXPECTED: &'static str = "a URL like https://mcp.example.com/mcp";

    fn read(text: &str) -> Result<Self, Flaw> {
        not_empty(text)?;
        url(text).map(Resource).map_err(|flaw| {
            let of_web = ["http://", "https://"].iter().any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
            if of_web {
                flaw
            } else {
                flaw.hint("a resource is the URL that clients type; what a provider writes into `aud` instead (api://…, a client id) belongs into `auth.audiences`")
            }
        })
    }
}

impl Scalar for Upstream {
    const EXPECTED: &'static str = "a URL like http://127.0.0.1:3000/mcp";

    fn read(text: &str) -> Result<Self, Flaw> {
        not_empty(text)?;
        let (origin, rest) = split(text)?;
        if rest.is_empty() {
            return Ok(Upstream { origin, path: None });
        }
        if let Some(flaw) = rest
            .chars()
            .next()
            .filter(|first| *first != '/')
            .map(|_| after_host(rest))
        {
            return Err(flaw);
        }
        path::sound(rest)?;
        Ok(Upstream {
            origin,
            path: Some(rest.into()),
        })
    }
}

impl Scalar for ProxyUrl {
    const EXPECTED: &'static str = "a URL like http://proxy.internal:3128";
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        not_empty(text)?;
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("is not an absolute http or https URL".into());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let sound = |user: &str| {
            !user.is_empty()
                && !user.contains(['/', '?', '#', '@'])
                && user.chars().all(|char| char.is_ascii_graphic())
        };
        if !user.is_none_or(sound) {
            return Err(Flaw::new(
                "has a user name or password with characters that a URL cannot hold",
            )
            .hint("write them percent-encoded"));
        }
        let origin = Origin::parse(&format!("{scheme}://{host}")).map_err(Flaw::new)?;
        Ok(ProxyUrl::new(
            origin.scheme().as_str(),
            user,
            origin.authority(),
        ))
    }
}

/// An absolute http or https URL without user name, password and fragment, made of characters that URLs can hold.
fn url(text: &str) -> Result<Url, Flaw> {
    not_empty(text)?;
    let (origin, rest) = split(text)?;
    if rest.contains('#') {
        return Err("has a fragment".into());
    }
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte);
    if !rest.bytes().all(sound) {
        return Err("has characters that a URL cannot hold".into());
    }
    Ok(Url {
        text: text.into(),
        origin,
    })
}

/// As [`Origin::split`]. A scheme left out is the usual slip, and so is a command where a URL belongs.
fn split(text: &str) -> Result<(Origin, &str), Flaw> {
    Origin::split(text).map_err(|reason| {
        if text.contains("://") {
            Flaw::new(reason)
        } else if text.contains(' ') {
            Flaw::new(reason).hint("a server that speaks stdio needs a bridge to HTTP before it")
        } else {
            Flaw::new(reason).hint("it begins with https:// or http://")
        }
    })
}

fn https_or_loopback(url: &Url, why: &str) -> Result<(), Flaw> {
    if url.origin.scheme() == crate::origin::Scheme::Https || url.origin.is_loopback() {
        return Ok(());
    }
    Err(Flaw::new("is neither https nor on loopback").hint(why))
}

fn not_empty(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        Err("is empty".into())
    } else {
        Ok(())
    }
}

fn after_host(rest: &str) -> Flaw {
    match rest.chars().next() {
        Some('?') => "has a query".into(),
        Some('#') => "has a fragment".into(),
        _ => "has a back-slash".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check<T: Scalar + std::fmt::Debug>(text: &str, expected: Result<(), &str>) {
        let read = T::read(text).map(drop).map_err(|flaw| flaw.reason);
        assert_eq!(read, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn trap_1_an_issuer_is_kept_byte_for_byte() {
        for text in [
            "https://login.example.com",
            "https://login.example.com/",
            "https://Login.Example.com:443/realms/x",
            "http://127.0.0.1:9400",
        ] {
            assert_eq!(&*Issuer::read(text).unwrap().0.text, text);
        }
    }

    #[test]
    fn t_p4_an_issuer_is_a_url() {
        check::<Issuer>("not-a-url", Err("is not an absolute http or https URL"));
        check::<Issuer>("ftp://x", Err("is not an http or https URL"));
        check::<Issuer>("https://x/?a", Err("has a query"));
        check::<Issuer>("https://x/#a", Err("has a fragment"));
        check::<Issuer>(
            "https://x/.well-known/openid-configuration",
            Err("is the address of a document, not an issuer"),
        );
        check::<Issuer>(
            "https://x/{tenantid}/v2.0",
            Err("has characters that a URL cannot hold"),
        );
        check::<Issuer>("https://x/ y", Err("has characters that a URL cannot hold"));
        check::<Issuer>(
            "https://u:p@x/",
            Err("must not contain a user name or password"),
        );
        check::<Issuer>(
            "http://login.example.com",
            Err("is neither https nor on loopback"),
        );
    }

    #[test]
    fn t_p5_an_issuer_is_not_empty() {
        check::<Issuer>("", Err("is empty"));
    }

    #[test]
    fn sec_19_keys_come_over_https_or_loopback() {
        check::<KeysUrl>("https://login.example.com/keys?app=1", Ok(()));
        check::<KeysUrl>("http://localhost:9400/jwks", Ok(()));
        check::<KeysUrl>(
            "http://login.example.com/keys",
            Err("is neither https nor on loopback"),
        );
    }

    #[test]
    fn x19_a_resource_is_a_web_url() {
        check::<Resource>("https://mcp.example.com/mcp?x=1", Ok(()));
        check::<Resource>("https://mcp.example.com/mcp#x", Err("has a fragment"));
        check::<Resource>("api://mcp-server", Err("is not an http or https URL"));
        let hint = Resource::read("api://mcp-server")
            .unwrap_err()
            .hint
            .unwrap();
        assert!(hint.contains("auth.audiences"));
        assert_eq!(Resource::read("https://é").unwrap_err().hint, None);
    }

    #[test]
    fn t_p2_a_resource_is_not_empty() {
        check::<Resource>("", Err("is empty"));
    }

    #[test]
    fn upstreams() {
        let path = |text: &str| Upstream::read(text).unwrap().path;
        assert_eq!(path("http://127.0.0.1:3000"), None);
        assert_eq!(path("http://127.0.0.1:3000/").as_deref(), Some("/"));
        assert_eq!(
            path("https://tools.internal/mcp/").as_deref(),
            Some("/mcp/")
        );
        check::<Upstream>(
            "https://u:p@tools.internal/mcp",
            Err("must not contain a user name or password"),
        );
        check::<Upstream>("https://tools.internal/mcp?x", Err("has a query"));
        check::<Upstream>("https://tools.internal?x", Err("has a query"));
        check::<Upstream>("https://tools.internal#x", Err("has a fragment"));
        check::<Upstream>("https://tools.internal\\x", Err("has a back-slash"));
        check::<Upstream>("https://tools.internal/a/../b", Err("has a dot segment"));
        check::<Upstream>(
            "127.0.0.1:3000",
            Err("is not an absolute http or https URL"),
        );
        check::<Upstream>("", Err("is empty"));
    }

    #[test]
    fn usual_slips_have_a_hint() {
        let hint = |flaw: Flaw| flaw.hint.unwrap();
        let scheme = "it begins with https:// or http://";
        assert_eq!(
            hint(Upstream::read("127.0.0.1:3000/mcp").unwrap_err()),
            scheme
        );
        assert_eq!(hint(Issuer::read("login.example.com").unwrap_err()), scheme);
        assert_eq!(hint(Origin::read("mcp.example.com").unwrap_err()), scheme);
        let path = Origin::read("https://mcp.example.com/mcp").unwrap_err();
        assert_eq!(hint(path), "the path is a matter of each route");
        let command = Upstream::read("npx -y server").unwrap_err();
        assert!(hint(command).contains("stdio"));
    }

    #[test]
    fn origins_for_browsers() {
        check::<AllowedOrigin>("*", Ok(()));
        check::<AllowedOrigin>("https://a.example", Ok(()));
        check::<AllowedOrigin>(
            "null",
            Err("is what any sandboxed page sends, so it names nobody"),
        );
        check::<AllowedOrigin>(
            "https://a.example/x",
            Err("must end after host and port; a path, query or fragment has no place here"),
        );
    }

    #[test]
    fn proxies() {
        let proxy = ProxyUrl::read("http://gate:p%40ss@proxy.internal:3128/").unwrap();
        assert_eq!(proxy.expose(), "http://gate:p%40ss@proxy.internal:3128");
        check::<ProxyUrl>(
            "http://a b@proxy",
            Err("has a user name or password with characters that a URL cannot hold"),
        );
        check::<ProxyUrl>("socks5://proxy", Err("is not an http or https URL"));
        check::<ProxyUrl>("proxy:3128", Err("is not an absolute http or https URL"));
        check::<ProxyUrl>(
            "http://proxy/path",
            Err("must end after host and port; a path, query or fragment has no place here"),
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*", tail in ".*") {
            for text in [text, format!("https://a{tail}"), format!("http://a/{tail}")] {
                let _ = (Issuer::read(&text), KeysUrl::read(&text), Resource::read(&text));
                let _ = (Upstream::read(&text), ProxyUrl::read(&text), AllowedOrigin::read(&text));
            }
        }
    }
}
