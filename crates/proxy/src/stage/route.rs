//! Which route a request is for. The path that was judged here is the path that is forwarded.

use std::collections::HashMap;
use std::sync::Arc;

use config::Transport;
use http::Method;

use crate::endpoint::Endpoint;
use crate::plan::{Plan, Site};
use crate::stage::cors::MCP_METHODS;
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
    by_path: HashMap<Box<str>, Vec<Arc<Site>>>,
}

impl Table {
    pub(crate) fn of(sites: &[Arc<Site>]) -> Self {
        let mut table = Self::default();
        for site in sites {
            table
                .by_path
                .entry(site.path.clone())
                .or_default()
                .push(Arc::clone(site));
        }
        for sites in table.by_path.values_mut() {
            sites.sort_by_key(|site| site.host.is_none()); // host before none
        }
        table
    }

    fn find(&self, path: &str, authority: &str) -> Option<&Arc<Site>> {
        let whole = path.strip_suffix('/').unwrap_or(path);
        let mut prefix = whole;
        loop {
            let key = if prefix.is_empty() { "/" } else { prefix };
            let exact = prefix.len() == whole.len();
            let found = self.by_path.get(key).and_then(|sites| {
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
    let path = arrival.head.uri.path();
    unambiguous(path)?;
    if let Some(endpoint) = Endpoint::find(path) {
        return Ok(Target::Own(endpoint));
    }
    plan.table
        .find(path, &arrival.authority)
        .cloned()
        .map(Target::Site)
        .ok_or(Refusal::NoRoute)
}

/// Which methods a route takes (SEC-32), and that GET and DELETE bring no body.
pub(crate) fn method(site: &Site, arrival: &Arrival) -> Result<(), Refusal> {
    let method = &arrival.head.method;
    match site.transport {
        Transport::Mcp => match *method {
            Method::GET | Method::DELETE if has_body(arrival) => {
                Err(Refusal::Ambiguous("a body on GET or DELETE"))
            }
            Method::POST | Method::GET | Method::DELETE => Ok(()),
            _ => Err(Refusal::MethodNotAllowed {
                method: method.clone(),
                allow: MCP_METHODS,
            }),
        },
        Transport::Http => Ok(()),
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
                if is_dots(dots, others) {
                    return Err(Refusal::BadPath("dot segment"));
                }
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
    if is_dots(dots, others) {
        Err(Refusal::BadPath("dot segment"))
    } else {
        Ok(())
    }
}

fn is_dots(dots: u8, others: bool) -> bool {
    !others && (dots == 1 || dots == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, good: bool) {
        assert_eq!(unambiguous(path).is_ok(), good, "{path}");
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
