//! Event streams: event by event, comments only between events, and an end when it is due.

use std::time::Duration;

use testbed::client::Stream;
use testbed::recorder::EventStream;
use testbed::{Reply, World};

use crate::mcp_sessions::{ID, id_in, initialize, serve};
use crate::support::{MCP, OPEN, call, ended_for, world};

const COMMENT: &str = ": keepalive\n\n";

/// A stream through the gateway, and the end where it is written.
async fn opened(world: &World) -> (Stream, EventStream) {
    let stream = call(world).open().await;
    assert_eq!(stream.status, 200);
    (stream, world.server.stream().await)
}

/// A stream that shows by its comments that time has passed.
async fn pass_time(witness: &mut Stream, comments: usize) {
    for _ in 0..comments {
        assert_eq!(witness.block().await.as_deref(), Some(COMMENT));
    }
}

#[tokio::test]
async fn s3_2_tm_3_tm_7_tl_1_tl_9_each_event_passes_at_once_and_untouched() {
    let world = world("", &[MCP]).await;
    serve(&world.server, ID);
    let id = id_in(&initialize(&world).bearer(world.token()).send().await);
    world.server.answer(Reply::events());
    for method in ["POST", "GET"] {
        let request = world.client().request(method, "/mcp").bearer(world.token());
        let mut stream = request
            .header("Mcp-Session-Id", &id)
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", "7")
            .open()
            .await;
        let upstream = world.server.stream().await;
        assert_eq!(
            upstream.request().header("last-event-id"),
            Some("7"),
            "TL-8"
        );
        assert_eq!(
            stream.headers.get("content-type"),
            Some("text/event-stream")
        );
        assert_eq!(stream.headers.get("cache-control"), Some("no-cache"));
        assert_eq!(stream.headers.get("content-length"), None);
        for block in [
            "id: 1\ndata:\nretry: 500\n\n",
            ": ping\n\n",
            "event: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n",
            "data: ü\n\n",
            "\u{feff}data: x\n\n",
        ] {
            upstream.send(block).await;
            assert_eq!(
                stream.block().await.as_deref(),
                Some(block),
                "before the next one is sent"
            );
        }
        upstream.end().await;
        let rest = stream.finish().await;
        assert!(
            rest.complete && rest.body.is_empty(),
            "an early end is an end"
        );
    }
}

#[tokio::test]
async fn tm_8_streams_ask_proxies_not_to_buffer() {
    let world = world("", &[MCP]).await;
    for reply in [
        Reply::events(),
        Reply::events().header("X-Accel-Buffering", "yes"),
    ] {
        world.server.answer(reply);
        let (stream, _upstream) = opened(&world).await;
        assert_eq!(stream.headers.get("x-accel-buffering"), Some("no"));
    }
}

#[tokio::test]
async fn sec_56_comments_come_only_between_events() {
    let world = world("sse_keepalive: 50ms", &[MCP]).await;
    world.server.answer(Reply::events());
    let (mut witness, _kept) = opened(&world).await;
    let (mut stream, upstream) = opened(&world).await;
    assert_eq!(
        stream.block().await.as_deref(),
        Some(COMMENT),
        "before the first event"
    );
    for parts in [
        &["data: a", "\n", "data: b\n\n"][..],
        &["data: a\r", "\ndata: b\r\n\r", "\n"],
        &["id: 1\r\n", "data: ", "x\r\n", "\r\n"],
        &["event: x\ndata: y", "\n\n"],
    ] {
        // whatever stands between the events before the first part of this one
        upstream.send(": begin\n\n").await;
        while stream.block().await.as_deref() != Some(": begin\n\n") {}
        let mut received = String::new();
        for part in parts {
            upstream.send(*part).await;
            let so_far = received.len() + part.len();
            while received.len() < so_far {
                received.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap()));
            }
            if *part != parts[parts.len() - 1] {
                pass_time(&mut witness, 4).await;
            }
        }
        let whole = parts.concat();
        assert_eq!(received.replace(COMMENT, ""), whole);
        assert!(
            received.starts_with(&whole),
            "a comment inside the event: {received:?}"
        );
        assert_eq!(
            stream.block().await.as_deref(),
            Some(COMMENT),
            "and again after it"
        );
    }
}

#[tokio::test]
async fn sec_56_nothing_is_put_into_encoded_or_measured_bodies() {
    let world = world("sse_keepalive: 50ms", &[MCP]).await;
    world.server.answer_once(Reply::events());
    let (mut witness, _kept) = opened(&world).await;
    world
        .server
        .answer_once(Reply::events().header("Content-Encoding", "gzip"));
    let (mut encoded, upstream) = opened(&world).await;
    pass_time(&mut witness, 5).await;
    upstream.send("\u{1}compressed").await;
    assert_eq!(
        encoded.chunk().await.as_deref(),
        Some("\u{1}compressed".as_bytes())
    );
    let measured = Reply::status(200)
        .header("Content-Type", "text/event-stream")
        .body("data: x\n\n");
    world.server.answer_once(measured);
    let answer = call(&world).send().await;
    assert_eq!(answer.is(200).text(), "data: x\n\n");
    assert_eq!(answer.header("content-length"), Some("9"));
}

#[tokio::test]
async fn sec_56_no_comments_when_they_are_switched_off() {
    let silent = world("sse_keepalive: 0s", &[MCP]).await;
    let speaking = world("sse_keepalive: 50ms", &[MCP]).await;
    silent.server.answer(Reply::events());
    speaking.server.answer(Reply::events());
    let (mut witness, _kept) = opened(&speaking).await;
    let (mut stream, upstream) = opened(&silent).await;
    pass_time(&mut witness, 5).await;
    upstream.event("first").await;
    assert_eq!(stream.block().await.as_deref(), Some("data: first\n\n"));
}

