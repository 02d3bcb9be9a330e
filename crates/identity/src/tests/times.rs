//! exp, nbf, iat and the span between them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Failure;
use crate::testing::{NOW, TestKey, World};

const DAY: u64 = 24 * 60 * 60;

/// What becomes of a token whose `claim` is `value`.
async fn check(world: &World, claim: &str, value: impl Into<Value>, expected: &str) {
    let value = value.into();
    let token = world.token().claim(claim, value.clone()).sign();
    assert_eq!(world.reason(&token).await, expected, "{claim} = {value}");
}

#[tokio::test]
async fn t_j1_t_o1_a_good_token_is_taken() {
    let world = World::new().await;
    let caller = world.ask(&world.token().sign()).await.unwrap();
    assert_eq!(caller.subject(), "ada");
}

#[tokio::test]
async fn s3_46_expired_31_seconds_ago_is_refused_29_is_taken() {
    let world = World::new().await;
    check(&world, "exp", NOW.0 - 31, "expired").await;
    check(&world, "exp", NOW.0 - 30, "expired").await;
    check(&world, "exp", NOW.0 - 29, "ok").await;
}

#[tokio::test]
async fn s3_46_t_j3_the_log_says_for_how_long() {
    let world = World::new().await;
    let token = world.token().claim("exp", NOW.0 - 3600).sign();
    let failure = world.ask(&token).await.unwrap_err();
    assert_eq!(failure.to_string(), "token has expired: 3600 s ago");
}

#[tokio::test]
async fn s3_46_leeway_zero_means_zero() {
    let world = World::with(TestKey::es256(), |jwt| jwt.rules.leeway = Duration::ZERO).await;
    check(&world, "exp", NOW.0, "expired").await;
    check(&world, "exp", NOW.0 + 1, "ok").await;
    check(&world, "nbf", NOW.0 + 1, "not_yet_valid").await;
    check(&world, "nbf", NOW.0, "ok").await;
}

#[tokio::test]
async fn s4_13_a_token_without_exp_is_refused() {
    let world = World::new().await;
    let token = world.token().no_claim("exp").sign();
    assert_eq!(world.ask(&token).await.unwrap_err(), Failure::MissingExpiry);
}

#[tokio::test]
async fn t_j4_nbf_ahead_is_refused() {
    let world = World::new().await;
    check(&world, "nbf", NOW.0 + 31, "not_yet_valid").await;
    check(&world, "nbf", NOW.0 + 30, "ok").await;
    check(&world, "nbf", NOW.0 - DAY, "ok").await;
}

#[tokio::test]
async fn r7519_iat_ahead_is_refused_and_a_missing_one_is_not() {
    let world = World::new().await;
    check(&world, "iat", NOW.0 + 31, "not_yet_valid").await;
    check(&world, "iat", NOW.0 + 30, "ok").await;
    let token = world.token().no_claim("iat").sign();
    assert_eq!(world.reason(&token).await, "ok");
}

#[tokio::test]
async fn r7519_a_time_may_have_a_fraction() {
    let world = World::new().await;
    let now = 1_800_000_000.0_f64;
    check(&world, "exp", now + 0.5, "ok").await;
    // rounded to the side that takes less
    check(&world, "exp", now - 29.5, "expired").await;
    check(&world, "exp", now - 29.0, "ok").await;
    check(&world, "nbf", now + 30.5, "not_yet_valid").await;
    check(&world, "iat", now - 0.5, "ok").await;
}

#[tokio::test]
async fn r7519_a_time_that_is_no_sane_number_is_refused() {
    let world = World::new().await;
    for claim in ["exp", "nbf", "iat"] {
        for value in [
            json!("1800000600"),
            json!(true),
            json!(null),
            json!([1_800_000_600]),
            json!({ "seconds": 1 }),
            json!(-1),
            json!(-0.5),
            json!(253_402_300_800_u64),
            json!(u64::MAX),
            json!(1e300),
            json!(1_800_000_600_000_u64),
        ] {
            check(&world, claim, value, "malformed_token").await;
        }
    }
}

#[tokio::test]
async fn r7519_a_number_beyond_all_bounds_is_refused() {
    let world = World::new().await;
    let header = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    let payload = r#"{"iss":"https://issuer.example","sub":"ada","aud":"https://mcp.example/mcp","exp":1e999}"#;
    let token = world.key.sign_text("ES256", header, payload);
    assert_eq!(world.reason(&token).await, "malformed_token");
}

#[tokio::test]
async fn s3_36_a_token_that_lives_too_long_is_refused() {
    let hour = Duration::from_hours(1);
    let world = World::with(TestKey::es256(), |jwt| jwt.max_token_lifetime = Some(hour)).await;
    let lives = |seconds: u64| {
        world
            .token()
            .claim("iat", NOW.0)
            .claim("exp", NOW.0 + seconds)
            .sign()
    };
    assert_eq!(world.reason(&lives(DAY)).await, "lifetime_too_long");
    assert_eq!(world.reason(&lives(3601)).await, "lifetime_too_long");
    assert_eq!(world.reason(&lives(3600)).await, "ok");
    let untold = world.token().no_claim("iat").sign();
    assert_eq!(world.reason(&untold).await, "lifetime_too_long");
}

#[tokio::test]
async fn s3_36_without_a_limit_a_token_may_live_long() {
    let world = World::new().await;
    check(&world, "exp", NOW.0 + 365 * DAY, "ok").await;
}

#[tokio::test]
async fn sec_55_a_caller_is_good_until_exp_and_leeway() {
    let world = World::new().await;
    let caller = world.ask(&world.token().sign()).await.unwrap();
    assert_eq!(caller.expires().0, NOW.0 + 600);
    let at = |seconds: u64| crate::Timestamp(NOW.0 + seconds);
    assert!(world.route.still_good(&caller, Some(at(629))));
    let expired = Failure::Expired { late: 30 };
    assert_eq!(
        world.route.judge_again(&caller, Some(at(630))),
        Err(expired.into())
    );
}
