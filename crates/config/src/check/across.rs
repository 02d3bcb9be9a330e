//! Rules between routes, authenticators and listeners.

mod challenge_paths;
mod keys;
mod resources;

use std::net::{IpAddr, SocketAddr};

use super::authenticator::{Entry as AuthenticatorEntry, Family};
use super::route::Entry as RouteEntry;
use crate::checked::{
    Access, Admin, AdminListen, Audit, AuditLevel, Auth, Member, Requirement, Route, Server,
    Transport,
};
use crate::host::HostPattern;
use crate::notes::Notes;
use crate::origin::{Origin, Scheme};
use crate::place::Place;
use crate::problem::Flaw;
use crate::scalar::unit::show_size;

pub(super) fn check(
    server: &Server,
    admin: &Admin,
    audit: Option<&Audit>,
    authenticators: &[AuthenticatorEntry],
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    for (index, entry) in routes.iter().enumerate() {
        let earlier = routes.get(..index).unwrap_or_default();
        told_apart(entry, earlier, server, notes);
        messages_apart(entry, routes, notes);
        shared_route_audience(entry, earlier, server, notes);
        no_loop(entry, server, admin, notes);
    }
    bodies_can_be_held(server, audit, routes, notes);
    challenge_paths::check(server, routes, notes);
    tunnels(server, routes, notes);
    resources::check(server, authenticators, routes, notes);
    for (index, authenticator) in authenticators.iter().enumerate() {
        shared_audience(index, authenticator, routes, notes);
        accepted_somewhere(index, authenticator, routes, notes);
    }
    keys::check(authenticators, routes, notes);
}

/// Where bodies are read, the largest one has a place.
fn bodies_can_be_held(
    server: &Server,
    audit: Option<&Audit>,
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    let limits = &server.limits;
    let told = audit.is_some_and(|audit| audit.level == AuditLevel::Info);
    let reads = |route: &Route| match route.transport {
        Transport::Mcp | Transport::Sse => {
            let counted = route
                .rate_limit
                .is_some_and(|limit| limit.max_tool_calls.is_some());
            told || counted || route.access != Access::default()
        }
        Transport::Http => false,
    };
    let reading = routes.iter().find(|entry| reads(&entry.route));
    if let Some(reading) = reading
        && limits.inspect_memory < limits.body_bytes
    {
        notes.wrong(
            &Place::root()
                .key("server")
                .key("limits")
                .key("inspect_memory"),
            Flaw::new(format!(
                "is less than body_bytes ({}), and {} reads bodies",
                show_size(limits.body_bytes),
                reading.place
            ))
            .hint("let it hold some of the largest, or let body_bytes be less"),
        );
    }
}

/// What `*` stands for becomes no part of a resource: somebody else may own the name beside ours. Without a public URL to borrow, clients
/// that come by such a name are sent to a loopback address to log in (S0-43).
fn tunnels(server: &Server, routes: &[RouteEntry], notes: &mut Notes) {
    let protected = |entry: &RouteEntry| matches!(entry.route.auth, Auth::Required(_));
    if server.public_url.is_some() || !routes.iter().any(protected) {
        return;
    }
    let place = Place::root().key("server").key("allowed_hosts");
    for (index, host) in server.allowed_hosts.iter().enumerate() {
        if host.exact().is_none() {
            notes.warn(
                &place.index(index),
                Flaw::new("is a wildcard, and there is no public_url: clients from elsewhere cannot log in by such a name")
                    .hint("write the name that clients type in full, here or under public_url"),
            );
        }
    }
}

