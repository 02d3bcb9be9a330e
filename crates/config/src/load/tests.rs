//! Whole files.

use std::time::Duration;

use proptest::prelude::*;

use crate::testing::{Fixed, good, problems, try_load, with, wrong};
use crate::{
    Auth, AuthenticatorKind, Cors, IdentityHeaders, Level, LogFormat, Start, Transport, load,
};

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good("");
    let server = &config.server;
    assert_eq!(server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(
        (&server.public_url, &server.cors),
        (&None, &Cors::Origins(Vec::new()))
    );
    assert_eq!(
        (server.limits.connections, server.limits.header_bytes),
        (10_000, 65_536)
    );
    assert_eq!(
        (
            server.limits.body_bytes,
            server.limits.streams_per_connection
        ),
        (4 << 20, 100)
    );
    let timeouts = &server.timeouts;
    let seconds = [
        timeouts.request_head,
        timeouts.request_body,
        timeouts.idle,
        timeouts.connect,
        timeouts.response_head,
        timeouts.drain,
    ];
    assert_eq!(
        seconds.map(|duration| duration.as_secs()),
        [10, 30, 75, 5, 300, 25]
    );
    assert_eq!(server.sse_keepalive, Some(Duration::from_secs(20)));
    assert_eq!(config.admin.listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(
        (config.logging.level, config.logging.format),
        (Level::Info, LogFormat::Text)
    );
    assert_eq!(config.credential_cache, 64 << 20);

    let AuthenticatorKind::Oidc(jwt) = &config.authenticators[0].kind else {
        panic!("not oidc")
    };
    assert_eq!(
        (
            jwt.leeway.as_secs(),
            jwt.cache.as_secs(),
            jwt.max_stale.as_secs()
        ),
        (30, 900, 3600)
    );
    assert_eq!(
        (
            jwt.start,
            jwt.trust_email,
            jwt.nonce_allowed,
            jwt.shared_audience
        ),
        (Start::Required, false, false, false)
    );
    assert_eq!(
        jwt.claims
            .scopes
            .iter()
            .map(|path| path.as_str())
            .collect::<Vec<_>>(),
        ["scope", "scopes", "scp"]
    );

    let route = &config.routes[0];
    assert_eq!(
        (&*route.name, route.transport, route.subpaths),
        ("/mcp", Transport::Mcp, false)
    );
    assert_eq!(route.identity.headers, IdentityHeaders::Default);
    assert_eq!(
        (route.streams.end_at_expiry, route.streams.max_age),
        (true, Duration::from_secs(12 * 3600))
    );
    let Auth::Required(requirement) = &route.auth else {
        panic!("open")
    };
    assert_eq!(requirement.accept, [0]);
}
