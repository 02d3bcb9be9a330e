//! For whom a token was made (AUD-*, SEC-10, SEC-11).

use serde_json::{Value, json};
use testbed::{Idp, World};

use crate::setting::{bad_token, call, program, world, world_of};
use crate::support;

async fn taken(world: &World, path: &str, token: impl Into<String>) -> u16 {
    let request = world.client().post(path).call("echo", &Value::Null);
    request.bearer(token).send().await.status
}

#[tokio::test]
async fn aud_2_s3_35_s4_3_t_o5_without_a_word_the_audience_is_the_route() {
    let world = world().await;
    assert_eq!(taken(&world, "/mcp", world.token()).await, 200);
    bad_token(&world, world.idp.token(), "audience_mismatch").await;
    let own = world.gateway.url("/mcp");
    for foreign in [
        world.gateway.url(""),
        world.gateway.url("/"),
        format!("{own}/more"),
        own.to_uppercase(),
        format!("{own} https://x.example"),
        format!("{own}?x"),
    ] {
        bad_token(
            &world,
            world.idp.token().audience(&foreign),
            "audience_mismatch",
        )
        .await;
    }
}

#[tokio::test]
async fn aud_8_sec_10_one_closing_slash_of_the_own_resource_does_not_count() {
    let world = world().await;
    assert_eq!(taken(&world, "/mcp", world.token_for("/mcp/")).await, 200);
    bad_token(&world, world.token_for("/mcp//"), "audience_mismatch").await;
}

#[tokio::test]
async fn s4_12_aud_may_be_a_list_that_contains_us() {
    let world = world().await;
    let own = world.gateway.url("/mcp");
    let several = world.idp.token().claim("aud", json!(["account", own]));
    assert_eq!(taken(&world, "/mcp", several).await, 200);
    let others = world.idp.token().claim("aud", json!(["account", "x"]));
    bad_token(&world, others, "audience_mismatch").await;
    let none = world.idp.token().claim("aud", json!([]));
    bad_token(&world, none, "audience_mismatch").await;
    let odd = world.idp.token().claim("aud", json!([own, 7]));
    bad_token(&world, odd, "malformed_token").await;
}

#[tokio::test]
async fn x19_audiences_of_a_route_count_instead_of_its_url_and_whole() {
    let idp = Idp::start().await;
    let world = world_of(idp, "", ", audiences: [\"api://mcp-server\"]").await;
    let with = |audience: &str| world.idp.token().audience(audience);
    assert_eq!(taken(&world, "/mcp", with("api://mcp-server")).await, 200);
    for foreign in ["api://mcp-server/", "api://mcp", "API://mcp-server"] {
        bad_token(&world, with(foreign), "audience_mismatch").await;
    }
    bad_token(&world, world.token(), "audience_mismatch").await;
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    assert_eq!(document["resource"], world.gateway.url("/mcp"));
}

const TWO_ROUTES: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
authenticators: { corp: { oidc: { issuer: "{idp}" } } }
routes:
  - { path: /a, upstream: "{upstream}" }
  - { path: /b, upstream: "{upstream}" }
"#;

#[tokio::test]
async fn aud_7_sec_12_a_token_for_one_route_is_refused_at_another_also_when_it_is_remembered() {
    let world = World::start(program(), TWO_ROUTES).await;
    let token = world.token_for("/a").sign();
    for _ in 0..2 {
        assert_eq!(taken(&world, "/a", &token).await, 200);
        assert_eq!(taken(&world, "/b", &token).await, 401);
    }
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn aud_3_aud_9_s3_25_the_token_goes_no_further() {
    let world = world().await;
    let token = world.token().sign();
    call(&world).bearer(&token).send().await.is(200);
    let seen = world.server.last();
    let seen = [&seen.raw_head[..], &seen.body].concat();
    assert!(!String::from_utf8_lossy(&seen).contains(&token));
    assert!(!world.server.last().headers.has("authorization"));
}

#[tokio::test]
async fn sec_10_a_public_url_is_the_resource_under_every_loopback_name() {
    let template = TWO_ROUTES.replace(
        "server: { listen: \"127.0.0.1:0\" }",
        "server: { listen: \"127.0.0.1:0\", public_url: \"https://mcp.example.com\" }",
    );
    let world = World::start(program(), &template).await;
    let public = world.idp.token().audience("https://mcp.example.com/a");
    assert_eq!(taken(&world, "/a", public).await, 200);
    assert_eq!(taken(&world, "/a", world.token_for("/a")).await, 401);
}

#[tokio::test]
async fn sec_10_a_public_url_of_this_machine_leaves_its_names_their_own_resources() {
    let server = r#"public_url: "http://localhost:9""#;
    let world = support::world(server, &[support::MCP]).await;
    for audience in ["http://localhost:9/mcp", &world.gateway.url("/mcp")] {
        let token = world.idp.token().audience(audience);
        assert_eq!(taken(&world, "/mcp", token).await, 200, "{audience}");
    }
}
