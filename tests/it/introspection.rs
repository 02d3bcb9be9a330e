//! Tokens that say nothing themselves: the provider is asked, and seldom (RFC 7662).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::client::Request;
use testbed::client::h2::Connection;
use testbed::{World, openmetrics};
use tokio::task::JoinSet;

use crate::setting::{assert_challenged, program, refused};

pub(crate) const PATH: &str = "/introspect";

/// One route that asks about tokens, and one that reads them; `{keys}` stands for further keys of the provider that is asked.
const BOTH: &str = r#"
server: { listen: "127.0.0.1:0", limits: { failures_per_address: off } }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  central:
    introspection:
      { endpoint: "{idp}/introspect", client_id: svc, client_secret: svc-secret, issuer: "{idp}"{keys} }
  corp: { oidc: { issuer: "{idp}" } }
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { accept: [central], required_scopes: [mcp:tools] } }
  - { path: /signed, upstream: "{upstream}/mcp", auth: { accept: [corp] } }
"#;

pub(crate) async fn world(keys: &str) -> World {
    World::start(program(), &BOTH.replace("{keys}", keys)).await
}

pub(crate) fn call(world: &World, token: &str) -> Request {
    let call = world.client().post("/mcp").call("echo", &Value::Null);
    call.bearer(token)
}

fn signed(world: &World) -> Request {
    let call = world.client().post("/signed").call("echo", &Value::Null);
    call.bearer(world.token_for("/signed").fresh())
}

#[tokio::test]
async fn s3_15_t_i1_t_o7_an_opaque_token_is_asked_about_and_its_bearer_named_upstream() {
    let world = world("").await;
    let line = world
        .gateway
        .wait_for_nth_log("authenticator initialised", 1)
        .await;
    assert!(line.contains("central") || line.contains("corp"), "{line}");
    assert_eq!(world.idp.fetches(PATH), 0, "nothing is fetched at start");
    let token = world.token().claim("email", "a@example.com").opaque();
    for _ in 0..2 {
        call(&world, &token).send().await.is(200);
    }
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-subject"), Some("alice"));
    assert_eq!(headers.get("x-auth-method"), Some("introspection"));
    assert_eq!(headers.get("x-auth-email"), None, "SEC-4");
    assert_eq!(headers.get("authorization"), None);
    let asked = world.idp.introspected();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].header("authorization"),
        Some("Basic c3ZjOnN2Yy1zZWNyZXQ=")
    );
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    assert_eq!(
        document["authorization_servers"],
        json!([world.idp.issuer()])
    );
    let log = world.gateway.log().join("\n");
    assert!(!log.contains(&token) && !log.contains("svc-secret"));
}

#[tokio::test]
async fn s3_18_x18_with_a_cache_of_0_a_revoked_token_is_refused_at_the_next_request() {
    let world = world(", cache: 0s").await;
    let token = world.token().opaque();
    call(&world, &token).send().await.is(200);
    world.idp.revoke(&token);
    let refused = refused(&world, call(&world, &token), 401, "inactive").await;
    assert_challenged(&world, &refused.answer, false);
}

#[tokio::test]
async fn s3_18_x18_a_revoked_token_is_refused_once_its_answer_has_ended() {
    let world = world(", cache: 2s").await;
    let token = world.token().opaque();
    call(&world, &token).send().await.is(200);
    world.idp.revoke(&token);
    let begun = Instant::now();
    while call(&world, &token).send().await.status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused(&world, call(&world, &token), 401, "inactive").await;
    assert_eq!(world.idp.fetches(PATH), 2, "the no is remembered");
}

#[tokio::test]
async fn s3_48_a_provider_that_is_away_is_503_and_nobody_is_refused_for_it_later() {
    let world = world("").await;
    let token = world.token().opaque();
    world.idp.answer(PATH, 500, &[], "{}");
    let refused = refused(&world, call(&world, &token), 503, "introspection_failed").await;
    assert_eq!(refused.answer.header("retry-after"), Some("2"));
    assert_eq!(refused.answer.header("www-authenticate"), None);
    assert!(refused.cause().contains("central"), "{}", refused.cause());
    world.idp.answer_normally(PATH);
    call(&world, &token).send().await.is(200);
}

