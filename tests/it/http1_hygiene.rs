//! HTTP/1.1 as attackers write it: one reading, or none.

use std::time::{Duration, Instant};

use testbed::client::{Answer, Connection, send_raw};
use testbed::{Reply, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::setting::refused;
use crate::support::{MCP, OPEN, WEB, call, world};

/// Sends this with `HOST` and `TOKEN` filled in; the first answer.
async fn raw(world: &World, text: &str) -> Option<Answer> {
    send_raw(world.gateway.address(), filled(world, text).as_bytes()).await
}

fn filled(world: &World, text: &str) -> String {
    text.replace("HOST", &world.gateway.address().to_string())
        .replace("TOKEN", &world.token().sign())
}

#[tokio::test]
async fn r9112_sec_30_a_request_names_one_host() {
    let world = world("", &[OPEN, WEB]).await;
    for text in [
        "POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nhost: evil.example\r\nContent-Length: 0\r\n\r\n",
        "POST http://evil.example/mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST http://HOST/mcp HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
        "POST http://HOST/mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST http://user@HOST/mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: user@HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.0\r\n\r\n",
    ] {
        let answer = raw(&world, text).await.unwrap();
        assert_eq!(answer.status, 400, "{text}");
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn r9112_the_absolute_form_of_one_of_our_hosts_is_the_same_request() {
    let world = world("", &[OPEN]).await;
    let answer = raw(
        &world,
        "POST http://HOST/mcp?a=b HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
    )
    .await
    .unwrap();
    answer.is(200);
    let seen = world.server.last();
    assert_eq!(seen.target, "/mcp?a=b", "origin form from here on");
    assert_eq!(
        seen.header("host"),
        Some(&*world.server.address().to_string())
    );
}

#[tokio::test]
async fn r9112_heads_that_two_parsers_could_read_differently_are_refused() {
    let world = world("", &[OPEN, WEB]).await;
    for text in [
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1, 2\r\n\r\nab",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1\r\n\r\na",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x1\r\n\r\na",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /mcp HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost : HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\n X-Leading: a\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nX-Bare: a\rb\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nX-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nX Space: a\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nNoColon\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp\tHTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mc p HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "PO ST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp HTTP/1.2\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "POST /mcp\r\n\r\n",
    ] {
        // some are so far from HTTP that the connection just ends
        if let Some(answer) = raw(&world, text).await {
            assert!(
                matches!(answer.status, 400 | 501 | 505),
                "{text:?}: {}",
                answer.status
            );
            assert!(answer.closed, "{text:?}");
        }
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_33_http_1_0_is_answered_and_closed() {
    let world = world("", &[OPEN]).await;
    let answer = raw(
        &world,
        "POST /mcp HTTP/1.0\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await
    .unwrap();
    assert!(answer.is(200).closed);
    assert_eq!(world.server.last().body, b"{}");
    world
        .server
        .answer(Reply::json(&serde_json::json!({"long": "x".repeat(9000)})).chunked());
    let answer = raw(
        &world,
        "POST /mcp HTTP/1.0\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await
    .unwrap();
    assert_eq!(
        answer.header("transfer-encoding"),
        None,
        "it would not be understood"
    );
    assert_eq!(answer.json()["long"].as_str().unwrap().len(), 9000);
}

#[tokio::test]
async fn hdr_8_sec_33_long_heads_are_431() {
    let world = world("limits: { header_bytes: 8KiB }", &[OPEN, WEB]).await;
    let fits = world
        .client()
        .post("/mcp")
        .header("Mcp-Param-X", &"x".repeat(6000));
    fits.send().await.is(200);
    let one = world
        .client()
        .post("/mcp")
        .header("Mcp-Param-X", &"x".repeat(9000))
        .send()
        .await;
    assert_eq!(one.is(431).header("connection"), Some("close"));
    let mut request = world.client().post("/mcp");
    for i in 0..150 {
        request = request.header(&format!("X-{i}"), "1");
    }
    assert_eq!(
        request.send().await.is(431).header("connection"),
        Some("close")
    );
    let long = world
        .client()
        .post(&format!("/mcp?{}", "x".repeat(9000)))
        .send()
        .await;
    assert!(matches!(long.status, 414 | 431), "{}", long.status);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn sec_33_r9110_a_body_is_asked_for_only_when_it_is_wanted() {
    let world = world("", &[MCP]).await;
    let head = |authorization: &str| {
        let text = format!(
            "POST /mcp HTTP/1.1\r\nHost: HOST\r\n{authorization}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        );
        filled(&world, &text)
    };
    let mut stranger = world.client().connect().await;
    stranger.write(head("").as_bytes()).await;
    assert_eq!(
        stranger.status().await,
        Some(401),
        "no 100 Continue before the refusal"
    );
    let mut friend = world.client().connect().await;
    friend
        .write(head("Authorization: Bearer TOKEN\r\n").as_bytes())
        .await;
    assert_eq!(friend.status().await, Some(100));
    friend.write(b"{}").await;
    friend.answer().await.unwrap().is(200);
    assert_eq!(world.server.requests(), 1);
    assert_eq!(world.server.last().body, b"{}");
    assert_eq!(world.server.last().header("expect"), None);
}

#[tokio::test]
async fn sec_33_i_3_a_refusal_does_not_wait_for_the_body_and_closes() {
    let world = world("", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(
            filled(
                &world,
                "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\n{",
            )
            .as_bytes(),
        )
        .await;
    let answer = connection.answer().await.unwrap();
    answer.refused(401, None);
    assert!(
        answer.closed,
        "what is left of the body is nobody's request"
    );
    // a client that sends everything before it reads must still get to read
    let big = world
        .client()
        .post("/mcp")
        .body(vec![b'x'; 900_000])
        .send()
        .await;
    big.refused(401, None);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_33_the_next_request_is_not_found_in_a_refused_body() {
    let world = world("", &[MCP]).await;
    let inner = filled(
        &world,
        "POST /mcp?inner HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 0\r\n\r\n",
    );
    let mut connection = world.client().connect().await;
    let outer = format!(
        "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: {}\r\n\r\n{inner}",
        inner.len()
    );
    connection.write(filled(&world, &outer).as_bytes()).await;
    connection.answer().await.unwrap().refused(401, None);
    assert!(connection.answer().await.is_none());
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn tm_10_pipelined_requests_are_judged_one_by_one_and_answered_in_order() {
    let world = world("", &[MCP]).await;
    let mut connection = Connection::open(world.gateway.address()).await;
    let good = call(&world).header("X-Nr", "1").to_bytes();
    let bad = world.client().get("/mcp").to_bytes();
    let all = [good.clone(), bad, good].concat();
    connection.write(&all).await;
    for status in [200, 401, 200] {
        connection.answer().await.unwrap().is(status);
    }
    assert_eq!(world.server.requests(), 2);
}

#[tokio::test]
async fn sec_33_r9110_upgrades_are_not_made() {
    let world = world("", &[MCP, WEB]).await;
    for target in ["/mcp", "/socket"] {
        let request = world
            .client()
            .get(target)
            .bearer(world.token())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket");
        request
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .send()
            .await
            .is(200);
        assert_eq!(world.server.last().header("upgrade"), None);
        world.server.answer_once(Reply::raw(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ));
        let unasked = world.client().get(target).bearer(world.token());
        let answer = unasked.send().await;
        assert_eq!(answer.is(502).header("upgrade"), None, "{target}");
    }
}

#[tokio::test]
async fn sec_39_refusals_of_own_paths_keep_the_connection_usable() {
    let world = world("", &[OPEN]).await;
    let mut connection = world.client().connect().await;
    for (target, status) in [
        ("/nowhere", 404),
        ("/health", 200),
        ("/oauth/x", 404),
        ("/mcp", 200),
    ] {
        connection
            .write(&world.client().get(target).to_bytes())
            .await;
        connection.answer().await.unwrap().is(status);
    }
    let refused = refused(&world, world.client().get("/nowhere"), 404, "not_found").await;
    assert_eq!(refused.answer.header("connection"), None);
}

/// A peer that has sent this head and much more, and has read its early answer to the end.
async fn refused_early(world: &World, head: &str) -> (String, TcpStream) {
    let mut peer = TcpStream::connect(world.gateway.address()).await.unwrap();
    peer.set_nodelay(true).unwrap();
    peer.write_all(filled(world, head).as_bytes())
        .await
        .unwrap();
    peer.write_all(&vec![b'x'; 100_000]).await.unwrap();
    let mut answer = String::new();
    let end = peer.read_to_string(&mut answer).await;
    end.expect("an end, not a reset that could overtake the answer");
    (answer, peer)
}

const UNPROVEN: &str = "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100000000\r\n\r\n";

#[tokio::test]
async fn sec_33_an_early_answer_is_not_overtaken_by_the_end() {
    let world = world("", &[MCP]).await;
    let unreadable = "POST /mcp HTTP/1.1\r\nHost: HOST\r\nBad Name: 1\r\n\r\n";
    for (head, status) in [(UNPROVEN, "401"), (unreadable, "400")] {
        let (answer, mut peer) = refused_early(&world, head).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        for _ in 0..10 {
            let more = peer.write_all(&[b'x'; 1000]).await;
            more.expect("what still comes is thrown away, not refused");
        }
    }
}

#[tokio::test]
async fn sec_33_tm_11_what_is_thrown_away_after_an_answer_has_an_end() {
    let world = world("", &[MCP]).await;
    let (_, mut flood) = refused_early(&world, UNPROVEN).await;
    let mut sent = 0;
    while flood.write_all(&vec![b'x'; 65536]).await.is_ok() {
        sent += 65536;
        assert!(
            sent < 32 << 20,
            "a MiB, and what the buffers on the way hold"
        );
    }
    let (_, mut drip) = refused_early(&world, UNPROVEN).await;
    let begun = Instant::now();
    while drip.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "a second, whatever drips"
        );
    }
}
