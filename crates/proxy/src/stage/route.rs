//! Which route a request is for. The path that was judged here is the path that is forwarded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use config::Transport;
use http::Method;

use crate::endpoint::Endpoint;
use crate::plan::{Plan, Site};
use crate::stage::cors::methods;
use crate::stage::identify::decoded;
use crate::stage::trust::{Arrival, has_body};
use crate::stop::Refusal;

/// What a request is for.
pub(crate) enum Target {
    /// One of the gateway's own URLs.
    Own(Endpoint),
    Site(Arc<Site>),
}

/// Routes by path, longest first. Looking up costs one hash per path segment, however many routes there are.
#[derive(Default)]
pub(crate) struct Table {
    by_path: ByPath,
    /// The same by the [`plain`] spelling of their paths.
    by_plain: ByPath,
    /// Whether there is a route whose path is not its plain spelling.
    dressed: bool,
}

#[derive(Default)]
struct ByPath(HashMap<Box<str>, Vec<Arc<Site>>>);

impl Table {
    pub(crate) fn of(sites: &[Arc<Site>]) -> Self {
        Self {
            by_path: ByPath::of(sites, |path| path.into()),
            by_plain: ByPath::of(sites, |path| plain(path).into()),
            dressed: sites
                .iter()
                .flat_map(|site| [site].into_iter().chain(&site.challenging))
                .any(|site| is_dressed(&site.path)),
        }
    }

    /// What is at a path, unless a server that decodes it or cuts parameters off would find something else there: then the rules of
    /// one route would be applied to what belongs to another (SEC-31).
    fn find(&self, path: &str, authority: &str) -> Result<Option<Target>, Refusal> {
        let found = self.by_path.target(path, authority);
        if (self.dressed || is_dressed(path))
            && self.by_plain.target(&plain(path), authority) != found
        {
            return Err(Refusal::BadPath("its plain spelling leads elsewhere"));
        }
        Ok(found)
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(one), Self::Own(other)) => one == other,
            (Self::Site(one), Self::Site(other)) => Arc::ptr_eq(one, other),
            (Self::Own(_), Self::Site(_)) | (Self::Site(_), Self::Own(_)) => false,
        }
    }
}

impl ByPath {
    fn of(sites: &[Arc<Site>], spelled: impl Fn(&str) -> Box<str>) -> Self {
        let mut by_path: HashMap<Box<str>, Vec<Arc<Site>>> = HashMap::new();
        let second = sites.iter().filter_map(|site| site.challenging.as_ref());
        for site in sites.iter().chain(second) {
            for path in [Some(&site.path), site.messages.as_ref()]
                .into_iter()
                .flatten()
            {
                let sites = by_path.entry(spelled(path)).or_default();
                sites.push(Arc::clone(site));
            }
        }
        for sites in by_path.values_mut() {
            sites.sort_by_key(|site| site.host.is_none()); // host before none
        }
        Self(by_path)
    }

    fn target(&self, path: &str, authority: &str) -> Option<Target> {
        if let Some(endpoint) = Endpoint::find(path) {
            return Some(Target::Own(endpoint));
        }
        self.find(path, authority).cloned().map(Target::Site)
    }

