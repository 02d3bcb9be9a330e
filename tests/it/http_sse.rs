//! HTTP+SSE of 2024-11-05: a stream, and the address that its first event gives for messages.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::client::{Request, Stream};
use testbed::recorder::EventStream;
use testbed::{McpServer, Recorder, Reply, World};

use crate::setting::refused;
use crate::support::world;

/// The server has its stream at another path than the gateway.
pub(crate) const SSE: &str = r#"{ path: /sse, transport: sse, upstream: "{upstream}/api/sse" }"#;

/// A world with this route, whose server answers like those of 2024-11-05.
pub(crate) async fn old(server: &str, route: &str) -> World {
    let world = world(server, &[route]).await;
    speaks(&world.server);
    world
}

/// Streams to who listens, a word to who posts.
pub(crate) fn speaks(server: &Recorder) {
    server.answer_with(|request| match &*request.method {
        "GET" => Reply::events(),
        _ => Reply::status(202)
            .header("Content-Type", "text/plain")
            .body("Accepted"),
    });
}

/// What a server says first.
pub(crate) fn endpoint(uri: &str) -> String {
    format!("event: endpoint\ndata: {uri}\n\n")
}

/// A token for the route.
pub(crate) fn token(world: &World) -> testbed::idp::TokenBuilder {
    world.token_for("/sse")
}

/// Asks for the stream.
pub(crate) fn listen(world: &World) -> Request {
    let request = world.client().get("/sse").bearer(token(world));
    request.header("Accept", "text/event-stream")
}

/// Posts a message.
pub(crate) fn message(world: &World, address: &str) -> Request {
    let message = world.client().post(address).call("echo", &json!({}));
    message.bearer(token(world))
}

/// A stream that begins with these bytes, at both its ends.
pub(crate) async fn begun(world: &World, request: Request, begin: &str) -> (Stream, EventStream) {
    let sent = async {
        let upstream = world.server.stream().await;
        upstream.send(begin).await;
        upstream
    };
    tokio::join!(request.open(), sent)
}

/// The same with the event that gives the server's address, and the address that the client gets for it.
pub(crate) async fn opened(world: &World, uri: &str) -> (Stream, EventStream, String) {
    let (mut stream, upstream) = begun(world, listen(world), &endpoint(uri)).await;
    assert_eq!(stream.status, 200);
    let event = stream.event().await.unwrap();
    assert_eq!(event.event.as_deref(), Some("endpoint"));
    (stream, upstream, event.data)
}

