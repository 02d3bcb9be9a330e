//! Deadlines and caps: every way in which a peer can keep us waiting has an end.
//!
//! Each story has its deadline small and all others at their defaults, which are longer than a test waits for anything. So what
//! ends in time has ended by the deadline that the story is about.

use std::time::{Duration, Instant};

use testbed::client::{Client, Connection, h2};
use testbed::{Reply, World};

use crate::https::{self, Authority, GOOD};
use crate::setting::program;
use crate::support::{MCP, OPEN, call, config, world};

/// The deadline in each of these stories.
const SHORT: Duration = Duration::from_millis(300);
/// The least time it takes, seen from a moment before it began; the gateway counts in milliseconds.
const NOT_BEFORE: Duration = Duration::from_millis(299);
/// Well before any other deadline.
const SOON: Duration = Duration::from_secs(4);

fn head(world: &World, more: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}",
        world.gateway.address(),
        world.token().sign()
    )
}

#[tokio::test]
async fn tm_11_a_connection_that_says_nothing_is_closed() {
    let world = world("timeouts: { request_head: 300ms }", &[MCP]).await;
    for first in ["", "P", "PRI * HTTP/2.0\r\n\r\n"] {
        let begun = Instant::now();
        let mut connection = world.client().connect().await;
        connection.write(first.as_bytes()).await;
        assert!(connection.closes_within(SOON).await, "{first:?}");
        assert!(
            begun.elapsed() >= NOT_BEFORE,
            "{first:?}: not before its time"
        );
    }
}

