//! What the upstream receives: exactly the client's request, less what could lie, plus what the gateway knows.

use std::collections::BTreeSet;

use serde_json::json;
use testbed::World;

use crate::setting::refused;
use crate::support::{MCP, OPEN, call, world};

/// Lower-case names of the headers that the upstream got last.
fn names(world: &World) -> BTreeSet<String> {
    let seen = world.server.last();
    let all: Vec<_> = seen.headers.names().iter().map(|name| name.to_ascii_lowercase()).collect();
    let unique: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(all.len(), unique.len(), "a header twice: {all:?}");
    unique
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const ADDED: [&str; 14] = [
    "host", "via", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-auth-subject", "x-auth-issuer", "x-auth-kind", "x-auth-method",
    "x-auth-scopes", "x-auth-client", "content-length", "content-type",
];

#[tokio::test]
async fn s3_25_sec_1_sec_34_t_o6_the_upstream_gets_these_headers_and_no_others() {
    let world = world("", &[MCP]).await;
    let request = world.client().post("/mcp?x=1").json(&json!({})).bearer(world.token());
    let answer = request.header("X-Custom", "kept").send().await;
    answer.is(200);
    let mut expected = set(&ADDED);
    expected.insert("x-custom".to_owned());
    assert_eq!(names(&world), expected);
    let seen = world.server.last();
    let upstream = world.server.address().to_string();
    let gateway = world.gateway.address().to_string();
    for (name, value) in [
        ("host", &*upstream),
        ("via", "1.1 portcullis"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", &gateway),
        ("x-auth-subject", "alice"),
        ("x-auth-issuer", world.idp.issuer()),
        ("x-auth-kind", "user"),
        ("x-auth-method", "oidc"),
        ("x-auth-scopes", "mcp:tools"),
        ("x-auth-client", "pub"),
        ("x-custom", "kept"),
        ("x-request-id", answer.header("x-request-id").unwrap()),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/mcp?x=1"));
}

#[tokio::test]
async fn sec_1_sec_4_identity_headers_say_what_is_proven_and_no_more() {
    let world = world("", &[MCP]).await;
    let token = world.token().claim("email", "a@example.com").claim("name", "Alice A").claim("groups", json!(["a", "b"]));
    world.client().post("/mcp").bearer(token.clone()).send().await.is(200);
    let seen = world.server.last();
    assert_eq!(seen.header("x-auth-email"), None, "nobody verified it");
    assert_eq!((seen.header("x-auth-name"), seen.header("x-auth-groups")), (Some("Alice A"), Some("a,b")));
    let token = token.claim("email_verified", true);
    world.client().post("/mcp").bearer(token).send().await.is(200);
    assert_eq!(world.server.last().header("x-auth-email"), Some("a@example.com"));
    let machine = world.token().without("sub");
    world.client().post("/mcp").bearer(machine).send().await.is(200);
    let seen = world.server.last();
    assert_eq!((seen.header("x-auth-kind"), seen.header("x-auth-subject")), (Some("client"), Some("pub")));
}

/// Every name under which somebody might believe something, in the spellings that servers fold together.
const LIES: &[&str] = &[
    "X-Auth-Subject", "x-auth-subject", "X-AUTH-EMAIL", "X_Auth_Subject", "X-Auth_Subject", "x.auth.subject", "X~Auth~Subject", "X-Auth-Anything",
    "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "Remote-User", "remote_user", "REMOTE.USER", "Remote-Email",
    "Remote-Groups", "Remote-Name", "X-Mine", "x_mine", "x.mine", "X-Stripped", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Anything", "X-Real-IP", "X_Real_IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP",
    "Client-Cert", "Client-Cert-Chain", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method",
    "X-Method-Override", "X-Original-Host", "X-Host", "DPoP", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect_", "Any_Thing",
    "HTTP2-Settings", "X-Request-ID",
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
        request = request.header("Connection", "close").header("X-Truth", "kept");
        request.send().await.is(200);
        let seen = world.server.last();
        let lies: Vec<_> = seen.headers.iter().filter(|(_, value)| value.contains("lie-")).collect();
        assert_eq!(lies, [], "{path}");
        assert!(!String::from_utf8_lossy(&seen.raw_head).contains("lie-"), "{path}");
        assert_eq!(seen.header("x-truth"), Some("kept"));
        for gone in ["authorization", "connection", "x-forwarded-user", "remote-user"] {
            assert_eq!(seen.header(gone), None, "{path}: {gone}");
        }
        assert_eq!(seen.header("x-mine"), (path == "/mapped").then_some("alice"));
        assert_eq!(seen.header("x-auth-subject"), (path == "/mcp").then_some("alice"));
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
    let sent = ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "remote-user", "remote-email", "remote-groups", "x-user", "x-roles", "x-none", "x-auth-subject"];
    for (path, expected) in [
        ("/o2p", vec![("x-forwarded-user", "alice"), ("x-forwarded-email", "a@example.com"), ("x-forwarded-groups", "g1,g2")]),
        ("/authelia", vec![("remote-user", "alice"), ("remote-email", "a@example.com"), ("remote-groups", "g1,g2")]),
        ("/map", vec![("x-user", "ally"), ("x-roles", "r1,r2")]),
        ("/none", vec![]),
    ] {
        let token = world.token_for(path).claim("groups", json!(["g1", "g2"])).claim("email", "a@example.com").claim("email_verified", true);
        let token = token.claim("preferred_username", "ally").claim("realm_access", json!({"roles": ["r1", "r2"]}));
        world.client().post(path).bearer(token).send().await.is(200);
        let seen = world.server.last();
        let found: Vec<_> = sent.iter().filter_map(|&name| Some((name, seen.header(name)?))).collect();
        assert_eq!(found, expected, "{path}");
    }
}

#[tokio::test]
async fn sec_35_values_are_encoded_and_too_large_ones_refused() {
    let world = world("", &[MCP]).await;
    let token = world.token().subject("a%b,c\r\nX-Evil: 1").claim("name", " Zoë ").claim("groups", json!(["a,b", "100%", "ü"]));
    world.client().post("/mcp").bearer(token).send().await.is(200);
    let seen = world.server.last();
    assert_eq!(seen.header("x-auth-subject"), Some("a%25b%2Cc%0D%0AX-Evil: 1"));
    assert_eq!(seen.header("x-auth-name"), Some("%20Zo%C3%AB%20"));
    assert_eq!(seen.header("x-auth-groups"), Some("a%2Cb,100%25,%C3%BC"));
    assert_eq!(seen.header("x-evil"), None);
    let before = world.server.requests();
    let many: Vec<_> = (0..200).map(|i| format!("{}{i}", "ü".repeat(8))).collect();
    let request = world.client().post("/mcp").bearer(world.token().claim("groups", json!(many)));
    refused(&world, request, 403, "identity_too_large").await;
    assert_eq!(world.server.requests(), before);
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
        &[("Connection", "close, X-Hop"), ("X-Hop", "1"), ("X-Kept", "1")][..],
        &[("Connection", "keep-alive"), ("Connection", "x-hop"), ("X-Hop", "1"), ("X-Kept", "1")],
        &[("Connection", "Upgrade, HTTP2-Settings, x-hop"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"), ("X-Hop", "1"), ("X-Kept", "1")],
        &[("Connection", "Upgrade,X-HOP"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("X-Hop", "1"), ("X-Kept", "1")],
    ] {
        post(lines).send().await.is(200);
        let seen = world.server.last();
        for gone in ["connection", "x-hop", "upgrade", "http2-settings", "keep-alive"] {
            assert_eq!(seen.header(gone), None, "{lines:?}");
        }
        assert_eq!(seen.header("x-kept"), Some("1"));
    }
    let before = world.server.requests();
    for judged in ["authorization", "Host", "mcp-session-id", "Mcp-Protocol-Version", "X-Auth-Subject", "x_auth_subject", "origin", "content-length", "content-type", "via", "cookie", "X-Forwarded-For", "x-request-id"] {
        refused(&world, post(&[("Connection", judged)]), 400, "ambiguous_request").await;
        refused(&world, post(&[("Connection", "keep-alive"), ("Connection", &format!("close,{judged}"))]), 400, "ambiguous_request").await;
    }
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn tm_2_tl_3_tl_5_tl_6_tl_8_hdr_8_ver_5_what_belongs_to_the_protocol_passes_unchanged() {
    let world = world("", &[MCP]).await;
    let lines = [
        ("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25"), ("Mcp-Session-Id", "s-1!~"), ("Last-Event-ID", "7/é"), ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "echo"), ("Mcp-Param-Region", "eu"), ("Mcp-Param-User", "root"), ("Cookie", "a=1; b=2"), ("Accept-Language", "de"), ("If-None-Match", "\"x\""),
        ("User-Agent", "test/1"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    for method in ["POST", "GET", "DELETE"] {
        let mut request = world.client().request(method, "/mcp").bearer(world.token());
        for (name, value) in lines {
            request = request.header(name, value);
        }
        request.send().await.is(200);
        let seen = world.server.last();
        assert_eq!(seen.method, method);
        for (name, value) in lines {
            assert_eq!(seen.headers.all(name), [value], "{method}: HDR-8, nothing is read into {name}");
        }
        assert_eq!(seen.header("x-auth-subject"), Some("alice"));
    }
}

#[tokio::test]
async fn s4_22_ver_5_an_old_initialize_without_accept_arrives_byte_for_byte() {
    let world = world("", &[MCP]).await;
    let body = "{ \"jsonrpc\":\"2.0\",\"id\":1, \"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}}\n";
    let request = world.client().post("/mcp").header("Content-Type", "application/json").bearer(world.token());
    let answer = request.body(body).send().await;
    assert_eq!(answer.is(200).json(), json!({"recorded": true}));
    let seen = world.server.last();
    assert_eq!(seen.body, body.as_bytes());
    assert_eq!((seen.header("accept"), seen.header("mcp-protocol-version")), (None, None));
}

#[tokio::test]
async fn r9110_via_grows_and_host_is_the_upstreams() {
    let world = world("", &[MCP]).await;
    call(&world).header("Via", "1.0 earlier").send().await.is(200);
    let seen = world.server.last();
    assert_eq!(seen.headers.all("via"), ["1.0 earlier", "1.1 portcullis"]);
    assert_eq!(seen.headers.all("host"), [world.server.address().to_string()]);
}

#[tokio::test]
async fn t_rc1_identity_never_leaks_between_requests_on_one_connection() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    for (subject, status) in [(Some("ann"), 200), (None, 401), (Some("bob"), 200), (Some("ann"), 200), (None, 401)] {
        let mut request = world.client().post("/mcp");
        if let Some(subject) = subject {
            request = request.bearer(world.token().subject(subject));
        }
        connection.write(&request.to_bytes()).await;
        connection.answer().await.unwrap().is(status);
        if let Some(subject) = subject {
            assert_eq!(world.server.last().header("x-auth-subject"), Some(subject), "TM-10");
        }
    }
    assert_eq!(world.server.requests(), 3);
}
