//! What the audit trail and the log tell of MCP: method and tool, never more of a caller's text than fits, never an argument.

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::setting::{program, usual};
use crate::trail::{Trail, in_file};

/// A world with a trail, whose route has these rules.
async fn ruled(keys: &str, access: &str) -> (World, Trail) {
    let trail = Trail::new();
    let usual = usual("", "").replace(
        "{ path: /mcp,",
        &format!("{{ path: /mcp, access: {{ {access} }},"),
    );
    let template = format!("{}{usual}", trail.section(keys));
    (World::start(program(), &template).await, trail)
}

const RULES: &str = "public_tools: [greeting], tools: [ { match: delete_all, deny: true }, { match: \"*\", scopes: [mcp:more] } ]";

fn post(world: &World, body: &Value) -> Request {
    let post = world.client().post("/mcp").bearer(world.token());
    post.header("Accept", "application/json, text/event-stream")
        .json(body)
}

fn call(tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": { "password": "hunter2" } } })
}

#[tokio::test]
async fn s0_56_a_line_names_the_method_and_the_tool() {
    let (world, trail) = in_file("").await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let made_up =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "made/up", "params": { "name": "x" } });
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    for body in [&call("read_file"), &list, &made_up, &response] {
        post(&world, body).send().await.is(200);
    }
    let stream = world.client().get("/mcp").bearer(world.token());
    stream.send().await.is(200);
    let lines = trail.wait_for(6).await;
    let told: Vec<_> = lines[1..6]
        .iter()
        .map(|line| (line["method"].as_str().unwrap(), line["tool"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("tools/call", Some("read_file")),
            ("tools/list", None),
            ("made/up", None),
            ("POST", None),
            ("GET", None),
        ]
    );
    assert!(!trail.text().contains("hunter2"));
    let line = trail.text().lines().nth(1).unwrap().to_owned();
    let [method, tool, decision] =
        ["\"method\":", "\"tool\":", "\"decision\":"].map(|name| line.find(name).unwrap());
    assert!(method < tool && tool < decision, "{line}");
}

#[tokio::test]
async fn sec_78_refusals_name_the_tool_in_trail_and_log_and_tell_what_it_needed() {
    let (world, trail) = ruled("level: refusals", RULES).await;
    let answer = post(&world, &call("delete_all")).send().await;
    let denied = answer.is(403).header("x-request-id").unwrap().to_owned();
    let answer = post(&world, &call("read_file")).send().await;
    let lacking = answer.is(403).header("x-request-id").unwrap().to_owned();
    post(&world, &call("greeting")).send().await.is(200);
    let lines = trail.wait_for(3).await;
    for (line, reference, tool, reason, needed) in [
        (
            &lines[1],
            &denied,
            "delete_all",
            "not_permitted",
            "mcp:tools",
        ),
        (
            &lines[2],
            &lacking,
            "read_file",
            "insufficient_scope",
            "mcp:more mcp:tools",
        ),
    ] {
        for (field, expected) in [
            ("reference", &**reference),
            ("method", "tools/call"),
            ("tool", tool),
            ("decision", "refused"),
            ("reason", reason),
            ("needed", needed),
            ("subject", "alice"),
        ] {
            assert_eq!(line[field], expected, "{field}: {line}");
        }
        let logged = world.gateway.wait_for_log(reference).await;
        let logged: Value = serde_json::from_str(&logged).unwrap();
        assert_eq!(logged["method"], "POST");
        assert_eq!(logged["mcp_method"], "tools/call");
        assert_eq!(logged["tool"], tool);
    }
}

#[tokio::test]
async fn sec_78_a_tools_name_cannot_stretch_over_line_or_screen() {
    let (world, trail) = ruled("level: refusals", RULES).await;
    let hostile = format!(
        "x\"\n{{\"event\":\"start\"}}\u{1b}[2J\u{202e}{}",
        "y".repeat(5000)
    );
    let answer = post(&world, &call(&hostile)).send().await;
    let reference = answer.is(403).header("x-request-id").unwrap().to_owned();
    let lines = trail.wait_for(2).await;
    let tool = lines[1]["tool"].as_str().unwrap();
    assert!(tool.len() <= 256 && tool.ends_with("y…"), "{tool}");
    assert!(tool.starts_with("x\"\n{\"event\":\"start\"}\u{1b}[2J\u{202e}yyy"));
    let plain = |text: &str| {
        let mut characters = text.trim_end().chars();
        characters.all(|it| !it.is_control() && it != '\u{202e}')
    };
    let line = trail.text().lines().nth(1).unwrap().to_owned();
    assert!(plain(&line), "{line}");
    let logged = world.gateway.wait_for_log(&reference).await;
    assert!(plain(&logged), "{logged}");
    assert!(logged.len() < 4096, "{}", logged.len());
}

#[tokio::test]
async fn bat_2_a_batch_is_one_record_that_names_every_message() {
    let (world, trail) = ruled("", RULES).await;
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let good = json!([call("greeting"), ping, response]);
    post(&world, &good).send().await.is(200);
    let bad = json!([call("greeting"), call("delete_all")]);
    post(&world, &bad).send().await.is(403);
    let lines = trail.wait_for(3).await;
    assert_eq!(lines[1]["method"], "POST");
    assert_eq!(lines[1].get("tool"), None);
    let greeting = json!({ "method": "tools/call", "tool": "greeting" });
    assert_eq!(
        lines[1]["batch"],
        json!([greeting, { "method": "ping" }, {}])
    );
    assert_eq!(lines[2]["decision"], "refused");
    assert_eq!(
        lines[2]["batch"],
        json!([greeting, { "method": "tools/call", "tool": "delete_all" }])
    );
    // a hundred of them with long names: one line, and not a long one
    let long = "n".repeat(3000);
    let many: Vec<_> = (0..100).map(|_| call(&long)).collect();
    post(&world, &json!(many)).send().await.is(403);
    let lines = trail.wait_for(4).await;
    assert_eq!(lines[3]["batch"].as_array().unwrap().len(), 100);
    let line = trail.text().lines().nth(3).unwrap().to_owned();
    assert!(line.len() < 12_000, "{}", line.len());
    assert!(!trail.text().contains("hunter2"));
}

#[tokio::test]
async fn s0_56_where_nothing_depends_on_the_body_it_is_not_read_and_not_told() {
    let trail = Trail::new();
    let template = format!("{}{}", trail.section("level: refusals"), usual("", ""));
    let world = World::start(program(), &template).await;
    let weak = world.token().scope("other");
    let body = world.client().post("/mcp").bearer(weak).json(&call("echo"));
    body.send().await.is(403);
    let lines = trail.wait_for(2).await;
    assert_eq!(lines[1]["method"], "POST");
    assert_eq!(lines[1].get("tool"), None);
}
