//! `auth.challenge_path`: a second path of a route, for clients that decide by `initialize` alone whether to log in (I-12).

use serde_json::{Value, json};
use testbed::client::Request;
use testbed::{Reply, World};

use crate::setting::{program, refused};
use crate::support::{MCP, config, world};

const ROUTE: &str = r#"{ path: /open, name: tools, upstream: "{upstream}/mcp", auth: { required_scopes: [mcp], challenge_path: /open/login }, access: { discovery: public, public_tools: [greeting], tools: [ { match: "delete_*", scopes: [admin] }, { match: "*" } ] } }"#;

fn rpc(world: &World, path: &str, method: &str, params: &Value) -> Request {
    world.client().post(path).rpc(3, method, params)
}

fn initialize(world: &World, path: &str) -> Request {
    rpc(
        world,
        path,
        "initialize",
        &json!({"protocolVersion": "2025-06-18"}),
    )
}

/// What such a client does: it asks once, and logs in if it is told to.
async fn goes_to_log_in(world: &World, path: &str) -> Option<Value> {
    let answer = initialize(world, path).send().await;
    if answer.status == 200 {
        return None;
    }
    assert_eq!(answer.status, 401);
    let metadata = answer.challenge()["resource_metadata"].clone();
    let document = metadata
        .strip_prefix(&world.gateway.url(""))
        .unwrap()
        .to_owned();
    Some(world.client().get(&document).send().await.is(200).json())
}

#[tokio::test]
async fn i_12_who_decides_by_initialize_alone_logs_in_at_the_second_path() {
    let world = world("", &[ROUTE]).await;
    assert_eq!(goes_to_log_in(&world, "/open").await, None);
    let document = goes_to_log_in(&world, "/open/login").await.unwrap();
    assert_eq!(document["resource"], world.gateway.url("/open/login"));
    assert_eq!(document["scopes_supported"], json!(["admin", "mcp"]));
    assert_eq!(
        document["authorization_servers"],
        json!([world.idp.issuer()])
    );
    let of_first = world
        .client()
        .get("/.well-known/oauth-protected-resource/open");
    let of_first = of_first.send().await.is(200).json();
    assert_eq!(of_first["resource"], world.gateway.url("/open"));
    // the form without a path is the route's, though it has two
    let bare = world.client().get("/.well-known/oauth-protected-resource");
    assert_eq!(bare.send().await.is(200).json(), of_first);
    for request in [
        rpc(&world, "/open/login", "tools/list", &json!({})),
        rpc(&world, "/open/login", "ping", &json!({})),
        rpc(
            &world,
            "/open/login",
            "tools/call",
            &json!({"name": "greeting"}),
        ),
        world.client().get("/open/login"),
    ] {
        refused(&world, request, 401, "missing_credentials").await;
    }
}

/// SDKs GET a stream by themselves after `initialize`, and log in at a 401: nothing was used yet. When they are done they DELETE their session, and
/// take any refusal but 405 for a failure.
#[tokio::test]
async fn i_12_what_clients_do_by_themselves_sends_nobody_to_log_in() {
    let connect = r#"{ path: /connect, upstream: "{upstream}/mcp", auth: { challenge: connect }, access: { discovery: public } }"#;
    let world = world("", &[ROUTE, connect]).await;
    let get = |path| {
        world
            .client()
            .get(path)
            .header("Accept", "text/event-stream")
    };
    let answer = refused(&world, get("/open"), 405, "method_not_allowed").await;
    assert_eq!(answer.answer.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(answer.answer.header("www-authenticate"), None);
    assert_eq!(answer.entry["level"], "INFO", "every such client does it");
    let cause = answer.cause();
    assert!(
        cause.starts_with("no stream without a credential"),
        "{cause}"
    );
    let delete = |path| world.client().request("DELETE", path);
    let answer = refused(&world, delete("/open"), 405, "method_not_allowed").await;
    assert_eq!(answer.answer.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(answer.entry["level"], "INFO", "every such client does it");
    for path in ["/open/login", "/connect"] {
        refused(&world, get(path), 401, "missing_credentials").await;
        refused(&world, delete(path), 401, "missing_credentials").await;
    }
    let expired = world.token().expires_in(-5);
    refused(&world, get("/open").bearer(expired), 401, "expired").await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn i_12_both_paths_are_one_route_to_whoever_has_logged_in() {
    let world = world("", &[ROUTE, MCP]).await;
    let session = Reply::json(&json!({"jsonrpc": "2.0", "id": 3, "result": {}}));
    world
        .server
        .answer(session.header("Mcp-Session-Id", "of-the-server"));
    for path in ["/open", "/open/login"] {
        let audience = world.gateway.url(path);
        let token = world.idp.token().audience(&audience).scope("mcp").sign();
        let answer = initialize(&world, path).bearer(&token).send().await;
        assert_eq!(world.server.last().target, "/mcp");
        let id = answer.is(200).header("mcp-session-id").unwrap().to_owned();
        for path in ["/open", "/open/login"] {
            let request = rpc(&world, path, "tools/call", &json!({"name": "greeting"}));
            request
                .bearer(&token)
                .header("Mcp-Session-Id", &id)
                .send()
                .await
                .is(200);
            let seen = world.server.last();
            assert_eq!(
                (&*seen.target, seen.header("mcp-session-id")),
                ("/mcp", Some("of-the-server"))
            );
            let request = rpc(&world, path, "tools/call", &json!({"name": "delete_x"}));
            refused(&world, request.bearer(&token), 403, "insufficient_scope").await;
        }
        let other = rpc(&world, "/mcp", "ping", &json!({})).bearer(&token);
        refused(&world, other, 401, "audience_mismatch").await;
        let elsewhere = world
            .idp
            .token()
            .audience(&world.gateway.url("/mcp"))
            .scope("mcp");
        let request = initialize(&world, path).bearer(elsewhere);
        refused(&world, request, 401, "audience_mismatch").await;
    }
}

#[tokio::test]
async fn i_12_an_upstream_without_a_path_is_asked_at_the_routes_path() {
    let route = ROUTE.replace("{upstream}/mcp", "{upstream}");
    let world = World::start(program(), &config("", &[&route])).await;
    let token = world
        .idp
        .token()
        .audience(&world.gateway.url("/open/login"))
        .scope("mcp");
    initialize(&world, "/open/login")
        .bearer(token)
        .send()
        .await
        .is(200);
    assert_eq!(world.server.last().target, "/open");
}
