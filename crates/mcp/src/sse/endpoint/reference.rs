//! References to message URIs, resolved against the URL of their stream (RFC 3986 section 5.2).

use super::{URI_LIMIT, Unusable};

/// Path and query of the message URI that `reference` means in a stream that was asked for at `base`.
///
/// `base` is path and query of the stream's URL at the upstream; `origins` are the names of the upstream, the one it was asked by first.
///
/// # Errors
///
/// When the reference has another origin than these, cannot be read in one way, or is too long.
pub fn resolve(reference: &str, base: &str, origins: &[&str]) -> Result<String, Unusable> {
    // What URL parsers leave out, replace or escape, each in its own way, is not read here at all.
    let is_odd = |byte: u8| !byte.is_ascii_graphic() || b"\\\"<>^`{|}".contains(&byte);
    if reference.is_empty() || reference.bytes().any(is_odd) {
        return Err(Unusable::NoUri);
    }
    let reference = reference.split('#').next().unwrap_or_default(); // a fragment is never sent
    let (base_path, base_query) = cut(base);
    let own_scheme = origins
        .first()
        .and_then(|origin| origin.split_once(':'))
        .map_or("http", |(scheme, _)| scheme);
    let rest = match authority(reference)? {
        None => reference,
        Some((scheme, authority, rest)) => {
            let origin = Origin::of(scheme.unwrap_or(own_scheme), authority)?;
            if !origins
                .iter()
                .any(|own| Origin::parse(own) == Some(origin.clone()))
            {
                return Err(Unusable::Elsewhere(origin.to_string()));
            }
            if rest.starts_with('/') {
                rest
            } else {
                &format!("/{rest}")
            }
        }
    };
    let (path, query) = cut(rest);
    let whole = match path {
        "" => base_path.to_owned(),
        path if path.starts_with('/') => without_dots(path),
        path => {
            let directory = base_path.rfind('/').and_then(|at| base_path.get(..=at));
            without_dots(&format!("{}{path}", directory.unwrap_or("/")))
        }
    };
    let query = if path.is_empty() {
        query.or(base_query)
    } else {
        query
    };
    let whole = match query {
        Some(query) => format!("{whole}?{query}"),
        None => whole,
    };
    if whole.len() > URI_LIMIT {
        return Err(Unusable::TooLong);
    }
    Ok(whole)
}

/// Path and query.
fn cut(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

type Parts<'r> = (Option<&'r str>, &'r str, &'r str);

/// Scheme, authority and the rest, if there is an authority. A scheme without one names nothing that could be asked.
fn authority(reference: &str) -> Result<Option<Parts<'_>>, Unusable> {
    let (scheme, rest) = match reference.find([':', '/', '?']) {
        Some(at) if reference.get(at..=at) == Some(":") => {
            let (scheme, rest) = reference.split_at(at);
            (Some(scheme), rest.get(1..).unwrap_or_default())
        }
        _ => (None, reference),
    };
    let Some(rest) = rest.strip_prefix("//") else {
        return if scheme.is_none() {
            Ok(None)
        } else {
            Err(Unusable::NoUri)
        };
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    Ok(Some((scheme, authority, rest)))
}

/// Scheme, host and port, in the one form in which they are compared (RFC 6454 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        Self::of(scheme, authority).ok()
    }

    fn of(scheme: &str, authority: &str) -> Result<Self, Unusable> {
        let scheme = scheme.to_ascii_lowercase();
        let standard = match &*scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(Unusable::NoUri),
        };
        let name_end = authority.rfind(']').map_or(0, |at| at + 1);
        let colon = authority
            .get(name_end..)
            .and_then(|after| after.find(':'))
            .map(|at| name_end + at);
        let (host, port) = match colon {
            None => (authority, None),
            Some(at) => {
                let port = authority.get(at + 1..).unwrap_or_default();
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let number: Option<u16> = port.parse().ok().filter(|_| is_number);
                let number = number.ok_or(Unusable::NoUri)?;
                (authority.get(..at).unwrap_or_default(), Some(number))
            }
        };
        // user names, escapes and lists in an authority have no business here
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_plain) {
            return Err(Unusable::NoUri);
        }
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.filter(|&port| port != standard),
        })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// RFC 3986 section 5.2.4, for paths that begin with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            name => {
                kept.push(name);
                continue;
            }
        }
        if is_last {
            kept.push(""); // what a dot segment leaves is a directory
        }
    }
    let mut whole = String::with_capacity(path.len());
    for segment in kept {
        whole.push('/');
        whole.push_str(segment);
    }
    if whole.is_empty() {
        whole.push('/');
    }
    whole
}
