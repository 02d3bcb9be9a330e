//! What is served, from where, and for whom.

use std::time::Duration;

use super::authenticator::{Entry as AuthenticatorEntry, Family};
use super::{dangerous, server as listener};
use crate::checked::{
    Auth, Identity, IdentityHeaders, Requirement, Route, Server, Streams, Transport, Upstream,
};
use crate::claim_path::ClaimPath;
use crate::host::HostPattern;
use crate::notes::{Listed, Notes};
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::Scalar as _;
use crate::scalar::name::{self, Audience, HeaderName, Reference, RouteName, Scope};
use crate::scalar::path::{self, RoutePath};
use crate::scalar::url::Resource;
use crate::scalar::word::{AuthType, Word as _};
use crate::suggest;
use crate::written::{Block, List, Text, WordOrTable};

const DAY: Duration = Duration::from_secs(86_400);

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
    notes: &mut Notes,
) -> Vec<Entry> {
    let place = Place::root().key("routes");
    let routes = match raw {
        None => {
            if !notes.has_unknown_keys(&Place::root()) {
                notes.missing(&place, "name at least one: what clients ask for (path) and where it comes from (upstream)");
            }
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
        let raw = notes.block(&place, Some(raw));
        if let Some(route) = route(&place, raw, server, authenticators, notes) {
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
    notes: &mut Notes,
) -> Option<Route> {
    let anonymous =
        !dangerous(place, raw.dangerous.as_ref(), &["anonymous_access"], notes).is_empty();
    let host = notes.text(&place.key("host"), raw.host.as_ref());
    let path = notes.required(&place.key("path"), raw.path.as_ref());
    if let Some(RoutePath(path)) = &path {
        own_path(&place.key("path"), path, notes);
    }
    let upstream = upstream(&place.key("upstream"), raw.upstream.as_ref(), notes);
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
    let auth = auth(place, raw.auth, anonymous, server, authenticators, notes);
    let identity = identity(&place.key("identity"), raw.identity, notes);
    let streams = streams(&place.key("streams"), raw.streams, notes);
    let name = notes.text(&place.key("name"), raw.name.as_ref());

    let RoutePath(path) = path?;
    // Under a host of its own a route is called after both, or two hosts could not have one path.
    let own_name = || format!("{}{path}", host.as_ref().map_or("", HostPattern::as_str)).into();
    Some(Route {
        name: name.map_or_else(own_name, |RouteName(name)| name),
        host,
        path,
        subpaths,
        resource,
        upstream: upstream?,
        transport,
        auth: auth?,
        identity,
        streams,
    })
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

fn upstream(place: &Place, field: Option<&Text<Upstream>>, notes: &mut Notes) -> Option<Upstream> {
    if let Some(text) = field
        && text.is_list()
    {
        notes.wrong(
            place,
            Flaw::new("is a list").hint("several upstreams of one route are not supported yet"),
        );
        return None;
    }
    notes.required(place, field)
}

fn subpaths(
    place: &Place,
    field: Option<&Text<bool>>,
    transport: Transport,
    notes: &mut Notes,
) -> bool {
    let written = notes.text(place, field);
    match transport {
        Transport::Mcp => written.unwrap_or(false),
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
        notes.missing(place, "a route under a wildcard host has no one URL of its own (SEC-11); name the one that tokens are made for");
    }
    let Resource(url) = notes.text(place, field)?;
    listener::http_off_loopback(place, &url.origin, server.plain_http, notes);
    Some(url.text)
}

fn auth(
    place: &Place,
    raw: Option<Block<raw::Auth>>,
    anonymous: bool,
    server: &Server,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) -> Option<Auth> {
    let danger_place = place.key("dangerous");
    let place = &place.key("auth");
    let raw = notes.block(place, raw);
    let kind = match &raw.kind {
        None => Some(AuthType::Oauth),
        Some(text) => notes.text(&place.key("type"), Some(text)),
    };
    let accept = notes.set(&place.key("accept"), raw.accept.as_ref());
    let audiences = notes.set(&place.key("audiences"), raw.audiences.as_ref());
    let scopes = notes.set(&place.key("required_scopes"), raw.required_scopes.as_ref());
    let kind = kind?;
    if kind == AuthType::None {
        open_to_anyone(place, anonymous, server, notes);
        let ineffective = [
            ("accept", accept.present),
            ("audiences", audiences.present),
            ("required_scopes", scopes.present),
        ];
        for (key, _) in ineffective.iter().filter(|(_, present)| *present) {
            notes.wrong(
                &place.key(key),
                Flaw::new("has no effect with type: none")
                    .hint("nobody is asked for a token there"),
            );
        }
        if anonymous {
            notes.warn(
                &danger_place,
                "anonymous_access: everyone who reaches this machine may call this route",
            );
        }
        return Some(Auth::Anonymous);
    }
    if anonymous {
        notes.wrong(
            &danger_place,
            Flaw::new("anonymous_access does nothing without auth.type: none").hint("take it away"),
        );
    }
    let accept = accepted(place, kind, &accept, authenticators, notes)?;
    one_issuer_each(&place.key("accept"), &accept, authenticators, notes);
    if audiences.items.is_empty() && audiences.whole {
        client_ids_are_named(&place.key("audiences"), &accept, authenticators, notes);
    }
    Some(Auth::Required(Requirement {
        accept,
        audiences: audiences
            .items
            .into_iter()
            .map(|Audience(text)| text)
            .collect(),
        required_scopes: scopes.items.into_iter().map(|Scope(text)| text).collect(),
    }))
}

/// Both halves of X1: said aloud, and on loopback only.
fn open_to_anyone(place: &Place, anonymous: bool, server: &Server, notes: &mut Notes) {
    let place = place.key("type");
    if !anonymous {
        notes.wrong(
            &place,
            Flaw::new("opens this route to everyone")
                .hint("if that is meant, say dangerous: [anonymous_access] on the route"),
        );
    }
    if !server
        .listen
        .iter()
        .all(|address| address.ip().is_loopback())
    {
        notes.wrong(
            &place,
            Flaw::new("is for loopback listeners only")
                .hint("let server.listen name loopback addresses alone, or ask for tokens"),
        );
    }
}

fn families(kind: AuthType) -> &'static [Family] {
    match kind {
        AuthType::Oauth | AuthType::Both => &[Family::Oauth],
        AuthType::Jwt | AuthType::None => &[],
    }
}

/// Indices of the authenticators this route takes; `None` if there are none, or none can be told.
fn accepted(
    place: &Place,
    kind: AuthType,
    accept: &Listed<Reference>,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) -> Option<Vec<usize>> {
    let fitting = |entry: &AuthenticatorEntry| {
        entry
            .family
            .is_some_and(|family| families(kind).contains(&family))
    };
    let candidates: Vec<usize> = authenticators
        .iter()
        .enumerate()
        .filter(|(_, entry)| fitting(entry))
        .map(|(index, _)| index)
        .collect();
    let unclear = authenticators.iter().any(|entry| entry.family.is_none());
    if candidates.is_empty() {
        if !unclear {
            nobody_fits(place, kind, authenticators, notes);
        }
        return None;
    }
    let place = place.key("accept");
    if !accept.present {
        // One more authenticator must not widen a route that does not say so (SEC-18).
        if candidates.len() > 1 {
            let names: Vec<&str> = authenticators
                .iter()
                .filter(|entry| fitting(entry))
                .map(|entry| entry.name.as_str())
                .collect();
            notes.missing(
                &place,
                format!(
                    "more than one authenticator fits; name those that count here, of {}",
                    names.join(", ")
                ),
            );
        }
        return Some(candidates);
    }
    if accept.is_written_empty() {
        notes.wrong(
            &place,
            Flaw::new("accepts nobody")
                .hint("name one of the authenticators, or leave it out when there is only one"),
        );
        return None;
    }
    let mut indices = Vec::new();
    for (place, Reference(name)) in accept.placed(&place) {
        match authenticators
            .iter()
            .position(|entry| *entry.name == **name)
        {
            Some(index) if candidates.contains(&index) => indices.push(index),
            Some(index) => {
                if authenticators
                    .get(index)
                    .is_some_and(|entry| entry.family.is_some())
                {
                    notes.wrong(
                        &place,
                        format!(
                            "is an authenticator that type: {} does not take",
                            kind.word()
                        ),
                    );
                }
            }
            None => {
                let known = authenticators.iter().map(|entry| entry.name.as_str());
                let hint = match suggest::closest(name, known.clone()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                };
                notes.wrong(&place, Flaw::new("names no authenticator").hint(hint));
            }
        }
    }
    (!indices.is_empty()).then_some(indices)
}

fn nobody_fits(
    place: &Place,
    kind: AuthType,
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let hint = match kind {
        AuthType::Oauth | AuthType::Both | AuthType::None => {
            "add one of kind oidc or jwks under `authenticators`"
        }
        AuthType::Jwt if authenticators.is_empty() => {
            "add one of kind oidc or jwks under `authenticators`, and take type: oauth"
        }
        AuthType::Jwt => {
            "oidc and jwks are taken by type: oauth; the kinds of type: jwt are not supported yet"
        }
    };
    notes.wrong(
        &place.key("type"),
        Flaw::new(format!("{} finds no authenticator", kind.word())).hint(hint),
    );
}

/// The token's `iss` selects who judges it, so it must select one. A trailing slash does not tell two apart: discovery may add it.
fn one_issuer_each(
    place: &Place,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for entry in accept.iter().filter_map(|index| authenticators.get(*index)) {
        let Some(jwt) = entry.jwt() else { continue };
        for issuer in std::iter::once(&jwt.issuer).chain(&jwt.issuers) {
            let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
            match seen
                .iter()
                .find(|(other, name)| *other == issuer && *name != entry.name)
            {
                Some((_, other)) => notes.wrong(
                    place,
                    Flaw::new(format!(
                        "has two authenticators of one issuer: {other} and {}",
                        entry.name
                    ))
                    .hint("a token's issuer must say which of them judges it"),
                ),
                None => seen.push((issuer, &entry.name)),
            }
        }
    }
}

/// A client id is never a URL, so the route's own resource cannot be the audience of such tokens.
fn client_ids_are_named(
    place: &Place,
    accept: &[usize],
    authenticators: &[AuthenticatorEntry],
    notes: &mut Notes,
) {
    for entry in accept.iter().filter_map(|index| authenticators.get(*index)) {
        let unnamed = entry.jwt().is_some_and(|jwt| {
            jwt.audience_claim == crate::checked::AudienceClaim::ClientId
                && jwt.audiences.is_empty()
        });
        if unnamed {
            notes.missing(place, format!("{} takes client ids as audiences (audience_claim), so name the client ids that may call here", entry.name));
        }
    }
}

fn identity(place: &Place, raw: Option<Block<raw::Identity>>, notes: &mut Notes) -> Identity {
    let raw = notes.block(place, raw);
    let headers_place = place.key("headers");
    let headers = match raw.headers {
        None => IdentityHeaders::Default,
        Some(WordOrTable::Word(word)) => {
            notes.text_or(&headers_place, Some(&word), IdentityHeaders::Default)
        }
        Some(WordOrTable::Table(entries)) => {
            if entries.is_empty() {
                notes.wrong(
                    &headers_place,
                    Flaw::new("maps nothing").hint("say `none` to tell the upstream nothing"),
                );
            }
            let mut map: Vec<(Box<str>, ClaimPath)> = Vec::with_capacity(entries.len());
            for (name, claim) in entries {
                let place = headers_place.key(&name);
                let claim = notes.text(&place, Some(&claim));
                let header = HeaderName::read(&name)
                    .and_then(|header| name::not_for_identity(&header).map_or(Ok(header), Err));
                match header {
                    Err(flaw) => notes.wrong(&place, flaw),
                    Ok(HeaderName(header)) if map.iter().any(|(other, _)| *other == header) => {
                        notes.wrong(&place, "is there already in another letter case");
                    }
                    Ok(HeaderName(header)) => map.extend(claim.map(|claim| (header, claim))),
                }
            }
            map.sort_by(|left, right| left.0.cmp(&right.0));
            IdentityHeaders::Map(map)
        }
    };
    let strip_place = place.key("strip");
    let strip = notes.set(&strip_place, raw.strip.as_ref());
    for (place, header) in strip.placed(&strip_place) {
        if name::must_stay(header) {
            notes.wrong(&place, "is a header that no request can do without");
        }
    }
    Identity {
        headers,
        strip: strip
            .items
            .into_iter()
            .map(|HeaderName(name)| name)
            .collect(),
    }
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
    }
}

#[cfg(test)]
mod tests;
