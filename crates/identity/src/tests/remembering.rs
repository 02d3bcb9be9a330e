//! What is remembered of verified credentials, and what is asked again at every use.

use std::sync::Arc;

use serde_json::json;

use crate::testing::{NOW, RESOURCE, TestKey, Token, World, ask, publish};
use crate::{Caller, Gone, Timestamp};

fn same(one: &Caller, other: &Caller) -> bool {
    Arc::ptr_eq(&one.credential, &other.credential)
}

#[tokio::test]
async fn t_j12_a_token_is_verified_once() {
    let world = World::new().await;
    let token = world.token().sign();
    let (first, second) = (
        world.ask(&token).await.unwrap(),
        world.ask(&token).await.unwrap(),
    );
    assert!(same(&first, &second));
    let other = world
        .ask(&world.token().claim("jti", "2").sign())
        .await
        .unwrap();
    assert!(!same(&first, &other));
}

#[tokio::test]
async fn t_j12_routes_that_take_the_same_authenticators_share_what_they_know() {
    let world = World::new().await;
    let other = world
        .all
        .for_route(&[0, 0], &[], &["https://mcp.example/other".into()], &[]);
    let token = world
        .token()
        .claim("aud", json!([RESOURCE, "https://mcp.example/other"]))
        .sign();
    let first = world.ask(&token).await.unwrap();
    assert!(same(&first, &ask(&other, &token, NOW).await.unwrap()));
}

#[tokio::test]
async fn sec_12_times_are_judged_at_every_use() {
    let world = World::new().await;
    let token = world.token().claim("nbf", NOW.0 - 10).sign();
    assert_eq!(world.reason(&token).await, "ok");
    let at = |now: u64| ask(&world.route, &token, Timestamp(now));
    assert_eq!(at(NOW.0 + 629).await.map(|_| ()), Ok(()));
    assert_eq!(at(NOW.0 + 630).await.unwrap_err().reason(), "expired");
    assert_eq!(at(NOW.0 - 41).await.unwrap_err().reason(), "not_yet_valid");
}

#[tokio::test]
async fn sec_12_what_is_refused_is_not_remembered() {
    let world = World::new().await;
    for token in [
        world.token().claim("aud", "https://other.example").sign(),
        world.token().claim("exp", NOW.0 - 100).sign(),
        Token::new(&TestKey::es256()).sign(),
        "opaque".into(),
    ] {
        assert_ne!(world.reason(&token).await, "ok");
    }
    assert_eq!(world.all.cache.len(), 0);
    assert_eq!(world.reason(&world.token().sign()).await, "ok");
    assert_eq!(world.all.cache.len(), 1);
}

#[tokio::test]
async fn sec_12_a_key_that_goes_takes_its_credentials_along_and_the_others_stay() {
    let (first, second) = (TestKey::es256(), TestKey::es256());
    let both = [first.jwk("k1"), second.jwk("k2")];
    let world = World::publishing(first, &both, |_| {}).await;
    let (one, two) = (
        world.token().sign(),
        Token::new(&second).header("kid", "k2").sign(),
    );
    let gone = world.ask(&one).await.unwrap();
    let stays = world.ask(&two).await.unwrap();
    assert!(world.route.still_good(&gone, Some(NOW)) && world.route.still_good(&stays, Some(NOW)));

    let third = TestKey::es256();
    publish(&world.file, &[second.jwk("k2"), third.jwk("k3")]);
    // the first token of the new key brings the new set in
    let three = Token::new(&third).header("kid", "k3").sign();
    assert_eq!(world.reason(&three).await, "ok");

    let judged = world.route.judge_again(&gone, Some(NOW));
    assert_eq!(judged, Err(Gone::KeyWithdrawn));
    assert_eq!(world.reason(&one).await, "unknown_key");
    assert!(world.route.still_good(&stays, Some(NOW)));
    assert!(same(&stays, &world.ask(&two).await.unwrap()));
}

#[tokio::test]
async fn sec_12_another_key_under_the_same_kid_ends_the_credentials_of_the_first() {
    let world = World::new().await;
    let token = world.token().sign();
    let caller = world.ask(&token).await.unwrap();
    publish(&world.file, &[TestKey::es256().jwk("k1")]);
    let unknown = world.token().header("kid", "k9").sign();
    assert_eq!(world.reason(&unknown).await, "unknown_key");
    assert!(!world.route.still_good(&caller, Some(NOW)));
    assert_eq!(world.reason(&token).await, "invalid_signature");
}

#[tokio::test]
async fn s4_17_a_rotated_key_is_taken_at_first_use() {
    let world = World::new().await;
    let next = TestKey::es256();
    let token = Token::new(&next).header("kid", "k2").sign();
    publish(&world.file, &[world.key.jwk("k1"), next.jwk("k2")]);
    assert_eq!(world.reason(&token).await, "ok");
}

#[tokio::test]
async fn s4_17_a_rotated_key_without_a_name_is_taken_at_first_use() {
    let key = TestKey::es256();
    let bare = [key.bare_jwk()];
    let world = World::publishing(key, &bare, |_| {}).await;
    let next = TestKey::es256();
    publish(&world.file, &[next.bare_jwk()]);
    let token = Token::new(&next).no_header("kid").sign();
    assert_eq!(world.reason(&token).await, "ok");
    let old = world.token().no_header("kid").sign();
    assert_eq!(world.reason(&old).await, "invalid_signature");
}

#[tokio::test]
async fn the_memory_is_bounded_in_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (key, file) = (TestKey::es256(), directory.path().join("jwks"));
    publish(&file, &[key.jwk("k1")]);
    let kind = crate::testing::settings().jwks(config::KeySource::File(file));
    let mut config = crate::testing::config(vec![("corp", kind)]);
    config.credential_cache = 20 * 1024;
    let all = crate::Authenticators::start(&config, crate::testing::clock())
        .await
        .unwrap();
    let route = all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    for at in 0..100 {
        let token = Token::new(&key).claim("jti", at).sign();
        ask(&route, &token, NOW).await.unwrap();
    }
    let (entries, bytes) = (all.cache.len(), all.cache.bytes());
    assert!(bytes <= 20 * 1024, "{bytes} bytes");
    // a typical entry weighs about a kilobyte
    assert!((10..=25).contains(&entries), "{entries} entries");
    // and the newest one is there, however full it is
    let newest = Token::new(&key).claim("jti", "new").sign();
    let first = ask(&route, &newest, NOW).await.unwrap();
    assert!(same(&first, &ask(&route, &newest, NOW).await.unwrap()));
}

#[tokio::test]
async fn trap_15_twenty_thousand_credentials_fit_the_default() {
    let world = World::new().await;
    let token = world
        .token()
        .claim("sub", "auth0|0123456789abcdef01234567")
        .claim("scope", "openid profile mcp:tools");
    let caller = world
        .ask(&token.claim("name", "Ada Lovelace").sign())
        .await
        .unwrap();
    let weight = u64::from(caller.credential.weight());
    assert!(weight * 20_000 < 64 * 1024 * 1024, "{weight} bytes each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_rc3_concurrent_callers_never_get_each_others_identity() {
    let world = Arc::new(World::new().await);
    let mut running = tokio::task::JoinSet::new();
    for at in 0..64 {
        let world = world.clone();
        running.spawn(async move {
            let name = format!("user-{}", at % 16);
            let token = world.token().claim("sub", name.as_str()).sign();
            for _ in 0..20 {
                assert_eq!(world.ask(&token).await.unwrap().subject(), name);
            }
        });
    }
    running.join_all().await;
}