    fn find(&self, path: &str, authority: &str) -> Option<&Arc<Site>> {
        let whole = path.strip_suffix('/').unwrap_or(path);
        let mut prefix = whole;
        loop {
            let key = if prefix.is_empty() { "/" } else { prefix };
            let exact = prefix.len() == whole.len();
            let found = self.0.get(key).and_then(|sites| {
                sites.iter().find(|site| {
                    (exact || site.subpaths)
                        && site
                            .host
                            .as_ref()
                            .is_none_or(|host| host.matches(authority))
                })
            });
            if found.is_some() || prefix.is_empty() {
                return found;
            }
            prefix = prefix.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
}

/// Finds what a request is for. Paths with two readings are refused before anything else looks at them (SEC-31).
pub(crate) fn find(plan: &Plan, arrival: &Arrival) -> Result<Target, Refusal> {
    at(plan, arrival.head.uri.path(), &arrival.authority)
}

/// The same by path and host alone.
pub(crate) fn at(plan: &Plan, path: &str, authority: &str) -> Result<Target, Refusal> {
    unambiguous(path)?;
    plan.table.find(path, authority)?.ok_or(Refusal::NoRoute)
}

/// Where a request that was taken once would lead now: the plan may be another one.
pub(crate) fn again(plan: &Plan, authority: &str, path: &str) -> Option<Arc<Site>> {
    plan.trust.names.find(authority)?;
    match plan.table.find(path, authority) {
        Ok(Some(Target::Site(site))) => Some(site),
        Ok(Some(Target::Own(_)) | None) | Err(_) => None,
    }
}

/// Whether a path may have another spelling than this.
fn is_dressed(path: &str) -> bool {
    path.bytes().any(|byte| matches!(byte, b'%' | b';'))
}

/// How the most eager server reads a path that is [`unambiguous`]: decoded, and without the parameters of its segments.
fn plain(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let mut segment = decoded(segment);
        if let Some((name, _)) = segment.split_once(';') {
            segment = Cow::Owned(name.to_owned());
        }
        segments.push(segment);
    }
    segments.join("/")
}

/// Which methods a route takes (SEC-32), and that GET and DELETE bring no body.
pub(crate) fn method(site: &Site, arrival: &Arrival) -> Result<(), Refusal> {
    let method = &arrival.head.method;
    let serves = match site.transport {
        Transport::Http => return Ok(()),
        // That a stream of HTTP+SSE takes none is said later: see `messages`.
        Transport::Mcp | Transport::Sse if method == Method::POST => return Ok(()),
        Transport::Mcp => method == Method::GET || method == Method::DELETE,
        Transport::Sse => method == Method::GET && !site.takes_messages_at(arrival.head.uri.path()),
    };
    if !serves {
        return Err(not_allowed(site, arrival));
    }
    if has_body(arrival) {
        return Err(Refusal::Ambiguous("a body on GET or DELETE"));
    }
    Ok(())
}

/// That a stream of HTTP+SSE takes no messages. Clients that do not know which transport this is post to it first: a 405 tells them to
/// GET it (ERR-9). It comes after 401, from which they learn where to log in.
pub(crate) fn messages(site: &Site, arrival: &Arrival) -> Result<(), Refusal> {
    let is_post = arrival.head.method == Method::POST;
    if site.messages.is_some() && is_post && !site.takes_messages_at(arrival.head.uri.path()) {
        return Err(not_allowed(site, arrival));
    }
    Ok(())
}

fn not_allowed(site: &Site, arrival: &Arrival) -> Refusal {
    Refusal::MethodNotAllowed {
        method: arrival.head.method.clone(),
        allow: methods(site, arrival.head.uri.path()),
    }
}

/// One pass over the path: every byte has one reading, or the request is refused.
fn unambiguous(path: &str) -> Result<(), Refusal> {
    if path == "*" {
        return Ok(());
    }
    let mut rest = path.as_bytes();
    // What the segment so far would be after decoding, up to a `;`: only its dots matter.
    let (mut dots, mut others, mut parameters) = (0_u8, false, false);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let decoded = match byte {
            b'%' => {
                let [high, low, after @ ..] = tail else {
                    return Err(Refusal::BadPath("broken escape"));
                };
                let (Some(high), Some(low)) = (
                    char::from(*high).to_digit(16),
                    char::from(*low).to_digit(16),
                ) else {
                    return Err(Refusal::BadPath("broken escape"));
                };
                rest = after;
                match u8::try_from(high * 16 + low).unwrap_or(0) {
                    b'/' | b'\\' => return Err(Refusal::BadPath("encoded slash or backslash")),
                    byte @ (b'.' | b';' | b'%') => byte,
                    0..=0x1f | 0x7f => return Err(Refusal::BadPath("encoded control character")),
                    _ => b'a',
                }
            }
            b'/' => {
                if rest.first() == Some(&b'/') {
                    return Err(Refusal::BadPath("empty segment"));
                }
                named(dots, others, parameters)?;
                (dots, others, parameters) = (0, false, false);
                continue;
            }
            b'\\' => return Err(Refusal::BadPath("backslash")),
            b'#' => return Err(Refusal::BadPath("fragment")),
            0..=0x20 | 0x7f => return Err(Refusal::BadPath("control character")),
            byte => byte,
        };
        match decoded {
            b';' => parameters = true,
            _ if parameters => {}
            b'.' => dots = dots.saturating_add(1),
            _ => others = true,
        }
    }
    named(dots, others, parameters)
}

/// Whether what is left of a segment without its parameters is a name.
fn named(dots: u8, others: bool, parameters: bool) -> Result<(), Refusal> {
    match dots {
        _ if others => Ok(()),
        1 | 2 => Err(Refusal::BadPath("dot segment")),
        0 if parameters => Err(Refusal::BadPath("empty segment")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, good: bool) {
        assert_eq!(unambiguous(path).is_ok(), good, "{path}");
    }

    #[test]
    fn sec_31_a_plain_spelling_is_decoded_and_has_no_parameters() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b/", "/a/b/"),
            ("/%61;v=1/b;", "/a/b"),
            ("/a%3Bv=1/%C3%A9", "/a/é"),
            ("/%2561/%20", "/%61/ "),
        ] {
            assert_eq!(plain(path), expected);
        }
    }

    #[test]
    fn sec_31_a_path_has_one_reading_or_is_refused() {
        for good in [
            "/",
            "/mcp",
            "/mcp/",
            "/a.b/c..d",
            "/...",
            "/a;v=1/b",
            "/%41",
            "/~x",
            "/.well-known/x",
            "/a%20b",
            "/é",
        ] {
            check(good, true);
        }
        for bad in [
            "//",
            "/mcp//",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e",
            "/%2E%2e/x",
            "/.%2e/x",
            "/..;/x",
            "/..;a=b",
            "/;a=b",
            "/a/;b/c",
            "/%2e%2e;x/y",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/%00",
            "/%0a",
            "/%7f",
            "/%",
            "/%2",
            "/%zz",
            "/a#b",
            "/a b",
        ] {
            check(bad, false);
        }
    }
}
