//! What the upstream receives: exactly the client's request, less what could lie, plus what the gateway knows.

use std::collections::BTreeSet;

use serde_json::json;
use testbed::{Reply, World};

use crate::mcp_sessions::{ID, id_in, initialize, serve};
use crate::setting::refused;
use crate::support::{MCP, WEB, call, world};

/// Lower-case names of the headers that the upstream got last.
fn names(world: &World) -> BTreeSet<String> {
    let seen = world.server.last();
    let all: Vec<_> = seen
        .headers
        .names()
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let unique: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(all.len(), unique.len(), "a header twice: {all:?}");
    unique
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const ADDED: [&str; 14] = [
    "host",
    "via",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-auth-subject",
    "x-auth-issuer",
    "x-auth-kind",
    "x-auth-method",
    "x-auth-scopes",
    "x-auth-client",
    "content-length",
    "content-type",
];

#[tokio::test]
async fn s3_25_sec_1_sec_34_t_o6_the_upstream_gets_these_headers_and_no_others() {
    let world = world("", &[MCP]).await;
    let request = world
        .client()
        .post("/mcp?x=1")
        .json(&json!({}))
        .bearer(world.token());
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
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/mcp?x=1")
    );
}

#[tokio::test]
async fn sec_1_sec_4_identity_headers_say_what_is_proven_and_no_more() {
    let world = world("", &[MCP]).await;
    let token = world
        .token()
        .claim("email", "a@example.com")
        .claim("name", "Alice A")
        .claim("groups", json!(["a", "b"]));
    world
        .client()
        .post("/mcp")
        .bearer(token.clone())
        .send()
        .await
        .is(200);
    let seen = world.server.last();
    assert_eq!(seen.header("x-auth-email"), None, "nobody verified it");
    assert_eq!(
        (seen.header("x-auth-name"), seen.header("x-auth-groups")),
        (Some("Alice A"), Some("a,b"))
    );
    let token = token.claim("email_verified", true);
    world
        .client()
        .post("/mcp")
        .bearer(token)
        .send()
        .await
        .is(200);
    assert_eq!(
        world.server.last().header("x-auth-email"),
        Some("a@example.com")
    );
    let machine = world.token().without("sub");
    world
        .client()
        .post("/mcp")
        .bearer(machine)
        .send()
        .await
        .is(200);
    let seen = world.server.last();
    assert_eq!(
        (seen.header("x-auth-kind"), seen.header("x-auth-subject")),
        (Some("client"), Some("pub"))
    );
}

