//! HTTP/2 in clear text with prior knowledge: the same judgement, request by request.

use std::time::Duration;

use testbed::Reply;
use testbed::client::h2::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{MCP, OPEN, call, world};

#[tokio::test]
async fn tm_10_r9113_every_request_of_a_connection_is_judged_by_itself() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    for (subject, status) in [(Some("ann"), 200), (None, 401), (Some("bob"), 200)] {
        let mut request = world.client().post("/mcp").body("{}");
        if let Some(subject) = subject {
            request = request.bearer(world.token().subject(subject));
        }
        connection.send(request).await.unwrap().is(status);
        if let Some(subject) = subject {
            assert_eq!(world.server.last().header("x-auth-subject"), Some(subject));
        }
    }
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn r9113_the_upstream_gets_plain_http_1() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    let request = call(&world)
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-kept", "1");
    connection.send(request).await.unwrap().is(200);
    let seen = world.server.last();
    assert!(seen.raw_head.starts_with(b"POST /mcp HTTP/1.1\r\n"));
    assert_eq!(
        seen.headers.all("cookie"),
        ["a=1; b=2"],
        "crumbs are one line"
    );
    assert_eq!(
        seen.headers.all("host"),
        [world.server.address().to_string()]
    );
    assert_eq!(seen.header("via"), Some("2 portcullis"));
    assert_eq!(
        seen.header("x-forwarded-host"),
        Some(&*world.gateway.address().to_string())
    );
    assert_eq!(
        (seen.header("te"), seen.header("x-kept")),
        (None, Some("1"))
    );
    assert!(
        !seen
            .headers
            .names()
            .iter()
            .any(|name| name.starts_with(':'))
    );
    assert!(seen.complete);
}

#[tokio::test]
async fn r9113_authority_and_host_agree_or_the_request_is_refused() {
    let world = world("", &[OPEN]).await;
    let connection = Connection::open(world.gateway.address()).await;
    let own = world.gateway.address().to_string();
    connection
        .send(world.client().post("/mcp").header("host", &own))
        .await
        .unwrap()
        .is(200);
    connection
        .send(world.client().post("/mcp").header("host", "evil.example"))
        .await
        .unwrap()
        .is(400);
    connection
        .send(world.client().post("/mcp").host("evil.example"))
        .await
        .unwrap()
        .is(421);
    connection
        .send(
            world
                .client()
                .post("/mcp")
                .host("evil.example")
                .header("host", &own),
        )
        .await
        .unwrap()
        .is(400);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn sec_34_lies_do_not_get_through_in_http_2_either() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    let mut request = call(&world);
    for name in [
        "x-auth-subject",
        "x_auth_subject",
        "x.auth.subject",
        "x-forwarded-for",
        "forwarded",
        "remote-user",
        "x-real-ip",
        "proxy-authorization",
    ] {
        request = request.header(name, "a-lie");
    }
    connection.send(request).await.unwrap().is(200);
    let seen = world.server.last();
    assert!(!String::from_utf8_lossy(&seen.raw_head).contains("a-lie"));
    assert_eq!(
        (
            seen.header("x-auth-subject"),
            seen.header("x-forwarded-for")
        ),
        (Some("alice"), Some("127.0.0.1"))
    );
}

#[tokio::test]
async fn sec_33_a_refusal_with_unread_body_leaves_the_other_streams_alone() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    world.server.answer_once(Reply::events());
    let stream = connection.open_stream(call(&world)).await.unwrap();
    let events = world.server.stream().await;
    let refused = connection
        .send(world.client().post("/mcp").body(vec![b'x'; 60_000]))
        .await
        .unwrap();
    refused.refused(401, None);
    assert_eq!(
        refused.header("connection"),
        None,
        "there is no such header in HTTP/2"
    );
    connection.send(call(&world)).await.unwrap().is(200);
    assert!(!events.is_closed() && !connection.is_closed());
    drop(stream);
}

#[tokio::test]
async fn tm_5_r9113_a_reset_stream_takes_its_upstream_request_along() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    world.server.answer_once(Reply::events());
    let stream = connection.open_stream(call(&world)).await.unwrap();
    let events = world.server.stream().await;
    drop(stream);
    events.closed().await;
    connection.send(call(&world)).await.unwrap().is(200);
}

#[tokio::test]
async fn r9112_r9113_a_broken_off_answer_is_a_reset_and_no_end() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    world.server.answer_once(Reply::half(1000, "{\"half\":"));
    let answer = connection.send(call(&world)).await.unwrap();
    assert!(!answer.is(200).complete);
    connection.send(call(&world)).await.unwrap().is(200);
}

