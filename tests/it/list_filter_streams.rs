//! Lists in event streams: event by event, and by the rules of the moment (SEC-55, SEC-57).

use std::time::Duration;

use serde_json::json;
use testbed::client::Stream;
use testbed::recorder::EventStream;
use testbed::{Reply, World};
use tokio::time::timeout;

use crate::http_sse;
use crate::list_filter::{filtered, list};
use crate::reload::reloaded;
use crate::support::{config, told_of_end, world};

/// In which a stream must be judged again after a reload.
const WITHIN: Duration = Duration::from_secs(5);

/// A list request that is answered with a stream.
async fn asked(world: &World) -> (Stream, EventStream) {
    world.server.answer_once(Reply::events());
    let stream = list(world).open().await;
    assert_eq!(stream.status, 200);
    (stream, world.server.stream().await)
}

/// A stream to listen on, of somebody with a token.
async fn listening(world: &World) -> (Stream, EventStream) {
    world.server.answer_once(Reply::events());
    let request = world.client().get("/mcp").bearer(world.token());
    let stream = request.header("Last-Event-ID", "7").open().await;
    assert_eq!(stream.status, 200);
    (stream, world.server.stream().await)
}

#[tokio::test]
async fn x27_sec_57_of_an_event_the_data_is_rewritten_and_nothing_else() {
    let world = world("", &[&filtered("callable")]).await;
    let (mut stream, upstream) = asked(&world).await;
    assert_eq!(
        stream.headers.get("content-type"),
        Some("text/event-stream")
    );
    let asked = world.server.last();
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    for (sent, shown) in [
        (": ping\n\n", ": ping\n\n"),
        (
            "id: 1\ndata:\nretry: 500\n\n",
            "id: 1\ndata:\nretry: 500\n\n",
        ),
        (
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
        ),
        (
            "event: message\nid: 2\ndata: {\"result\":{\"tools\":[{\"name\":\"hidden\"},\ndata: {\"name\":\"greet\"}],\"cacheScope\":\"public\"}}\n: c\n\n",
            "event: message\nid: 2\ndata: {\"result\":{\"tools\":[{\"name\":\"greet\"}],\"cacheScope\":\"private\"}}\n: c\n\n",
        ),
        ("data: not json\n\n", "data: not json\n\n"),
    ] {
        upstream.send(sent).await;
        assert_eq!(stream.block().await.as_deref(), Some(shown));
    }
    // cut anywhere, an event is passed on as soon as it is whole
    for piece in [
        "da",
        "ta: {\"result\":{\"tools\":[{\"na",
        "me\":\"hidden\"}]",
        "}}\n",
    ] {
        upstream.send(piece).await;
    }
    assert!(stream.is_silent_for(Duration::from_millis(300)).await);
    upstream.send("\n").await;
    let shown = "data: {\"result\":{\"tools\":[]}}\n\n";
    assert_eq!(stream.block().await.as_deref(), Some(shown));
    upstream.end().await;
    assert!(stream.finish().await.complete);
}

#[tokio::test]
async fn x27_an_answer_that_comes_on_a_resumed_stream_is_filtered() {
    let world = world("", &[&filtered("callable")]).await;
    let (mut stream, upstream) = listening(&world).await;
    upstream
        .event(
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden"},{"name":"read_a"}]}}"#,
        )
        .await;
    let shown =
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"read_a\"}]}}\n\n";
    assert_eq!(stream.block().await.as_deref(), Some(shown));
}

#[tokio::test]
async fn sec_57_a_stream_ends_before_an_event_that_cannot_be_filtered() {
    let world = world("limits: { list_bytes: 64KiB }", &[&filtered("callable")]).await;
    let long = format!("data: {}\n\n", "x".repeat(64 * 1024));
    for odd in [
        &*long,
        "data: {\"result\":{\"tools\":[{\"name\":\"hidden\"}]}\n\n",
        "data: {\"result\":{\"TOOLS\":[{\"name\":\"hidden\"}]}}\n\n",
        "data: \u{a0}[{\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}]\n\n",
        "{\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
        " data: {\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
    ] {
        let (mut stream, upstream) = asked(&world).await;
        upstream.send(format!("data: 1\n\n{odd}data: 2\n\n")).await;
        assert_eq!(stream.block().await.as_deref(), Some("data: 1\n\n"));
        let end = stream.finish().await;
        assert!(!end.complete, "it is broken off: {odd:.80}");
        assert_eq!(end.text(), "", "{odd:.80}");
        upstream.closed().await;
    }
    world.gateway.wait_for_log("event stream ended").await;
}

