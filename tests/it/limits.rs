//! What one address, and one caller, may try or have: guessing costs, and neighbours do not pay for it.

use std::time::Duration;

use serde_json::Value;
use testbed::client::{Answer, Connection, Request};
use testbed::{Reply, World};

use crate::reload::reloaded;
use crate::setting::{program, refused};
use crate::support::{MCP, config, world};

const KEYS: &str = "/jwks";
pub(crate) const A: &str = "203.0.113.1";
pub(crate) const B: &str = "203.0.113.2";

/// A gateway behind a proxy on loopback, so that a story can have many addresses.
pub(crate) async fn limited(limits: &str, routes: &[&str]) -> World {
    let server = format!("trusted_proxies: [127.0.0.0/8], limits: {{ {limits} }}");
    world(&server, routes).await
}

pub(crate) fn from(request: Request, address: &str) -> Request {
    request.header("X-Forwarded-For", address)
}

/// A tool call from this address, of nobody yet.
pub(crate) fn call(world: &World, address: &str) -> Request {
    let call = world.client().post("/mcp").call("echo", &Value::Null);
    from(call, address)
}

/// 429 as the contract has it, and the upstream hears nothing.
pub(crate) async fn limited_to(
    world: &World,
    request: Request,
    limit: &str,
    policy: &str,
) -> Answer {
    let answer = refused(world, request, 429, "rate_limited").await.answer;
    assert_eq!(answer.json()["error"], "Too Many Requests");
    assert_eq!(answer.header("www-authenticate"), None);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    let told = answer.header("ratelimit").unwrap();
    let (name, _) = told.split_once(";t=").unwrap_or((told, ""));
    assert_eq!(name, limit);
    if let Some((_, reset)) = told.split_once(";t=") {
        assert_eq!(reset, wait.to_string(), "they do not contradict each other");
    }
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    answer
}

/// The budget of `failures_per_address: 3/h` is used up.
async fn used_up(world: &World, request: Request) -> Answer {
    let policy = "\"failures\";q=3;w=3600";
    limited_to(world, request, "\"failures\";r=0", policy).await
}

#[tokio::test]
async fn sec_70_guessing_costs_and_is_turned_away_before_anything_is_verified() {
    let world = limited("failures_per_address: 3/h", &[MCP]).await;
    let bad = world.token().tampered();
    for _ in 0..3 {
        call(&world, A).bearer(&bad).send().await.is(401);
    }
    let asked = world.idp.fetches(KEYS);
    // a key nobody knows would make the gateway ask the provider
    let unknown = world.token().header("kid", "other").sign();
    used_up(&world, call(&world, A).bearer(unknown)).await;
    assert_eq!(world.idp.fetches(KEYS), asked, "nothing is fetched for it");
    let answer = used_up(&world, call(&world, A).bearer(world.token())).await;
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(
        (1100..=1200).contains(&wait),
        "a third of an hour, not {wait}"
    );
    call(&world, B).bearer(world.token()).send().await.is(200);
}

#[tokio::test]
async fn sec_70_who_was_proven_before_passes_whatever_the_neighbours_do() {
    let world = limited("failures_per_address: 3/h", &[MCP]).await;
    let known = world.token().sign();
    call(&world, A).bearer(&known).send().await.is(200); // one verification
    let bad = world.token().tampered();
    for _ in 0..2 {
        call(&world, A).bearer(&bad).send().await.is(401);
    }
    used_up(&world, call(&world, A).bearer(&bad)).await;
    for _ in 0..20 {
        call(&world, A).bearer(&known).send().await.is(200);
        used_up(&world, call(&world, A)).await;
    }
}

#[tokio::test]
async fn sec_70_a_proven_caller_who_is_refused_does_not_use_up_what_others_need() {
    let route = MCP.replace(
        "path: /mcp",
        "path: /mcp, auth: { required_scopes: [a, b] }",
    );
    let world = limited("failures_per_address: 3/h", &[&route]).await;
    let lacking = world.token().scope("a").sign();
    for _ in 0..10 {
        let answer = call(&world, A).bearer(&lacking).send().await;
        assert_eq!(
            answer.status, 403,
            "the first one paid for its verification"
        );
    }
    for _ in 0..2 {
        call(&world, A).send().await.is(401);
    }
    used_up(&world, call(&world, A)).await;
    let answer = call(&world, A).bearer(&lacking).send().await;
    assert_eq!(answer.status, 403, "and is told why, also then");
}

#[tokio::test]
async fn sec_70_every_refusal_costs_wherever_it_comes_from() {
    let world = limited("failures_per_address: 3/h", &[MCP]).await;
    let client = world.client();
    let kinds: [(u16, Request); 9] = [
        (401, client.post("/mcp")),
        (
            401,
            client.post("/mcp").header("Authorization", "Basic YTpi"),
        ),
        (404, client.get("/nothing/here")),
        (404, client.get("/oauth/token")),
        (400, client.get("/a//b")),
        (405, client.request("PUT", "/mcp")),
        (421, client.get("/mcp").host("evil.example")),
        (
            403,
            client.post("/mcp").header("Origin", "https://evil.example"),
        ),
        (400, client.post("/mcp?access_token=x")),
    ];
    for (i, (status, request)) in kinds.into_iter().enumerate() {
        let address = format!("198.51.100.{i}");
        let request = from(request, &address);
        for _ in 0..3 {
            assert_eq!(request.clone().send().await.status, status, "{request:?}");
        }
        used_up(&world, request).await;
        // one budget for all of them
        used_up(&world, call(&world, &address)).await;
        let document = "/.well-known/oauth-protected-resource/mcp";
        let told = from(client.get(document), &address).send().await;
        told.is(200); // what is no refusal stays free
    }
}

