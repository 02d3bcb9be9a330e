//! `host` and `host:port` as they stand in URLs and in the `Host` header.
//!
//! Read by hand and not by a URL type: those repair what they read (`127.1`, `0x7f.1`, back-slashes, blanks), and a name that has
//! been repaired is not the name the operator wrote.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host name or address, lower-cased, without brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    /// As it stands in a URL: an IPv6 address in brackets.
    pub(crate) fn in_url(&self) -> String {
        match self {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => format!("[{address}]"),
        }
    }

    /// Without brackets, as a resolver takes it.
    pub(crate) fn bare(&self) -> String {
        match self {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        }
    }
}

/// `host` or `host:port`.
pub(crate) fn join(host: &str, port: Option<u16>) -> String {
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Reads `host`, `host:port`, `[v6]` and `[v6]:port`. The reason never repeats what was read.
pub(crate) fn read(text: &str) -> Result<(Host, Option<u16>), String> {
    if text.is_empty() {
        return Err("has no host".to_owned());
    }
    if text.contains('@') {
        return Err("must not contain a user name or password".to_owned());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return Err("has an IPv6 address without its closing bracket".to_owned());
        };
        let address = inside
            .parse::<Ipv6Addr>()
            .map_err(|_| "has brackets around something that is not an IPv6 address".to_owned())?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if after.is_empty() => None,
            None => {
                return Err("has something other than a port after the closing bracket".to_owned());
            }
        };
        return Ok((Host::V6(address), port));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((read_host(host)?, Some(read_port(port)?))),
        Some(_) => Err("has more than one colon; an IPv6 address stands in brackets".to_owned()),
        None => Ok((read_host(text)?, None)),
    }
}

fn read_port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err("has a port that is not a number from 1 to 65535".to_owned()),
    }
}

/// A name by RFC 1123, plus `_`, which internal names do use.
fn read_host(text: &str) -> Result<Host, String> {
    if text.is_empty() {
        return Err("has no host".to_owned());
    }
    if !text.is_ascii() {
        return Err("has a host outside ASCII; write it in its xn-- form".to_owned());
    }
    if text.len() > 253 {
        return Err("has a host longer than 253 characters".to_owned());
    }
    for label in text.split('.') {
        let sound = !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-');
        if !sound {
            return Err("has a host that is not a name or an address".to_owned());
        }
    }
    // `127.1` and `0x7f.1` are addresses to some readers and names to others: only the four-part form is taken.
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.starts_with("0x")
        || last.starts_with("0X");
    if numeric {
        return text
            .parse::<Ipv4Addr>()
            .map(Host::V4)
            .map_err(|_| "has a host that is neither a name nor a whole IPv4 address".to_owned());
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match read(text) {
            Ok((host, port)) => format!("{} {port:?}", host.in_url()),
            Err(reason) => format!("! {reason}"),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn names_and_addresses() {
        check("Example.COM", "example.com None");
        check("example.com:8443", "example.com Some(8443)");
        check("my_service:80", "my_service Some(80)");
        check("127.0.0.1:9", "127.0.0.1 Some(9)");
        check("[::1]", "[::1] None");
        check("[0:0:0:0:0:0:0:1]:443", "[::1] Some(443)");
    }

    #[test]
    fn what_other_readers_would_repair_is_refused() {
        check(
            "127.1",
            "! has a host that is neither a name nor a whole IPv4 address",
        );
        check(
            "2130706433",
            "! has a host that is neither a name nor a whole IPv4 address",
        );
        check(
            "a.0x7f",
            "! has a host that is neither a name nor a whole IPv4 address",
        );
        check("a b", "! has a host that is not a name or an address");
        check("a..b", "! has a host that is not a name or an address");
        check("a.", "! has a host that is not a name or an address");
        check("-a", "! has a host that is not a name or an address");
        check(
            "exämple.com",
            "! has a host outside ASCII; write it in its xn-- form",
        );
        check(
            "::1",
            "! has more than one colon; an IPv6 address stands in brackets",
        );
        check("[::1", "! has an IPv6 address without its closing bracket");
        check(
            "[x]",
            "! has brackets around something that is not an IPv6 address",
        );
        check(
            "[::1]x",
            "! has something other than a port after the closing bracket",
        );
        check("u:p@h", "! must not contain a user name or password");
        check("h:", "! has a port that is not a number from 1 to 65535");
        check("h:0", "! has a port that is not a number from 1 to 65535");
        check(
            "h:65536",
            "! has a port that is not a number from 1 to 65535",
        );
        check("h:+1", "! has a port that is not a number from 1 to 65535");
        check("", "! has no host");
        check(":1", "! has no host");
    }
}
