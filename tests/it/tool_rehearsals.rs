//! `mode: dry_run`: what the rules for tools would refuse is told, and passes (SEC-52); and which scopes the audit trail says were needed.

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::setting::{program, refused};
use crate::support::config;
use crate::trail::Trail;

const RULES: &str = r#"tools: [ { match: "delete_*", scopes: [admin] }, { match: deploy, groups: [ops] }, { match: shutdown, deny: true }, { match: echo } ]"#;

async fn recorded(access: &str) -> (World, Trail) {
    let trail = Trail::new();
    let route = format!(
        "{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ required_scopes: [mcp] }}, access: {{ {access} }} }}"
    );
    let yaml = format!("{}{}", trail.section(""), config("", &[&route]));
    (World::start(program(), &yaml).await, trail)
}

fn call(world: &World, tool: &str) -> Request {
    let request = world.client().post("/mcp");
    request.rpc(5, "tools/call", &json!({ "name": tool }))
}

/// The lines about requests, once the gateway has ended.
async fn requests(mut world: World, trail: Trail) -> Vec<Value> {
    world.gateway.terminate().await;
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));
    let lines = trail.lines().into_iter();
    lines.filter(|line| line["event"] == "request").collect()
}

#[tokio::test]
async fn sec_52_s0_57_a_dry_run_tells_what_the_rules_would_refuse_and_lets_it_pass() {
    let (world, trail) = recorded(&format!("{RULES}, mode: dry_run")).await;
    let token = || world.token().subject("alice").scope("mcp");
    for (tool, reason, cause) in [
        (
            "delete_x",
            "insufficient_scope",
            "the token has scopes [mcp], this needs [admin mcp]",
        ),
        (
            "deploy",
            "not_permitted",
            "not permitted: the caller has none of the groups of the tool's rule",
        ),
        (
            "shutdown",
            "not_permitted",
            "not permitted: a rule denies the tool",
        ),
        (
            "a tool",
            "not_permitted",
            "not permitted: the name of the tool is none that rules can speak of",
        ),
    ] {
        let answer = call(&world, tool).bearer(token()).send().await;
        let reference = answer.is(200).header("x-request-id").unwrap().to_owned();
        let line = world
            .gateway
            .wait_for_log(&format!("{reference}\",\""))
            .await;
        assert!(line.contains("let through: dry_run"), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        let told = ["reason", "cause", "route", "subject"].map(|key| line[key].as_str().unwrap());
        assert_eq!(told, [reason, cause, "/mcp", "alice"]);
        assert_eq!(line["tool"], tool);
    }
    call(&world, "echo").bearer(token()).send().await.is(200);
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    for line in [
        "portcullis_tool_dry_run_total{route=\"/mcp\",reason=\"insufficient_scope\"} 1",
        "portcullis_tool_dry_run_total{route=\"/mcp\",reason=\"not_permitted\"} 3",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let lines = requests(world, trail).await;
    let told: Vec<_> = lines.iter().map(|line| &line["dry_run"]).collect();
    let no = &Value::Null;
    assert_eq!(
        told,
        [
            &json!("insufficient_scope"),
            &json!("not_permitted"),
            &json!("not_permitted"),
            &json!("not_permitted"),
            no
        ]
    );
    assert!(lines.iter().all(|line| line["decision"] == "allowed"));
    assert!(lines[0]["detail"].as_str().unwrap().contains("[admin mcp]"));
}

#[tokio::test]
async fn sec_52_a_dry_run_keeps_everything_but_the_rules() {
    let (world, _trail) = recorded(&format!("{RULES}, mode: dry_run, list_filter: callable")).await;
    let nobody = call(&world, "echo");
    refused(&world, nobody, 401, "missing_credentials").await;
    let weak = call(&world, "echo").bearer(world.token().scope("admin"));
    refused(&world, weak, 403, "insufficient_scope").await;
    let foreign = call(&world, "echo").bearer(world.token().audience("https://other.example"));
    refused(&world, foreign, 401, "audience_mismatch").await;
    let twice = world
        .client()
        .post("/mcp")
        .bearer(world.token().scope("mcp"));
    let twice = twice.body(r#"{"id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#);
    refused(&world, twice, 400, "ambiguous_request").await;
    // what may be called is shown, and that is everything
    let list = r#"{"jsonrpc":"2.0","id":5,"result":{"tools":[{"name":"delete_x"},{"name":"shutdown"},{"name":"echo"}]}}"#;
    let json = testbed::Reply::status(200).header("Content-Type", "application/json");
    world.server.answer(json.body(list));
    let request = world.client().post("/mcp").rpc(5, "tools/list", &json!({}));
    let answer = request.bearer(world.token().scope("mcp")).send().await;
    assert_eq!(answer.is(200).text(), list);
}

#[tokio::test]
async fn scp_8_scp_3_the_trail_says_which_scopes_were_needed_for_what_was_asked() {
    let access = format!("{RULES}, discovery: public, public_tools: [greeting]");
    let (world, trail) = recorded(&access).await;
    let token = world.token().scope("mcp admin").sign();
    call(&world, "delete_x").bearer(&token).send().await.is(200);
    call(&world, "echo").bearer(&token).send().await.is(200);
    call(&world, "greeting").bearer(&token).send().await.is(200);
    call(&world, "delete_x").send().await.is(401);
    let weak = call(&world, "delete_x").bearer(world.token().scope("mcp"));
    weak.send().await.is(403);
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let response = world.client().post("/mcp").body(response);
    response.send().await.is(401);
    let lines = requests(world, trail).await;
    let needed: Vec<_> = lines.iter().map(|line| line["needed"].as_str()).collect();
    let both = Some("admin mcp");
    assert_eq!(needed, [both, Some("mcp"), None, both, both, Some("mcp")]);
}