#[tokio::test]
async fn sec_57_what_is_left_at_the_end_of_a_stream_is_filtered_too() {
    let world = world("", &[&filtered("callable")]).await;
    let (stream, upstream) = asked(&world).await;
    upstream
        .send("data: {\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}")
        .await;
    upstream.end().await;
    let end = stream.finish().await;
    assert_eq!(end.text(), "data: {\"result\":{\"tools\":[]}}");
}

#[tokio::test]
async fn sec_56_a_filtered_stream_is_kept_alive_in_silence() {
    let world = world("sse_keepalive: 1s", &[&filtered("callable")]).await;
    world
        .server
        .answer_once(Reply::events().header("Content-Length", "100"));
    let mut stream = list(&world).open().await;
    assert_eq!(stream.headers.get("content-length"), None);
    let _upstream = world.server.stream().await;
    assert_eq!(stream.block().await.as_deref(), Some(": keepalive\n\n"));
}

#[tokio::test]
async fn sec_55_after_a_reload_the_new_rules_say_what_is_seen() {
    let before = config("", &[&filtered("callable")]);
    let after = before.replace("match: hidden, deny: true", "match: hidden, groups: []");
    let world = World::start(crate::setting::program(), &before).await;
    let (mut stream, upstream) = listening(&world).await;
    let answer = r#"{"result":{"tools":[{"name":"hidden"}]}}"#;
    upstream.event(answer).await;
    let nothing = "data: {\"result\":{\"tools\":[]}}\n\n";
    assert_eq!(stream.block().await.as_deref(), Some(nothing));
    reloaded(&world, &after, 1).await;
    // past the moment at which it is judged by the new configuration
    assert!(stream.is_silent_for(WITHIN).await);
    upstream.event(answer).await;
    let all = format!("data: {answer}\n\n");
    assert_eq!(stream.block().await, Some(all));
}

#[tokio::test]
async fn sec_55_a_stream_that_was_not_filtered_ends_when_it_has_to_be() {
    let world = World::start(crate::setting::program(), &config("", &[&filtered("all")])).await;
    let unfiltered = [listening(&world).await, asked(&world).await];
    world.server.answer_once(Reply::events());
    let call = world.client().post("/mcp").call("greet", &json!({}));
    let mut call = call.open().await;
    let calls = world.server.stream().await;
    reloaded(&world, &config("", &[&filtered("callable")]), 1).await;
    for (stream, upstream) in unfiltered {
        let end = timeout(WITHIN, stream.finish()).await;
        assert!(end.unwrap().complete, "it is ended, not cut");
        upstream.closed().await;
    }
    // past the moment at which the other is judged too
    assert!(call.is_silent_for(WITHIN).await);
    calls.event("no list").await;
    assert_eq!(call.block().await.as_deref(), Some("data: no list\n\n"));
    assert_eq!(told_of_end(&world, 2).await["reason"], "rules_changed");
}

#[tokio::test]
async fn sec_57_on_a_filtered_route_other_calls_stream_as_ever() {
    let world = world("", &[&filtered("callable")]).await;
    world.server.answer_once(Reply::events());
    let call = world.client().post("/mcp").call("greet", &json!({}));
    let request = call.header("Accept-Encoding", "gzip");
    let mut stream = request.open().await;
    let upstream = world.server.stream().await;
    let asked = upstream.request();
    assert_eq!(asked.header("accept-encoding"), Some("gzip"));
    for piece in ["data: {", "\"a\":1}"] {
        upstream.send(piece).await;
    }
    upstream.send("\n\n").await;
    assert_eq!(stream.block().await.as_deref(), Some("data: {\"a\":1}\n\n"));
}

#[tokio::test]
async fn x27_sec_57_answers_of_http_sse_are_filtered_on_their_stream() {
    let route = r#"{ path: /sse, transport: sse, upstream: "{upstream}/api/sse", access: { list_filter: callable, tools: [ { match: "write_*", scopes: ["files:write"] } ], unlisted: allow } }"#;
    let world = http_sse::old("", route).await;
    let (mut stream, upstream, address) = http_sse::opened(&world, "/api/message?s=1").await;
    assert_eq!(
        upstream.request().header("accept-encoding"),
        Some("identity")
    );
    let request = world.client().post(&address);
    let request = request.bearer(http_sse::token(&world));
    let request = request.rpc(1, "tools/list", &json!({}));
    assert_eq!(request.send().await.is(202).text(), "");
    upstream
        .event(
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read_a"},{"name":"write_a"}]}}"#,
        )
        .await;
    let shown =
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"read_a\"}]}}\n\n";
    assert_eq!(stream.block().await.as_deref(), Some(shown));
}
