//! For whom a token is meant.

use config::KeySource;
use serde_json::{Value, json};

use crate::testing::{NOW, RESOURCE, TestKey, World, ask};
use crate::{Authenticators, RouteAuthenticator};

async fn check(world: &World, aud: impl Into<Value>, expected: &str) {
    let aud = aud.into();
    let token = world.token().claim("aud", aud.clone()).sign();
    assert_eq!(world.reason(&token).await, expected, "aud = {aud}");
}

async fn reason(route: &RouteAuthenticator, token: &str) -> &'static str {
    ask(route, token, NOW)
        .await
        .map_or_else(|failure| failure.reason(), |_| "ok")
}

#[tokio::test]
async fn t_j5_t_o5_aud_2_a_token_for_somebody_else_is_refused() {
    let world = World::new().await;
    check(&world, RESOURCE, "ok").await;
    check(&world, "https://other.example/mcp", "audience_mismatch").await;
    check(&world, "https://mcp.example", "audience_mismatch").await;
    check(&world, "https://mcp.example/mcp2", "audience_mismatch").await;
    check(&world, "https://mcp.example/MCP", "audience_mismatch").await;
    check(&world, "", "audience_mismatch").await;
    check(&world, json!([]), "audience_mismatch").await;
}

#[tokio::test]
async fn aud_2_a_token_without_aud_is_refused() {
    let world = World::new().await;
    let token = world.token().no_claim("aud").sign();
    assert_eq!(world.reason(&token).await, "audience_mismatch");
}

#[tokio::test]
async fn s4_12_aud_is_a_string_or_an_array() {
    let world = World::new().await;
    check(&world, json!([RESOURCE, "https://b.example"]), "ok").await;
    check(&world, json!(["https://b.example", RESOURCE]), "ok").await;
    check(&world, json!(["https://b.example"]), "audience_mismatch").await;
}

#[tokio::test]
async fn r7519_aud_of_another_type_is_refused() {
    let world = World::new().await;
    for aud in [
        json!(1),
        json!(true),
        json!(null),
        json!({ "a": RESOURCE }),
        json!([RESOURCE, 1]),
    ] {
        check(&world, aud, "malformed_token").await;
    }
}

#[tokio::test]
async fn sec_10_only_the_own_resource_is_compared_ignoring_one_slash() {
    let world = World::new().await;
    check(&world, "https://mcp.example/mcp/", "ok").await;
    check(&world, "https://mcp.example/mcp//", "audience_mismatch").await;
    let route = world
        .all
        .for_route(&[0], &["api://tools".into()], &[RESOURCE.into()], &[]);
    let aud = |aud: &str| world.token().claim("aud", aud).sign();
    assert_eq!(reason(&route, &aud("api://tools")).await, "ok");
    assert_eq!(
        reason(&route, &aud("api://tools/")).await,
        "audience_mismatch"
    );
    assert_eq!(reason(&route, &aud(RESOURCE)).await, "audience_mismatch");
}

#[tokio::test]
async fn aud_8_trap_2_a_resource_without_a_path_is_the_same_with_a_slash() {
    let world = World::new().await;
    for own in ["https://mcp.example", "https://mcp.example/"] {
        let route = world.all.for_route(&[0], &[], &[own.into()], &[]);
        for aud in ["https://mcp.example", "https://mcp.example/"] {
            let token = world.token().claim("aud", aud).sign();
            assert_eq!(reason(&route, &token).await, "ok", "{own} {aud}");
        }
    }
}

#[tokio::test]
async fn sec_10_the_own_resource_may_be_listed_beside_others() {
    let world = World::new().await;
    let listed = ["api://tools".into(), RESOURCE.into()];
    let route = world.all.for_route(&[0], &listed, &[RESOURCE.into()], &[]);
    let aud = |aud: &str| world.token().claim("aud", aud).sign();
    assert_eq!(reason(&route, &aud("api://tools")).await, "ok");
    assert_eq!(reason(&route, &aud("https://mcp.example/mcp/")).await, "ok");
}

#[tokio::test]
async fn s3_28_an_authenticators_own_audiences_count_in_place_of_the_routes() {
    let world = World::with(TestKey::es256(), |jwt| {
        jwt.rules.audiences = vec!["api://mcp-server".into()];
    })
    .await;
    check(&world, "api://mcp-server", "ok").await;
    check(&world, RESOURCE, "audience_mismatch").await;
}

#[tokio::test]
async fn aud_7_a_token_for_one_route_is_refused_at_another_also_when_it_is_remembered() {
    let world = World::new().await;
    let other = world
        .all
        .for_route(&[0], &[], &["https://mcp.example/other".into()], &[]);
    let token = world.token().sign();
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(reason(&other, &token).await, "audience_mismatch");
    assert_eq!(world.reason(&token).await, "ok");
}

#[tokio::test]
async fn s3_45_s4_26_the_log_has_both_sides_of_a_mismatch() {
    let world = World::new().await;
    let token = world.token().claim("aud", "api://x").sign();
    let text = world.ask(&token).await.unwrap_err().to_string();
    assert!(
        text.contains(RESOURCE) && text.contains("api://x"),
        "{text}"
    );
}

#[tokio::test]
async fn r9068_each_of_several_authenticators_has_its_own_audiences() {
    let directory = tempfile::tempdir().unwrap();
    let keys = [TestKey::es256(), TestKey::es256()];
    let mut kinds = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let file = directory.path().join(format!("{at}.json"));
        crate::testing::publish(&file, &[key.jwk("k1")]);
        let mut jwt = crate::testing::settings();
        jwt.rules.issuer = format!("https://issuer{at}.example").into();
        jwt.rules.audiences = vec![format!("api://{at}").into()];
        kinds.push(jwt.jwks(KeySource::File(file)));
    }
    let named = ["a", "b"].into_iter().zip(kinds).collect();
    let all = Authenticators::start(&crate::testing::config(named), crate::testing::clock())
        .await
        .unwrap();
    let route = all.for_route(&[0, 1], &[], &[RESOURCE.into()], &[]);
    let token = |issuer: usize, aud: &str| {
        let iss = format!("https://issuer{issuer}.example");
        crate::testing::Token::new(&keys[issuer])
            .claim("iss", iss)
            .claim("aud", aud)
            .sign()
    };
    assert_eq!(reason(&route, &token(0, "api://0")).await, "ok");
    assert_eq!(reason(&route, &token(1, "api://1")).await, "ok");
    assert_eq!(
        reason(&route, &token(0, "api://1")).await,
        "audience_mismatch"
    );
    assert_eq!(
        reason(&route, &token(1, "api://0")).await,
        "audience_mismatch"
    );
}
