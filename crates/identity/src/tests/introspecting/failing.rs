//! A provider that does not answer, or not in a way that could be judged (S3-48).

use std::time::Duration;

use super::{Asked, PATH};
use crate::Failure;

fn cause(failure: &Failure) -> &str {
    match failure {
        Failure::IntrospectionFailed { cause, .. } => cause,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn s3_48_what_is_no_answer_is_503_and_never_remembered() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    for (status, body, told) in [
        (401, "{}", "answered 401 Unauthorized"),
        (403, "{}", "answered 403 Forbidden"),
        (404, "", "answered 404 Not Found"),
        (
            302,
            "",
            "answered 302 Found, a redirect, and redirects are not followed",
        ),
        (429, "", "answered 429 Too Many Requests"),
        (500, "{}", "answered 500 Internal Server Error"),
        (200, "", "answered with something else than JSON"),
        (200, "<html>", "answered with something else than JSON"),
        (
            200,
            "{\"active\":true",
            "answered with something else than JSON",
        ),
        (201, "{\"active\":true}", "answered 201 Created"),
    ] {
        world
            .idp
            .answer(PATH, status, &[("location", "/other")], body);
        let failure = world.ask(&token).await.unwrap_err();
        assert_eq!(cause(&failure), told);
        assert_eq!(failure.reason(), "introspection_failed");
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(2)));
    }
    assert_eq!(world.idp.fetches("/other"), 0);
    world.idp.answer_normally(PATH);
    assert_eq!(world.reason(&token).await, "ok");
}

#[tokio::test]
async fn s3_48_wrong_credentials_of_ours_are_told_and_trip_nothing() {
    let world = Asked::with(|settings| settings.client_secret = config::Secret::new("wrong")).await;
    for number in 1..=10 {
        let failure = world.ask("token").await.unwrap_err();
        assert_eq!(cause(&failure), "answered 401 Unauthorized");
        assert_eq!(world.calls(), number);
    }
}

#[tokio::test]
async fn an_answer_has_a_largest_size() {
    let world = Asked::new().await;
    let mut answer = world.good().to_string();
    answer.push_str(&" ".repeat(64 * 1024));
    world.idp.answer(PATH, 200, &[], answer);
    let failure = world.ask("token").await.unwrap_err();
    assert_eq!(cause(&failure), "answered with more than 65536 bytes");
}

#[tokio::test]
async fn sec_17_after_five_failures_nobody_asks_and_one_tries_after_two_seconds() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    world.idp.break_off_at(PATH, true);
    for number in 1..=5 {
        assert_eq!(world.reason(&token).await, "introspection_failed");
        assert_eq!(world.calls(), number);
    }
    world.idp.break_off_at(PATH, false);
    for _ in 0..10 {
        let failure = world.ask(&token).await.unwrap_err();
        assert_eq!(
            cause(&failure),
            "it did not answer before and is left alone"
        );
    }
    assert_eq!(world.calls(), 5);
    let begun = tokio::time::Instant::now();
    while world.reason(&token).await != "ok" {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(1500));
    assert_eq!(world.calls(), 6);
    // a no is an answer: it opens nothing
    for number in 0..10 {
        assert_eq!(world.reason(&format!("guess-{number}")).await, "inactive");
    }
}

#[tokio::test]
async fn s3_48_a_provider_that_hangs_is_waited_for_five_seconds() {
    let world = Asked::new().await;
    world.idp.slow_down_at(PATH, Duration::from_mins(10));
    let begun = tokio::time::Instant::now();
    let failure = world.ask("token").await.unwrap_err();
    assert_eq!(cause(&failure), "not answered within 5 s");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_secs(7),
        "{took:?}"
    );
}

#[tokio::test]
async fn sec_17_who_leaves_takes_nothing_from_those_who_wait_for_the_same_answer() {
    let world = Asked::new().await;
    world.idp.slow_down_at(PATH, Duration::from_millis(400));
    let token = world.token().opaque();
    let first = tokio::time::timeout(Duration::from_millis(100), world.ask(&token)).await;
    assert!(first.is_err(), "left");
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.calls(), 1);
}
