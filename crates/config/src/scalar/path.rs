//! Paths of routes and upstreams (SEC-31).

use crate::problem::Flaw;

use super::Scalar;

/// A route's path: no trailing slash unless it is `/` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoutePath(pub(crate) Box<str>);

impl Scalar for RoutePath {
    const EXPECTED: &'static str = "a path like /mcp";

    fn read(text: &str) -> Result<Self, Flaw> {
        sound(text)?;
        let path = match text.strip_suffix('/') {
            Some("") | None => text,
            Some(path) => path,
        };
        Ok(RoutePath(path.into()))
    }
}

/// Whether a path has one reading only, and that reading is the one that will be compared (SEC-31).
///
/// What has two readings is refused here because every request is: a route that no request can reach helps nobody.
pub(crate) fn sound(path: &str) -> Result<(), Flaw> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err("does not start with `/`".into());
    };
    if let Some(flaw) = path.chars().find_map(foreign) {
        return Err(flaw);
    }
    if path.contains("//") {
        return Err("has an empty segment (`//`)".into());
    }
    for segment in rest.split('/') {
        let decoded = decoded(segment)?;
        // `/a/..;x/b` is a dot segment to servers that cut parameters off.
        let name = decoded
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        if matches!(name, b"." | b"..") {
            return Err("has a dot segment".into());
        }
    }
    Ok(())
}

/// A character that has no place in a path.
fn foreign(char: char) -> Option<Flaw> {
    match char {
        '?' => Some("has a query".into()),
        '#' => Some("has a fragment".into()),
        '\\' => Some("has a back-slash".into()),
        '*' | '{' | '}' => {
            Some(Flaw::new("has a pattern in it").hint(
                "a path is taken as it stands; `subpaths: true` takes the paths below it too",
            ))
        }
        _ if char.is_control() => Some("has a control character".into()),
        _ if !char.is_ascii() => {
            Some(Flaw::new("has a character outside ASCII").hint("write it percent-encoded"))
        }
        ' ' | '"' | '<' | '>' | '^' | '`' | '|' | '[' | ']' => Some(
            Flaw::new("has a character that paths cannot hold").hint("write it percent-encoded"),
        ),
        _ => None,
    }
}

/// A segment's bytes; refuses escapes that are broken or that have a second spelling.
fn decoded(segment: &str) -> Result<Vec<u8>, Flaw> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let value = match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
            (Some(high), Some(low)) => high << 4 | low,
            _ => {
                return Err(Flaw::new(
                    "has a `%` without two upper-case hexadecimal digits behind it",
                ));
            }
        };
        match value {
            b'/' | b'\\' => return Err("has an encoded slash or back-slash".into()),
            0..0x20 | 0x7f => return Err("has an encoded control character".into()),
            b'.' => return Err("has an encoded dot".into()),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'~' => {
                return Err(Flaw::new("has an escape that is not needed")
                    .hint("write the character itself"));
            }
            _ => decoded.push(value),
        }
    }
    Ok(decoded)
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Paths that belong to the gateway, on or off (SEC-39): each of them and all below.
const OWN: &[&str] = &[
    "/.well-known",
    "/oauth",
    "/auth",
    "/authorize",
    "/token",
    "/register",
    "/health",
];

/// The own path that `path` is equal to or under.
pub(crate) fn own(path: &str) -> Option<&'static str> {
    OWN.iter().copied().find(|own| {
        path.strip_prefix(*own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match RoutePath::read(text) {
            Ok(RoutePath(path)) => path.into_string(),
            Err(flaw) => format!("! {}", flaw.reason),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn sec_31_paths_with_one_reading() {
        check("/mcp", "/mcp");
        check("/mcp/", "/mcp");
        check("/", "/");
        check("/a/b.c/~d;v=1/%C3%A9%20", "/a/b.c/~d;v=1/%C3%A9%20");
        check("/.hidden/...", "/.hidden/...");
    }

    #[test]
    fn sec_31_paths_with_two_readings_are_refused() {
        check("mcp", "! does not start with `/`");
        check("", "! does not start with `/`");
        check("//", "! has an empty segment (`//`)");
        check("/a//b", "! has an empty segment (`//`)");
        check("/a/../b", "! has a dot segment");
        check("/a/.", "! has a dot segment");
        check("/a/..;x/b", "! has a dot segment");
        check(
            "/a/%2e%2e/b",
            "! has a `%` without two upper-case hexadecimal digits behind it",
        );
        check("/a/%2E%2E/b", "! has an encoded dot");
        check("/a%2Fb", "! has an encoded slash or back-slash");
        check("/a%5Cb", "! has an encoded slash or back-slash");
        check("/a%00b", "! has an encoded control character");
        check("/a%41b", "! has an escape that is not needed");
        check(
            "/a%4",
            "! has a `%` without two upper-case hexadecimal digits behind it",
        );
        check("/a\\b", "! has a back-slash");
        check("/a\nb", "! has a control character");
        check("/a#b", "! has a fragment");
        check("/a?b", "! has a query");
        check("/a b", "! has a character that paths cannot hold");
        check("/é", "! has a character outside ASCII");
        check("/mcp/*", "! has a pattern in it");
        check("/{id}", "! has a pattern in it");
    }

    #[test]
    fn sec_39_own_paths() {
        for path in [
            "/.well-known/x",
            "/oauth",
            "/oauth/authorize",
            "/auth/login",
            "/authorize",
            "/token",
            "/register",
            "/health",
            "/health/x",
        ] {
            assert!(own(path).is_some(), "{path}");
        }
        for path in ["/", "/mcp", "/tokens", "/authz", "/mcp/health", "/oauth2"] {
            assert_eq!(own(path), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*", path in "/[a%2Ee./;]{0,12}") {
            let _ = RoutePath::read(&text);
            if let Ok(RoutePath(path)) = RoutePath::read(&path) {
                prop_assert!(path.starts_with('/') && !path.contains("//"));
                prop_assert!(path.len() == 1 || !path.ends_with('/'));
                prop_assert_eq!(RoutePath::read(&path).unwrap().0, path);
            }
        }
    }
}
