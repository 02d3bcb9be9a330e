//! Bodies in both directions: byte for byte, as they come, within their limits.

use std::sync::Arc;

use serde_json::json;
use testbed::{Reply, World};

use crate::setting::refused;
use crate::support::{MCP, OPEN, WEB, world};

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap())
        .collect()
}

fn head(world: &World, more: &str) -> String {
    let token = world.token().sign();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{more}\r\n",
        world.gateway.address()
    )
}

#[tokio::test]
async fn t_a15_bodies_arrive_byte_for_byte_in_both_directions() {
    let world = world("", &[MCP, WEB]).await;
    for path in ["/mcp", "/x"] {
        for length in [1, 1000, 70_000, 1_000_000] {
            let (up, down) = (bytes(length), bytes(length + 1));
            let reply = Reply::status(200).header("Content-Type", "application/json");
            for reply in [
                reply.clone().body(down.clone()),
                reply.body(down.clone()).chunked(),
            ] {
                world.server.answer(reply);
                let request = world
                    .client()
                    .post(path)
                    .bearer(world.token())
                    .header("Content-Type", "text/plain");
                let answer = request.body(up.clone()).send().await;
                assert!(answer.is(200).complete);
                assert!(answer.body == down, "{path} {length} down");
                let seen = world.server.last();
                assert!(seen.body == up && seen.complete, "{path} {length} up");
                assert_eq!(seen.header("content-length"), Some(&*length.to_string()));
            }
        }
    }
}

#[tokio::test]
async fn tl_12_x11_what_a_body_holds_is_not_our_business() {
    let world = world("", &[MCP]).await;
    for body in [
        &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{}}",
        b"[]",
        b"not json",
        b"\xff\xfe\x00",
    ] {
        let request = world.client().post("/mcp").bearer(world.token()).body(body);
        request.send().await.is(200);
        assert_eq!(world.server.last().body, body);
    }
}

#[tokio::test]
async fn r9110_a_request_goes_up_while_it_comes_in() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Transfer-Encoding: chunked\r\n").as_bytes())
        .await;
    connection.write(b"5\r\nfirst\r\n").await;
    let seen = world
        .server
        .wait_until("the first part", |requests| {
            requests
                .first()
                .is_some_and(|request| request.body == b"first")
        })
        .await;
    assert!(!seen[0].complete);
    assert!(seen[0].headers.has("transfer-encoding") && !seen[0].headers.has("content-length"));
    connection
        .write(b"6;ext=1\r\nsecond\r\n0\r\nX-Trailer: lie\r\n\r\n")
        .await;
    connection.answer().await.unwrap().is(200);
    let seen = world.server.wait_for(1).await;
    assert_eq!(seen[0].body, b"firstsecond");
    assert_eq!(
        seen[0].trailers.names(),
        Vec::<&str>::new(),
        "SEC-33: trailers end here"
    );
}

#[tokio::test]
async fn sec_33_trailers_of_the_upstream_end_here() {
    let world = world("", &[MCP, WEB]).await;
    let reply = Reply::json(&json!({"a": 1}))
        .header("Trailer", "X-Auth-Subject")
        .trailer("X-Auth-Subject", "root");
    world.server.answer(reply);
    for path in ["/mcp", "/x"] {
        let request = world
            .client()
            .post(path)
            .bearer(world.token())
            .header("TE", "trailers");
        let answer = request.header("Connection", "te").send().await;
        assert_eq!(answer.is(200).trailers.names(), Vec::<&str>::new());
        assert_eq!((answer.header("trailer"), answer.complete), (None, true));
        assert_eq!(world.server.last().header("te"), None);
    }
}