#[tokio::test]
async fn tm_11_a_head_that_drips_is_cut_also_later_on_a_connection() {
    let world = world("timeouts: { request_head: 300ms }", &[MCP]).await;
    for good_ones in [0, 1] {
        let mut connection = world.client().connect().await;
        for _ in 0..good_ones {
            connection.write(&call(&world).to_bytes()).await;
            connection.answer().await.unwrap().is(200);
        }
        let begun = Instant::now();
        let mut lines = 0;
        connection.write(head(&world, "").as_bytes()).await;
        // a byte now and then does not buy more time
        while !connection.closes_within(Duration::from_millis(50)).await {
            connection.write(b"X: 1\r\n").await;
            lines += 1;
            assert!(
                begun.elapsed() < SOON,
                "after {good_ones} requests and {lines} lines"
            );
        }
        assert!(lines > 1, "it was given its time");
    }
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn tm_11_an_idle_connection_is_closed() {
    let world = world("timeouts: { idle: 300ms }", &[MCP]).await;
    let mut connection = world.client().connect().await;
    let mut last = Instant::now();
    for _ in 0..2 {
        last = Instant::now();
        connection.write(&call(&world).to_bytes()).await;
        connection.answer().await.unwrap().is(200);
    }
    assert!(connection.closes_within(SOON).await);
    assert!(last.elapsed() >= NOT_BEFORE);
}

#[tokio::test]
async fn tm_11_an_idle_h2_connection_is_closed() {
    let world = world("timeouts: { idle: 300ms }", &[MCP]).await;
    let used = h2::Connection::open(world.gateway.address()).await;
    used.send(call(&world)).await.unwrap().is(200);
    let unused = h2::Connection::open(world.gateway.address()).await;
    // busy whenever somebody looked, and then nothing is left that would make somebody look
    let left = h2::Connection::open(world.gateway.address()).await;
    world.server.answer(Reply::events());
    let stream = left.open_stream(call(&world)).await.unwrap();
    let upstream = world.server.stream().await;
    tokio::time::sleep(2 * SHORT).await;
    assert!(!left.is_closed(), "it is not idle");
    drop(stream);
    upstream.closed().await;
    for connection in [used, unused, left] {
        let closed = async {
            while !connection.is_closed() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(SOON, closed).await.is_ok());
    }
}

#[tokio::test]
async fn tm_7_a_connection_that_waits_for_its_answer_is_not_idle() {
    let world = world(
        "timeouts: { idle: 300ms, request_head: 300ms, request_body: 300ms }",
        &[MCP],
    )
    .await;
    world
        .server
        .answer(Reply::json(&serde_json::json!({})).after(3 * SHORT));
    call(&world).send().await.is(200);
    let connection = h2::Connection::open(world.gateway.address()).await;
    connection.send(call(&world)).await.unwrap().is(200);
    world.server.answer(Reply::events());
    let mut stream = call(&world).open().await;
    let upstream = world.server.stream().await;
    assert!(
        stream.is_silent_for(3 * SHORT).await,
        "open, and nothing in it"
    );
    upstream.event("late").await;
    assert_eq!(stream.event().await.unwrap().data, "late");
}

#[tokio::test]
async fn tm_11_a_body_that_does_not_come_is_408() {
    let world = world("timeouts: { request_body: 300ms }", &[MCP]).await;
    for framing in [
        "Content-Length: 100\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
    ] {
        let before = world.server.requests();
        let mut connection = world.client().connect().await;
        connection.write(head(&world, framing).as_bytes()).await;
        if framing.starts_with('T') {
            connection.write(b"3\r\nabc\r\n").await;
        }
        let answer = connection.answer().await.unwrap();
        assert!(answer.is(408).closed);
        if world.server.requests() > before {
            world.server.closed(before).await;
            assert!(
                !world.server.last().complete,
                "the upstream never sees an end"
            );
        }
    }
    world.gateway.wait_for_log("body_timeout").await;
}

#[tokio::test]
async fn tm_11_a_body_that_drips_is_408_all_the_same() {
    let world = world("timeouts: { request_body: 300ms }", &[MCP]).await;
    let mut connection = world.client().connect().await;
    connection
        .write(head(&world, "Content-Length: 100000\r\n\r\n").as_bytes())
        .await;
    let begun = Instant::now();
    while world
        .gateway
        .log()
        .iter()
        .all(|line| !line.contains("body_timeout"))
    {
        connection.write(b"x").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(
            begun.elapsed() < SOON,
            "a byte now and then does not buy more time"
        );
    }
    connection.answer().await.unwrap().is(408);
}

#[tokio::test]
async fn r9113_a_peer_that_takes_nothing_is_let_go() {
    let world = world("timeouts: { idle: 300ms }", &[MCP]).await;
    world.server.answer(
        Reply::status(200)
            .header("Content-Type", "application/json")
            .body(vec![b'x'; 40_000_000]),
    );
    let mut connection = world.client().connect().await;
    connection.write(&call(&world).to_bytes()).await;
    world.server.wait_for(1).await;
    // nothing is read: all buffers on the way fill, and the upstream's connection must still end
    world.server.closed(0).await;
    world.gateway.wait_for_log("client_gone").await;
    drop(connection);
}

#[tokio::test]
async fn tm_11_over_the_cap_nobody_is_accepted_until_one_leaves() {
    let world = world("limits: { connections: 2 }", &[OPEN]).await;
    let post = |nr: u32| world.client().post(&format!("/mcp?{nr}")).to_bytes();
    let mut first = world.client().connect().await;
    let mut second = world.client().connect().await;
    for (nr, connection) in [(1, &mut first), (2, &mut second)] {
        connection.write(&post(nr)).await;
        connection.answer().await.unwrap().is(200);
    }
    let mut third = world.client().connect().await;
    third.write(&post(3)).await;
    for nr in 4..8 {
        first.write(&post(nr)).await;
        first.answer().await.unwrap().is(200);
    }
    let seen: Vec<_> = world
        .server
        .recorded()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert!(!seen.contains(&"/mcp?3".to_owned()), "it waits: {seen:?}");
    drop(second);
    third.answer().await.unwrap().is(200);
    assert_eq!(world.server.last().target, "/mcp?3");
    let probe = world.gateway.admin().get("/healthz").send().await;
    probe.is(200);
}

#[tokio::test]
async fn r9113_a_peer_that_takes_little_at_a_time_gets_everything() {
    const SIZE: usize = 40_000_000;
    let world = world("timeouts: { idle: 1s }", &[MCP]).await;
    let reply = Reply::status(200).header("Content-Type", "application/json");
    world.server.answer(reply.body(vec![b'x'; SIZE]));
    let mut stream = call(&world).open().await;
    let (begun, mut read, mut pauses) = (Instant::now(), 0, 0);
    while let Some(chunk) = stream.chunk().await {
        read += chunk.len();
        if read > (pauses + 1) * (SIZE / 12) {
            pauses += 1;
            tokio::time::sleep(Duration::from_millis(150)).await; // all buffers on the way are full by now
        }
    }
    assert_eq!(read, SIZE, "no pause was too long");
    assert!(begun.elapsed() > Duration::from_secs(1), "but all together");
}

#[tokio::test]
async fn tm_11_all_listeners_share_the_cap() {
    let two = config("limits: { connections: 1 }", &[OPEN]).replacen(
        "listen: \"127.0.0.1:0\"",
        "listen: [\"127.0.0.1:0\", \"127.0.0.1:0\"]",
        1,
    );
    let world = World::start(program(), &two).await;
    let [one, other] = *world.gateway.addresses() else {
        panic!("two listeners")
    };
    let [one, other] = [one, other].map(Client::new);
    // the other way round too: no listener may keep a place for nobody
    for (nr, [one, other]) in [[&one, &other], [&other, &one]].into_iter().enumerate() {
        let mut first = one.connect().await;
        first.write(&one.post("/mcp?1").to_bytes()).await;
        first.answer().await.unwrap().is(200);
        let mut second = other.connect().await;
        second.write(&other.post("/mcp?2").to_bytes()).await;
        for _ in 0..4 {
            first.write(&one.post("/mcp?1").to_bytes()).await;
            first.answer().await.unwrap().is(200);
        }
        assert_eq!(world.server.requests(), nr * 6 + 5, "it waits");
        drop(first);
        second.answer().await.unwrap().is(200);
    }
}

/// A client that has sent this and waits for an answer that does not come.
async fn waiting(world: &World, authority: &Authority, is_tls: bool, more: usize) -> Connection {
    let (mut connection, request) = if is_tls {
        let stream = authority.open(world, "localhost").await;
        (Connection::over(stream), https::call(world, "localhost"))
    } else {
        (world.client().connect().await, call(world))
    };
    let sent = [request.to_bytes(), vec![b'x'; more]].concat();
    connection.write(&sent).await;
    connection
}

#[tokio::test]
async fn tm_5_a_client_that_leaves_more_than_its_request_behind_is_missed_soon() {
    let authority = Authority::new();
    authority.write("main", &["localhost"], GOOD);
    for is_tls in [false, true] {
        let server = if is_tls {
            authority.keys("main", "")
        } else {
            String::new()
        };
        let world = world(&server, &[MCP]).await;
        world.server.answer(Reply::silence());
        // a byte of a next request, or more than is read before its turn comes
        let mut staying = Vec::new();
        let mut leaving = Vec::new();
        for more in [1, 60_000] {
            staying.push(waiting(&world, &authority, is_tls, more).await);
            leaving.push(waiting(&world, &authority, is_tls, more).await);
        }
        world.server.wait_for(4).await;
        drop(leaving);
        let left = || {
            world
                .gateway
                .log()
                .iter()
                .filter(|line| line.contains("client_gone"))
                .count()
        };
        let missed = async {
            while left() < 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(9), missed)
            .await
            .unwrap();
        for connection in &mut staying {
            assert!(!connection.closes_within(Duration::from_secs(1)).await);
        }
        assert_eq!(left(), 2);
    }
}
