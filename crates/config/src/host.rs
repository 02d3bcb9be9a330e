//! Names the gateway answers to, as patterns over the `Host` header.

use std::fmt;
use std::net::Ipv6Addr;

use crate::authority;

/// `name`, `name:port`, `*.suffix` or `*.suffix:port`. The star stands for exactly one label.
///
/// A pattern without a port is for the default ports: it also matches an explicit `:443` or `:80`, which clients add or drop as
/// they like. For the same reason those two ports are not kept when written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// Lower case, an IPv6 address in brackets; for a wildcard the suffix with its leading dot.
    name: Box<str>,
    port: Option<u16>,
    wildcard: bool,
    /// The whole pattern in its one spelling.
    text: Box<str>,
}

impl HostPattern {
    /// The reason never repeats what was read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.contains('/') {
            return Err("must be a host name, without scheme and path".to_owned());
        }
        let wildcard = text.strip_prefix("*.");
        let rest = wildcard.unwrap_or(text);
        if rest.contains('*') {
            return Err(
                "may have a `*` only as its whole first label, like *.example.com".to_owned(),
            );
        }
        let (host, port) = authority::read(rest)?;
        let port = port.filter(|port| !matches!(port, 80 | 443));
        let (name, wildcard) = match (&host, wildcard) {
            (authority::Host::Name(name), Some(_)) => (format!(".{name}"), true),
            (_, Some(_)) => return Err("cannot have a `*` before an address".to_owned()),
            (host, None) => (host.in_url(), false),
        };
        let star = if wildcard { "*" } else { "" };
        let text = authority::join(&format!("{star}{name}"), port);
        Ok(HostPattern {
            name: name.into(),
            port,
            wildcard,
            text: text.into(),
        })
    }

    /// Whether a `Host` header's value is meant. Letter case does not count.
    pub fn matches(&self, authority: &str) -> bool {
        let Some((host, port)) = split(authority) else {
            return false;
        };
        let port_fits = match (self.port, port) {
            (Some(wanted), Some(port)) => wanted == port,
            (Some(_), None) => false,
            (None, None) => true,
            (None, Some(port)) => matches!(port, 80 | 443),
        };
        port_fits && self.names(host)
    }

    fn names(&self, host: &str) -> bool {
        if self.wildcard {
            let Some(length) = host.len().checked_sub(self.name.len()) else {
                return false;
            };
            let Some((label, suffix)) = host.split_at_checked(length) else {
                return false;
            };
            return suffix.eq_ignore_ascii_case(&self.name)
                && !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        }
        host.eq_ignore_ascii_case(&self.name)
            || matches!((v6(host), v6(&self.name)), (Some(presented), Some(own)) if presented == own)
    }

    /// `name` or `name:port`, unless this is a wildcard.
    pub fn exact(&self) -> Option<&str> {
        (!self.wildcard).then_some(&*self.text)
    }

    /// The pattern as it is written in a file.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Host (brackets kept) and port of a `Host` header's value; `None` if it is not of that form.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let colon = authority
        .get(after_address..)?
        .find(':')
        .map(|at| at + after_address);
    let Some(colon) = colon else {
        return Some((authority, None));
    };
    let (host, port) = authority.split_at_checked(colon)?;
    let port = port.strip_prefix(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((host, Some(port.parse().ok()?)))
}

fn v6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, matched: &[&str], unmatched: &[&str]) {
        let parsed = HostPattern::parse(pattern).unwrap();
        for authority in matched {
            assert!(
                parsed.matches(authority),
                "{pattern} should match {authority}"
            );
        }
        for authority in unmatched {
            assert!(
                !parsed.matches(authority),
                "{pattern} should not match {authority}"
            );
        }
    }

    #[test]
    fn sec_30_an_exact_name() {
        check(
            "MCP.example.com",
            &[
                "mcp.example.com",
                "MCP.EXAMPLE.COM",
                "mcp.example.com:443",
                "mcp.example.com:80",
            ],
            &[
                "example.com",
                "a.mcp.example.com",
                "mcp.example.com:8443",
                "mcp.example.com.",
                "mcp.example.com:",
                "",
                "mcp.example.com:4a3",
            ],
        );
        assert_eq!(
            HostPattern::parse("MCP.example.com").unwrap().exact(),
            Some("mcp.example.com")
        );
    }

    #[test]
    fn sec_30_a_name_with_a_port() {
        check(
            "localhost:8080",
            &["localhost:8080", "LocalHost:8080"],
            &["localhost", "localhost:80", "localhost:08081"],
        );
        check(
            "example.com:443",
            &["example.com", "example.com:443"],
            &["example.com:8443"],
        );
        assert_eq!(
            HostPattern::parse("a:8080").unwrap().exact(),
            Some("a:8080")
        );
        assert_eq!(HostPattern::parse("a:443").unwrap().exact(), Some("a"));
    }

    #[test]
    fn sec_30_a_wildcard_is_one_label() {
        check(
            "*.ngrok-free.app",
            &["abc.ngrok-free.app", "ABC.Ngrok-Free.App:443"],
            &[
                "ngrok-free.app",
                ".ngrok-free.app",
                "a.b.ngrok-free.app",
                "abcngrok-free.app",
                "a/b.ngrok-free.app",
                "é.ngrok-free.app",
                "abc.ngrok-free.app:8080",
            ],
        );
        check(
            "*.example.com:8443",
            &["a.example.com:8443"],
            &["a.example.com", "a.example.com:443"],
        );
        assert_eq!(HostPattern::parse("*.example.com").unwrap().exact(), None);
    }

    #[test]
    fn sec_30_addresses() {
        check(
            "127.0.0.1:8080",
            &["127.0.0.1:8080"],
            &["127.0.0.1", "127.0.0.2:8080"],
        );
        check(
            "[::1]:8080",
            &["[::1]:8080", "[0:0:0:0:0:0:0:1]:8080"],
            &["[::2]:8080", "::1:8080", "[::1]"],
        );
    }

    #[test]
    fn what_is_not_a_pattern() {
        for text in [
            "",
            "*",
            "*.",
            "a.*.b",
            "*a.b",
            "http://a",
            "a/b",
            "a:b",
            "*.127.0.0.1",
            "*.[::1]",
            "a b",
            "**.a",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_matched_without_panic(text in ".*", authority in ".*") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                pattern.matches(&authority);
            }
            HostPattern::parse("*.b").unwrap().matches(&authority);
        }

        #[test]
        fn what_is_shown_is_read_as_the_same(text in "(\\*\\.)?[a-z0-9]{1,9}(\\.[a-z]{2,5})?(:[0-9]{1,5})?") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(HostPattern::parse(pattern.as_str()), Ok(pattern));
            }
        }
    }
}
