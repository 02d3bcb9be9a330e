//! The provider's keys: how often they are fetched, and what holds while they cannot be.

use std::time::{Duration, Instant};

use testbed::client::PATIENCE;
use testbed::{Idp, World};

use crate::setting::{call, refused, world, world_of};

#[tokio::test]
async fn s3_9_t_j12_a_hundred_requests_cost_one_fetch_of_the_keys() {
    let world = world().await;
    for _ in 0..50 {
        let token = world.token().fresh();
        call(&world).bearer(token.clone()).send().await.is(200);
        call(&world).bearer(token).send().await.is(200);
    }
    assert_eq!(world.idp.fetches("/jwks"), 1);
    assert_eq!(world.idp.fetches("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn s4_17_a_rotated_key_is_taken_at_first_use_and_the_old_one_is_gone() {
    let world = world().await;
    let old = world.token().sign();
    call(&world).bearer(&old).send().await.is(200);
    world.idp.rotate_keys();
    call(&world).bearer(world.token()).send().await.is(200);
    assert_eq!(world.idp.fetches("/jwks"), 2);
    let withdrawn = call(&world).bearer(&old);
    refused(&world, withdrawn, 401, "unknown_key").await; // SEC-12: though it was remembered
}

#[tokio::test]
async fn s4_17_sec_19_unknown_kids_cost_one_fetch_and_harm_nobody() {
    let world = world().await;
    let good = world.token().sign();
    let begun = Instant::now();
    for number in 0..200 {
        let token = world.token().header("kid", format!("random-{number}"));
        call(&world)
            .bearer(token)
            .send()
            .await
            .refused(401, "invalid_token");
    }
    call(&world).bearer(good).send().await.is(200);
    let cooldowns = usize::try_from(begun.elapsed().as_secs() / 10).unwrap();
    assert!(world.idp.fetches("/jwks") <= 2 + cooldowns);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn s3_47_while_the_provider_is_away_known_keys_serve_and_unknown_ones_are_503() {
    let world = world().await;
    world.idp.go_down();
    call(&world)
        .bearer(world.token().fresh())
        .send()
        .await
        .is(200);
    let unknown = call(&world).bearer(world.token().header("kid", "new"));
    let refused = refused(&world, unknown, 503, "jwks_unreachable").await;
    assert_eq!(refused.answer.header("retry-after"), Some("5"));
    assert_eq!(
        refused.answer.header("www-authenticate"),
        None,
        "nobody is sent to a login"
    );
}

/// A gateway that began while its provider was away.
async fn cold() -> World {
    let idp = Idp::start().await;
    idp.go_down();
    world_of(idp, ", start: lazy", "").await
}

#[tokio::test]
async fn s3_47_s4_8_a_lazy_start_answers_503_until_the_provider_is_there() {
    let world = cold().await;
    let request = call(&world).bearer(world.token());
    let refused_cold = refused(&world, request, 503, "jwks_unreachable").await;
    assert!(
        refused_cold
            .answer
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok())
    );
    refused(&world, call(&world), 401, "missing_credentials").await;
    world.gateway.client().get("/health").send().await.is(200);

    world.idp.come_back();
    let begun = Instant::now();
    loop {
        let answer = call(&world).bearer(world.token()).send().await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503);
        assert!(begun.elapsed() < PATIENCE, "it never came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.gateway.admin().get("/readyz").send().await.is(200);
}

#[tokio::test]
async fn s3_10_sec_19_one_odd_key_does_not_spoil_the_set() {
    let idp = Idp::start().await;
    idp.extra_jwks_keys(vec![
        serde_json::json!({"kty": "RSA", "kid": "broken", "n": "AQAB"}),
        serde_json::json!({"kty": "quantum", "kid": "new"}),
        serde_json::json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}),
        serde_json::json!("no object"),
    ]);
    let world = world_of(idp, "", "").await;
    call(&world).bearer(world.token()).send().await.is(200);
}

#[tokio::test]
async fn s3_38_the_counters_move_by_one_per_reject() {
    let world = world().await;
    let count = async |reason: &str| {
        let metrics = world.gateway.admin().get("/metrics").send().await.text();
        let line = metrics.lines().find(|line| {
            line.starts_with("portcullis_requests_total{")
                && line.contains(&format!("reason=\"{reason}\""))
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .unwrap_or_default()
    };
    let expired = world.token().expires_in(-60).sign();
    for expected in 1..=3 {
        call(&world).bearer(&expired).send().await.is(401);
        assert_eq!(count("expired").await, expected);
    }
    call(&world).send().await.is(401);
    assert_eq!(count("missing_credentials").await, 1);
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let credentials = metrics.lines().find(|line| {
        line.starts_with("portcullis_authentications_total{") && line.contains("result=\"expired\"")
    });
    assert!(
        credentials.is_some_and(|line| line.ends_with(" 3")),
        "{metrics}"
    );
    assert!(
        metrics.contains("portcullis_jwks_age_seconds{authenticator=\"corp\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn s4_17_all_who_bring_a_new_key_at_once_share_one_fetch() {
    let world = world().await;
    world.idp.rotate_keys();
    world.idp.slow_down(Duration::from_millis(300));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let request = call(&world).bearer(world.token().fresh());
        calls.spawn(request.send());
    }
    for answer in calls.join_all().await {
        answer.is(200);
    }
    assert_eq!(world.idp.fetches("/jwks"), 2);
}

#[tokio::test]
async fn s4_17_who_waits_for_a_slow_provider_waits_alone() {
    let world = world().await;
    world.idp.slow_down(Duration::from_mins(1));
    let unknown = call(&world).bearer(world.token().header("kid", "new"));
    let waiting = tokio::spawn(unknown.send());
    let begun = Instant::now();
    for _ in 0..20 {
        let good = call(&world).bearer(world.token().fresh());
        good.send().await.is(200);
    }
    assert!(!waiting.is_finished(), "it still waits");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "nobody else does: {:?}",
        begun.elapsed()
    );
    let answer = waiting.await.unwrap();
    answer.is(503);
    assert!(answer.header("retry-after").is_some());
}

const WITH_A_PARTNER: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
authenticators:
  corp: { oidc: { issuer: "{idp}" } }
  partner: { oidc: { issuer: "{partner}", start: lazy } }
routes:
  - { path: /mcp, upstream: "{upstream}", auth: { accept: [corp, partner] } }
"#;

#[tokio::test]
async fn s3_47_a_partner_that_is_away_is_the_partners_trouble_alone() {
    let partner = Idp::start().await;
    partner.go_down();
    let template = WITH_A_PARTNER.replace("{partner}", partner.issuer());
    let world = World::start(crate::setting::program(), &template).await;
    call(&world).bearer(world.token()).send().await.is(200);
    let theirs = partner.token().audience(&world.gateway.url("/mcp"));
    let answer = call(&world).bearer(theirs).send().await;
    answer.is(503);
    let forged = world.token().sign_with_other_key();
    let answer = call(&world).bearer(forged).send().await;
    answer.refused(401, "invalid_token");
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    let issuers = [world.idp.issuer(), partner.issuer()];
    assert_eq!(
        document["authorization_servers"],
        serde_json::json!(issuers)
    );
}
