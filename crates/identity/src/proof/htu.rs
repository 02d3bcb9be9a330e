//! Whether a proof is for this URL: `htu` of RFC 9449 section 4.3, after the normalisation of RFC 3986 sections 6.2.2 and 6.2.3.
//!
//! Case of scheme and host, the default port, and escapes of characters that need none are one and the same. Dot segments are not
//! resolved: no request with them comes so far, so no proof for one is any good. Query and fragment are left out of the comparison.

/// The URL of a request, as clients know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'r> {
    pub(crate) secure: bool,
    pub(crate) authority: &'r str,
    pub(crate) path: &'r str,
}

impl Target<'_> {
    /// Whether `htu` names this URL. Compares and keeps nothing.
    pub(crate) fn is(&self, htu: &str) -> bool {
        let (scheme, port) = if self.secure {
            ("https", "443")
        } else {
            ("http", "80")
        };
        let Some((found, rest)) = htu.split_once("://") else {
            return false;
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, _) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        found.eq_ignore_ascii_case(scheme)
            && is_authority(authority, self.authority, port)
            && is_path(path, self.path)
    }
}

/// Host and port. User information is part of neither, and makes the two differ.
fn is_authority(one: &str, other: &str, default: &str) -> bool {
    let (host, port) = split(one);
    let (other_host, other_port) = split(other);
    let port_of = |port: Option<&str>| match port {
        None | Some("") => default.to_owned(),
        Some(port) => port.to_owned(),
    };
    !host.is_empty()
        && host.eq_ignore_ascii_case(other_host)
        && port_of(port) == port_of(other_port)
}

/// The colons of an IPv6 address are no beginning of a port.
fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_path(one: &str, other: &str) -> bool {
    fn whole(path: &str) -> &str {
        if path.is_empty() { "/" } else { path }
    }
    normal(whole(one)).eq(normal(whole(other)))
}

/// A character of a path, whatever way it is written.
#[derive(PartialEq, Eq)]
enum Character {
    Plain(u8),
    /// One that has to be escaped, or may mean something else unescaped.
    Escaped(u8),
}

