//! Whole files.

use std::time::Duration;

use proptest::prelude::*;

use crate::testing::{Fixed, good, try_load, wrong};
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
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    assert!(config.admin.token.is_none());
    assert_eq!(
        (config.logging.level, config.logging.format),
        (Level::Info, LogFormat::Text)
    );
    assert_eq!(config.credential_cache, 64 << 20);

    let AuthenticatorKind::Oidc { jwt, fetch, .. } = &config.authenticators[0].kind else {
        panic!("not oidc")
    };
    assert_eq!(
        (
            jwt.rules.leeway.as_secs(),
            fetch.cache.as_secs(),
            fetch.max_stale.as_secs()
        ),
        (30, 900, 3600)
    );
    assert_eq!(
        (
            fetch.start,
            jwt.rules.trust_email,
            jwt.nonce_allowed,
            jwt.rules.shared_audience
        ),
        (Start::Required, false, false, false)
    );
    assert_eq!(
        jwt.rules
            .claims
            .scopes
            .iter()
            .map(super::super::claim_path::ClaimPath::as_str)
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
        (true, Duration::from_hours(12))
    );
    let Auth::Required(requirement) = &route.auth else {
        panic!("open")
    };
    assert_eq!(requirement.accept, [0]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let sources = Fixed::default()
        .var("ISSUER", "hunter2")
        .var("KEEPALIVE", "hunter2");
    let problems = load(include_str!("bad.yaml"), &sources)
        .unwrap_err()
        .to_string();
    assert!(!problems.contains("hunter2"), "{problems}");
    insta::assert_snapshot!(problems);
}

#[test]
fn unknown_keys_are_all_found_and_close_ones_offered() {
    let said = |text: &str| {
        let problems = try_load(text).unwrap_err();
        problems
            .iter()
            .map(|problem| {
                format!(
                    "{}: {} ({})",
                    problem.path,
                    problem.reason,
                    problem.hint.as_deref().unwrap_or("-")
                )
            })
            .collect::<Vec<_>>()
    };
    let text = "server: { Listen: 1, cors: { origins: [] } }\n\"a\\nb\": 1\nrate_limit: {}\n";
    assert_eq!(
        said(text),
        [
            "\"a\\nb\": is not a known key (known here: admin, audit, authenticators, credential_cache, deny, logging, profile, routes, server, sessions)",
            "rate_limit: is not a known key (it is a key of a route: check the indentation)",
            "server.Listen: is not a known key (did you mean `listen`?)",
            "server.cors.origins: is not a known key (known here: allowed_origins)",
        ]
    );
    assert_eq!(
        said(
            "server: { limits: { listen: 1, sessions: 1 } }\nroutes: [ { path: /mcp, upstream: 'http://127.0.0.1:3000', auth: { type: none, access: {} }, dangerous: [anonymous_access] } ]"
        ),
        [
            "server.limits.listen: is not a known key (it is a key of server: check the indentation)",
            "server.limits.sessions: is not a known key (it is a key of the file itself: check the indentation)",
            "routes[0].auth.access: is not a known key (it is a key of routes[0]: check the indentation)",
        ]
    );
    assert_eq!(
        said("x: &x { level: info }\nlogging: { <<: *x }"),
        [
            "x: is not a known key (known here: admin, audit, authenticators, credential_cache, deny, logging, profile, routes, server, sessions)",
            "logging.\"<<\": is a merge key, which YAML 1.2 does not have (anchors and aliases of whole values do work)",
        ]
    );
}

#[test]
fn a_missing_section_is_not_said_beside_its_misspelling() {
    let problems = load("route: [ { path: /mcp } ]", &Fixed::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "gateway.yaml has 1 problem\n  route   is not a known key\n    hint: did you mean `routes`?"
    );
}

#[test]
fn yaml_hygiene() {
    for text in [
        "",
        "# nothing",
        "[]",
        "a: 1\na: 2",
        "a: 1\n---\nb: 1",
        "a:\n\t- b",
        "a: &a [*a]",
        "%TAG",
        "\u{feff}",
        "a: !x y",
    ] {
        assert_eq!(
            load(text, &Fixed::default()).unwrap_err().len(),
            1,
            "{text:?}"
        );
    }
    wrong(
        "logging: { level: \"in\\0fo\" }",
        &["logging.level: contains a NUL character"],
    );
    wrong(
        "logging: { level: \"\\0given:info\" }",
        &["logging.level: contains a NUL character"],
    );
}

#[test]
fn anchors_of_whole_values_work() {
    let config = good(
        "routes: [ { path: /a, upstream: &u 'http://127.0.0.1:3000' }, { path: /b, upstream: *u } ]",
    );
    assert_eq!(config.routes[0].upstream, config.routes[1].upstream);
}

