//! What never reaches the upstream: lies about who calls, in every spelling, and headers that were for us alone.

use serde_json::json;

use crate::setting::refused;
use crate::support::{MCP, OPEN, world};

/// Every name under which somebody might believe something, in the spellings that servers fold together.
const LIES: &[&str] = &[
    "X-Auth-Subject",
    "x-auth-subject",
    "X-AUTH-EMAIL",
    "X_Auth_Subject",
    "X-Auth_Subject",
    "x.auth.subject",
    "X~Auth~Subject",
    "X-Auth-Anything",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "Remote-User",
    "remote_user",
    "REMOTE.USER",
    "Remote-Email",
    "Remote-Groups",
    "Remote-Name",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-Amzn-Oidc-Identity",
    "x-amzn-oidc-data",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-NAME",
    "X-MS-TOKEN-AAD-ACCESS-TOKEN",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "X-Pomerium-Jwt-Assertion",
    "Tailscale-User-Login",
    "X-WEBAUTH-USER",
    "X-Mine",
    "x_mine",
    "x.mine",
    "X-Stripped",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Anything",
    "X-Real-IP",
    "X_Real_IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-SSL-Client-Cert",
    "X-Client-Cert",
    "SSL-Client-Cert",
    "SSL-Client-Subject-DN",
    "X-TLS-Client-Cert",
    "X-Amzn-Mtls-Clientcert",
    "X-ARR-ClientCert",
    "Fastly-Client-IP",
    "Proxy-Authenticate",
    "X-SSL-Client-Verify",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Host",
    "X-Host",
    "DPoP",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect_",
    "Any_Thing",
    "HTTP2-Settings",
    "X-Request-ID",
    // what is judged under its own name, as it is to servers that read every other character as `_`
    "Mcp.Session.Id",
    "mcp~session-id",
    "MCP.Protocol.Version",
    "Mcp-Method!",
    "Mcp*Name",
    "Last.Event.Id",
    "Content.Encoding",
    "Content'Type",
];

