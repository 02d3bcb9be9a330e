//! Who may ask the operator's listener for more than probes and metrics (SEC-79).
//!
//! A browser on the operator's machine can be led here by any page: so the host must be an address of ours or `localhost` (a name
//! that a stranger can point at 127.0.0.1 is neither), a page of another origin is refused, and the token is sent in
//! `Authorization`, which no browser adds by itself. Therefore there is no need of a CSRF token.

use std::net::{IpAddr, SocketAddr};

use config::Secret;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;

/// How the operator came in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// Over the listener with this address.
    Tcp(SocketAddr),
    /// Through a socket that only our own user may open.
    Unix,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no token that anybody could know.
    NoToken,
    Host,
    Origin,
    Credentials,
}

pub(super) fn admit(door: Door, token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Denied> {
    let Door::Tcp(bound) = door else {
        return Ok(()); // no browser opens a file
    };
    let token = token.ok_or(Denied::NoToken)?;
    let host = only(headers, &HOST).ok_or(Denied::Host)?;
    if !is_ours(host, bound.ip()) {
        return Err(Denied::Host);
    }
    if headers.contains_key(ORIGIN)
        && only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://")) != Some(host)
    {
        return Err(Denied::Origin);
    }
    let sent = only(headers, &AUTHORIZATION).and_then(|line| line.split_once(' '));
    match sent {
        Some((scheme, sent))
            if scheme.eq_ignore_ascii_case("bearer")
                && identity::constant_time_eq(sent.as_bytes(), token.expose().as_bytes()) =>
        {
            Ok(())
        }
        _ => Err(Denied::Credentials),
    }
}

/// The value of a header that stands once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    }
}

/// Whether a host is an address of this listener. The port is not compared: a forwarded port is another one.
fn is_ours(host: &str, bound: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback() || bound.is_unspecified() || address == bound)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";

    #[track_caller]
    fn check(lines: &[(&str, &str)], expected: Result<(), Denied>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let door = Door::Tcp("10.0.0.7:9090".parse().unwrap());
        let token = Secret::new(TOKEN);
        assert_eq!(admit(door, Some(&token), &headers), expected, "{lines:?}");
    }

    #[test]
    fn sec_79_nothing_but_the_whole_token_counts() {
        let host = ("host", "localhost:9090");
        let good = format!("Bearer {TOKEN}");
        check(&[host, ("authorization", &good)], Ok(()));
        check(
            &[host, ("authorization", &good.replace("Bearer", "bearer"))],
            Ok(()),
        );
        for bad in [
            TOKEN.to_owned(),
            format!("Basic {TOKEN}"),
            format!("Bearer  {TOKEN}"),
            format!("Bearer {TOKEN} "),
            format!("Bearer {TOKEN}x"),
            format!("Bearer {}", &TOKEN[1..]),
            "Bearer ".to_owned(),
            "Bearer".to_owned(),
        ] {
            check(&[host, ("authorization", &bad)], Err(Denied::Credentials));
        }
        check(&[host], Err(Denied::Credentials));
        let twice = ("authorization", &*good);
        check(&[host, twice, twice], Err(Denied::Credentials));
    }

    #[test]
    fn sec_79_the_host_is_an_address_of_ours_and_no_name_that_leads_here() {
        let good = format!("Bearer {TOKEN}");
        let authorization = ("authorization", &*good);
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:9090",
            "127.0.0.2",
            "[::1]:9090",
            "10.0.0.7:9090",
        ] {
            check(&[("host", host), authorization], Ok(()));
        }
        for host in [
            "rebound.example:9090",
            "localhost.example",
            "10.0.0.8:9090",
            "127.0.0.1.example",
            "",
            "localhost@evil.example",
        ] {
            check(&[("host", host), authorization], Err(Denied::Host));
        }
        check(&[authorization], Err(Denied::Host));
        check(
            &[("host", "localhost"), ("host", "localhost"), authorization],
            Err(Denied::Host),
        );
    }

    #[test]
    fn sec_79_a_page_of_another_origin_is_refused() {
        let good = format!("Bearer {TOKEN}");
        let (host, authorization) = (("host", "localhost:9090"), ("authorization", &*good));
        check(
            &[host, authorization, ("origin", "http://localhost:9090")],
            Ok(()),
        );
        for origin in [
            "http://localhost:3000",
            "https://localhost:9090",
            "https://evil.example",
            "null",
            "",
        ] {
            check(
                &[host, authorization, ("origin", origin)],
                Err(Denied::Origin),
            );
        }
        let same = ("origin", "http://localhost:9090");
        check(&[host, authorization, same, same], Err(Denied::Origin));
    }

    #[test]
    fn sec_79_without_a_token_nobody_may_but_through_the_socket() {
        let headers = HeaderMap::new();
        let tcp = Door::Tcp("127.0.0.1:9090".parse().unwrap());
        assert_eq!(admit(tcp, None, &headers), Err(Denied::NoToken));
        assert_eq!(admit(Door::Unix, None, &headers), Ok(()));
    }
}
