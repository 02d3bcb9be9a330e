//! The section `server`.

use serde_yaml::Value;

use super::{block, duration, list, proof, shown, size, text, word};
use crate::checked::{Cors, Hsts, Limits, Pair, Server, Timeouts, Tls};
use crate::scalar::rate::show_budget;

pub(super) fn server(server: &Server) -> Value {
    let cors = match &server.cors {
        Cors::Any => list([text("*")]),
        Cors::Origins(origins) => list(origins.iter().map(shown)),
    };
    let danger = server.plain_http.then_some("plain_http");
    block([
        ("listen", list(server.listen.iter().map(shown))),
        (
            "public_url",
            server.public_url.as_ref().map_or(Value::Null, shown),
        ),
        ("tls", server.tls.as_ref().map_or(Value::Null, tls)),
        (
            "redirect_http",
            server.redirect_http.map_or(Value::Null, shown),
        ),
        ("hsts", server.hsts.as_ref().map_or(Value::Null, hsts)),
        (
            "allowed_hosts",
            list(server.allowed_hosts.iter().map(shown)),
        ),
        (
            "trusted_proxies",
            list(server.trusted_proxies.iter().map(shown)),
        ),
        (
            "client_certificate",
            server
                .client_certificate
                .as_ref()
                .map_or(Value::Null, proof::client_certificate),
        ),
        (
            "proxy_protocol",
            list(server.proxy_protocol.iter().map(shown)),
        ),
        ("cors", block([("allowed_origins", cors)])),
        ("limits", limits(&server.limits)),
        ("timeouts", timeouts(&server.timeouts)),
        (
            "sse_keepalive",
            duration(server.sse_keepalive.unwrap_or_default()),
        ),
        ("dangerous", list(danger.map(text))),
    ])
}

fn tls(tls: &Tls) -> Value {
    let files = |pair: &Pair| {
        [
            ("certificate", shown(pair.certificate.display())),
            ("private_key", shown(pair.private_key.display())),
        ]
    };
    let (first, others) = tls.pairs.split_at(tls.pairs.len().min(1));
    let clients = tls.clients.as_ref();
    block(first.iter().flat_map(files).chain([
        (
            "certificates",
            list(others.iter().map(|pair| block(files(pair)))),
        ),
        ("min_version", word(&tls.min_version)),
        (
            "client_ca",
            clients.map_or(Value::Null, |clients| shown(clients.ca.display())),
        ),
        (
            "client_auth",
            clients.map_or(Value::Null, |clients| word(&clients.auth)),
        ),
    ]))
}

fn hsts(hsts: &Hsts) -> Value {
    block([
        ("max_age", duration(hsts.max_age)),
        ("include_subdomains", Value::Bool(hsts.include_subdomains)),
    ])
}

fn limits(limits: &Limits) -> Value {
    block([
        ("connections", Value::from(limits.connections)),
        ("handshakes", Value::from(limits.handshakes)),
        (
            "connections_per_address",
            Value::from(limits.connections_per_address),
        ),
        (
            "streams_per_address",
            Value::from(limits.streams_per_address),
        ),
        (
            "failures_per_address",
            text(&show_budget(limits.failures_per_address)),
        ),
        (
            "header_bytes",
            size(u64::try_from(limits.header_bytes).unwrap_or(u64::MAX)),
        ),
        ("body_bytes", size(limits.body_bytes)),
        ("inspect_memory", size(limits.inspect_memory)),
        ("list_bytes", size(limits.list_bytes)),
        (
            "streams_per_connection",
            Value::from(limits.streams_per_connection),
        ),
    ])
}

fn timeouts(timeouts: &Timeouts) -> Value {
    block([
        ("request_head", duration(timeouts.request_head)),
        ("request_body", duration(timeouts.request_body)),
        ("idle", duration(timeouts.idle)),
        ("connect", duration(timeouts.connect)),
        ("response_head", duration(timeouts.response_head)),
        ("drain", duration(timeouts.drain)),
    ])
}
