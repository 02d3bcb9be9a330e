//! How often a caller may ask a route and call its tools (S0-60): who counts as one, what counts, and what is said when it is enough.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Reply, World};

use crate::limits::{A, B, from, limited};
use crate::reload::reloaded;
use crate::support::{self, MCP, OPEN, config};

/// The limits of the guide.
const GUIDE: &str = "window: 60s, max_requests: 100, max_tool_calls: 50";

/// A route with these keys of `rate_limit`.
pub(crate) fn with(route: &str, limit: &str) -> String {
    let limit = format!(", rate_limit: {{ {limit} }}");
    route.replacen(", upstream", &format!("{limit}, upstream"), 1)
}

pub(crate) async fn world(route: &str, limit: &str) -> World {
    limited("", &[&with(route, limit)]).await
}

fn ask(world: &World, id: u64, method: &str) -> Request {
    let params = if method == "tools/call" {
        json!({ "name": "echo", "arguments": {} })
    } else {
        json!({})
    };
    world.client().post("/mcp").rpc(id, method, &params)
}

fn batch(world: &World, methods: &[&str]) -> Request {
    let messages = methods.iter().enumerate().map(|(id, method)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "name": "echo" } })
    });
    world.client().post("/mcp").json(&messages.collect())
}

/// What every 429 of a rate says in its head; the wait that it tells.
#[track_caller]
pub(crate) fn enough(answer: &Answer, limit: &str, policy: &str) -> u64 {
    answer.is(429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    let expected = format!("{limit};t={wait}");
    assert_eq!(answer.header("ratelimit"), Some(&*expected));
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    wait
}

/// 429 of a request that was read: a JSON-RPC error.
#[track_caller]
pub(crate) fn enough_calls(answer: &Answer, id: Option<u64>, limit: &str, policy: &str) -> u64 {
    let wait = enough(answer, limit, policy);
    let body = answer.json();
    assert_eq!(body["jsonrpc"], "2.0");
    assert_eq!(body.get("id"), id.map(Value::from).as_ref());
    assert_eq!(body["error"]["code"], -32004);
    assert_eq!(body["error"]["data"]["reason"], "rate_limited");
    let reference = &body["error"]["data"]["reference"];
    assert_eq!(
        reference.as_str(),
        answer.header("x-request-id"),
        "{reference}"
    );
    wait
}

#[tokio::test]
async fn s0_60_sbp_10_the_51st_call_is_refused_with_its_id_lists_pass_to_100_and_then_nothing() {
    let world = world(MCP, GUIDE).await;
    let alice = world.token().sign();
    for id in 1..=50 {
        let call = ask(&world, id, "tools/call").bearer(&alice);
        call.send().await.is(200);
    }
    let asked = world.server.requests();
    let call = ask(&world, 51, "tools/call").bearer(&alice);
    let answer = call.send().await;
    let calls = "\"tool-calls\";q=50;w=60";
    let wait = enough_calls(&answer, Some(51), "\"tool-calls\";r=0", calls);
    assert!(wait <= 60, "{wait}");
    assert_eq!(
        world.server.requests(),
        asked,
        "the server hears nothing of it"
    );
    for id in 52..=100 {
        let list = ask(&world, id, "tools/list").bearer(&alice);
        list.send().await.is(200);
    }
    for method in ["tools/list", "tools/call", "ping"] {
        let answer = ask(&world, 101, method).bearer(&alice).send().await;
        enough(&answer, "\"requests\";r=0", "\"requests\";q=100;w=60");
        assert_eq!(answer.json()["error"], "Too Many Requests");
    }
    // it is the caller that counts: no other token and no other address helps, and nobody else suffers
    let again = world.token().claim("jti", "another").sign();
    let call = from(ask(&world, 102, "tools/call"), B).bearer(again);
    enough(
        &call.send().await,
        "\"requests\";r=0",
        "\"requests\";q=100;w=60",
    );
    let bob = world.token().subject("bob");
    let call = ask(&world, 1, "tools/call").bearer(bob);
    call.send().await.is(200);
    let line = world.gateway.wait_for_log("more tool calls").await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["reason"], "rate_limited");
    assert_eq!(
        entry["cause"],
        "more tool calls of this caller on this route than 50 in 60s, 0 were left"
    );
}

