//! Event streams of tokens that a provider is asked about: they last as long as the provider says so (SEC-55, X18).

use std::time::{Duration, Instant};

use testbed::client::Stream;
use testbed::recorder::EventStream;
use testbed::{Reply, World};

use crate::introspection::{PATH, call, world};
use crate::support::{ended_for, told_of_end};

async fn opened(world: &World, token: &str) -> (Stream, EventStream) {
    world.server.answer(Reply::events());
    let stream = call(world, token).open().await;
    assert_eq!(stream.status, 200);
    (stream, world.server.stream().await)
}

/// Until the provider has been asked so often.
async fn asked(world: &World, times: usize) {
    let begun = Instant::now();
    while world.idp.fetches(PATH) < times {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "asked {times} times"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn sec_55_x18_a_stream_ends_when_its_token_was_revoked() {
    let world = world(", cache: 1s").await;
    let (kept, gone) = (world.token().opaque(), world.token().opaque());
    let (mut stays, upstream) = opened(&world, &kept).await;
    let (ends, _other) = opened(&world, &gone).await;
    world.idp.revoke(&gone);
    let begun = Instant::now();
    assert!(ends.finish().await.complete, "a clean end");
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    upstream.event("still").await;
    assert_eq!(stays.event().await.unwrap().data, "still");
    asked(&world, 4).await; // both were asked about again
    let cause = ended_for(&world, "inactive").await;
    assert_eq!(cause, "token is not active, says the provider");
}

#[tokio::test]
async fn sec_55_s3_48_a_stream_goes_on_while_the_provider_is_away() {
    let world = world(", cache: 1s").await;
    let token = world.token().opaque();
    let (mut stream, upstream) = opened(&world, &token).await;
    world.idp.answer(PATH, 500, &[], "{}");
    asked(&world, 3).await;
    upstream.event("still").await;
    assert_eq!(stream.event().await.unwrap().data, "still");
    world.idp.answer_normally(PATH);
    world.idp.revoke(&token);
    assert!(stream.finish().await.complete, "the provider says no");
}

#[tokio::test]
async fn sec_55_sec_12_a_stream_ends_when_its_token_has_another_bearer_or_lacks_a_scope() {
    let world = world(", cache: 1s").await;
    for (nth, claim, reason) in [
        (1, "sub", "other_bearer"),
        (2, "scope", "insufficient_scope"),
    ] {
        let token = world.token();
        let name = token.opaque();
        let (stream, _upstream) = opened(&world, &name).await;
        token.claim(claim, "other").opaque_as(&name);
        assert!(stream.finish().await.complete, "{claim}");
        assert_eq!(told_of_end(&world, nth).await["reason"], reason);
    }
}
