//! How long answers count, and who shares them.

use std::time::Duration;

use http::header::AUTHORIZATION;
use serde_json::json;

use super::{Asked, PATH};
use crate::Presented;
use crate::testing::{NOW, RESOURCE, ask, config, evidence};

#[tokio::test]
async fn t_i11_t_i12_s3_23_an_answer_counts_for_its_time_and_then_is_asked_for_again() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    for _ in 0..3 {
        assert_eq!(world.reason(&token).await, "ok");
    }
    assert_eq!(world.calls(), 1);
    world.pass(299);
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.calls(), 1);
    world.pass(1);
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn s3_18_x18_a_revoked_token_is_taken_until_its_answer_ends_and_not_longer() {
    let world = Asked::with(|settings| settings.cache = Duration::from_mins(1)).await;
    let token = world.token().opaque();
    assert_eq!(world.reason(&token).await, "ok");
    world.idp.revoke(&token);
    world.pass(59);
    assert_eq!(world.reason(&token).await, "ok");
    world.pass(1);
    assert_eq!(world.reason(&token).await, "inactive");
}

#[tokio::test]
async fn s3_18_x18_with_a_cache_of_0_the_next_request_knows() {
    let world = Asked::with(|settings| settings.cache = Duration::ZERO).await;
    let token = world.token().opaque();
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.calls(), 2);
    world.idp.revoke(&token);
    assert_eq!(world.reason(&token).await, "inactive");
    assert_eq!(world.reason(&token).await, "inactive");
    assert_eq!(world.calls(), 4, "a no is asked for again too");
}

#[tokio::test]
async fn sec_70_a_token_that_was_good_and_is_revoked_pays_like_any_other() {
    let world = Asked::with(|settings| settings.cache = Duration::ZERO).await;
    let token = world.token().opaque();
    let is_free = || {
        let headers = [(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())];
        let headers = headers.into_iter().collect();
        match world.route.look(&evidence(&headers), NOW) {
            Ok(Presented::Unknown(unverified)) => unverified.was_good(),
            Ok(Presented::Nothing | Presented::Known(_)) | Err(_) => panic!("nothing to ask"),
        }
    };
    assert!(!is_free(), "nobody has asked yet");
    assert_eq!(world.reason(&token).await, "ok");
    assert!(is_free());
    world.idp.answer(PATH, 500, &[], "");
    assert_eq!(world.reason(&token).await, "introspection_failed");
    assert!(is_free(), "the provider's failure is not the token's");
    world
        .idp
        .answer(PATH, 200, &[], r#"{"active":false}"#.to_owned());
    assert_eq!(world.reason(&token).await, "inactive");
    assert!(!is_free());
}

#[tokio::test]
async fn x18_an_answer_never_outlives_the_token() {
    let world = Asked::with(|settings| settings.rules.leeway = Duration::ZERO).await;
    let token = world.token().expires_in(20).opaque();
    assert_eq!(world.reason(&token).await, "ok");
    world.pass(19);
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.calls(), 1);
    world.pass(1);
    assert_eq!(world.reason(&token).await, "inactive");
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn r7662_a_no_counts_for_ten_seconds_and_never_longer_than_a_yes() {
    for (cache, counts) in [(300, 10), (5, 5)] {
        let world = Asked::with(|settings| settings.cache = Duration::from_secs(cache)).await;
        for _ in 0..3 {
            assert_eq!(world.reason("later").await, "inactive");
        }
        assert_eq!(world.calls(), 1);
        world.token().opaque_as("later");
        world.pass(counts - 1);
        assert_eq!(world.reason("later").await, "inactive");
        world.pass(1);
        assert_eq!(world.reason("later").await, "ok");
        assert_eq!(world.calls(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_taken_counts_like_a_no() {
    let world = Asked::new().await;
    for (name, changes) in [
        ("a", json!({"iss": "https://other.example"})),
        ("b", json!({"exp": "soon"})),
        ("c", json!({"token_use": "id"})),
        ("d", json!({"aud": "https://other.example"})),
    ] {
        let before = world.calls();
        world
            .idp
            .answer(PATH, 200, &[], world.but(changes).to_string());
        for _ in 0..3 {
            assert_ne!(world.reason(name).await, "ok");
        }
        assert_eq!(world.calls(), before + 1, "{name}");
    }
}

#[tokio::test]
async fn sec_12_the_audience_is_judged_at_every_route_and_every_use() {
    let world = Asked::new().await;
    let here = world.token().opaque();
    let elsewhere = "https://mcp.example/other";
    let other = world.all.for_route(&[0], &[], &[elsewhere.into()], &[]);
    assert_eq!(world.reason(&here).await, "ok");
    for _ in 0..2 {
        let failure = ask(&other, &here, NOW).await.unwrap_err();
        assert_eq!(failure.reason(), "audience_mismatch");
    }
    let both = world
        .token()
        .claim("aud", json!([RESOURCE, elsewhere]))
        .opaque();
    assert_eq!(world.reason(&both).await, "ok");
    assert!(ask(&other, &both, NOW).await.is_ok());
    assert_eq!(world.calls(), 2, "one answer for all routes");
}

#[tokio::test]
async fn sec_12_a_reload_keeps_answers_of_the_same_settings_and_of_no_others() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    assert_eq!(world.reason(&token).await, "ok");
    let kind = |change: fn(&mut config::Introspection)| {
        let mut settings = super::settings(&world.idp);
        change(&mut settings);
        let kind = config::AuthenticatorKind::Introspection(settings);
        config(vec![("central", kind)])
    };
    let same = world.all.restart(&kind(|_| {})).await.unwrap();
    let route = same.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    assert!(ask(&route, &token, NOW).await.is_ok());
    assert_eq!(world.calls(), 1);
    let changes: [fn(&mut config::Introspection); 2] = [
        |settings| settings.client_auth = config::IntrospectionAuth::Post,
        |settings| settings.cache = Duration::from_mins(1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let other = same.restart(&kind(change)).await.unwrap();
        let route = other.for_route(&[0], &[], &[RESOURCE.into()], &[]);
        assert!(ask(&route, &token, NOW).await.is_ok());
        assert_eq!(world.calls(), 2 + number);
    }
}

#[tokio::test]
async fn s3_17_x18_many_who_bring_one_new_token_cause_one_call() {
    for cache in [300, 0] {
        let world = Asked::with(|settings| settings.cache = Duration::from_secs(cache)).await;
        world.idp.slow_down_at(PATH, Duration::from_millis(300));
        let token = world.token().opaque();
        let all = (0..200).map(|_| world.ask(&token));
        let all: Vec<_> = all.collect();
        let answers = join(all).await;
        assert!(answers.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(world.calls(), 1, "cache {cache}");
    }
}

/// Polls all of them on one task.
async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        waiting.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done
}