#[tokio::test]
async fn i_3_a_body_that_says_it_is_too_large_is_413_and_never_sent() {
    let world = world("limits: { body_bytes: 1000 }", &[MCP]).await;
    let fits = world
        .client()
        .post("/mcp")
        .bearer(world.token())
        .body(bytes(1000));
    fits.send().await.is(200);
    let before = world.server.requests();
    let over = world
        .client()
        .post("/mcp")
        .bearer(world.token())
        .body(bytes(1001));
    let refused_body = refused(&world, over, 413, "body_too_large").await;
    assert_eq!(refused_body.answer.header("connection"), Some("close"));
    let mut only_said = world.client().connect().await;
    only_said
        .write(head(&world, "Content-Length: 1001\r\n").as_bytes())
        .await;
    let answer = only_said.answer().await.unwrap();
    assert!(answer.is(413).closed, "before there is any of it");
    let stranger = world.client().post("/mcp").body(bytes(1001));
    refused(&world, stranger, 401, "missing_credentials").await;
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn i_3_a_body_that_grows_too_large_is_413_when_the_count_is_passed() {
    let world = world("limits: { body_bytes: 1000 }", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Transfer-Encoding: chunked\r\n").as_bytes())
        .await;
    connection
        .write(format!("3e8\r\n{}\r\n", "x".repeat(1000)).as_bytes())
        .await;
    world
        .server
        .wait_until("what is allowed", |requests| {
            requests
                .first()
                .is_some_and(|request| request.body.len() == 1000)
        })
        .await;
    connection.write(b"1\r\nx\r\n").await;
    let answer = connection.answer().await.unwrap();
    assert!(answer.is(413).closed);
    world.server.closed(0).await;
    let seen = world.server.last();
    assert!(
        !seen.complete && seen.body.len() <= 1000,
        "the upstream never sees an end"
    );
}

#[tokio::test]
async fn r9112_a_broken_request_body_never_ends_well_upstream() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Transfer-Encoding: chunked\r\n").as_bytes())
        .await;
    connection.write(b"5\r\nfirst\r\n").await;
    world
        .server
        .wait_until("the first part", |requests| {
            requests
                .first()
                .is_some_and(|request| request.body == b"first")
        })
        .await;
    connection.write(b"zz\r\n").await;
    if let Some(answer) = connection.answer().await {
        assert!(answer.is(400).closed);
    }
    world.server.closed(0).await;
    assert!(!world.server.last().complete);
    world.gateway.wait_for_log("body_broken").await;
}

#[tokio::test]
async fn tm_5_a_client_that_leaves_in_its_body_takes_the_request_along() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Content-Length: 100\r\n").as_bytes())
        .await;
    connection.write(b"first").await;
    world
        .server
        .wait_until("the first part", |requests| {
            requests
                .first()
                .is_some_and(|request| request.body == b"first")
        })
        .await;
    drop(connection);
    world.server.closed(0).await;
    assert!(!world.server.last().complete);
}

#[tokio::test]
async fn r9110_an_answer_comes_down_while_it_is_made() {
    let world = world("", &[WEB]).await;
    let reply = Reply::events().header("X-Web", "1");
    world.server.answer(reply);
    let mut stream = world.client().get("/slow").open().await;
    let upstream = world.server.stream().await;
    for part in ["one", "two"] {
        upstream.send(part).await;
        assert_eq!(stream.chunk().await.as_deref(), Some(part.as_bytes()));
    }
    upstream.end().await;
    assert_eq!(stream.chunk().await, None);
}

#[tokio::test]
async fn r9110_an_answer_before_the_end_of_the_request_is_passed_on_at_once() {
    let world = world("", &[MCP]).await;
    let early = Reply::status(413).header("Content-Type", "application/json");
    world
        .server
        .answer_once(early.body("{\"early\":1}").early().then_close());
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Content-Length: 100000\r\n").as_bytes())
        .await;
    connection.write(b"first").await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.is(413).json(), json!({"early": 1}));
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn t_a12_many_at_once_each_get_their_own() {
    let world = Arc::new(world("", &[OPEN]).await);
    world
        .server
        .answer_with(|request| Reply::json(&json!({"target": request.target})));
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..40 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            let target = format!("/mcp?{i}");
            let answer = world.client().post(&target).send().await;
            assert_eq!(answer.is(200).json()["target"], json!(target));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(world.server.requests(), 40);
}
