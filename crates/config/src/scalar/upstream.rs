//! Where an upstream is, and under which name.

use std::path::PathBuf;

use super::{Scalar, path, url};
use crate::authority;
use crate::checked::Member;
use crate::problem::Flaw;

/// One server with the path behind it, if there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Location {
    pub(crate) member: Member,
    pub(crate) path: Option<Box<str>>,
}

/// A `Host` header: a name or address and perhaps a port.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Authority(pub(crate) Box<str>);

/// A name or address without a port.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerName(pub(crate) Box<str>);

/// The longest path that fits into the address of a Unix socket, in bytes.
const LONGEST_SOCKET: usize = 107;

impl Scalar for Location {
    const EXPECTED: &'static str = "a URL like http://127.0.0.1:3000/mcp";

    fn read(text: &str) -> Result<Self, Flaw> {
        url::not_empty(text)?;
        if let Some(rest) = text.strip_prefix("unix:") {
            return socket(rest);
        }
        let (origin, rest) = url::split(text)?;
        let member = Member::Http(origin);
        match rest.chars().next() {
            None => Ok(Location { member, path: None }),
            Some('/') => {
                path::sound(rest)?;
                let path = Some(rest.into());
                Ok(Location { member, path })
            }
            Some('?') => Err("has a query".into()),
            Some('#') => Err("has a fragment".into()),
            Some(_) => Err("has a back-slash".into()),
        }
    }
}

/// `/path/to.sock` or `/path/to.sock:/http/path`.
fn socket(text: &str) -> Result<Location, Flaw> {
    const FORM: &str = "it is written unix:/path/to.sock, or unix:/path/to.sock:/mcp with a path";
    let (file, path) = match text.split_once(":/") {
        Some((file, rest)) => (file, Some(format!("/{rest}"))),
        None => (text, None),
    };
    if file.starts_with("//") {
        return Err(Flaw::new("has slashes as a URL has them").hint(FORM));
    }
    if !file.starts_with('/') || file.ends_with(['/', ':']) {
        return Err(Flaw::new("does not name a socket by its absolute path").hint(FORM));
    }
    if file.chars().any(char::is_control) {
        return Err("has a control character".into());
    }
    if file.len() > LONGEST_SOCKET {
        return Err(Flaw::new(format!(
            "has a socket path of more than {LONGEST_SOCKET} bytes"
        ))
        .hint("no system takes a longer one"));
    }
    if let Some(path) = &path {
        path::sound(path)?;
    }
    Ok(Location {
        member: Member::Unix(PathBuf::from(file)),
        path: path.map(Into::into),
    })
}

impl Scalar for Authority {
    const EXPECTED: &'static str = "a host like tools.internal or tools.internal:8080";

    fn read(text: &str) -> Result<Self, Flaw> {
        let (host, port) = read(text)?;
        Ok(Authority(authority::join(&host.in_url(), port).into()))
    }
}

impl Scalar for ServerName {
    const EXPECTED: &'static str = "a name like tools.internal";

    fn read(text: &str) -> Result<Self, Flaw> {
        match read(text)? {
            (_, Some(_)) => Err(Flaw::new("has a port").hint("certificates are for names alone")),
            (host, None) => Ok(ServerName(host.bare().into())),
        }
    }
}

fn read(text: &str) -> Result<(authority::Host, Option<u16>), Flaw> {
    if text.contains('/') {
        return Err(Flaw::new("is not a host").hint("without scheme and path"));
    }
    authority::read(text).map_err(Flaw::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check<T: Scalar + std::fmt::Debug>(text: &str, expected: Result<&str, &str>) {
        let read = T::read(text).map_err(|flaw| flaw.reason);
        match (read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(format!("{read:?}"), expected, "{text}"),
            (read, expected) => {
                assert_eq!(read.map(|_| ""), expected.map_err(str::to_owned), "{text}");
            }
        }
    }

    #[test]
    fn urls() {
        let path = |text: &str| Location::read(text).unwrap().path;
        assert_eq!(path("http://127.0.0.1:3000"), None);
        assert_eq!(path("http://127.0.0.1:3000/").as_deref(), Some("/"));
        assert_eq!(
            path("https://tools.internal/mcp/").as_deref(),
            Some("/mcp/")
        );
        for (text, reason) in [
            (
                "https://u:p@tools.internal/mcp",
                "must not contain a user name or password",
            ),
            ("https://tools.internal/mcp?x", "has a query"),
            ("https://tools.internal?x", "has a query"),
            ("https://tools.internal#x", "has a fragment"),
            ("https://tools.internal\\x", "has a back-slash"),
            ("https://tools.internal/a/../b", "has a dot segment"),
            ("127.0.0.1:3000", "is not an absolute http or https URL"),
            ("", "is empty"),
        ] {
            check::<Location>(text, Err(reason));
        }
        let hint = |text: &str| Location::read(text).unwrap_err().hint.unwrap();
        assert_eq!(
            hint("127.0.0.1:3000/mcp"),
            "it begins with https:// or http://"
        );
        assert!(hint("npx -y server").contains("stdio"));
    }

    #[test]
    fn sockets() {
        for (text, socket, path) in [
            ("unix:/run/mcp.sock", "/run/mcp.sock", None),
            ("unix:/run/mcp.sock:/mcp", "/run/mcp.sock", Some("/mcp")),
            ("unix:/run/mcp.sock:/", "/run/mcp.sock", Some("/")),
            ("unix:/run/a b:c", "/run/a b:c", None),
        ] {
            let read = Location::read(text).unwrap();
            assert_eq!(read.member, Member::Unix(socket.into()), "{text}");
            assert_eq!(read.path.as_deref(), path, "{text}");
        }
        let form = "does not name a socket by its absolute path";
        for (text, reason) in [
            ("unix:", form),
            ("unix:run/mcp.sock", form),
            ("unix:@abstract", form),
            ("unix:/run/", form),
            ("unix:/run/mcp.sock:", form),
            ("unix:///run/mcp.sock", "has slashes as a URL has them"),
            ("unix:/run/\u{7}", "has a control character"),
            ("unix:/run/mcp.sock:/a/../b", "has a dot segment"),
            ("unix:/run/mcp.sock:/a?b", "has a query"),
        ] {
            check::<Location>(text, Err(reason));
        }
        let long = |length: usize| format!("unix:/{}", "x".repeat(length - 1));
        assert!(Location::read(&long(107)).is_ok());
        check::<Location>(&long(108), Err("has a socket path of more than 107 bytes"));
    }

    #[test]
    fn names() {
        check::<Authority>("Tools.Internal:80", Ok(r#"Authority("tools.internal:80")"#));
        check::<Authority>("[0::1]", Ok(r#"Authority("[::1]")"#));
        check::<Authority>("http://a", Err("is not a host"));
        check::<Authority>("a/b", Err("is not a host"));
        check::<Authority>("", Err("has no host"));
        check::<ServerName>("Tools.Internal", Ok(r#"ServerName("tools.internal")"#));
        check::<ServerName>("[::1]", Ok(r#"ServerName("::1")"#));
        check::<ServerName>("a:443", Err("has a port"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = (Location::read(&text), Authority::read(&text), ServerName::read(&text));
            let _ = Location::read(&format!("unix:/{text}"));
        }
    }
}