/// Two routes differ in name, in host or path, and in resource (SEC-11).
fn told_apart(entry: &RouteEntry, earlier: &[RouteEntry], server: &Server, notes: &mut Notes) {
    let RouteEntry { place, route } = entry;
    if let Some(other) = earlier
        .iter()
        .find(|other| other.route.host == route.host && other.route.path == route.path)
    {
        notes.wrong(
            &place.key("path"),
            Flaw::new(format!("is served by {} already", other.place))
                .hint("a host tells two routes of one path apart"),
        );
        return;
    }
    if let Some(other) = earlier.iter().find(|other| other.route.name == route.name) {
        notes.wrong(
            &place.key("name"),
            format!("is the name of {} too", other.place),
        );
    }
    let own = resource(route, server);
    if let Some(other) = earlier
        .iter()
        .find(|other| own.is_some() && resource(&other.route, server) == own)
    {
        let key = if route.resource.is_some() {
            "resource"
        } else {
            "path"
        };
        notes.wrong(
            &place.key(key),
            Flaw::new(format!("makes one resource of this route and {}", other.place)).hint("a token for one of them would be good for the other; give one a resource of its own"),
        );
    }
}

/// The path at which a route of HTTP+SSE takes messages is no other route's own.
fn messages_apart(entry: &RouteEntry, routes: &[RouteEntry], notes: &mut Notes) {
    let Some(messages) = entry.route.messages() else {
        return;
    };
    let exact = |route: &Route| {
        route
            .host
            .as_ref()
            .and_then(|host| host.exact().map(str::to_owned))
    };
    let meets = |other: &Route| match (exact(&entry.route), exact(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    };
    let other = routes.iter().find(|other| {
        let second = challenge_paths::challenge_path(&other.route);
        let is_taken = *other.route.path == *messages || second == Some(&*messages);
        is_taken && meets(&other.route)
    });
    if let Some(other) = other {
        notes.wrong(
            &entry.place.key("path"),
            Flaw::new(format!(
                "needs {messages} for the messages of its clients, which is the path of {}",
                other.place
            ))
            .hint("transport sse has a stream and, below it, a path to post to: give one of the two routes another path"),
        );
    }
}

/// The URL tokens are made for, in one spelling and without a trailing slash; `None` where only a wildcard host is known.
fn resource(route: &Route, server: &Server) -> Option<String> {
    let url = match (&route.resource, &route.host) {
        (Some(resource), _) => {
            let (origin, rest) = Origin::split(resource).ok()?;
            format!("{origin}{rest}")
        }
        (None, host) => url_of(host.as_ref(), &route.path, server)?,
    };
    Some(url.strip_suffix('/').unwrap_or(&url).to_owned())
}

/// What clients type for a path; `None` where only a wildcard host is known.
fn url_of(host: Option<&HostPattern>, path: &str, server: &Server) -> Option<String> {
    let public = server.public_url.as_ref();
    if let Some(host) = host {
        let scheme = public.map_or(Scheme::Http, Origin::scheme);
        return Some(format!("{}://{}{path}", scheme.as_str(), host.exact()?));
    }
    let origin = public.map(Origin::to_string).unwrap_or_default();
    Some(format!("{origin}{path}"))
}

/// Audiences of an authenticator's own hold for every route that accepts it; more than one is a thing to be said (SEC-10).
fn shared_audience(
    index: usize,
    authenticator: &AuthenticatorEntry,
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    let Some(rules) = authenticator
        .rules()
        .filter(|rules| !rules.audiences.is_empty() || authenticator.takes_any_audience())
    else {
        return;
    };
    let accepting: Vec<(&RouteEntry, &Requirement)> = routes
        .iter()
        .filter_map(|entry| match &entry.route.auth {
            Auth::Required(requirement) => requirement
                .accept
                .contains(&index)
                .then_some((entry, requirement)),
            Auth::Anonymous => None,
        })
        .collect();
    if accepting.len() < 2 {
        return;
    }
    let names = accepting
        .iter()
        .map(|(entry, _)| entry.place.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if !rules.shared_audience {
        notes.wrong(
            &authenticator.place.key("audiences"),
            Flaw::new(format!(
                "would make a token for one of {names} good for all of them"
            ))
            .hint(match authenticator.family {
                // Its audiences are required, and stand in for those of a route.
                Some(Family::Jwt) => "let each route accept an authenticator with audiences of its own (they may have the same key and issuer), or say shared_audience: true, and give each route required_scopes",
                Some(Family::Oauth) | None => "move them to auth.audiences of one route, or say shared_audience: true, and give each route required_scopes",
            }),
        );
        return;
    }
    notes.warn(
        &authenticator.place.key("shared_audience"),
        Flaw::new(format!(
            "a token for one of {names} is good for all of them"
        ))
        .hint("only their scopes keep them apart"),
    );
    for (entry, requirement) in accepting {
        if requirement.required_scopes.is_empty() {
            notes.missing(
                &entry.place.key("auth").key("required_scopes"),
                "with a shared audience only scopes tell the routes apart",
            );
        }
    }
}

/// The same by hand: one audience named by two routes that accept the same authenticator.
fn shared_route_audience(
    entry: &RouteEntry,
    earlier: &[RouteEntry],
    server: &Server,
    notes: &mut Notes,
) {
    let Auth::Required(requirement) = &entry.route.auth else {
        return;
    };
    for other in earlier {
        let Auth::Required(others) = &other.route.auth else {
            continue;
        };
        let common = requirement
            .accept
            .iter()
            .any(|index| others.accept.contains(index));
        let audiences = effective(requirement, &entry.route, server);
        let shared = effective(others, &other.route, server)
            .iter()
            .any(|audience| audiences.contains(audience));
        if common && shared {
            notes.warn(
                &entry.place.key("auth").key("audiences"),
                Flaw::new(format!(
                    "has an audience of {} too: a token for one is good for the other",
                    other.place
                ))
                .hint("give each route audiences or required_scopes of its own"),
            );
        }
    }
}

/// An authenticator that counts nowhere was most likely meant to.
fn accepted_somewhere(
    index: usize,
    authenticator: &AuthenticatorEntry,
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    let is_accepted = routes.iter().any(|entry| match &entry.route.auth {
        Auth::Required(requirement) => requirement.accept.contains(&index),
        Auth::Anonymous => false,
    });
    // a route that has a problem may accept it
    if !is_accepted && notes.problems.is_empty() {
        notes.warn(
            &Place::root().key("authenticators").key(&authenticator.name),
            Flaw::new("is accepted by no route")
                .hint("name it under auth.accept of one, with an auth.type that takes it"),
        );
    }
}

/// What a route compares `aud` with.
fn effective(requirement: &Requirement, route: &Route, server: &Server) -> Vec<String> {
    if requirement.audiences.is_empty() {
        return resource(route, server).into_iter().collect();
    }
    requirement
        .audiences
        .iter()
        .map(|audience| audience.strip_suffix('/').unwrap_or(audience).to_owned())
        .collect()
}

/// A request that goes out and comes in again would do so for ever.
fn no_loop(entry: &RouteEntry, server: &Server, admin: &Admin, notes: &mut Notes) {
    let place = entry.place.key("upstream");
    let origins = entry.route.upstream.members.iter();
    let origins = || {
        origins.clone().filter_map(|member| match member {
            Member::Http(origin) => Some(origin),
            Member::Unix(_) => None, // the public listeners have none
        })
    };
    let reached = |address: SocketAddr| origins().any(|origin| reaches(origin, address));
    if server.listen.iter().any(|address| reached(*address)) {
        notes.wrong(
            &place,
            Flaw::new("is a listener of the gateway itself")
                .hint("name the address of the server that stands behind it"),
        );
    } else if matches!(&admin.listen, AdminListen::Tcp(listen) if reached(*listen)) {
        notes.wrong(
            &place,
            Flaw::new("is the admin listener of the gateway itself")
                .hint("it is not for the public"),
        );
    }
}

fn reaches(upstream: &Origin, listener: SocketAddr) -> bool {
    if listener.port() == 0 || upstream.port() != listener.port() {
        return false;
    }
    match upstream.host().parse::<IpAddr>() {
        Ok(address) => {
            address == listener.ip()
                || (address.is_loopback() || address.is_unspecified())
                    && listener.ip().is_unspecified()
        }
        Err(_) => {
            upstream.is_loopback()
                && (listener.ip().is_loopback() || listener.ip().is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests;
