//! Event streams through a reload: they stay open, and are judged by the new configuration (SEC-55).

use std::time::Duration;

use testbed::World;
use testbed::client::{Connection, Stream};
use testbed::recorder::EventStream;
use tokio::time::{Instant, timeout};

use crate::reload::{needing, reloaded, route, scoped};
use crate::setting::program;
use crate::support::{OPEN, config, ended_for};

/// In which a stream must have ended after the reload.
const WITHIN: Duration = Duration::from_secs(5);

/// A stream of somebody with the scope `one`.
async fn opened(world: &World) -> (Stream, EventStream) {
    world.server.answer_once(testbed::Reply::events());
    let stream = scoped(world, "one").open().await;
    assert_eq!(stream.status, 200);
    (stream, world.server.stream().await)
}

/// Opens a stream under one configuration and puts another in its place: the stream must end in time, and cleanly,
/// and the operator is told for which reason.
async fn ends(before: &str, after: &str, reason: &str) {
    let world = World::start(program(), before).await;
    let (stream, upstream) = opened(&world).await;
    reloaded(&world, after, 1).await;
    let begun = Instant::now();
    let end = timeout(WITHIN, stream.finish()).await;
    let end = end.unwrap_or_else(|_| panic!("still open after {:?}", begun.elapsed()));
    assert!(end.complete, "it is ended, not cut");
    upstream.closed().await;
    ended_for(&world, reason).await;
}

#[tokio::test]
async fn sec_55_a_stream_stays_open_through_reloads_that_do_not_concern_it() {
    let world = World::start(program(), &needing("one")).await;
    let (mut stream, upstream) = opened(&world).await;
    let other = needing("one").replace("{upstream}/mcp", "http://127.0.0.1:9/mcp");
    reloaded(&world, &other, 1).await;
    // past the moment at which it is judged by the new configuration
    assert!(stream.is_silent_for(WITHIN).await);
    upstream.event("still here").await;
    assert_eq!(stream.block().await.unwrap(), "data: still here\n\n");
    upstream.end().await;
    assert!(stream.finish().await.complete);
    world.gateway.wait_for_log("request ended").await;
    let log = world.gateway.log().concat();
    assert!(
        !log.contains("event stream ended"),
        "the server's own doing"
    );
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_caller_lacks_a_scope_of_the_new_configuration() {
    ends(&needing("one"), &needing("two"), "insufficient_scope").await;
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_route_is_gone() {
    ends(
        &needing("one"),
        &needing("one").replace("path: /mcp", "path: /other"),
        "not_found",
    )
    .await;
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_audience_is_no_longer_the_routes() {
    ends(
        &route(""),
        &route(", auth: { audiences: [\"api://other\"] }"),
        "audience_mismatch",
    )
    .await;
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_authenticator_is_another_one() {
    let stricter = route("").replace("leeway: 0s", "leeway: 1s");
    ends(&route(""), &stricter, "authenticator_changed").await;
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_route_asks_for_tokens_that_are_bound() {
    let bound = route(", auth: { sender_constrained: required }");
    ends(&route(""), &bound, "proof_required").await;
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_name_is_no_longer_ours() {
    let named = |name: &str| {
        config(
            &format!("allowed_hosts: [{name}]"),
            &[r#"{ path: /mcp, upstream: "{upstream}/mcp" }"#],
        )
    };
    let world = World::start(program(), &named("one.example")).await;
    world.server.answer_once(testbed::Reply::events());
    let stream = scoped(&world, "one").host("one.example").open().await;
    assert_eq!(stream.status, 200);
    let upstream = world.server.stream().await;
    reloaded(&world, &named("two.example"), 1).await;
    assert!(timeout(WITHIN, stream.finish()).await.unwrap().complete);
    upstream.closed().await;
    ended_for(&world, "not_found").await;
}

#[tokio::test]
async fn sec_55_a_stream_for_everybody_ends_when_another_route_takes_its_place() {
    let inner = r#"{ path: /mcp/inner, upstream: "{upstream}/mcp" }"#;
    let open = OPEN.replace("path: /mcp", "path: /mcp, subpaths: true");
    let world = World::start(program(), &config("", &[&open])).await;
    world.server.answer_once(testbed::Reply::events());
    let stream = world.client().get("/mcp/inner").open().await;
    assert_eq!(stream.status, 200);
    let upstream = world.server.stream().await;
    reloaded(&world, &config("", &[&open, inner]), 1).await;
    assert!(timeout(WITHIN, stream.finish()).await.unwrap().complete);
    upstream.closed().await;
    ended_for(&world, "missing_credentials").await;
}

#[tokio::test]
async fn no_request_and_no_stream_is_lost_through_many_reloads() {
    let world = World::start(program(), &needing("one")).await;
    let (stream, upstream) = opened(&world).await;
    let done = std::cell::Cell::new(false);
    let busy = async {
        let request = scoped(&world, "one").to_bytes();
        let mut connection = Connection::open(world.gateway.address()).await;
        let mut answered = 0;
        while !done.get() {
            connection.write(&request).await;
            connection.answer().await.unwrap().is(200);
            answered += 1;
        }
        answered
    };
    let reloads = async {
        for count in 1..=20 {
            world.gateway.signal("HUP").await;
            world
                .gateway
                .wait_for_nth_log("configuration reloaded", count)
                .await;
        }
        done.set(true);
    };
    let (answered, ()) = tokio::join!(busy, reloads);
    assert!(answered > 20, "{answered}");
    upstream.end().await;
    assert!(stream.finish().await.complete);
    assert_eq!(world.idp.fetches("/jwks"), 1);
}