#[test]
fn empty_sections_have_defaults_and_empty_values_do_not() {
    assert_eq!(good("server:\nadmin:\nlogging:\n"), good(""));
    wrong(
        "server: { cors: { allowed_origins: } }\nlogging: { level: ~ }",
        &[
            "server.cors.allowed_origins: has no value",
            "logging.level: has no value",
        ],
    );
}

#[test]
fn the_sample_has_no_problem_and_no_warning() {
    let text = include_str!("../../../../gateway.yaml");
    assert!(text.starts_with("# yaml-language-server: $schema=gateway.schema.json\n"));
    let loaded = load(text, &Fixed::default()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn the_sample_speaks_of_every_key() {
    fn keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(properties) = schema
            .get("properties")
            .and_then(serde_json::Value::as_object)
        {
            for (key, inner) in properties {
                found.push(key.clone());
                keys(inner, found);
            }
        }
        ["items", "additionalProperties"]
            .iter()
            .filter_map(|inner| schema.get(inner))
            .for_each(|inner| keys(inner, found));
    }
    let mut known = Vec::new();
    keys(&crate::schema(), &mut known);
    let text = include_str!("../../../../gateway.yaml");
    let unspoken: Vec<String> = known
        .into_iter()
        .filter(|key| !text.contains(&format!("{key}:")))
        .collect();
    assert_eq!(unspoken, [""; 0]);
}

/// The sample with every commented-out line of YAML in force: what is only shown must be right too.
#[test]
fn what_the_sample_only_shows_is_known_too() {
    let text = include_str!("../../../../gateway.yaml");
    let in_force = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(shown) if shown.starts_with(|first: char| !first.is_whitespace()) => {
            line.replacen('#', "", 1) + "\n"
        }
        _ => line.to_owned() + "\n",
    };
    let uncommented: String = text.lines().map(in_force).collect();
    assert!(uncommented.contains("\n  partner:\n"));
    let sources = Fixed::default()
        .file("/etc/portcullis/introspection.secret", "secret\n")
        .file("/tls/tls.crt", "-----BEGIN CERTIFICATE-----")
        .file("/tls/tls.key", "-----BEGIN PRIVATE KEY-----")
        .file("/tls/other.crt", "-----BEGIN CERTIFICATE-----")
        .file("/tls/other.key", "-----BEGIN PRIVATE KEY-----")
        .file("/tls/clients.pem", "-----BEGIN CERTIFICATE-----")
        .file("/etc/portcullis/partner-keys.json", r#"{"keys":[]}"#)
        .file(
            "/etc/portcullis/admin.token",
            "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E\n",
        )
        .file(
            "/etc/portcullis/jwt.secret",
            "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E\n",
        )
        .file(
            "/etc/portcullis/encryption.key",
            "base64:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n",
        )
        .file("/etc/portcullis/jwt.pem", crate::public_key::P256)
        .file("/etc/portcullis/ca.pem", "-----BEGIN CERTIFICATE-----")
        .file("/etc/portcullis/deny.yaml", "[{ client: app }]")
        .folder("/var/log/portcullis");
    if let Err(problems) = load(&uncommented, &sources) {
        panic!("{problems}\n{uncommented}");
    }
}

proptest! {
    #[test]
    fn any_text_is_loaded_without_panic(text in "(?s).*") {
        let _ = load(&text, &Fixed::default());
    }

    /// Values of all shapes in all places: never a panic, and never a route or authenticator lost on the way.
    #[test]
    fn any_value_in_any_place_is_loaded_without_panic(
        key in 0..64_usize,
        value in "(\\[\\]|\\{\\}|~|true|-1|1\\.5|'\\$\\{X\\}'|'[a-z:/.0-9%*$ ]{0,12}'|\\['', 1\\]|\\{ a: b \\})",
    ) {
        let sample = include_str!("../resolved/everything.yaml");
        let mut lines: Vec<String> = sample.lines().map(str::to_owned).collect();
        let at = key % lines.len();
        if let Some((before, _)) = lines[at].split_once(": ") {
            lines[at] = format!("{before}: {value}");
        }
        let text = lines.join("\n");
        let sources = Fixed::default().file("/keys/$a.json", "{\"keys\":[]}").file("/ca.pem", "-----BEGIN CERTIFICATE-----");
        if let Ok(loaded) = load(&text, &sources) {
            prop_assert!(loaded.config.authenticators.len() <= 4 && !loaded.config.routes.is_empty());
            let again = load(&crate::resolved(&loaded.config), &sources);
            prop_assert_eq!(again.map(|again| again.config).map_err(|problems| problems.to_string()), Ok(loaded.config));
        }
    }
}