#[tokio::test]
async fn sec_70_what_the_upstream_refuses_is_its_own_business() {
    let world = limited("failures_per_address: 3/h", &[MCP]).await;
    let token = world.token().sign();
    for status in [400, 404, 429, 401, 403, 404] {
        world
            .server
            .answer_once(Reply::status(status).header("Content-Type", "application/json"));
        let expected = if status == 401 { 502 } else { status };
        let answer = call(&world, A).bearer(&token).send().await;
        assert_eq!(answer.status, expected);
    }
    call(&world, A).send().await.is(401);
    call(&world, A).send().await.is(401);
    used_up(&world, call(&world, A)).await; // with the one verification, three
}

#[tokio::test]
async fn sec_70_ipv6_is_counted_by_network() {
    let world = limited("failures_per_address: 3/h", &[MCP]).await;
    for host in ["2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:ffff::3"] {
        call(&world, host).send().await.is(401);
    }
    used_up(&world, call(&world, "2001:db8:1:1::4")).await;
    // other links of the same site, until the site has had ten times as much
    for link in 2..29 {
        call(&world, &format!("2001:db8:1:{link:x}::1"))
            .send()
            .await
            .is(401);
    }
    let policy = "\"failures\";q=30;w=3600";
    let request = call(&world, "2001:db8:1:ff::1");
    limited_to(&world, request, "\"failures\";r=0", policy).await;
    call(&world, "2001:db8:2::1").send().await.is(401);
    for address in ["203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9"] {
        call(&world, address).send().await.is(401);
    }
    used_up(&world, call(&world, "::ffff:203.0.113.9")).await;
}

#[tokio::test]
async fn sec_70_the_budget_comes_back_and_can_be_switched_off() {
    let world = limited("failures_per_address: 1/s", &[MCP]).await;
    let begun = std::time::Instant::now();
    let (mut refused, mut turned_away) = (0, 0);
    while refused < 3 {
        match call(&world, A).send().await.status {
            401 => refused += 1,
            429 => turned_away += 1,
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "one a second");
    assert!(turned_away > 0);
    let world = limited("failures_per_address: off", &[MCP]).await;
    for _ in 0..50 {
        call(&world, A).send().await.is(401);
    }
}

#[tokio::test]
async fn sec_70_by_default_a_login_with_its_usual_detours_is_far_from_the_limit() {
    let world = world("", &[MCP]).await;
    for _ in 0..500 {
        world.client().post("/mcp").send().await.is(401);
    }
    world
        .client()
        .post("/mcp")
        .bearer(world.token())
        .send()
        .await
        .is(200);
}

async fn is_served(connection: &mut Connection) -> bool {
    connection
        .write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    connection.status().await == Some(200)
}

#[tokio::test]
async fn sec_70_connections_of_one_address_are_bounded() {
    let world = world("limits: { connections_per_address: 2 }", &[MCP]).await;
    let (mut first, mut second) = (
        world.client().connect().await,
        world.client().connect().await,
    );
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = world.client().connect().await;
    assert!(!is_served(&mut third).await, "closed at once");
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let counted = "portcullis_connections_refused_total{reason=\"address\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(is_served(&mut first).await, "those that are there stay");
    drop(second);
    for _ in 0..500 {
        if is_served(&mut world.client().connect().await).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a place was freed");
}

#[tokio::test]
async fn sec_70_connections_of_trusted_proxies_are_everybodys() {
    let world = limited("connections_per_address: 1", &[MCP]).await;
    let mut all = Vec::new();
    for _ in 0..10 {
        let mut connection = world.client().connect().await;
        assert!(is_served(&mut connection).await);
        all.push(connection);
    }
}

#[tokio::test]
async fn sec_70_announced_clients_are_counted_and_their_announcer_is_not() {
    let world = world(
        "proxy_protocol: [127.0.0.0/8], limits: { connections_per_address: 1 }",
        &[MCP],
    )
    .await;
    let mut all = Vec::new();
    for (client, good) in [(A, true), (B, true), (A, false), (B, false)] {
        let mut connection = world.client().connect().await;
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4000 443\r\n");
        connection.write(header.as_bytes()).await;
        // their own plain HTTP is refused, which is an answer too
        connection.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(connection.status().await.is_some(), good, "{client}");
        all.push(connection);
    }
}

#[tokio::test]
async fn sec_70_a_reload_changes_the_limits_and_forgets_nothing() {
    let with = |limit: &str| {
        let limit =
            format!("trusted_proxies: [127.0.0.0/8], limits: {{ failures_per_address: {limit} }}");
        config(&limit, &[MCP])
    };
    let world = World::start(program(), &with("3/h")).await;
    for _ in 0..3 {
        call(&world, A).send().await.is(401);
    }
    used_up(&world, call(&world, A)).await;
    reloaded(&world, &with("off"), 1).await;
    call(&world, A).send().await.is(401);
    reloaded(&world, &with("3/h"), 2).await;
    used_up(&world, call(&world, A)).await;
}