#[tokio::test]
async fn s0_60_after_the_wait_that_was_told_all_is_well() {
    let world = world(MCP, "window: 2s, max_requests: 3, max_tool_calls: 2").await;
    let alice = world.token().sign();
    for (method, name) in [("tools/call", "tool-calls"), ("ping", "requests")] {
        let mut waits = None;
        for id in 1..1000 {
            let answer = ask(&world, id, method).bearer(&alice).send().await;
            if answer.status == 429 {
                let told = answer.header("ratelimit").unwrap();
                assert!(told.starts_with(&format!("\"{name}\";r=0;")), "{told}");
                waits = answer.header("retry-after").map(str::to_owned);
                break;
            }
            answer.is(200);
        }
        let wait: u64 = waits.expect("it ends").parse().unwrap();
        assert!(wait <= 2);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        ask(&world, 1, method).bearer(&alice).send().await.is(200);
    }
}

#[tokio::test]
async fn s0_61_what_is_not_named_is_not_limited_and_a_minute_is_the_window() {
    let some = world(MCP, "max_requests: 60").await;
    let alice = some.token().sign();
    for id in 1..=60 {
        let call = ask(&some, id, "tools/call").bearer(&alice);
        call.send().await.is(200);
    }
    let answer = ask(&some, 61, "tools/call").bearer(&alice).send().await;
    enough(&answer, "\"requests\";r=0", "\"requests\";q=60;w=60");
    let calls = world(MCP, "max_tool_calls: 1").await;
    let alice = calls.token().sign();
    for id in 1..=60 {
        let ping = ask(&calls, id, "ping").bearer(&alice);
        ping.send().await.is(200);
    }
    let call = |id| ask(&calls, id, "tools/call").bearer(&alice);
    call(61).send().await.is(200);
    let policy = "\"tool-calls\";q=1;w=60";
    let answer = call(62).send().await;
    enough_calls(&answer, Some(62), "\"tool-calls\";r=0", policy);
}

#[tokio::test]
async fn s0_60_sec_70_who_is_unknown_counts_by_network() {
    let world = world(OPEN, "window: 1h, max_requests: 2").await;
    let ping = |address: &str| from(ask(&world, 1, "ping"), address).send();
    let policy = "\"requests\";q=2;w=3600";
    for address in [A, A, B, "2001:db8:1:1::1", "2001:db8:1:1:ffff::2"] {
        ping(address).await.is(200);
    }
    for address in [A, "::ffff:203.0.113.1", "2001:db8:1:1::3"] {
        enough(&ping(address).await, "\"requests\";r=0", policy);
    }
    ping(B).await.is(200);
    // other links of that site, until it has had ten times as much
    for link in 2..=10 {
        for host in 1..=2 {
            ping(&format!("2001:db8:1:{link:x}::{host}")).await.is(200);
        }
    }
    let around = "\"requests\";q=20;w=3600";
    let answer = ping("2001:db8:1:ff::1").await;
    enough(&answer, "\"requests\";r=0", around);
    ping("2001:db8:2::1").await.is(200);
}