#[tokio::test]
async fn sec_35_values_are_encoded_and_too_large_ones_refused() {
    let world = world("", &[MCP]).await;
    let token = world
        .token()
        .subject("a%b,c\r\nX-Evil: 1")
        .claim("name", " Zoë ")
        .claim("groups", json!(["a,b", "100%", "ü"]));
    world
        .client()
        .post("/mcp")
        .bearer(token)
        .send()
        .await
        .is(200);
    let seen = world.server.last();
    assert_eq!(
        seen.header("x-auth-subject"),
        Some("a%25b%2Cc%0D%0AX-Evil: 1")
    );
    assert_eq!(seen.header("x-auth-name"), Some("%20Zo%C3%AB%20"));
    assert_eq!(seen.header("x-auth-groups"), Some("a%2Cb,100%25,%C3%BC"));
    assert_eq!(seen.header("x-evil"), None);
    let before = world.server.requests();
    let many: Vec<_> = (0..200).map(|i| format!("{}{i}", "ü".repeat(8))).collect();
    let request = world
        .client()
        .post("/mcp")
        .bearer(world.token().claim("groups", json!(many)));
    refused(&world, request, 403, "identity_too_large").await;
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn tm_2_tl_3_tl_5_tl_6_tl_8_hdr_8_ver_5_what_belongs_to_the_protocol_passes_unchanged() {
    let world = world("", &[MCP]).await;
    serve(&world.server, ID);
    let id = id_in(&initialize(&world).bearer(world.token()).send().await);
    let lines = [
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Last-Event-ID", "7/é"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "echo"),
        ("Mcp-Param-Region", "eu"),
        ("Mcp-Param-User", "root"),
        ("Mcp-Param-a.b", "c"),
        ("Cookie", "a=1; b=2"),
        ("Accept-Language", "de"),
        ("If-None-Match", "\"x\""),
        ("User-Agent", "test/1"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    for method in ["POST", "GET", "DELETE"] {
        let mut request = world.client().request(method, "/mcp").bearer(world.token());
        for (name, value) in lines {
            request = request.header(name, value);
        }
        request.header("Mcp-Session-Id", &id).send().await.is(200);
        let seen = world.server.last();
        assert_eq!(seen.method, method);
        assert_eq!(seen.headers.all("mcp-session-id"), [ID]);
        for (name, value) in lines {
            assert_eq!(
                seen.headers.all(name),
                [value],
                "{method}: HDR-8, nothing is read into {name}"
            );
        }
        assert_eq!(seen.header("x-auth-subject"), Some("alice"));
    }
}

#[tokio::test]
async fn s4_22_ver_5_an_old_initialize_without_accept_arrives_byte_for_byte() {
    let world = world("", &[MCP]).await;
    let body = "{ \"jsonrpc\":\"2.0\",\"id\":1, \"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}}\n";
    let request = world
        .client()
        .post("/mcp")
        .header("Content-Type", "application/json")
        .bearer(world.token());
    let answer = request.body(body).send().await;
    assert_eq!(answer.is(200).json(), json!({"recorded": true}));
    let seen = world.server.last();
    assert_eq!(seen.body, body.as_bytes());
    assert_eq!(
        (seen.header("accept"), seen.header("mcp-protocol-version")),
        (None, None)
    );
}

#[tokio::test]
async fn r9110_via_grows_and_host_is_the_upstreams() {
    let world = world("", &[MCP]).await;
    call(&world)
        .header("Via", "1.0 earlier")
        .send()
        .await
        .is(200);
    let seen = world.server.last();
    assert_eq!(seen.headers.all("via"), ["1.0 earlier", "1.1 portcullis"]);
    assert_eq!(
        seen.headers.all("host"),
        [world.server.address().to_string()]
    );
}

#[tokio::test]
async fn t_rc1_identity_never_leaks_between_requests_on_one_connection() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    for (subject, status) in [
        (Some("ann"), 200),
        (None, 401),
        (Some("bob"), 200),
        (Some("ann"), 200),
        (None, 401),
    ] {
        let mut request = world.client().post("/mcp");
        if let Some(subject) = subject {
            request = request.bearer(world.token().subject(subject));
        }
        connection.write(&request.to_bytes()).await;
        connection.answer().await.unwrap().is(status);
        if let Some(subject) = subject {
            assert_eq!(
                world.server.last().header("x-auth-subject"),
                Some(subject),
                "TM-10"
            );
        }
    }
    assert_eq!(world.server.requests(), 3);
}

#[tokio::test]
async fn sec_36_cookies_go_by_their_attributes_and_not_by_their_names() {
    let world = world("", &[MCP]).await;
    let mut reply = Reply::json(&json!({}));
    for cookie in [
        "domain=1; Path=/",
        "a=domain; Path=/domain",
        "wide=1; Path=/; DOMAIN=example.com",
    ] {
        reply = reply.header("Set-Cookie", cookie);
    }
    world.server.answer(reply);
    let answer = call(&world).send().await;
    assert_eq!(
        answer.is(200).headers.all("set-cookie"),
        ["domain=1; Path=/", "a=domain; Path=/domain"]
    );
}

#[tokio::test]
async fn r9110_what_has_not_changed_is_told_so() {
    let world = world("", &[MCP]).await;
    world
        .server
        .answer(Reply::status(304).header("ETag", "\"x\""));
    let request = world.client().get("/mcp").bearer(world.token());
    let answer = request.header("If-None-Match", "\"x\"").send().await;
    assert_eq!(answer.is(304).header("etag"), Some("\"x\""));
}

#[tokio::test]
async fn r9112_the_end_of_the_upstreams_connection_is_not_that_of_ours() {
    let world = world("", &[MCP, WEB]).await;
    world.server.answer(
        Reply::json(&json!({}))
            .header("Connection", "close")
            .header("TE", "trailers")
            .header("Trailer", "X-Sum")
            .then_close(),
    );
    let mut connection = world.client().connect().await;
    for path in ["/mcp", "/open", "/mcp"] {
        let request = world.client().post(path).bearer(world.token());
        connection.write(&request.to_bytes()).await;
        let answer = connection.answer().await.unwrap();
        for name in ["connection", "te", "trailer"] {
            assert_eq!(answer.is(200).header(name), None, "{name}");
        }
    }
}
