//! Which methods a route takes, and which paths are the gateway's own.

use crate::setting::refused;
use crate::support::{MCP, WEB, world};

#[tokio::test]
async fn sec_32_tm_1_an_mcp_route_takes_its_four_methods() {
    let world = world("", &[MCP]).await;
    for method in ["POST", "GET", "DELETE"] {
        let request = world.client().request(method, "/mcp").bearer(world.token());
        request.send().await.is(200);
        assert_eq!(world.server.last().method, method);
    }
    let before = world.server.requests();
    let options = world.client().options("/mcp").send().await;
    assert_eq!(
        options.is(204).header("allow"),
        Some("GET, POST, DELETE, OPTIONS")
    );
    for method in ["PUT", "PATCH", "PROPFIND", "get", "FOO"] {
        let request = world.client().request(method, "/mcp").bearer(world.token());
        let refused = refused(&world, request, 405, "method_not_allowed").await;
        assert_eq!(
            refused.answer.header("allow"),
            Some("GET, POST, DELETE, OPTIONS"),
            "R9110: 405 needs Allow"
        );
    }
    let head = world
        .client()
        .request("HEAD", "/mcp")
        .bearer(world.token())
        .send()
        .await;
    assert_eq!(
        head.is(405).header("allow"),
        Some("GET, POST, DELETE, OPTIONS")
    );
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn sec_32_a_body_on_get_or_delete_is_refused() {
    let world = world("", &[MCP]).await;
    for method in ["GET", "DELETE"] {
        let request = world
            .client()
            .request(method, "/mcp")
            .bearer(world.token())
            .body("{}");
        refused(&world, request, 400, "ambiguous_request").await;
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_32_connect_is_501_trace_405_and_the_asterisk_is_for_options() {
    let world = world("", &[MCP, WEB]).await;
    let authority = world.gateway.address().to_string();
    let tunnel = world.client().request("CONNECT", &authority).send().await;
    assert_eq!(tunnel.status, 501);
    for target in ["/mcp", "/x"] {
        let trace = world
            .client()
            .request("TRACE", target)
            .bearer(world.token());
        let refused = refused(&world, trace, 405, "method_not_allowed").await;
        assert!(refused.answer.header("allow").is_some());
    }
    world.client().options("*").send().await.is(204);
    let get = world.client().get("*");
    refused(&world, get, 400, "ambiguous_request").await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_39_own_paths_answer_here_and_never_reach_a_route() {
    let world = world("", &[MCP, WEB]).await;
    for path in [
        "/.well-known",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/oauth",
        "/oauth/authorize",
        "/oauth/token",
        "/auth",
        "/auth/verify",
        "/register",
        "/authorize",
        "/token",
        "/.well-known/oauth-protected-resource/nowhere",
    ] {
        for method in ["GET", "POST"] {
            let request = world.client().request(method, path).bearer(world.token());
            let answer = request.send().await;
            let expected = if path.contains("protected-resource") && method == "POST" {
                405
            } else {
                404
            };
            assert_eq!(answer.status, expected, "{method} {path}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/json"),
                "{path}"
            );
            assert!(answer.json()["error"].is_string(), "{path}");
        }
    }
    assert_eq!(world.server.requests(), 0);
    for path in [
        "/oauth2",
        "/authorized",
        "/tokens",
        "/register/x",
        "/healthy",
        "/Token",
    ] {
        world.client().get(path).send().await.is(200);
    }
    assert_eq!(
        world.server.requests(),
        6,
        "what only looks like one is the route's"
    );
}

#[tokio::test]
async fn sec_39_health_is_told_to_anybody_under_any_name() {
    let world = world("", &[MCP, WEB]).await;
    for host in [
        &*world.gateway.address().to_string(),
        "evil.example",
        "10.0.0.1:80",
    ] {
        let answer = world.client().get("/health").host(host).send().await;
        assert_eq!(answer.is(200).json(), serde_json::json!({"status": "ok"}));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let head = world.client().request("HEAD", "/health").send().await;
    assert_eq!(head.is(200).body, b"");
    let post = world.client().post("/health");
    let not_allowed = refused(&world, post, 405, "method_not_allowed").await;
    let allow = not_allowed.answer.header("allow");
    assert_eq!(allow, Some("GET, HEAD, OPTIONS"));
    for (method, path) in [
        ("POST", "/health"),
        ("GET", "/healthy"),
        ("GET", "/health/x"),
    ] {
        let request = world.client().request(method, path).host("evil.example");
        request.send().await.is(421);
    }
    for path in ["/health/x", "/HEALTH"] {
        world.client().get(path).send().await.is(200);
        assert_eq!(world.server.last().target, path, "the route's, not ours");
    }
    let two_readings = world.client().get("/health;x");
    refused(&world, two_readings, 400, "ambiguous_request").await;
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn r9110_options_that_are_no_preflight_are_the_web_applications() {
    let world = world("", &[WEB]).await;
    world.client().options("/x").send().await.is(200);
    assert_eq!(world.server.last().method, "OPTIONS");
    let page = world
        .client()
        .options("/x")
        .header("Origin", &world.gateway.url(""));
    let preflight = page.header("Access-Control-Request-Method", "PUT");
    preflight.send().await.is(204);
    assert_eq!(world.server.requests(), 1);
}
