//! Several servers behind one route: who gets a request, who gets none for a while, and that none is sent twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Recorder, Reply, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::{call, world};

/// A protected route at `/mcp` with these servers behind it, `{upstream}` among them.
pub(crate) fn route(servers: &[&str]) -> String {
    format!("{{ path: /mcp, upstream: [{}] }}", servers.join(", "))
}

/// A world with two servers: its own and a further one.
pub(crate) async fn two(server: &str) -> (World, Recorder) {
    let other = Recorder::start().await;
    let other_url = other.url();
    let world = world(
        server,
        &[&route(&["\"{upstream}\"", &format!("\"{other_url}\"")])],
    )
    .await;
    (world, other)
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

async fn series(world: &World, name: &str) -> f64 {
    let text = world.gateway.admin().get("/metrics").send().await.text();
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn was_said(world: &World, words: &str) -> bool {
    world.gateway.log().iter().any(|line| line.contains(words))
}

fn members(state: &str) -> String {
    format!("portcullis_upstream_members{{route=\"/mcp\",state=\"{state}\"}}")
}

#[tokio::test]
async fn requests_go_where_the_fewest_are_under_way() {
    let (world, other) = two("").await;
    for server in [&world.server, &other] {
        server.answer(Reply::events());
    }
    let mut open = Vec::new();
    for pair in 1..=4 {
        for _ in 0..2 {
            let request = world.client().get("/mcp").bearer(world.token());
            open.push(request.open().await);
        }
        let both = (world.server.requests(), other.requests());
        assert_eq!(both, (pair, pair), "streams count as long as they last");
    }
    world.server.answer(Reply::json(&json!({})));
    other.answer(Reply::json(&json!({})));
    // of those that end at once, neither server has one when the next comes
    for _ in 0..60 {
        call(&world).send().await.is(200);
    }
    let (one, two) = (world.server.requests(), other.requests());
    assert_eq!(one + two, 68);
    assert!(one > 14 && two > 14, "ties go either way: {one}, {two}");
}

#[tokio::test]
async fn r9110_a_server_that_cannot_be_reached_is_passed_over() {
    let nobody = nobody();
    let dead = format!("\"http://{nobody}\"");
    let world = world("", &[&route(&[&dead, "\"{upstream}\""])]).await;
    let mut number = 0;
    while !was_said(&world, "upstream ejected") {
        number += 1;
        let answer = call(&world).send().await;
        answer.is(200);
        assert_eq!(world.server.requests(), number, "each arrives, and once");
        let seen = world.server.last();
        assert_eq!(seen.json()["method"], json!("tools/call"), "whole");
        let own = world.server.address().to_string();
        assert_eq!(seen.headers.all("host"), [&*own], "its own authority");
    }
    let passed_over = "portcullis_upstream_errors_total{route=\"/mcp\",kind=\"passed_over\"}";
    assert!(series(&world, passed_over).await >= 3.0);
    assert!(series(&world, &members("serving")).await >= 1.0);
}

#[tokio::test]
async fn r9110_each_server_is_tried_once_and_the_answer_is_502() {
    let (first, second) = (nobody(), nobody());
    let servers = [
        format!("\"http://{first}\""),
        format!("\"http://{second}\""),
    ];
    let world = world("", &[&route(&[&servers[0], &servers[1]])]).await;
    let answer = call(&world).send().await;
    answer.is(502);
    assert!(!answer.text().contains("127.0.0.1"));
    let reference = answer.json()["reference"].as_str().unwrap().to_owned();
    let line = world.gateway.wait_for_log(&reference).await;
    for address in [first, second] {
        let count = line.matches(&address.to_string()).count();
        assert_eq!(count, 1, "{address} in {line}");
    }
}

#[tokio::test]
async fn r9110_r9112_what_may_have_been_written_is_never_sent_again() {
    let (world, other) = two("").await;
    for (method, reply) in [
        ("POST", Reply::close()),
        ("GET", Reply::close()),
        ("DELETE", Reply::close()),
        ("GET", Reply::raw("HTTP/1.1 nonsense\r\n\r\n").then_close()),
    ] {
        for server in [&world.server, &other] {
            server.answer(reply.clone());
        }
        let before = world.server.requests() + other.requests();
        let request = world.client().request(method, "/mcp").bearer(world.token());
        request.send().await.is(502);
        let after = world.server.requests() + other.requests();
        assert_eq!(after, before + 1, "{method}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_shake_hands_is_passed_over_in_time() {
    // takes connections and says nothing, so that TLS never begins
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let servers = route(&[&format!("\"https://{address}\""), "\"{upstream}\""]);
    let world = world("timeouts: { connect: 200ms }", &[&servers]).await;
    while !was_said(&world, "upstream ejected") {
        let begun = Instant::now();
        call(&world).send().await.is(200);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    held.abort();
}

#[tokio::test]
async fn a_server_that_fails_gets_nothing_until_it_returns() {
    let (world, other) = two("").await;
    other.answer(Reply::status(503));
    let mut failed = 0;
    while failed < 3 {
        failed += usize::from(call(&world).send().await.status == 503);
    }
    world.gateway.wait_for_log("upstream ejected").await;
    let out = Instant::now();
    assert!((series(&world, &members("ejected")).await - 1.0).abs() < 0.1);
    let before = other.requests();
    assert_eq!(before, 3);
    for _ in 0..20 {
        call(&world).send().await.is(200);
    }
    if out.elapsed() < Duration::from_secs(1) {
        assert_eq!(other.requests(), before);
    }
    other.answer(Reply::json(&json!({})));
    // it comes back by itself, first with few requests
    let deadline = Instant::now() + Duration::from_secs(30);
    while other.requests() == before {
        assert!(Instant::now() < deadline, "it never returns");
        call(&world).send().await.is(200);
        sleep(Duration::from_millis(5)).await;
    }
    assert!(out.elapsed() > Duration::from_millis(1_500), "not at once");
    world.gateway.wait_for_log("upstream returns").await;
}

#[tokio::test]
async fn sec_36_a_refusal_is_no_failure_of_a_server() {
    let (world, other) = two("").await;
    for status in [400, 401, 403, 404, 405, 408, 413, 429, 500, 501] {
        for _ in 0..4 {
            other.answer(Reply::status(status));
            call(&world).send().await;
        }
    }
    // and neither is a body that its caller did not finish
    let mut request = call(&world).to_bytes();
    request.truncate(request.len() - 4);
    for _ in 0..8 {
        let mut connection = world.client().connect().await;
        connection.write(&request).await;
        drop(connection);
    }
    assert!(other.requests() > 5, "it is asked as before");
    assert!(!was_said(&world, "ejected"));
    assert!((series(&world, &members("serving")).await - 2.0).abs() < 0.1);
}

#[tokio::test]
async fn half_answers_and_late_ones_are_failures() {
    for (reply, status) in [
        (Reply::half(1000, "{"), 200),
        (Reply::silence(), 504),
        (Reply::close(), 502),
    ] {
        let timeouts = "timeouts: { response_head: 200ms, request_body: 100ms }";
        let (world, other) = two(timeouts).await;
        other.answer(reply);
        let mut failed = 0;
        while failed < 3 {
            let answer = call(&world).send().await;
            failed += usize::from(answer.status != 200 || !answer.complete);
            assert!([200, status].contains(&answer.status));
        }
        world.gateway.wait_for_log("upstream ejected").await;
    }
}

#[tokio::test]
async fn when_all_fail_all_are_asked() {
    let (world, other) = two("").await;
    for server in [&world.server, &other] {
        server.answer(Reply::status(502));
    }
    let (begun, mut sent) = (Instant::now(), 0);
    while series(&world, &members("ejected")).await < 1.5 {
        assert!(begun.elapsed() < Duration::from_secs(20), "never both");
        for _ in 0..10 {
            call(&world).send().await.is(502);
            sent += 1;
        }
    }
    assert_eq!(world.server.requests() + other.requests(), sent);
    for server in [&world.server, &other] {
        server.answer(Reply::json(&json!({})));
    }
    call(&world).send().await.is(200);
    call(&world).send().await.is(200);
}

/// A server that answers each request with its number, and then says something that nobody asked for.
async fn talkative(at_once: bool) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&closed);
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 16 * 1024];
            if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                continue;
            }
            number += 1;
            let answer = |body: Value| {
                let body = body.to_string();
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            };
            let (asked, unasked) = (
                answer(json!({"number": number})),
                answer(json!({"unasked": true})),
            );
            if at_once {
                stream
                    .write_all(format!("{asked}{unasked}").as_bytes())
                    .await
                    .unwrap();
            } else {
                stream.write_all(asked.as_bytes()).await.unwrap();
                sleep(Duration::from_millis(100)).await;
                let _ = stream.write_all(unasked.as_bytes()).await;
            }
            // the gateway wants nothing more of such a connection
            let _ = stream.read(&mut buffer).await;
            told.store(true, Ordering::SeqCst);
        }
    });
    (address, closed)
}

#[tokio::test]
async fn r9112_an_answer_that_nobody_asked_for_is_nobodys() {
    for at_once in [true, false] {
        let (address, closed) = talkative(at_once).await;
        let server = route(&[&format!("\"http://{address}\"")]);
        let world = world("", &[&server]).await;
        for number in 1..=3 {
            closed.store(false, Ordering::SeqCst);
            let answer = call(&world).send().await;
            assert_eq!(
                answer.is(200).json(),
                json!({"number": number}),
                "{at_once}"
            );
            let deadline = Instant::now() + Duration::from_secs(10);
            while !closed.load(Ordering::SeqCst) {
                assert!(Instant::now() < deadline, "the connection is not given up");
                sleep(Duration::from_millis(2)).await;
            }
        }
    }
}
