//! The end: not ready, nothing new, requests finish, streams end, and the process is gone in time.

use std::time::Duration;

use serde_json::json;
use testbed::Reply;
use testbed::client::h2;

use crate::support::{MCP, OPEN, call, world};

/// An upstream that takes its time, but less than any deadline here.
fn slow() -> Reply {
    Reply::json(&json!({"finished": true})).after(Duration::from_millis(600))
}

#[tokio::test]
async fn after_sigterm_what_has_begun_finishes_and_nothing_else_begins() {
    let mut world = world("timeouts: { drain: 8s }", &[MCP]).await;
    world.server.answer(slow());
    let mut connection = world.client().connect().await;
    connection.write(&call(&world).to_bytes()).await;
    world.server.wait_for(1).await;
    let probe = world.gateway.admin().get("/readyz").send().await;
    assert_eq!(probe.is(200).text(), "ready\n");
    world.gateway.terminate().await;
    world.gateway.wait_for_log("draining").await;
    world.gateway.admin().get("/readyz").send().await.is(503);
    world.gateway.admin().get("/healthz").send().await.is(200);
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.is(200).json(), json!({"finished": true}));
    assert!(answer.closed, "and the connection with it");
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(
        took < Duration::from_secs(6),
        "nothing was left to wait for: {took:?}"
    );
    let again = tokio::net::TcpStream::connect(world.gateway.address()).await;
    assert!(again.is_err(), "nobody listens");
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let mut world = world("timeouts: { drain: 8s }", &[OPEN]).await;
    let silent = world.client().connect().await;
    let mut idle = world.client().connect().await;
    idle.write(&world.client().post("/mcp").to_bytes()).await;
    idle.answer().await.unwrap().is(200);
    let multiplexed = h2::Connection::open(world.gateway.address()).await;
    multiplexed
        .send(world.client().post("/mcp"))
        .await
        .unwrap()
        .is(200);
    world.gateway.terminate().await;
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop((silent, idle, multiplexed));
}

#[tokio::test]
async fn sec_55_streams_end_cleanly_before_the_deadline() {
    let mut world = world("timeouts: { drain: 1s }", &[MCP]).await;
    world.server.answer(Reply::events());
    let mut stream = call(&world).open().await;
    let upstream = world.server.stream().await;
    let connection = h2::Connection::open(world.gateway.address()).await;
    let multiplexed = connection.send(call(&world));
    let first = async {
        let _second = world.server.stream().await;
        world.gateway.terminate().await;
        world.gateway.wait_for_log("draining").await;
        world.gateway.admin().get("/readyz").send().await.is(503);
        upstream.event("still").await;
        assert_eq!(
            stream.event().await.unwrap().data,
            "still",
            "there is time yet"
        );
        stream.finish().await
    };
    let (multiplexed, first) = tokio::join!(multiplexed, first);
    assert!(first.complete, "clients resume elsewhere");
    assert!(multiplexed.unwrap().complete);
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(
        took < Duration::from_secs(2),
        "drain and a second: {took:?}"
    );
}

#[tokio::test]
async fn at_the_deadline_what_is_left_is_cut() {
    let mut world = world("timeouts: { drain: 1s }", &[OPEN]).await;
    world.server.answer(Reply::silence());
    let mut connection = world.client().connect().await;
    connection
        .write(&world.client().post("/mcp").to_bytes())
        .await;
    world.server.wait_for(1).await;
    world.gateway.terminate().await;
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert!(connection.answer().await.is_none());
    world.server.closed(0).await;
}

#[tokio::test]
async fn sigint_is_the_same_wish() {
    let mut world = world("", &[OPEN]).await;
    world.gateway.signal("INT").await;
    let (code, _) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn nobody_is_let_in_while_the_rest_is_waited_for() {
    let mut world = world("timeouts: { drain: 20s }", &[OPEN]).await;
    world.server.answer(Reply::silence());
    let mut begun = world.client().connect().await;
    begun.write(&world.client().post("/mcp").to_bytes()).await;
    world.server.wait_for(1).await;
    world.gateway.terminate().await;
    let refused = async {
        while tokio::net::TcpStream::connect(world.gateway.address())
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(8), refused).await;
    refused.expect("nobody listens, long before the deadline");
    assert!(world.gateway.is_running());
    drop(begun);
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let mut world = world("timeouts: { drain: 20s }", &[OPEN]).await;
    world.server.answer(Reply::silence());
    let mut begun = world.client().connect().await;
    begun.write(&world.client().post("/mcp").to_bytes()).await;
    world.server.wait_for(1).await;
    world.gateway.signal("INT").await;
    world.gateway.wait_for_log("draining").await;
    assert!(world.gateway.is_running());
    world.gateway.signal("INT").await;
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(begun.answer().await.is_none());
}