#[tokio::test]
async fn s3_17_s3_37_a_thousand_requests_with_one_new_token_cause_one_call() {
    let world = world("").await;
    world.idp.slow_down_at(PATH, Duration::from_secs(1));
    let token = world.token().opaque();
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let connection = Connection::open(world.gateway.address()).await;
        let request = call(&world, &token);
        calls.spawn(async move {
            let mut calls = JoinSet::new();
            let connection = std::sync::Arc::new(connection);
            for _ in 0..100 {
                let (connection, request) = (connection.clone(), request.clone());
                calls.spawn(async move { connection.send(request).await.unwrap().status });
            }
            calls.join_all().await
        });
    }
    let statuses = calls.join_all().await.concat();
    assert_eq!(statuses, vec![200; 1000]);
    assert_eq!(world.idp.fetches(PATH), 1);
}

#[tokio::test]
async fn sec_17_s3_48_a_provider_that_hangs_is_told_in_time_and_concerns_no_other_route() {
    let world = world("").await;
    world.idp.slow_down_at(PATH, Duration::from_mins(10));
    let mut stuck = JoinSet::new();
    let begun = Instant::now();
    for number in 0..100 {
        let request = call(&world, &format!("guess-{number}"));
        stuck.spawn(async move {
            let answer = request.send().await;
            (answer.status, begun.elapsed())
        });
    }
    while stuck.len() == 100 && begun.elapsed() < Duration::from_secs(3) {
        let sent = Instant::now();
        signed(&world).send().await.is(200);
        assert!(sent.elapsed() < Duration::from_secs(1));
    }
    for (status, took) in stuck.join_all().await {
        assert_eq!(status, 503);
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    // by now nobody asks, and everybody knows at once
    let sent = Instant::now();
    refused(
        &world,
        call(&world, "one-more"),
        503,
        "introspection_failed",
    )
    .await;
    assert!(sent.elapsed() < Duration::from_secs(1));
    signed(&world).send().await.is(200);
}

#[tokio::test]
async fn sec_17_who_invents_tokens_waits_and_others_do_not() {
    let config = BOTH
        .replace("{keys}", "")
        .replace("server: {", "server: { trusted_proxies: [127.0.0.1],");
    let world = World::start(program(), &config).await;
    world.idp.slow_down_at(PATH, Duration::from_secs(1));
    let from = |address: &str, token: &str| {
        call(&world, token)
            .header("X-Forwarded-For", address)
            .header("X-Forwarded-Proto", "https")
    };
    let token = world.token().opaque();
    let mut guesses = JoinSet::new();
    for number in 0..150 {
        let request = from("192.0.2.66", &format!("guess-{number}"));
        guesses.spawn(async move { request.send().await.status });
    }
    while world.idp.fetches(PATH) < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sent = Instant::now();
    from("192.0.2.7", &token).send().await.is(200);
    assert!(
        sent.elapsed() < Duration::from_secs(3),
        "{:?}",
        sent.elapsed()
    );
    assert!(world.idp.fetches(PATH) < 100, "16 a second, and the one");
    guesses.abort_all();
}

#[tokio::test]
async fn calls_are_counted_by_what_came_of_them() {
    let world = world("").await;
    call(&world, &world.token().opaque()).send().await.is(200);
    call(&world, "guess").send().await.is(401);
    world.idp.answer(PATH, 400, &[], "{}");
    call(&world, "other").send().await.is(503);
    let page = world
        .gateway
        .admin()
        .get("/metrics")
        .send()
        .await
        .is(200)
        .text();
    let families = openmetrics::read(&page);
    assert!(families.contains_key("portcullis_introspections"), "{page}");
    for result in ["active", "inactive", "refused"] {
        let line = format!(
            "portcullis_introspections_total{{authenticator=\"central\",result=\"{result}\"}} 1"
        );
        assert!(page.contains(&line), "{line}\n{page}");
    }
    let count = "portcullis_introspection_duration_seconds_count{authenticator=\"central\"} 3";
    assert!(page.contains(count), "{page}");
    let proven = "portcullis_authentications_total{authenticator=\"central\",result=\"proven\"} 1";
    assert!(page.contains(proven), "{page}");
}

#[test]
fn s3_19_s3_20_x18_the_page_says_which_to_choose_and_how_old_an_answer_may_be() {
    let page = crate::tree::read("docs/contract.md");
    let (_, section) = page.split_once("\n## Introspection\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for said in [
        "\"immediate\" is `cache: 0s`",
        "| | JWT (`oidc`, `jwks`) | `introspection` |",
        "\n| a revoked token counts |",
        "\n| load on the provider |",
        "\n| provider away |",
        "Signed tokens for most; introspection where",
    ] {
        assert!(section.contains(said), "{said}");
    }
}
