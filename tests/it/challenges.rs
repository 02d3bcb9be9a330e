//! Refusals as clients see them: status, challenge, body, caching.

use serde_json::json;
use testbed::{Reply, World};

use crate::mcp_sessions::{ID, id_in, initialize, serve};
use crate::setting::refused;
use crate::support::{MCP, OPEN, call, world};

const SCOPED: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { required_scopes: [mcp:tools, mcp:extra] } }"#;

fn metadata(world: &World) -> String {
    world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp")
}

#[tokio::test]
async fn err_1_err_2_err_3_err_4_s3_7_s3_22_cache_5_nothing_presented_is_a_challenge_without_error()
{
    let world = world("", &[SCOPED]).await;
    for method in ["POST", "GET", "DELETE"] {
        let request = world.client().request(method, "/mcp");
        let refused = refused(&world, request, 401, "missing_credentials").await;
        let line = refused.answer.header("www-authenticate").unwrap();
        assert_eq!(
            line,
            format!(
                "Bearer scope=\"mcp:extra mcp:tools\", resource_metadata=\"{}\"",
                metadata(&world)
            )
        );
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn err_3_err_7_t_h2_t_h3_a_bad_credential_is_a_challenge_with_error() {
    let world = world("", &[SCOPED]).await;
    let token = world.token().expires_in(-5);
    let request = world.client().post("/mcp").bearer(token);
    let refused_expired = refused(&world, request, 401, "expired").await;
    let line = refused_expired.answer.header("www-authenticate").unwrap();
    let expected = format!(
        "Bearer error=\"invalid_token\", error_description=\"Token expired\", scope=\"mcp:extra mcp:tools\", resource_metadata=\"{}\"",
        metadata(&world)
    );
    assert_eq!(line, expected);
    for rubbish in ["xx", "a.b.c", "zz\"zz", "a\\b", "%0d%0aSet-Cookie:x"] {
        let request = world
            .client()
            .post("/mcp")
            .header("Authorization", &format!("Bearer {rubbish}"));
        let answer = request.send().await;
        answer.refused(401, "invalid_token");
        assert!(
            !answer.header("www-authenticate").unwrap().contains(rubbish),
            "{rubbish}"
        );
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn err_5_err_6_cache_5_a_missing_scope_is_403_with_all_that_are_needed() {
    let world = world("", &[SCOPED]).await;
    let request = world
        .client()
        .post("/mcp")
        .bearer(world.token().scope("mcp:tools"));
    let refused = refused(&world, request, 403, "insufficient_scope").await;
    let challenge = refused
        .answer
        .refused(403, "insufficient_scope")
        .challenge();
    assert_eq!(
        challenge.get("scope").map(String::as_str),
        Some("mcp:extra mcp:tools")
    );
    assert_eq!(challenge.get("resource_metadata"), Some(&metadata(&world)));
    assert!(challenge.contains_key("error_description"));
    let enough = world
        .client()
        .post("/mcp")
        .bearer(world.token().scope("mcp:extra other mcp:tools"));
    enough.send().await.is(200);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn err_5_err_8_two_authorization_lines_are_refused_with_a_challenge() {
    let world = world("", &[MCP]).await;
    let twice = call(&world).bearer(world.token());
    let answer = refused(&world, twice, 400, "ambiguous_request")
        .await
        .answer;
    let challenge = answer.refused(400, "invalid_request").challenge();
    assert_eq!(challenge.get("resource_metadata"), Some(&metadata(&world)));
    let beside_basic = call(&world).header("Authorization", "Basic YTpi");
    refused(&world, beside_basic, 400, "ambiguous_request").await;
    let empty_first = world
        .client()
        .post("/mcp")
        .header("Authorization", "")
        .bearer(world.token());
    refused(&world, empty_first, 400, "ambiguous_request").await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn err_8_the_scheme_may_be_written_in_any_case() {
    let world = world("", &[MCP]).await;
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let credential = format!("{scheme} {}", world.token().sign());
        let request = world
            .client()
            .post("/mcp")
            .header("aUTHORIZATION", &credential);
        request.send().await.is(200);
    }
    for credential in [
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        "",
        "Negotiate x",
        "Bearer a b",
        "Bearer\ta",
        "token x",
    ] {
        let request = world
            .client()
            .post("/mcp")
            .header("Authorization", credential);
        let answer = request.send().await;
        assert_eq!(answer.status, 401, "{credential:?} {}", answer.text());
    }
    assert_eq!(world.server.requests(), 3);
}

#[tokio::test]
async fn s3_24_err_5_t_o9_t_o10_t_o11_a_token_in_the_query_is_refused_beside_a_good_one_and_never_logged()
 {
    let world = world("", &[MCP]).await;
    let secret = "s3cr3t-value";
    for name in [
        "access_token",
        "token",
        "api_key",
        "apikey",
        "apiKey",
        "jwt",
        "access%5Ftoken",
        "ACCESS_TOKEN",
        "%61ccess_token",
    ] {
        let target = format!("/mcp?a=b&{name}={secret}");
        let request = world.client().post(&target).bearer(world.token());
        let refused = refused(&world, request, 400, "token_in_query").await;
        let challenge = refused.answer.refused(400, "invalid_request").challenge();
        assert_eq!(
            challenge.get("resource_metadata"),
            Some(&metadata(&world)),
            "{name}"
        );
    }
    assert_eq!(world.server.requests(), 0);
    let unrelated = "/mcp?token_hint=1&q=access_token&x=%61";
    world
        .client()
        .post(unrelated)
        .bearer(world.token())
        .send()
        .await
        .is(200);
    assert_eq!(world.server.last().target, unrelated);
    assert!(!world.gateway.log().join("\n").contains(secret));
}

#[tokio::test]
async fn t_h6_t_h7_authentication_comes_before_anything_about_sessions() {
    let world = world("", &[MCP]).await;
    for session in [None, Some("bogus")] {
        let mut request = world.client().post("/mcp").rpc(1, "tools/list", &json!({}));
        if let Some(id) = session {
            request = request.header("Mcp-Session-Id", id);
        }
        refused(&world, request, 401, "missing_credentials").await;
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn t_h8_tl_4_x24_ver_5_err_9_what_the_server_refuses_passes_untouched() {
    let world = world("", &[MCP]).await;
    serve(&world.server, ID);
    let id = id_in(&initialize(&world).bearer(world.token()).send().await);
    for status in [400, 404, 405, 409, 500] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "Session not found"}});
        let reply = Reply::status(status)
            .header("Content-Type", "application/json")
            .header("Allow", "POST");
        world.server.answer(reply.body(body.to_string()));
        let answer = call(&world).header("Mcp-Session-Id", &id).send().await;
        assert_eq!(answer.is(status).json(), body, "the server's own words");
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.header("allow"), Some("POST"));
        assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
    }
}

#[tokio::test]
async fn sec_50_a_route_for_everybody_looks_at_no_credential_and_passes_none_on() {
    let world = world("", &[OPEN]).await;
    let request = world
        .client()
        .post("/mcp")
        .bearer("rubbish")
        .header("X-Auth-Subject", "root");
    let answer = request.header("X-Auth-Method", "oidc").send().await;
    assert_eq!(answer.is(200).header("www-authenticate"), None);
    let seen = world.server.last();
    assert_eq!(seen.header("authorization"), None);
    let identity: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| name.to_lowercase().starts_with("x-auth-"))
        .collect();
    assert_eq!(identity, [("x-auth-method", "anonymous")]);
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    refused(&world, document, 404, "not_found").await;
}
