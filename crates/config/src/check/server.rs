//! The public listener.

mod client_certificate;
mod https;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{GIB, KIB, MIB, dangerous};
use crate::checked::{Cors, Limits, Period, Rate, Server, Timeouts};
use crate::notes::{Listed, Notes};
use crate::origin::{Origin, Scheme};
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::network::Proxies;
use crate::scalar::rate::Budget;
use crate::scalar::unit::Count;
use crate::scalar::url::AllowedOrigin;
use crate::sources::Sources;
use crate::written::{Block, List, OneOrMany, Text};

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_hours(24);
/// A person's client costs a handful per login; whoever guesses needs more.
const FAILURES: Rate = Rate {
    count: 600,
    per: Period::Minute,
};

pub(super) fn check(
    raw: Option<Block<raw::Server>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Server {
    let place = Place::root().key("server");
    let raw = notes.block(&place, raw);
    let plain_http = !dangerous(&place, raw.dangerous.as_ref(), &["plain_http"], notes).is_empty();

    let listen_place = place.key("listen");
    let listen = notes.one_or_many(&listen_place, raw.listen.as_ref());
    let listen_known = listen.whole;
    let listen = addresses(&listen_place, listen, notes);

    let url_place = place.key("public_url");
    let url_written = raw.public_url.is_some();
    let public_url = notes.text(&url_place, raw.public_url.as_ref());
    let (proxies, proxies_known) = proxies(&place, raw.trusted_proxies.as_ref(), notes);

    let is_https = raw.tls.is_some();
    let tls = raw
        .tls
        .and_then(|raw| tls::check(&place.key("tls"), raw, sources, notes));

    let on_loopback = listen.iter().all(|address| address.ip().is_loopback());
    if listen_known && !on_loopback {
        if !url_written {
            notes.missing(&url_place, "needed as soon as a listener is not on loopback: what clients type, like https://mcp.example.com");
        }
        // Beyond this machine only a TLS terminator may hear plain HTTP (SEC-38).
        if !is_https && !plain_http && proxies_known && proxies.is_empty() {
            notes.wrong(
                &listen_place,
                Flaw::new("serves plain HTTP beyond this machine").hint(
                    "give it a certificate under server.tls, name the TLS terminator in front of it under server.trusted_proxies, or say dangerous: [plain_http]",
                ),
            );
        }
    }
    if let Some(url) = &public_url {
        if is_https && url.scheme() == Scheme::Http {
            notes.wrong(
                &url_place,
                Flaw::new("is http, and the listeners speak TLS").hint("write https"),
            );
        } else {
            http_off_loopback(&url_place, url, plain_http, notes);
        }
    }
    let hsts = raw
        .hsts
        .and_then(|raw| https::hsts(&place.key("hsts"), raw, notes));
    let public_https = public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == Scheme::Https);
    if hsts.is_some() && !is_https && !public_https {
        notes.wrong(
            &place.key("hsts"),
            Flaw::new("means nothing over http")
                .hint("it needs server.tls, or an https public_url"),
        );
    }
    let redirect_http = https::redirect(
        &place.key("redirect_http"),
        raw.redirect_http.as_ref(),
        &listen,
        is_https,
        notes,
    );
    let client_certificate = raw.client_certificate.and_then(|raw| {
        let believed = !proxies_known || !proxies.is_empty();
        client_certificate::check(&place.key("client_certificate"), raw, believed, notes)
    });
    if plain_http && is_https {
        notes.wrong(
            &place.key("dangerous"),
            "has plain_http, and the listeners speak TLS",
        );
    } else if plain_http {
        notes.warn(
            &place.key("dangerous"),
            Flaw::new("plain_http: tokens can be read by anyone on the way").hint(
                "let a TLS terminator stand in front and name it under server.trusted_proxies",
            ),
        );
    }

    Server {
        listen,
        public_url,
        tls,
        redirect_http,
        hsts,
        allowed_hosts: notes
            .list(&place.key("allowed_hosts"), raw.allowed_hosts.as_ref())
            .items,
        trusted_proxies: proxies,
        client_certificate,
        proxy_protocol: notes
            .list(&place.key("proxy_protocol"), raw.proxy_protocol.as_ref())
            .items,
        cors: cors(&place.key("cors"), raw.cors, notes),
        limits: limits(&place.key("limits"), raw.limits, notes),
        timeouts: timeouts(&place.key("timeouts"), raw.timeouts, notes),
        sse_keepalive: keepalive(
            &place.key("sse_keepalive"),
            raw.sse_keepalive.as_ref(),
            notes,
        ),
        plain_http,
    }
}

/// An http URL is for this machine alone, unless the operator says otherwise (S0-44).
pub(super) fn http_off_loopback(place: &Place, url: &Origin, plain_http: bool, notes: &mut Notes) {
    if url.scheme() == Scheme::Http && !url.is_loopback() && !plain_http {
        notes.wrong(
            place,
            Flaw::new("is http and not on loopback").hint("most clients refuse to log in there; use https, or say server.dangerous: [plain_http]"),
        );
    }
}

/// Who is believed, and whether all of it could be read.
fn proxies(
    place: &Place,
    field: Option<&OneOrMany<Proxies>>,
    notes: &mut Notes,
) -> (Vec<IpNet>, bool) {
    let listed = notes.one_or_many(&place.key("trusted_proxies"), field);
    let networks = listed
        .items
        .into_iter()
        .flat_map(|Proxies(networks)| networks);
    (networks.collect(), listed.whole)
}

