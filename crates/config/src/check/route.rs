//! What is served, from where, and for whom.

mod access;
mod auth;
mod challenge;
mod identity;
mod proof;
mod rate_limit;
mod upstream;

use std::time::Duration;

use super::authenticator::Entry as AuthenticatorEntry;
use super::{dangerous, server as listener};
use crate::checked::{Route, Server, Streams, Transport};
use crate::host::HostPattern;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::RouteName;
use crate::scalar::path::{self, RoutePath};
use crate::scalar::url::Resource;
use crate::sources::Sources;
use crate::written::{Block, List, Text};

const DAY: Duration = Duration::from_hours(24);

/// One route that could be read as a whole.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) route: Route,
}

pub(super) fn check_all(
    raw: Option<List<Block<raw::Route>>>,
    server: &Server,
    authenticators: &[AuthenticatorEntry],
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Vec<Entry> {
    let place = Place::root().key("routes");
    let routes = match raw {
        None => {
            notes.missing(
                &place,
                "name at least one: what clients ask for (path) and where it comes from (upstream)",
            );
            return Vec::new();
        }
        Some(List::Other(written)) => {
            notes.shape(&place, &written, "a list");
            return Vec::new();
        }
        Some(List::Items(routes)) => routes,
    };
    if routes.is_empty() {
        notes.wrong(
            &place,
            Flaw::new("has no route").hint(
                "name at least one: what clients ask for (path) and where it comes from (upstream)",
            ),
        );
    }
    let mut entries = Vec::with_capacity(routes.len());
    for (index, raw) in routes.into_iter().enumerate() {
        let place = place.index(index);
        let Some(raw) = notes.fields(&place, raw) else {
            continue;
        };
        if let Some(route) = route(&place, raw, server, authenticators, sources, notes) {
            entries.push(Entry { place, route });
        }
    }
    entries
}

fn route(
    place: &Place,
    raw: raw::Route,
    server: &Server,
    authenticators: &[AuthenticatorEntry],
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<Route> {
    let anonymous =
        !dangerous(place, raw.dangerous.as_ref(), &["anonymous_access"], notes).is_empty();
    let host = notes.text(&place.key("host"), raw.host.as_ref());
    let path = notes.required(&place.key("path"), raw.path.as_ref());
    if let Some(RoutePath(path)) = &path {
        own_path(&place.key("path"), path, notes);
    }
    let upstream = upstream::check(&place.key("upstream"), raw.upstream, sources, notes);
    let transport = notes.text_or(
        &place.key("transport"),
        raw.transport.as_ref(),
        Transport::Mcp,
    );
    let subpaths = subpaths(
        &place.key("subpaths"),
        raw.subpaths.as_ref(),
        transport,
        notes,
    );
    let resource = resource(
        &place.key("resource"),
        raw.resource.as_ref(),
        host.as_ref(),
        server,
        notes,
    );
    let access_place = place.key("access");
    let stated = access::check(&access_place, raw.access, transport, notes);
    let auth = auth::check(
        place,
        raw.auth,
        anonymous,
        &stated.access,
        server,
        authenticators,
        notes,
    );
    if let Some(auth) = &auth {
        access::fits(&access_place, &stated, auth, transport, notes);
    }
    let rate_place = place.key("rate_limit");
    let rate_limit = raw
        .rate_limit
        .and_then(|raw| rate_limit::check(&rate_place, raw, transport, notes));
    let identity = identity::check(&place.key("identity"), raw.identity, notes);
    let streams = streams(&place.key("streams"), raw.streams, notes);
    let name = notes.text(&place.key("name"), raw.name.as_ref());

    let RoutePath(path) = path?;
    // Under a host of its own a route is called after both, or two hosts could not have one path.
    let own_name = || format!("{}{path}", host.as_ref().map_or("", HostPattern::as_str)).into();
    let route = Route {
        name: name.map_or_else(own_name, |RouteName(name)| name),
        host,
        path,
        subpaths,
        resource,
        upstream: upstream?,
        transport,
        auth: auth?,
        access: stated.access,
        rate_limit,
        identity,
        streams,
    };
    challenge::path_fits(place, &route, notes);
    Some(route)
}

/// The gateway's own paths are its own, whether it serves them or not (SEC-39).
fn own_path(place: &Place, path: &str, notes: &mut Notes) {
    if let Some(own) = path::own(path) {
        notes.wrong(
            place,
            Flaw::new(format!(
                "belongs to the gateway, which answers {own} and all below it itself"
            ))
            .hint("choose another path; an http route at `/` may stand around the gateway's own"),
        );
    }
}

fn subpaths(
    place: &Place,
    field: Option<&Text<bool>>,
    transport: Transport,
    notes: &mut Notes,
) -> bool {
    let written = notes.text(place, field);
    match transport {
        Transport::Mcp | Transport::Sse => written.unwrap_or(false),
        Transport::Http => {
            if written == Some(false) {
                notes.wrong(
                    place,
                    Flaw::new("is always true with transport http").hint("leave it out"),
                );
            }
            true
        }
    }
}

fn resource(
    place: &Place,
    field: Option<&Text<Resource>>,
    host: Option<&HostPattern>,
    server: &Server,
    notes: &mut Notes,
) -> Option<Box<str>> {
    if field.is_none() && host.is_some_and(|host| host.exact().is_none()) {
        notes.missing(place, "a route under a wildcard host has no one URL of its own; name the one that tokens are made for");
    }
    let Resource(url) = notes.text(place, field)?;
    listener::http_off_loopback(place, &url.origin, server.plain_http, notes);
    Some(url.text)
}

fn streams(place: &Place, raw: Option<Block<raw::Streams>>, notes: &mut Notes) -> Streams {
    let raw = notes.block(place, raw);
    Streams {
        end_at_expiry: notes.text_or(
            &place.key("end_at_expiry"),
            raw.end_at_expiry.as_ref(),
            true,
        ),
        max_age: notes.duration(
            &place.key("max_age"),
            raw.max_age.as_ref(),
            DAY / 2,
            Duration::from_secs(1)..=365 * DAY,
        ),
        per_caller: notes.count(
            &place.key("per_caller"),
            raw.per_caller.as_ref(),
            64,
            1..=1_000_000,
        ),
    }
}

#[cfg(test)]
mod tests;