#[tokio::test]
async fn tm_5_tl_7_a_client_that_leaves_aborts_the_upstream_exchange() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::events());
    let (stream, upstream) = opened(&world).await;
    drop(stream);
    upstream.closed().await;
    // also before there is an answer
    world.server.answer(Reply::silence());
    let mut connection = world.client().connect().await;
    connection.write(&call(&world).to_bytes()).await;
    world.server.wait_for(2).await;
    drop(connection);
    world.server.closed(1).await;
    world.gateway.wait_for_log("client_gone").await;
}

#[tokio::test]
async fn r9112_tl_9_a_stream_that_breaks_off_upstream_breaks_off_here() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::events());
    let (mut stream, upstream) = opened(&world).await;
    upstream.event("1").await;
    assert_eq!(stream.event().await.unwrap().data, "1");
    drop(upstream);
    assert!(
        !stream.finish().await.complete,
        "no clean end that nobody has sent"
    );
}

#[tokio::test]
async fn tl_10_tm_7_one_caller_may_have_many_streams() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::events());
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(opened(&world).await);
    }
    for (i, (stream, upstream)) in all.iter_mut().enumerate() {
        upstream.event(&i.to_string()).await;
        assert_eq!(stream.event().await.unwrap().data, i.to_string());
    }
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_token_does() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::events());
    let request = world
        .client()
        .get("/mcp")
        .bearer(world.token().expires_in(2));
    let mut stream = request.open().await;
    let upstream = world.server.stream().await;
    let (mut lasting, lasting_upstream) = opened(&world).await;
    upstream.event("while it is good").await;
    assert_eq!(stream.event().await.unwrap().data, "while it is good");
    let end = tokio::time::timeout(Duration::from_secs(2 + 5), stream.finish()).await;
    assert!(
        end.expect("within 5 s of the token's end").complete,
        "a clean end: clients come back with a new token"
    );
    upstream.closed().await;
    lasting_upstream.event("still").await;
    assert_eq!(lasting.event().await.unwrap().data, "still", "others stay");
    let cause = ended_for(&world, "expired").await;
    assert!(cause.starts_with("token has expired: "), "{cause}");
}

#[tokio::test]
async fn sec_55_streams_may_outlive_their_token_where_the_route_says_so() {
    let lenient =
        r#"{ path: /mcp, upstream: "{upstream}/mcp", streams: { end_at_expiry: false } }"#;
    let strict = r#"{ path: /strict, upstream: "{upstream}/mcp" }"#;
    let world = world("", &[lenient, strict]).await;
    world.server.answer(Reply::events());
    let mut stream = world
        .client()
        .get("/mcp")
        .bearer(world.token().expires_in(1))
        .open()
        .await;
    let upstream = world.server.stream().await;
    let witness = world
        .client()
        .get("/strict")
        .bearer(world.token_for("/strict").expires_in(1))
        .open()
        .await;
    let _kept = world.server.stream().await;
    assert!(witness.finish().await.complete);
    upstream.event("still here").await;
    assert_eq!(stream.event().await.unwrap().data, "still here");
}

#[tokio::test]
async fn sec_55_a_stream_ends_when_its_key_is_withdrawn() {
    let world = world("", &[MCP]).await;
    world.server.answer_once(Reply::events());
    let (stream, upstream) = opened(&world).await;
    world.idp.rotate_keys();
    // a token of the new key makes the gateway fetch the new set
    call(&world).send().await.is(200);
    assert!(stream.finish().await.complete);
    upstream.closed().await;
    ended_for(&world, "unknown_key").await;
}

#[tokio::test]
async fn sec_55_a_withdrawn_key_ends_streams_that_may_outlive_their_token_too() {
    let route = MCP.replace(
        "path: /mcp",
        "streams: { end_at_expiry: false }, path: /mcp",
    );
    let world = world("", &[&route]).await;
    world.server.answer_once(Reply::events());
    let (stream, upstream) = opened(&world).await;
    world.idp.rotate_keys();
    call(&world).send().await.is(200);
    assert!(stream.finish().await.complete);
    upstream.closed().await;
}

#[tokio::test]
async fn sec_55_tm_11_no_stream_is_older_than_its_route_allows() {
    let route = r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { type: none }, dangerous: [anonymous_access], streams: { max_age: 1s } }"#;
    let world = world(
        "sse_keepalive: 100ms",
        &[route, &OPEN.replace("/mcp", "/other")],
    )
    .await;
    world.server.answer(Reply::events());
    let stream = world.client().get("/mcp").open().await;
    let upstream = world.server.stream().await;
    let _busy = upstream.event("1").await;
    let end = tokio::time::timeout(Duration::from_secs(5), stream.finish())
        .await
        .expect("an end");
    assert!(end.complete && end.text().starts_with("data: 1\n\n"));
    upstream.closed().await;
    ended_for(&world, "max_age").await;
}

#[tokio::test]
async fn sec_56_no_comments_while_events_come() {
    let world = world("sse_keepalive: 1s", &[MCP]).await;
    world.server.answer(Reply::events());
    let (mut stream, upstream) = opened(&world).await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(1600) {
        upstream.event("1").await;
        assert_eq!(stream.block().await.as_deref(), Some("data: 1\n\n"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        stream.block().await.as_deref(),
        Some(COMMENT),
        "after a silence"
    );
}

#[tokio::test]
async fn r9110_a_stream_is_one_in_whatever_case_its_type_is_written() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::raw(
        "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nContent-Length: 9\r\n\r\ndata: 1\n\n",
    ));
    let answer = call(&world).send().await;
    assert_eq!(answer.is(200).text(), "data: 1\n\n");
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
}