fn addresses(place: &Place, listed: Listed<SocketAddr>, notes: &mut Notes) -> Vec<SocketAddr> {
    if listed.is_written_empty() {
        notes.wrong(
            place,
            Flaw::new("names no address").hint("leave it out for 127.0.0.1:8080"),
        );
    }
    for (index, (place, address)) in listed.placed(place).enumerate() {
        if listed
            .items
            .iter()
            .take(index)
            .any(|earlier| collide(*earlier, *address))
        {
            notes.wrong(&place, "is listened on already");
        }
    }
    if listed.items.is_empty() {
        return vec![SocketAddr::from(([127, 0, 0, 1], 8080))];
    }
    listed.items
}

/// Whether two listeners cannot both be bound.
pub(super) fn collide(left: SocketAddr, right: SocketAddr) -> bool {
    let one_covers = left.ip() == right.ip()
        || (left.is_ipv4() == right.is_ipv4()
            && (left.ip().is_unspecified() || right.ip().is_unspecified()));
    left.port() != 0 && left.port() == right.port() && one_covers
}

fn cors(place: &Place, raw: Option<Block<raw::Cors>>, notes: &mut Notes) -> Cors {
    let raw = notes.block(place, raw);
    let place = place.key("allowed_origins");
    let listed: Option<&List<Text<AllowedOrigin>>> = raw.allowed_origins.as_ref();
    let mut origins = Vec::new();
    let mut any = false;
    for allowed in notes.list(&place, listed).items {
        match allowed {
            AllowedOrigin::Any => any = true,
            AllowedOrigin::One(origin) => origins.push(origin),
        }
    }
    match (any, origins.is_empty()) {
        (true, true) => Cors::Any,
        (true, false) => {
            notes.wrong(
                &place,
                Flaw::new("has origins beside \"*\"")
                    .hint("\"*\" is every origin; it stands alone"),
            );
            Cors::Any
        }
        (false, _) => Cors::Origins(origins),
    }
}

fn limits(place: &Place, raw: Option<Block<raw::Limits>>, notes: &mut Notes) -> Limits {
    let raw = notes.block(place, raw);
    let connections = notes.count(
        &place.key("connections"),
        raw.connections.as_ref(),
        10_000,
        1..=1_000_000,
    );
    let handshakes = notes.count(
        &place.key("handshakes"),
        raw.handshakes.as_ref(),
        1000,
        1..=1_000_000,
    );
    // The HTTP parser reads heads into a buffer of at least 8 KiB, so a smaller bound would not hold.
    let header_bytes = notes.size(
        &place.key("header_bytes"),
        raw.header_bytes.as_ref(),
        64 * KIB,
        8 * KIB..=MIB,
    );
    let mut per_address = |name: &str, field: Option<&Text<Count>>| {
        notes.count(&place.key(name), field, 1000, 1..=1_000_000)
    };
    let connections_per_address = per_address(
        "connections_per_address",
        raw.connections_per_address.as_ref(),
    );
    let streams_per_address = per_address("streams_per_address", raw.streams_per_address.as_ref());
    let Budget(failures_per_address) = notes.text_or(
        &place.key("failures_per_address"),
        raw.failures_per_address.as_ref(),
        Budget(Some(FAILURES)),
    );
    Limits {
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        handshakes: usize::try_from(handshakes).unwrap_or(usize::MAX),
        connections_per_address,
        streams_per_address,
        failures_per_address,
        header_bytes: usize::try_from(header_bytes).unwrap_or(usize::MAX),
        body_bytes: notes.size(
            &place.key("body_bytes"),
            raw.body_bytes.as_ref(),
            4 * MIB,
            1..=1024 * GIB,
        ),
        inspect_memory: notes.size(
            &place.key("inspect_memory"),
            raw.inspect_memory.as_ref(),
            256 * MIB,
            MIB..=1024 * GIB,
        ),
        list_bytes: notes.size(
            &place.key("list_bytes"),
            raw.list_bytes.as_ref(),
            4 * MIB,
            64 * KIB..=GIB,
        ),
        streams_per_connection: notes.count(
            &place.key("streams_per_connection"),
            raw.streams_per_connection.as_ref(),
            100,
            1..=10_000,
        ),
    }
}

fn timeouts(place: &Place, raw: Option<Block<raw::Timeouts>>, notes: &mut Notes) -> Timeouts {
    let raw = notes.block(place, raw);
    let mut one = |name: &str, field: Option<&Text<Duration>>, seconds: u64| {
        notes.duration(
            &place.key(name),
            field,
            Duration::from_secs(seconds),
            MILLISECOND..=DAY,
        )
    };
    Timeouts {
        request_head: one("request_head", raw.request_head.as_ref(), 10),
        request_body: one("request_body", raw.request_body.as_ref(), 30),
        idle: one("idle", raw.idle.as_ref(), 75),
        connect: one("connect", raw.connect.as_ref(), 5),
        response_head: one("response_head", raw.response_head.as_ref(), 300),
        drain: notes.duration(
            &place.key("drain"),
            raw.drain.as_ref(),
            Duration::from_secs(25),
            Duration::ZERO..=DAY,
        ),
    }
}

fn keepalive(place: &Place, field: Option<&Text<Duration>>, notes: &mut Notes) -> Option<Duration> {
    let silence = notes.duration(place, field, Duration::from_secs(20), Duration::ZERO..=DAY);
    (!silence.is_zero()).then_some(silence)
}

#[cfg(test)]
mod tests;