#[tokio::test]
async fn sec_33_trailers_of_the_upstream_are_dropped() {
    let world = world("", &[MCP]).await;
    let connection = Connection::open(world.gateway.address()).await;
    let reply = Reply::json(&serde_json::json!({"a": 1}))
        .trailer("X-Auth-Subject", "root")
        .header("Trailer", "X-Auth-Subject");
    world.server.answer(reply);
    let answer = connection.send(call(&world)).await.unwrap();
    assert_eq!(answer.is(200).trailers.names(), Vec::<&str>::new());
    assert_eq!((answer.header("trailer"), answer.complete), (None, true));
}

#[tokio::test]
async fn hdr_8_long_heads_are_refused_in_http_2_too() {
    let world = world("limits: { header_bytes: 8KiB }", &[OPEN]).await;
    let connection = Connection::open(world.gateway.address()).await;
    connection
        .send(world.client().post("/mcp").header("x", &"x".repeat(6000)))
        .await
        .unwrap()
        .is(200);
    let answer = connection
        .send(world.client().post("/mcp").header("x", &"x".repeat(9000)))
        .await;
    assert!(
        answer.as_ref().map_or(true, |answer| answer.status == 431),
        "{answer:?}"
    );
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn r9113_streams_over_the_limit_wait_for_a_place() {
    let world = world("limits: { streams_per_connection: 2 }", &[OPEN]).await;
    let connection = Connection::open(world.gateway.address()).await;
    connection
        .send(world.client().post("/mcp?settings"))
        .await
        .unwrap()
        .is(200);
    world.server.answer(Reply::events());
    let first = connection
        .open_stream(world.client().post("/mcp?1"))
        .await
        .unwrap();
    let second = connection
        .open_stream(world.client().post("/mcp?2"))
        .await
        .unwrap();
    let third = connection.open_stream(world.client().post("/mcp?3"));
    let (third, ()) = tokio::join!(third, async {
        world.client().post("/mcp?elsewhere").open().await;
        let seen: Vec<_> = world
            .server
            .recorded()
            .into_iter()
            .map(|request| request.target)
            .collect();
        assert_eq!(
            seen,
            ["/mcp?settings", "/mcp?1", "/mcp?2", "/mcp?elsewhere"],
            "the third waits"
        );
        drop(first);
    });
    assert_eq!(third.unwrap().status(), 200);
    assert_eq!(world.server.last().target, "/mcp?3");
    drop(second);
}

/// The preface and an empty SETTINGS frame.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn r9113_a_preface_in_pieces_is_a_preface() {
    let world = world("", &[OPEN]).await;
    let mut peer = TcpStream::connect(world.gateway.address()).await.unwrap();
    peer.set_nodelay(true).unwrap();
    for piece in BEGIN.chunks(10) {
        peer.write_all(piece).await.unwrap();
        // pieces that arrive together would only make this easier
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut frame = [0; 9];
    peer.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "SETTINGS, not an answer in HTTP/1: {frame:?}");
}

#[tokio::test]
async fn tm_11_r9113_streams_that_are_opened_to_be_reset_end_the_connection() {
    let world = world("", &[OPEN]).await;
    let mut peer = TcpStream::connect(world.gateway.address()).await.unwrap();
    let host = world.gateway.address().to_string();
    // POST, http, and two literals without indexing (RFC 7541): `:path` and `:authority`
    let mut head = b"\x83\x86\x04\x04/mcp\x01".to_vec();
    head.push(u8::try_from(host.len()).unwrap());
    head.extend_from_slice(host.as_bytes());
    let length = u8::try_from(head.len()).unwrap();
    let mut all = BEGIN.to_vec();
    for id in (1..2000_u32).step_by(2).map(u32::to_be_bytes) {
        all.extend_from_slice(&[0, 0, length, 1, 5]); // HEADERS, whole and last
        all.extend_from_slice(&id);
        all.extend_from_slice(&head);
        all.extend_from_slice(&[0, 0, 4, 3, 0]); // RST_STREAM
        all.extend_from_slice(&id);
        all.extend_from_slice(&[0, 0, 0, 8]); // CANCEL
    }
    let _cut = peer.write_all(&all).await; // the end may come before the end of this
    let end = async { while peer.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
    let end = tokio::time::timeout(Duration::from_secs(5), end).await;
    end.expect("sooner than any idle connection");
    assert!(world.server.requests() < 200, "most were never looked at");
}

#[tokio::test]
async fn sec_36_what_described_a_page_goes_with_the_page() {
    let world = world("", &[MCP]).await;
    let page = Reply::status(404)
        .header("Content-Type", "text/html")
        .header("Content-Encoding", "br");
    world.server.answer(page.body("<script>"));
    let connection = Connection::open(world.gateway.address()).await;
    for answer in [
        connection.send(call(&world)).await.unwrap(),
        call(&world).send().await,
    ] {
        assert_eq!((answer.is(404).body.len(), answer.complete), (0, true));
        for name in ["content-type", "content-encoding"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        let length = answer.header("content-length");
        assert!(matches!(length, None | Some("0")), "{length:?}");
    }
}