#[tokio::test]
async fn bat_2_every_message_of_a_batch_counts_and_all_of_them_pass_or_none() {
    let world = world(MCP, "window: 1h, max_requests: 20, max_tool_calls: 5").await;
    let alice = world.token().sign();
    let send = |methods: &[&str]| batch(&world, methods).bearer(&alice).send();
    let calls = "\"tool-calls\";q=5;w=3600";
    let answer = send(&["tools/call"; 6]).await; // one request: nothing else is taken
    enough_calls(&answer, None, "\"tool-calls\";r=5", calls);
    assert_eq!(world.server.requests(), 0, "not one of them");
    send(&["tools/call", "ping", "tools/call"]).await.is(200); // 4
    let answer = send(&[
        "ping",
        "tools/call",
        "tools/call",
        "tools/call",
        "tools/call",
    ])
    .await; // 5
    enough_calls(&answer, None, "\"tool-calls\";r=3", calls);
    send(&["tools/call"; 3]).await.is(200); // 8
    let answer = send(&["tools/call"]).await; // 9
    enough_calls(&answer, None, "\"tool-calls\";r=0", calls);
    send(&["ping"; 10]).await.is(200); // 19
    let requests = "\"requests\";q=20;w=3600";
    let answer = send(&["ping"; 2]).await; // 20: the second one has no room
    enough_calls(&answer, None, "\"requests\";r=0", requests);
    let answer = ask(&world, 1, "ping").bearer(&alice).send().await;
    enough(&answer, "\"requests\";r=0", requests);
    assert_eq!(world.server.requests(), 3);
}

#[tokio::test]
async fn s0_60_what_counts_is_whatever_a_caller_asks_of_the_route() {
    let route = with(MCP, "window: 1h, max_requests: 5").replace(
        "path: /mcp",
        "path: /mcp, auth: { required_scopes: [mcp:tools] }",
    );
    let server = "cors: { allowed_origins: ['https://app.example'] }";
    let world = support::world(server, &[&route]).await;
    let client = world.client();
    let alice = world.token().scope("mcp:tools").sign();
    // what nobody asked for, or nobody that is known, or who is not allowed to come in
    for _ in 0..10 {
        client.options("/mcp").send().await.is(204);
        client.post("/mcp").send().await.is(401);
        let bad = world.token().tampered();
        client.post("/mcp").bearer(bad).send().await.is(401);
        client.request("PUT", "/mcp").send().await.is(405);
        let document = client.get("/.well-known/oauth-protected-resource/mcp");
        document.send().await.is(200);
    }
    client.get("/mcp").bearer(&alice).send().await.is(200);
    client.delete("/mcp").bearer(&alice).send().await.is(200);
    let other = client.post("/mcp").header("Origin", "https://app.example");
    other.bearer(&alice).send().await.is(200);
    ask(&world, 1, "ping").bearer(&alice).send().await.is(200);
    let weak = world.token().scope("other");
    client.post("/mcp").bearer(weak).send().await.is(403);
    for request in [
        client.get("/mcp"),
        client.delete("/mcp"),
        client.post("/mcp"),
    ] {
        let answer = request.bearer(&alice).send().await;
        enough(&answer, "\"requests\";r=0", "\"requests\";q=5;w=3600");
    }
}

#[tokio::test]
async fn s0_60_routes_count_apart() {
    let one = with(MCP, "window: 1h, max_requests: 1");
    let other = one.replace("path: /mcp", "path: /other");
    let world = limited("", &[&one, &other]).await;
    let token = |path: &str| world.token().audience(&world.gateway.url(path)).sign();
    for path in ["/mcp", "/other"] {
        let request = || world.client().post(path).bearer(token(path));
        request().send().await.is(200);
        enough(
            &request().send().await,
            "\"requests\";r=0",
            "\"requests\";q=1;w=3600",
        );
    }
}