#[tokio::test]
async fn sse_1_sse_2_s3_2_trap_6_messages_go_to_the_address_that_the_server_named() {
    let world = old("", SSE).await;
    for (named, expected) in [
        ("/api/message?sessionId=a", "/api/message?sessionId=a"),
        ("message?sessionId=b%20c", "/api/message?sessionId=b%20c"),
        ("?sessionId=d&x=e/f", "/api/sse?sessionId=d&x=e/f"),
        ("../messages/g", "/messages/g"),
        ("{upstream}/message?sessionId=h", "/message?sessionId=h"),
        ("{gateway}/message?sessionId=i", "/message?sessionId=i"),
    ] {
        let named = named.replace("{upstream}", &world.server.url());
        let named = named.replace("{gateway}", world.gateway.url("").trim_end_matches('/'));
        let (mut stream, upstream, address) = opened(&world, &named).await;
        assert_eq!(upstream.request().target, "/api/sse");
        assert!(
            address.starts_with("/sse/message?sessionId="),
            "relative to the origin that the client knows: {address}"
        );
        let answer = message(&world, &address).send().await;
        assert_eq!(answer.is(202).body, b"", "whatever the server says");
        assert_eq!(answer.header("content-type"), None);
        let posted = world.server.last();
        assert_eq!((&*posted.method, &*posted.target), ("POST", expected));
        assert_eq!(posted.json()["params"]["name"], "echo");
        upstream.send("event: message\ndata: {\"id\":1}\n\n").await;
        let told = stream.event().await.unwrap();
        assert_eq!(told.data, r#"{"id":1}"#);
    }
}

#[tokio::test]
async fn sse_2_only_the_data_of_the_first_endpoint_event_is_another() {
    let world = old("", SSE).await;
    let begin = "\u{feff}: hello\r\n\r\nretry: 500\n\nid: 1\r\nevent: endpoint\r\nfurther: x\r\ndata: /m?s=1\r\n\r\n";
    let rest = "event: message\ndata: one\n\nevent: endpoints\ndata: /m?s=2\n\n";
    let (mut stream, upstream) = begun(&world, listen(&world), &format!("{begin}{rest}")).await;
    upstream.end().await;
    let mut text = String::new();
    while let Some(block) = stream.block().await {
        text.push_str(&block);
    }
    let (before, after) = begin.split_once("/m?s=1").unwrap();
    let address = text.strip_prefix(before).unwrap();
    let (address, after_it) = address.split_once("\r\n").unwrap();
    assert!(address.starts_with("/sse/message?sessionId="));
    assert_eq!(format!("\r\n{after_it}"), format!("{after}{rest}"));
}

#[tokio::test]
async fn sse_2_the_address_is_one_wherever_the_stream_is_cut() {
    let world = old("", SSE).await;
    let sent = async {
        let upstream = world.server.stream().await;
        for byte in endpoint("/m?s=1").bytes() {
            upstream.send([byte]).await;
        }
        upstream
    };
    let (mut stream, _upstream) = tokio::join!(listen(&world).open(), sent);
    let address = stream.event().await.unwrap().data;
    message(&world, &address).send().await.is(202);
    assert_eq!(world.server.last().target, "/m?s=1");
}

#[tokio::test]
async fn s3_2_sse_1_a_whole_conversation() {
    let server = McpServer::start().await.unwrap();
    let route = SSE.replace("{upstream}/api/sse", &server.sse_url());
    let world = world("", &[&route]).await;
    let mut stream = listen(&world).open().await;
    let address = stream.event().await.unwrap().data;
    let post = |id, method, params: Value| {
        let request = world.client().post(&address).bearer(token(&world));
        request.rpc(id, method, &params).send()
    };
    let call = |name: &str| json!({"name": name, "arguments": {"steps": 1}});
    for (id, method, params, expected) in [
        (
            1,
            "initialize",
            json!({}),
            r#""protocolVersion":"2024-11-05""#,
        ),
        (2, "tools/list", json!({}), r#""name":"whoami""#),
        (3, "tools/call", call("whoami"), "x-auth-subject"),
        (4, "tools/call", call("slow"), "content"),
    ] {
        post(id, method, params).await.is(202);
        let answer = stream.event().await.unwrap().data;
        assert!(answer.contains(&format!(r#""id":{id}"#)), "{answer}");
        assert!(answer.contains(expected), "{answer}");
    }
}

/// Asks for a stream that is of no use; what the operator is told of it.
async fn unusable(world: &World, request: Request, status: u16, reason: &str) -> String {
    let answer = request.send().await;
    let body = answer.is(status).json();
    assert!(!answer.text().contains("evil"), "to the operator alone");
    let reference = body["reference"].as_str().unwrap();
    let log = world.gateway.wait_for_log(reference).await;
    let entry: Value = serde_json::from_str(&log).unwrap();
    assert_eq!(entry["reason"], reason);
    entry["cause"].as_str().unwrap().to_owned()
}

/// What the operator is told of a stream that begins so, and is over.
async fn refused_for(world: &World, begin: &str) -> String {
    let send = async {
        let upstream = world.server.stream().await;
        upstream.send(begin).await;
        upstream.end().await;
    };
    let answer = unusable(world, listen(world), 502, "upstream_answer");
    tokio::join!(answer, send).0
}

#[tokio::test]
async fn sec_56_a_stream_whose_messages_would_go_elsewhere_is_refused() {
    let world = old("", SSE).await;
    let elsewhere = "another origin than that of the stream";
    for (uri, why) in [
        ("http://evil.example/m?s=s3cret", elsewhere),
        ("//evil.example/m", elsewhere),
        ("https://127.0.0.1/m", elsewhere),
        ("http://127.0.0.1:1/m", elsewhere),
        ("http://x@evil.example/m", "holds no URI"),
        ("javascript:alert(1)", "holds no URI"),
        ("/m\\n", "holds no URI"),
        ("/m s3cret", "holds no URI"),
        ("/m\ndata: /n", "holds no URI"),
        (&"x".repeat(2049), "over 2048 bytes"),
    ] {
        let cause = refused_for(&world, &endpoint(uri)).await;
        assert!(cause.contains(why) && !cause.contains("s3cret"), "{cause}");
    }
    for begin in [
        "",
        "event: endpoint\ndata: /m\n",
        "event: message\ndata: /m\n\n",
        &": ping\n\n".repeat(2000),
    ] {
        let cause = refused_for(&world, begin).await;
        assert!(cause.contains("no endpoint event"), "{cause}");
    }
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let counted = r#"portcullis_upstream_errors_total{route="/sse",kind="answer"} 14"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn sec_56_a_stream_that_does_not_begin_is_not_waited_for() {
    let world = old("timeouts: { response_head: 1s, request_body: 1s }", SSE).await;
    let late = unusable(&world, listen(&world), 504, "upstream_timeout");
    let (cause, _upstream) = tokio::join!(late, world.server.stream());
    assert_eq!(cause, "upstream sent no answer within 1s");
}

#[tokio::test]
async fn sec_56_an_event_that_cannot_be_read_is_refused_and_its_length_is_no_longer_true() {
    let world = old("", SSE).await;
    let encoded = Reply::events().header("Content-Encoding", "gzip");
    world.server.answer_once(encoded);
    let request = listen(&world).header("Accept-Encoding", "gzip");
    let cause = unusable(&world, request, 502, "upstream_answer").await;
    assert!(cause.contains("encoded"), "{cause}");
    assert_eq!(
        world.server.last().header("accept-encoding"),
        Some("identity")
    );
    let measured = Reply::status(200)
        .header("Content-Type", "text/event-stream")
        .body(endpoint("/m"));
    world.server.answer_once(measured);
    let answer = listen(&world).send().await;
    assert_eq!(answer.is(200).header("content-length"), None);
    assert!(
        answer.complete && answer.text().ends_with("\n\n"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn sse_2_what_is_no_stream_passes_as_it_does_elsewhere() {
    let world = old("", SSE).await;
    for (reply, status) in [
        (Reply::status(503).header("Retry-After", "7"), 503),
        (
            Reply::status(404)
                .header("Content-Type", "text/html")
                .body("<p>"),
            404,
        ),
        (
            Reply::status(200)
                .header("Content-Type", "text/html")
                .body("<p>"),
            502,
        ),
        (Reply::status(302).header("Location", "/x"), 502),
    ] {
        world.server.answer_once(reply);
        let answer = listen(&world).send().await;
        assert!(!answer.is(status).text().contains("<p>"));
    }
}

#[tokio::test]
async fn sse_1_answers_to_messages_keep_their_status() {
    let world = old("", SSE).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    for (reply, status, body) in [
        (
            Reply::status(404)
                .header("Content-Type", "text/plain")
                .body("Session not found"),
            404,
            "",
        ),
        (
            Reply::status(400)
                .header("Content-Type", "text/plain")
                .body("no"),
            400,
            "",
        ),
        (
            Reply::status(200)
                .header("Content-Type", "text/html")
                .body("<p>"),
            200,
            "",
        ),
        (Reply::status(202).body("Accepted").chunked(), 202, ""),
        (Reply::status(202), 202, ""),
        (Reply::status(204), 204, ""),
        (Reply::json(&json!({"ok": 1})), 200, r#"{"ok":1}"#),
    ] {
        world.server.answer_once(reply);
        let answer = message(&world, &address).send().await;
        assert_eq!(answer.is(status).text(), body);
    }
    let connections: Vec<_> = world
        .server
        .recorded()
        .iter()
        .map(|it| it.connection)
        .collect();
    assert!(
        connections.iter().skip(1).all(|it| *it == connections[1]),
        "{connections:?}"
    );
}

#[tokio::test]
async fn sec_56_keepalives_come_after_the_first_event_and_between_events_only() {
    let world = old("sse_keepalive: 50ms", SSE).await;
    let (mut stream, upstream, _address) = opened(&world, "/m?s=1").await;
    assert_eq!(stream.block().await.as_deref(), Some(": keepalive\n\n"));
    upstream.send("data: a\n").await;
    while stream.chunk().await.unwrap() != "data: a\n" {}
    assert!(stream.is_silent_for(Duration::from_millis(200)).await);
    upstream.send("\n").await;
    assert_eq!(stream.chunk().await.unwrap(), "\n");
    assert_eq!(stream.block().await.as_deref(), Some(": keepalive\n\n"));
}

#[tokio::test]
async fn sec_31_sec_32_err_9_a_stream_is_listened_to_and_messages_are_posted() {
    let world = old("", SSE).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    let before = world.server.requests();
    let request =
        |method: &str, path: &str| world.client().request(method, path).bearer(token(&world));
    for (method, path, allow) in [
        ("POST", "/sse", "GET, OPTIONS"),
        ("POST", "/sse/", "GET, OPTIONS"),
        ("DELETE", "/sse", "GET, OPTIONS"),
        ("PUT", "/sse", "GET, OPTIONS"),
        ("HEAD", "/sse", "GET, OPTIONS"),
        ("GET", &*address, "POST, OPTIONS"),
        ("DELETE", &*address, "POST, OPTIONS"),
    ] {
        let answer = request(method, path).send().await;
        assert_eq!(
            answer.is(405).header("allow"),
            Some(allow),
            "{method} {path}"
        );
    }
    for (path, methods) in [("/sse", "GET, OPTIONS"), ("/sse/message", "POST, OPTIONS")] {
        let answer = world.client().options(path).send().await;
        assert_eq!(answer.is(204).header("allow"), Some(methods));
        let own = world.gateway.url("");
        let page = world.client().options(path).header("Origin", &own);
        let asked = page.header("Access-Control-Request-Method", "POST");
        let answer = asked.send().await;
        let told = answer.is(204).header("access-control-allow-methods");
        assert_eq!(told, Some(methods));
    }
    for path in ["/sse/other", "/sse/message/x", "/message", "/api/sse"] {
        refused(&world, request("POST", path), 404, "not_found").await;
    }
    for path in ["/sse/%6dessage", "/sse;a/message", "/sse/message;a"] {
        refused(&world, request("POST", path), 400, "ambiguous_request").await;
    }
    let with_body = listen(&world).body("{}");
    refused(&world, with_body, 400, "ambiguous_request").await;
    assert_eq!(world.server.requests(), before);
    // clients that do not know what they talk to post first: 401 tells them where to log in, 405 what to do then
    let first = world.client().post("/sse").rpc(0, "initialize", &json!({}));
    first.send().await.refused(401, None);
    let slashed = address.replace("/sse/message?", "/sse/message/?");
    message(&world, &slashed).send().await.is(202);
}
