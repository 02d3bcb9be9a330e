//! URLs: issuers, key sets, resources, proxies.
//!
//! They are checked and kept as text. A URL type that adds a slash to an issuer makes every token of that issuer foreign (TRAP-1).

use serde_json::{Value, json};

use super::Scalar;
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

/// Where a provider is asked with a secret of ours in hand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EndpointUrl(pub(crate) Url);

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

impl Scalar for EndpointUrl {
    const EXPECTED: &'static str = "a URL like https://login.example.com/introspect";

    fn read(text: &str) -> Result<Self, Flaw> {
        let url = url(text)?;
        https_or_loopback(
            &url,
            "over http anyone on the way could read tokens and the secret, and say yes to any token",
        )?;
        Ok(EndpointUrl(url))
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
pub(super) fn split(text: &str) -> Result<(Origin, &str), Flaw> {
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

pub(super) fn not_empty(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        Err("is empty".into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