#[tokio::test]
async fn s0_60_a_reload_keeps_what_was_counted_and_a_changed_limit_applies_at_once() {
    let server = "trusted_proxies: [127.0.0.0/8]";
    let limit = |limit: &str| config(server, &[&with(MCP, limit)]);
    let world = world(MCP, "window: 1h, max_requests: 3").await;
    let alice = world.token().sign();
    let ping = || ask(&world, 1, "ping").bearer(&alice).send();
    for _ in 0..3 {
        ping().await.is(200);
    }
    let policy = |most: u32| format!("\"requests\";q={most};w=3600");
    enough(&ping().await, "\"requests\";r=0", &policy(3));
    reloaded(
        &world,
        &limit("window: 1h, max_requests: 3, max_tool_calls: 9"),
        1,
    )
    .await;
    enough(&ping().await, "\"requests\";r=0", &policy(3));
    reloaded(&world, &limit("window: 1h, max_requests: 5"), 2).await;
    ping().await.is(200);
    ping().await.is(200);
    enough(&ping().await, "\"requests\";r=0", &policy(5));
    reloaded(&world, &limit("window: 1h, max_requests: 2"), 3).await;
    enough(&ping().await, "\"requests\";r=0", &policy(2));
    reloaded(&world, &config(server, &[MCP]), 4).await;
    ping().await.is(200);
}

#[tokio::test]
async fn rlim_fields_of_the_server_pass_and_ours_come_with_429_alone() {
    let world = world(MCP, "window: 1h, max_requests: 2").await;
    let alice = world.token().sign();
    let own = [
        ("RateLimit-Policy", "\"server\";q=9;w=5"),
        ("RateLimit", "\"server\";r=8;t=4"),
        ("Retry-After", "7"),
    ];
    for status in [200, 429] {
        let mut reply = Reply::status(status).header("Content-Type", "application/json");
        for (name, value) in own {
            reply = reply.header(name, value);
        }
        world.server.answer_once(reply);
        let answer = ask(&world, 1, "ping").bearer(&alice).send().await;
        answer.is(status);
        for (name, value) in own {
            assert_eq!(answer.headers.all(name), [value], "{name}");
        }
    }
    let answer = ask(&world, 1, "ping").bearer(&alice).send().await;
    // nothing in it tells of anybody: no partition key, and the same words for all
    let wait = enough(&answer, "\"requests\";r=0", "\"requests\";q=2;w=3600");
    assert!((3500..=3600).contains(&wait), "{wait}");
    let bob = world.token().subject("bob").sign();
    let answer = ask(&world, 1, "ping").bearer(bob).send().await;
    assert_eq!(answer.is(200).header("ratelimit"), None);
}

#[tokio::test]
async fn rprob_a_web_application_is_told_in_plain_json() {
    let route = r#"{ path: /web, upstream: "{upstream}", transport: http, auth: { type: none }, dangerous: [anonymous_access] }"#;
    let world = world(route, "window: 1h, max_requests: 1").await;
    let page = || world.client().get("/web/page").send();
    page().await.is(200);
    let answer = page().await;
    enough(&answer, "\"requests\";r=0", "\"requests\";q=1;w=3600");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert_eq!(body["error"], "Too Many Requests");
    assert_eq!(body["reference"].as_str(), answer.header("x-request-id"));
}

#[tokio::test]
async fn sec_70_guessing_tools_costs_who_is_unknown_as_much_as_guessing_tokens() {
    let route = MCP.replace(
        "path: /mcp",
        "path: /mcp, access: { discovery: public, public_tools: [greeting], tools: [ { match: echo, scopes: [mcp] } ] }",
    );
    let world = limited("failures_per_address: 3/h", &[&route]).await;
    let guess = |tool: &str| from(world.client().post("/mcp").call(tool, &json!({})), A);
    for tool in ["echo", "delete_all", "Greeting"] {
        let status = guess(tool).send().await.status;
        assert!(status == 401 || status == 403, "{tool}: {status}");
    }
    let asked = world.server.requests();
    let answer = guess("other").send().await;
    enough_calls(
        &answer,
        Some(1),
        "\"failures\";r=0",
        "\"failures\";q=3;w=3600",
    );
    assert_eq!(world.server.requests(), asked);
    // what is public stays so, and a neighbour pays for nobody
    guess("greeting").send().await.is(200);
    let echo = from(world.client().post("/mcp").call("echo", &json!({})), B);
    echo.send().await.is(401);
}