#[tokio::test]
async fn s3_25_sec_34_no_spelling_of_a_lie_gets_through_on_any_route() {
    let mapped = r#"{ path: /mapped, upstream: "{upstream}", identity: { headers: { X-Mine: sub }, strip: [X-Stripped] } }"#;
    let anonymous = r#"{ path: /open, upstream: "{upstream}", auth: { type: none }, dangerous: [anonymous_access] }"#;
    let silent = r#"{ path: /silent, upstream: "{upstream}", identity: { headers: none } }"#;
    let world = world("", &[MCP, mapped, anonymous, silent]).await;
    for path in ["/mcp", "/mapped", "/open", "/silent"] {
        let mut request = world.client().post(path).bearer(world.token_for(path));
        for (i, name) in LIES.iter().enumerate() {
            request = request.header(name, &format!("lie-{i}"));
        }
        request = request
            .header("Connection", "close")
            .header("X-Truth", "kept");
        request.send().await.is(200);
        let seen = world.server.last();
        let lies: Vec<_> = seen
            .headers
            .iter()
            .filter(|(_, value)| value.contains("lie-"))
            .collect();
        assert_eq!(lies, [], "{path}");
        assert!(
            !String::from_utf8_lossy(&seen.raw_head).contains("lie-"),
            "{path}"
        );
        assert_eq!(seen.header("x-truth"), Some("kept"));
        for gone in [
            "authorization",
            "connection",
            "x-forwarded-user",
            "remote-user",
        ] {
            assert_eq!(seen.header(gone), None, "{path}: {gone}");
        }
        assert_eq!(
            seen.header("x-mine"),
            (path == "/mapped").then_some("alice")
        );
        assert_eq!(
            seen.header("x-auth-subject"),
            (path == "/mcp").then_some("alice")
        );
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[tokio::test]
async fn sec_34_the_presets_and_the_map_say_it_in_their_words() {
    let routes = [
        r#"{ path: /o2p, upstream: "{upstream}", identity: { headers: oauth2-proxy } }"#,
        r#"{ path: /authelia, upstream: "{upstream}", identity: { headers: authelia } }"#,
        r#"{ path: /map, upstream: "{upstream}", identity: { headers: { X-User: preferred_username, X-Roles: realm_access.roles, X-None: nothing } } }"#,
        r#"{ path: /none, upstream: "{upstream}", identity: { headers: none } }"#,
    ];
    let world = world("", &routes).await;
    let sent = [
        "x-forwarded-user",
        "x-forwarded-email",
        "x-forwarded-groups",
        "remote-user",
        "remote-email",
        "remote-groups",
        "x-user",
        "x-roles",
        "x-none",
        "x-auth-subject",
    ];
    for (path, expected) in [
        (
            "/o2p",
            vec![
                ("x-forwarded-user", "alice"),
                ("x-forwarded-email", "a@example.com"),
                ("x-forwarded-groups", "g1,g2"),
            ],
        ),
        (
            "/authelia",
            vec![
                ("remote-user", "alice"),
                ("remote-email", "a@example.com"),
                ("remote-groups", "g1,g2"),
            ],
        ),
        ("/map", vec![("x-user", "ally"), ("x-roles", "r1,r2")]),
        ("/none", vec![]),
    ] {
        let token = world
            .token_for(path)
            .claim("groups", json!(["g1", "g2"]))
            .claim("email", "a@example.com")
            .claim("email_verified", true);
        let token = token
            .claim("preferred_username", "ally")
            .claim("realm_access", json!({"roles": ["r1", "r2"]}));
        world.client().post(path).bearer(token).send().await.is(200);
        let seen = world.server.last();
        let found: Vec<_> = sent
            .iter()
            .filter_map(|&name| Some((name, seen.header(name)?)))
            .collect();
        assert_eq!(found, expected, "{path}");
    }
}

#[tokio::test]
async fn sec_33_r9110_hop_by_hop_headers_end_here() {
    let world = world("", &[OPEN]).await;
    let post = |lines: &[(&str, &str)]| {
        let mut request = world.client().post("/mcp");
        for (name, value) in lines {
            request = request.header(name, value);
        }
        request
    };
    for lines in [
        &[
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("X-Kept", "1"),
        ][..],
        &[
            ("Connection", "keep-alive"),
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
            ("X-Kept", "1"),
        ],
        &[
            ("Connection", "Upgrade, HTTP2-Settings, x-hop"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("X-Hop", "1"),
            ("X-Kept", "1"),
        ],
        &[
            ("Connection", "Upgrade,X-HOP"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("X-Hop", "1"),
            ("X-Kept", "1"),
        ],
    ] {
        post(lines).send().await.is(200);
        let seen = world.server.last();
        for gone in [
            "connection",
            "x-hop",
            "upgrade",
            "http2-settings",
            "keep-alive",
        ] {
            assert_eq!(seen.header(gone), None, "{lines:?}");
        }
        assert_eq!(seen.header("x-kept"), Some("1"));
    }
    let before = world.server.requests();
    for judged in [
        "authorization",
        "Host",
        "mcp-session-id",
        "Mcp-Protocol-Version",
        "X-Auth-Subject",
        "x_auth_subject",
        "origin",
        "content-length",
        "content-type",
        "Content-Encoding",
        "accept",
        "Accept-Encoding",
        "Last-Event-ID",
        "via",
        "cookie",
        "X-Forwarded-For",
        "x-request-id",
    ] {
        refused(
            &world,
            post(&[("Connection", judged)]),
            400,
            "ambiguous_request",
        )
        .await;
        refused(
            &world,
            post(&[
                ("Connection", "keep-alive"),
                ("Connection", &format!("close,{judged}")),
            ]),
            400,
            "ambiguous_request",
        )
        .await;
    }
    assert_eq!(world.server.requests(), before);
}
