//! MCP sessions before several servers: they stay where they began. Whose they are is in `mcp_sessions`.

use std::collections::HashMap;

use serde_json::json;
use testbed::client::{Answer, Request};
use testbed::{Recorder, Reply, World};
use tokio::time::{Duration, Instant};

use crate::reload::reloaded;
use crate::setting::program;
use crate::support::{call, config, world};
use crate::upstreams::{route, two};

/// A reply that names its server, with the session that it made.
fn named(name: &str) -> Reply {
    Reply::json(&json!({"by": name})).header("Mcp-Session-Id", &format!("session-of-{name}"))
}

fn by(answer: &Answer) -> String {
    answer.is(200).json()["by"].as_str().unwrap().to_owned()
}

/// `two`, and two whose route asks nobody: there ids pass as they are, and the gateway learns whose they are.
async fn both() -> [(World, Recorder); 2] {
    let other = Recorder::start().await;
    let servers = ["\"{upstream}\"", &format!("\"{}\"", other.url())];
    let open = route(&servers).replace(
        "path: /mcp",
        "path: /mcp, auth: { type: none }, dangerous: [anonymous_access]",
    );
    [two("").await, (world("", &[&open]).await, other)]
}

/// The id that a client of the session is handed out.
fn id(answer: &Answer) -> String {
    answer.header("mcp-session-id").unwrap().to_owned()
}

fn of_session(world: &World, method: &str, id: &str) -> Request {
    let request = world.client().request(method, "/mcp");
    let request = request.bearer(world.token());
    request.header("Mcp-Session-Id", id)
}

#[tokio::test]
async fn a_session_stays_with_the_server_that_made_it() {
    for (world, other) in both().await {
        world.server.answer(named("one"));
        other.answer(named("other"));
        let mut made = HashMap::new();
        while made.len() < 2 {
            let answer = call(&world).send().await;
            made.insert(by(&answer), id(&answer));
        }
        for name in ["one", "other"].repeat(12) {
            let request = call(&world).header("Mcp-Session-Id", &made[name]);
            assert_eq!(by(&request.send().await), name);
        }
    }
}

#[tokio::test]
async fn a_session_that_nobody_knows_is_anybodys() {
    let [_, (world, other)] = both().await;
    for _ in 0..40 {
        let request = call(&world).header("Mcp-Session-Id", "never-seen");
        request.send().await.is(200);
    }
    assert!(world.server.requests() > 0 && other.requests() > 0);
}

#[tokio::test]
async fn a_session_that_has_ended_is_forgotten() {
    for end in [("DELETE", Reply::status(200)), ("POST", Reply::status(404))] {
        let [_, (world, other)] = both().await;
        world.server.answer_with(|_| named("one"));
        other.answer(Reply::json(&json!({"by": "other"})));
        while by(&call(&world).send().await) != "one" {}
        let before = other.requests();
        for _ in 0..20 {
            let answer = of_session(&world, "POST", "session-of-one").send().await;
            assert_eq!(by(&answer), "one");
        }
        assert_eq!(other.requests(), before);
        let (method, reply) = end;
        world.server.answer(Reply::json(&json!({"by": "one"})));
        world.server.answer_once(reply);
        of_session(&world, method, "session-of-one").send().await;
        // 2^-40 that chance does the same
        for _ in 0..40 {
            let request = of_session(&world, "POST", "session-of-one");
            request.send().await.is(200);
        }
        assert!(other.requests() > before, "{method}");
    }
}

#[tokio::test]
async fn t_r4_t_r5_that_a_session_has_ended_its_own_server_says() {
    let (world, other) = two("").await;
    world.server.answer_with(|_| named("one"));
    other.answer(Reply::json(&json!({"by": "other"})));
    let of_one = loop {
        let answer = call(&world).send().await;
        if by(&answer) == "one" {
            break id(&answer);
        }
    };
    let before = other.requests();
    world.server.answer_once(Reply::status(204));
    of_session(&world, "DELETE", &of_one).send().await.is(204);
    world.server.answer(Reply::status(404));
    for _ in 0..20 {
        of_session(&world, "POST", &of_one).send().await.is(404);
    }
    assert_eq!(other.requests(), before);
}

#[tokio::test]
async fn a_session_is_kept_by_a_server_that_fails_and_left_by_one_that_is_gone() {
    let other = Recorder::start().await;
    let servers = route(&["\"{upstream}\"", &format!("\"{}\"", other.url())]);
    let world = World::start(program(), &config("", &[&servers])).await;
    other.answer(named("other"));
    let of_other = loop {
        let answer = call(&world).send().await;
        if other.requests() > 0 {
            break id(&answer);
        }
    };
    let of_session = || call(&world).header("Mcp-Session-Id", &of_other);
    other.answer(Reply::status(503));
    for _ in 0..10 {
        of_session().send().await.is(503);
    }
    world.gateway.wait_for_log("upstream ejected").await;
    of_session().send().await.is(503);
    // nobody there: the next one says what it knows of the session, which clients understand
    world.server.answer(Reply::status(404));
    drop(other);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = of_session().send().await;
        if answer.status == 404 {
            break;
        }
        assert!(Instant::now() < deadline, "{}", answer.status);
    }
}

#[tokio::test]
async fn what_is_known_of_a_server_outlives_a_reload() {
    let (world, other) = two("").await;
    let third = Recorder::start().await;
    world.server.answer(named("one"));
    other.answer(named("other"));
    let of_other = loop {
        let answer = call(&world).send().await;
        if by(&answer) == "other" {
            break id(&answer);
        }
    };
    let of_session = || call(&world).header("Mcp-Session-Id", &of_other);
    assert_eq!(by(&of_session().send().await), "other");
    let (connection, used) = (other.last().connection, Instant::now());
    // a further server, and another order
    let (second, further) = (other.url(), third.url());
    let servers = [
        "\"{upstream}\"",
        &format!("\"{second}\""),
        &format!("\"{further}\""),
    ];
    let more = route(&[servers[2], servers[1], servers[0]]);
    reloaded(&world, &config("", &[&more]), 1).await;
    for _ in 0..10 {
        assert_eq!(by(&of_session().send().await), "other");
        let is_kept = used.elapsed() < Duration::from_secs(3); // connections are, for 4 s
        assert!(!is_kept || other.last().connection == connection);
    }
    // one that is ejected stays so
    third.answer(Reply::status(503));
    while third.requests() < 3 {
        call(&world).send().await;
    }
    world.gateway.wait_for_log("upstream ejected").await;
    let ejected = Instant::now();
    let fewer = route(&[servers[2], servers[0]]);
    reloaded(&world, &config("", &[&fewer]), 2).await;
    let before = third.requests();
    for _ in 0..20 {
        of_session().send().await.is(200);
    }
    let soon = ejected.elapsed() < Duration::from_millis(1_900);
    assert!(!soon || third.requests() == before);
    // one that is gone from the file gets nothing more, whoever asks for it
    let (mine, others) = (world.server.requests(), other.requests());
    of_session().send().await.is(200);
    assert_eq!(other.requests(), others);
    assert!(world.server.requests() > mine);
}
