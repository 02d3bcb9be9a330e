//! The names the gateway answers to (SEC-30).
//!
//! Own origin, resource and audience are computed from this list, never from what a request says; a request only selects an entry.

use std::net::SocketAddr;

use config::{Config, HostPattern, Origin, Scheme};
use http::HeaderValue;

/// The port that need not be spelled out.
fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

/// The same with its colon.
fn default_suffix(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => ":80",
        Scheme::Https => ":443",
    }
}

fn has_port(authority: &str) -> bool {
    authority
        .rsplit(']')
        .next()
        .is_some_and(|behind| behind.contains(':'))
}

/// The host of an authority; an IPv6 address keeps its brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Every name, in the order in which they are compared.
pub(crate) struct Names(Vec<Name>);

/// One name.
pub(crate) struct Name {
    matcher: Matcher,
    scheme: Scheme,
    /// The name as sent in `X-Forwarded-Host`; `None` for a pattern.
    pub(crate) header: Option<HeaderValue>,
    /// `scheme://authority` that resources below this name begin with.
    pub(crate) resource_origin: Box<str>,
    /// Whether `resource_origin` is this very name. Patterns and loopback names beside a public URL borrow the public one.
    pub(crate) own_resource: bool,
    loopback: bool,
}

enum Matcher {
    Exact(Box<str>),
    Pattern(HostPattern),
}

impl Names {
    /// `bound`: the addresses the listeners really have.
    pub(crate) fn of(config: &Config, bound: &[SocketAddr]) -> Self {
        let public = config.server.public_url.as_ref();
        let scheme = public.map_or(Scheme::Https, Origin::scheme);
        let local = if config.server.tls.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let mut names = Self(Vec::new());
        if let Some(origin) = public {
            names.add_exact(origin.authority(), origin.scheme(), None);
        }
        // A public URL that is no loopback name stays the only resource there: tokens for `http://localhost:8080/mcp` are made for
        // any program somebody runs on their own machine.
        let borrowed = public.filter(|origin| !origin.is_loopback());
        for port in bound
            .iter()
            .filter(|address| address.ip().is_loopback())
            .map(SocketAddr::port)
        {
            for host in ["127.0.0.1", "localhost", "[::1]"] {
                let authority = if port == default_port(local) {
                    host.to_owned()
                } else {
                    format!("{host}:{port}")
                };
                names.add_exact(&authority, local, borrowed);
            }
        }
        let fallback = names
            .0
            .first()
            .map(|name| name.resource_origin.clone())
            .unwrap_or_default();
        let patterns = config
            .server
            .allowed_hosts
            .iter()
            .chain(config.routes.iter().filter_map(|route| route.host.as_ref()));
        for pattern in patterns {
            match pattern.exact() {
                Some(authority) => names.add_exact(authority, scheme, None),
                None => names.0.push(Name {
                    matcher: Matcher::Pattern(pattern.clone()),
                    scheme,
                    header: None,
                    resource_origin: fallback.clone(),
                    own_resource: false,
                    loopback: false,
                }),
            }
        }
        names
    }

    fn add_exact(&mut self, authority: &str, scheme: Scheme, borrowed: Option<&Origin>) {
        if self
            .0
            .iter()
            .any(|name| matches!(&name.matcher, Matcher::Exact(known) if **known == *authority))
        {
            return;
        }
        let own = format!("{}://{authority}", scheme.as_str());
        self.0.push(Name {
            matcher: Matcher::Exact(authority.into()),
            scheme,
            header: HeaderValue::from_str(authority).ok(),
            resource_origin: borrowed.map_or(own, Origin::to_string).into(),
            own_resource: borrowed.is_none(),
            loopback: ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
                authority.split(':').next() == Some(host) || authority.starts_with("[::1]")
            }),
        });
    }

    /// The entry that an authority selects; ASCII case does not count, nor does the scheme's own port when it is spelled out.
    pub(crate) fn find(&self, authority: &str) -> Option<usize> {
        self.0.iter().position(|name| name.is(authority))
    }

    /// The authority at which a host, whatever its port, is served; `None` if it is none of ours.
    pub(crate) fn served(&self, host: &str) -> Option<String> {
        self.0.iter().find_map(|name| match &name.matcher {
            Matcher::Exact(known) => without_port(known)
                .eq_ignore_ascii_case(host)
                .then(|| known.to_string()),
            Matcher::Pattern(pattern) => pattern.matches(host).then(|| host.to_ascii_lowercase()),
        })
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Name> {
        self.0.get(index)
    }

    /// Whether a page of this origin (in canonical form) belongs to the name it calls. The loopback names of one port are one host.
    pub(crate) fn is_own_origin(&self, asked: usize, origin: &str, authority: &str) -> bool {
        let Some(asked) = self.0.get(asked) else {
            return false;
        };
        if asked.is_origin(origin, authority) {
            return true;
        }
        let port = |name: &Name| {
            name.authority()
                .and_then(|a| a.rsplit_once(':'))
                .map(|(_, port)| port.to_owned())
        };
        asked.loopback
            && self.0.iter().any(|name| {
                name.loopback && port(name) == port(asked) && name.is_origin(origin, authority)
            })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }
}

impl Name {
    fn is(&self, authority: &str) -> bool {
        match &self.matcher {
            Matcher::Exact(known) => {
                known.eq_ignore_ascii_case(authority)
                    || authority
                        .strip_suffix(default_suffix(self.scheme))
                        .is_some_and(|host| known.eq_ignore_ascii_case(host) && !has_port(known))
            }
            Matcher::Pattern(pattern) => pattern.matches(authority),
        }
    }

    /// Whether its URLs begin with https.
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Whether an `Origin` header value is this name itself, given the authority by which it was addressed.
    pub(crate) fn is_origin(&self, origin: &str, authority: &str) -> bool {
        let Some(rest) = origin
            .strip_prefix(self.scheme.as_str())
            .and_then(|rest| rest.strip_prefix("://"))
        else {
            return false;
        };
        match &self.matcher {
            Matcher::Exact(_) => self.is(rest),
            Matcher::Pattern(pattern) => {
                pattern.matches(rest) && rest.eq_ignore_ascii_case(authority)
            }
        }
    }

    /// The exact authority, where there is one.
    pub(crate) fn authority(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Exact(authority) => Some(authority),
            Matcher::Pattern(_) => None,
        }
    }
}