fn normal(path: &str) -> impl Iterator<Item = Character> {
    let mut rest = path.as_bytes();
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        rest = after;
        if first != b'%' {
            return Some(Character::Plain(first));
        }
        let [high, low, behind @ ..] = after else {
            return Some(Character::Plain(first));
        };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Some(Character::Plain(first));
        };
        rest = behind;
        let byte = u8::try_from(high * 16 + low).ok()?;
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        Some(if unreserved {
            Character::Plain(byte)
        } else {
            Character::Escaped(byte)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HTTPS: Target<'static> = Target {
        secure: true,
        authority: "mcp.example.com",
        path: "/mcp",
    };

    #[track_caller]
    fn same(target: Target<'_>, htu: &str) {
        assert!(target.is(htu), "{htu}");
    }

    #[track_caller]
    fn differs(target: Target<'_>, htu: &str) {
        assert!(!target.is(htu), "{htu}");
    }

    #[test]
    fn r9449_htu_is_compared_after_normalisation() {
        same(HTTPS, "https://mcp.example.com/mcp");
        same(HTTPS, "HTTPS://MCP.Example.COM/mcp");
        same(HTTPS, "https://mcp.example.com:443/mcp");
        same(HTTPS, "https://mcp.example.com:/mcp");
        same(HTTPS, "https://mcp.example.com/%6Dcp");
        same(HTTPS, "https://mcp.example.com/%6dcp");
        let port = Target {
            secure: false,
            authority: "LOCALHOST:8080",
            path: "/",
        };
        same(port, "http://localhost:8080/");
        same(port, "http://localhost:8080");
        let default = Target {
            secure: false,
            authority: "[::1]:80",
            path: "/a%2fb",
        };
        same(default, "http://[::1]/a%2Fb");
    }

    #[test]
    fn r9449_query_and_fragment_do_not_count() {
        same(HTTPS, "https://mcp.example.com/mcp?x=/y");
        same(HTTPS, "https://mcp.example.com/mcp#x?y");
        let root = Target { path: "/", ..HTTPS };
        same(root, "https://mcp.example.com?x=1");
    }

    #[test]
    fn ext_dp_3_r9449_what_names_another_url_differs() {
        for htu in [
            "",
            "/mcp",
            "mcp.example.com/mcp",
            "//mcp.example.com/mcp",
            "https:/mcp.example.com/mcp",
            "https:///mcp",
            "http://mcp.example.com/mcp",
            "http://mcp.example.com:443/mcp",
            "https://mcp.example.com:80/mcp",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com:0443/mcp",
            "https://mcp.example.com:443:443/mcp",
            "https://mcp.example.com.evil.example/mcp",
            "https://mcp.example.com./mcp",
            "https://mcp.example.com@evil.example/mcp",
            "https://user@mcp.example.com/mcp",
            "https://mcp.example.com\\@evil.example/mcp",
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/mcp/x",
            "https://mcp.example.com//mcp",
            "https://mcp.example.com/x/../mcp",
            "https://mcp.example.com/./mcp",
            "https://mcp.example.com/mcp;x",
            "https://mcp.example.com/mcp%3Fx=1",
            "https://mcp.example.com/mcp%00",
            "https://mcp.example.com/mcp ",
            " https://mcp.example.com/mcp",
        ] {
            differs(HTTPS, htu);
        }
        let escaped = Target {
            path: "/a%2Fb",
            ..HTTPS
        };
        differs(escaped, "https://mcp.example.com/a/b");
        let broken = Target {
            path: "/a%2",
            ..HTTPS
        };
        same(broken, "https://mcp.example.com/a%2");
        differs(broken, "https://mcp.example.com/a%02");
    }

    proptest! {
        #[test]
        fn r9449_a_url_is_itself_in_every_spelling(
            secure in any::<bool>(),
            host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}",
            port in proptest::option::of(1_u16..),
            path in "(/[a-zA-Z0-9._~-]{0,6}){1,4}",
            query in proptest::option::of("[a-z=&/?]{0,8}"),
            upper in any::<bool>(),
            escaped in any::<bool>(),
        ) {
            let default = if secure { 443 } else { 80 };
            let authority = port.map_or(host.clone(), |port| format!("{host}:{port}"));
            let target = Target { secure, authority: &authority, path: &path };
            let mut start = format!("{}://{host}:{}", if secure { "https" } else { "http" }, port.unwrap_or(default));
            if upper { start = start.to_uppercase(); }
            let spelled: String = if escaped {
                path.bytes().map(|byte| if byte == b'/' { "/".into() } else { format!("%{byte:02x}") }).collect()
            } else {
                path.clone()
            };
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let htu = format!("{start}{spelled}{query}");
            prop_assert!(target.is(&htu), "{htu}");
        }

        #[test]
        fn ext_dp_3_another_host_port_path_or_scheme_is_never_taken_for_it(
            host in "[a-z]{1,4}\\.[a-z]{2}", other in "[a-z]{1,4}\\.[a-z]{2}",
            port in 1_u16.., other_port in 1_u16..,
            path in "/[a-z/]{0,4}", other_path in "/[a-z/]{0,4}",
            secure in any::<bool>(), other_secure in any::<bool>(),
        ) {
            let authority = format!("{host}:{port}");
            let target = Target { secure, authority: &authority, path: &path };
            let scheme = if other_secure { "https" } else { "http" };
            let is_same = (secure, &host, port, &path) == (other_secure, &other, other_port, &other_path);
            prop_assert_eq!(target.is(&format!("{scheme}://{other}:{other_port}{other_path}")), is_same);
        }

        #[test]
        fn no_text_is_too_odd(htu in any::<String>(), authority in any::<String>(), path in any::<String>()) {
            let _compared = Target { secure: true, authority: &authority, path: &path }.is(&htu);
        }
    }
}
