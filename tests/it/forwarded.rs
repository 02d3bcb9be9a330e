//! Who is really there when proxies stand in front: read right to left, from trusted peers alone.

use testbed::World;
use testbed::client::Request;

use crate::setting::refused;
use crate::support::{MCP, OPEN, world};

const TRUSTING: &str = r#"public_url: "https://mcp.example.com", trusted_proxies: [127.0.0.0/8, 10.0.0.0/8, "fd00::/8"]"#;

fn post(world: &World, lines: &[(&str, &str)]) -> Request {
    let mut request = world.client().post("/mcp");
    for (name, value) in lines {
        request = request.header(name, value);
    }
    request
}

/// Sends these lines and tells what the upstream is told: address, scheme, host.
async fn told(world: &World, lines: &[(&str, &str)]) -> (String, String, String) {
    post(world, lines).send().await.is(200);
    let seen = world.server.last();
    let one = |name: &str| {
        assert_eq!(seen.headers.all(name).len(), 1, "{name} in {seen:?}");
        seen.header(name).unwrap_or_default().to_owned()
    };
    assert!(
        !seen.headers.has("forwarded") && !seen.headers.has("x-real-ip"),
        "R7239: no contradictions"
    );
    (
        one("x-forwarded-for"),
        one("x-forwarded-proto"),
        one("x-forwarded-host"),
    )
}

#[tokio::test]
async fn r7239_sec_34_without_trusted_proxies_nothing_is_believed() {
    let world = world("", &[OPEN]).await;
    let own = world.gateway.address().to_string();
    let lies = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
        ("X-Real-IP", "6.6.6.6"),
    ];
    assert_eq!(
        told(&world, &lies).await,
        ("127.0.0.1".into(), "http".into(), own)
    );
}

#[tokio::test]
async fn r7239_addresses_are_walked_right_to_left_up_to_the_first_stranger() {
    let world = world(TRUSTING, &[OPEN]).await;
    for (line, expected) in [
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (
            "6.6.6.6,203.0.113.9 ,10.1.2.3,10.9.9.9, 127.0.0.2",
            "203.0.113.9",
        ),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3, 10.9.9.9", "10.1.2.3"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443, 10.1.1.1", "2001:db8::1"),
        ("6.6.6.6, fd00::7", "6.6.6.6"),
        ("6.6.6.6, ::ffff:10.0.0.1", "6.6.6.6"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, unknown", "127.0.0.1"),
        ("6.6.6.6, not an address, 10.0.0.1", "10.0.0.1"),
        ("", "127.0.0.1"),
        (",,", "127.0.0.1"),
    ] {
        let (address, ..) = told(&world, &[("X-Forwarded-For", line)]).await;
        assert_eq!(address, expected, "{line}");
    }
    let lines = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-For", "203.0.113.9, 10.0.0.1"),
    ];
    assert_eq!(
        told(&world, &lines).await.0,
        "203.0.113.9",
        "lines are one list"
    );
}

#[tokio::test]
async fn r7239_the_forwarded_header_is_read_when_the_other_family_is_absent() {
    let world = world(TRUSTING, &[OPEN]).await;
    let own = world.gateway.address().to_string();
    let public = "mcp.example.com".to_owned();
    for (line, expected) in [
        (
            "for=203.0.113.9;proto=https;host=mcp.example.com",
            ("203.0.113.9", "https", &public),
        ),
        (
            "for=6.6.6.6, for=203.0.113.9;proto=https, For=10.1.1.1;Proto=https;Host=\"mcp.example.com\"",
            ("203.0.113.9", "https", &public),
        ),
        ("for=\"[2001:db8::1]:4711\"", ("2001:db8::1", "http", &own)),
        ("for=\"203.0.113.9:80\"", ("203.0.113.9", "http", &own)),
        ("for=6.6.6.6, for=_hidden", ("127.0.0.1", "http", &own)),
        (
            "for=6.6.6.6;proto=https, for=unknown;proto=https",
            ("127.0.0.1", "https", &own),
        ),
        (
            "for=1.2.3.4;proto=http, for=10.1.1.1;proto=https",
            ("1.2.3.4", "http", &own),
        ),
        ("proto=https", ("127.0.0.1", "https", &own)),
        ("rubbish", ("127.0.0.1", "http", &own)),
    ] {
        let expected = (
            expected.0.to_owned(),
            expected.1.to_owned(),
            expected.2.to_owned(),
        );
        assert_eq!(
            told(&world, &[("Forwarded", line)]).await,
            expected,
            "{line}"
        );
    }
    let both = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example"),
    ];
    assert_eq!(
        told(&world, &both).await,
        ("203.0.113.9".into(), "http".into(), own),
        "one family, never both"
    );
}

#[tokio::test]
async fn r7239_https_is_believed_only_if_every_hop_says_so() {
    let world = world(TRUSTING, &[OPEN]).await;
    for (line, expected) in [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, https", "https"),
        ("http", "http"),
        ("https, http", "http"),
        ("http, https", "http"),
        ("wss", "http"),
        ("", "http"),
    ] {
        let (_, scheme, _) = told(&world, &[("X-Forwarded-Proto", line)]).await;
        assert_eq!(scheme, expected, "{line}");
    }
}

#[tokio::test]
async fn sec_30_prm_6_a_forwarded_host_must_be_one_of_ours() {
    let world = world(TRUSTING, &[MCP]).await;
    for lines in [
        &[("X-Forwarded-Host", "mcp.example.com")][..],
        &[("X-Forwarded-Host", "evil.example, mcp.example.com")],
        &[
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Host", "MCP.example.com:443"),
        ],
        &[("Forwarded", "host=evil.example, host=\"mcp.example.com\"")],
    ] {
        let answer = post(&world, lines).host("internal.example").send().await;
        let challenge = answer.refused(401, None).challenge();
        let url = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
        assert_eq!(
            challenge.get("resource_metadata").map(String::as_str),
            Some(url),
            "{lines:?}"
        );
    }
    for lines in [
        &[("X-Forwarded-Host", "evil.example")][..],
        &[("X-Forwarded-Host", "mcp.example.com, evil.example")],
        &[("Forwarded", "host=evil.example")],
        &[("Forwarded", "host=\"mcp.example.com\", host=evil.example")],
    ] {
        refused(
            &world,
            post(&world, lines).bearer(world.token()),
            421,
            "misdirected",
        )
        .await;
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_30_a_forwarded_host_of_a_stranger_selects_nothing() {
    let routes = [
        r#"{ path: /mcp, name: named, host: named.example, upstream: "{upstream}/named", auth: { type: none }, dangerous: [anonymous_access] }"#,
        OPEN,
    ];
    let strangers = world("", &routes).await;
    post(&strangers, &[("X-Forwarded-Host", "named.example")])
        .send()
        .await
        .is(200);
    assert_eq!(strangers.server.last().target, "/mcp");
    let friends = world("trusted_proxies: [127.0.0.1/32]", &routes).await;
    post(&friends, &[("X-Forwarded-Host", "named.example")])
        .send()
        .await
        .is(200);
    assert_eq!(friends.server.last().target, "/named");
}

#[tokio::test]
async fn r7239_the_log_names_the_client_that_was_found() {
    let world = world(TRUSTING, &[MCP]).await;
    let request = post(&world, &[("X-Forwarded-For", "203.0.113.9, 10.0.0.1")]);
    let refused = refused(&world, request, 401, "missing_credentials").await;
    assert_eq!(refused.entry["client"], "203.0.113.9");
}
