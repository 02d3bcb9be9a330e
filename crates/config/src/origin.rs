//! Scheme, host and port: what browsers and RFC 6454 call an origin.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::authority::{self, Host};

/// The two schemes the gateway speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that is meant when none is written.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// An origin in its one spelling: lower case, the default port left out. Equal origins have equal text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    authority: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `http[s]://host[:port]`, with at most a single `/` behind it. The reason never repeats what was read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (origin, rest) = Self::split(text)?;
        if rest.is_empty() || rest == "/" {
            return Ok(origin);
        }
        Err("must end after host and port; a path, query or fragment has no place here".to_owned())
    }

    /// The origin at the start of a URL, and what follows it untouched: empty, or beginning with `/`, `?` or `#`.
    pub(crate) fn split(text: &str) -> Result<(Self, &str), String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("is not an absolute http or https URL".to_owned());
        };
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return Err("is not an http or https URL".to_owned());
        };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (host, port) = authority::read(authority)?;
        Ok((Self::new(scheme, &host, port), tail))
    }

    fn new(scheme: Scheme, host: &Host, port: Option<u16>) -> Self {
        let port = port.unwrap_or(scheme.default_port());
        let written = (port != scheme.default_port()).then_some(port);
        let authority = authority::join(&host.in_url(), written);
        Origin {
            scheme,
            host: host.bare().into(),
            authority: authority.into(),
            port,
        }
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host` or `host:port`, an IPv6 address in brackets: what a `Host` header says.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name or address alone; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port in effect, written or not.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `localhost`, 127.0.0.0/8 or `::1`. Nothing is resolved.
    pub fn is_loopback(&self) -> bool {
        *self.host == *"localhost"
            || self
                .host
                .parse::<Ipv4Addr>()
                .is_ok_and(|address| address.is_loopback())
            || self
                .host
                .parse::<Ipv6Addr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme.as_str(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match Origin::parse(text) {
            Ok(origin) => format!(
                "{origin} host={} port={} loopback={}",
                origin.host(),
                origin.port(),
                origin.is_loopback()
            ),
            Err(reason) => format!("! {reason}"),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn one_spelling_for_one_origin() {
        check(
            "HTTPS://Mcp.Example.COM:443/",
            "https://mcp.example.com host=mcp.example.com port=443 loopback=false",
        );
        check(
            "http://localhost",
            "http://localhost host=localhost port=80 loopback=true",
        );
        check(
            "http://127.4.5.6:8080",
            "http://127.4.5.6:8080 host=127.4.5.6 port=8080 loopback=true",
        );
        check(
            "http://[0:0::1]:8080",
            "http://[::1]:8080 host=::1 port=8080 loopback=true",
        );
        check("https://h:80", "https://h:80 host=h port=80 loopback=false");
    }

    #[test]
    fn what_is_not_an_origin() {
        check(
            "https://h/mcp",
            "! must end after host and port; a path, query or fragment has no place here",
        );
        check(
            "https://h?x",
            "! must end after host and port; a path, query or fragment has no place here",
        );
        check(
            "https://h\\x",
            "! must end after host and port; a path, query or fragment has no place here",
        );
        check("https://u@h", "! must not contain a user name or password");
        check("ftp://h", "! is not an http or https URL");
        check("null", "! is not an absolute http or https URL");
        check("h:80", "! is not an absolute http or https URL");
        check("https://", "! has no host");
        check(" https://h", "! is not an http or https URL");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = Origin::parse(&text);
        }

        #[test]
        fn what_is_shown_is_read_as_the_same(text in "(?i)https?://([a-z0-9.-]{1,20}|\\[::[0-9a-f]{1,4}\\])(:[0-9]{1,5})?/?") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
            }
        }
    }
}
