//! Clients that log in for single tools: what lists and refusals tell them (`access.tool_login`).

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::list_filter::{json_reply, list};
use crate::support::world;

/// As `ChatGPT` names itself.
const CHATGPT: &str = "openai-mcp/1.0.0 (ChatGPT)";

fn route(filter: &str) -> String {
    format!(
        "{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ required_scopes: [mcp], challenge: call }}, access: {{ discovery: public, list_filter: {filter}, tool_login: true, public_tools: [greet], tools: [ {{ match: \"write_*\", scopes: [\"files:write\"] }}, {{ match: hidden, deny: true }} ], unlisted: allow }} }}"
    )
}

fn call(world: &World, tool: &str) -> Request {
    let request = world.client().post("/mcp").header("User-Agent", CHATGPT);
    request.call(tool, &Value::Null)
}

#[tokio::test]
async fn i_12_a_list_says_of_each_tool_what_it_takes_to_call_it() {
    let world = world("", &[&route("all")]).await;
    world.server.answer(json_reply(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"greet","securitySchemes":[{"type":"oauth2"}]},{"name":"read","_meta":{"x":1}},{"name":"write_a"}],"cacheScope":"public"}}"#,
    ));
    let noauth = json!([{"type": "noauth"}]);
    let read = json!([{"type": "oauth2", "scopes": ["mcp"]}]);
    let write = json!([{"type": "oauth2", "scopes": ["files:write", "mcp"]}]);
    let expected = json!({"jsonrpc": "2.0", "id": 1, "result": {
        "tools": [
            {"name": "greet", "securitySchemes": noauth, "_meta": {"securitySchemes": noauth}},
            {"name": "read", "securitySchemes": read, "_meta": {"x": 1, "securitySchemes": read}},
            {"name": "write_a", "securitySchemes": write, "_meta": {"securitySchemes": write}},
        ],
        "cacheScope": "public",
    }});
    let nobody = list(&world).send().await;
    assert_eq!(nobody.is(200).json(), expected);
    let token = world.token().scope("mcp files:write");
    let somebody = list(&world).bearer(token).send().await;
    assert_eq!(
        somebody.is(200).json(),
        expected,
        "the same for everybody: it is about the tool"
    );
}

#[tokio::test]
async fn i_12_what_is_hidden_is_not_told_of() {
    let world = world("", &[&route("callable")]).await;
    world.server.answer(json_reply(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"greet"},{"name":"write_a"},{"name":"hidden"}]}}"#,
    ));
    let nobody = list(&world).send().await.is(200).json();
    let noauth = json!([{"type": "noauth"}]);
    assert_eq!(
        nobody["result"]["tools"],
        json!([{"name": "greet", "securitySchemes": noauth, "_meta": {"securitySchemes": noauth}}])
    );
}

#[tokio::test]
async fn i_12_who_heeds_results_alone_gets_the_challenge_in_one() {
    let world = world("", &[&route("all")]).await;
    let metadata = world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp");
    let nobody = call(&world, "write_a").send().await;
    assert_eq!(nobody.is(200).header("www-authenticate"), None);
    assert_eq!(nobody.header("cache-control"), Some("no-store"));
    assert_eq!(
        nobody.json(),
        json!({"jsonrpc": "2.0", "id": 1, "result": {
            "content": [{"type": "text", "text": "authentication is required for this"}],
            "isError": true,
            "_meta": {"mcp/www_authenticate": [format!(
                "Bearer error=\"invalid_token\", error_description=\"authentication is required for this\", scope=\"files:write mcp\", resource_metadata=\"{metadata}\""
            )]},
        }})
    );
    let reader = world.token().scope("mcp");
    let reader = call(&world, "write_a").bearer(reader).send().await;
    assert_eq!(
        reader.is(200).json()["result"]["_meta"]["mcp/www_authenticate"],
        json!([format!(
            "Bearer error=\"insufficient_scope\", error_description=\"the token lacks a scope that this needs\", scope=\"files:write mcp\", resource_metadata=\"{metadata}\""
        )])
    );
    assert_eq!(world.server.requests(), 0);
    let told = world.gateway.wait_for_log("request refused").await;
    assert!(
        told.contains("\"reason\":\"missing_credentials\""),
        "{told}"
    );
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let refused = metrics.lines().find(|line| {
        line.contains("insufficient_scope") && line.contains("portcullis_requests_total")
    });
    assert!(refused.unwrap().ends_with(" 1"), "{refused:?}");
}

#[tokio::test]
async fn i_12_everybody_else_gets_the_status() {
    let world = world("", &[&route("all")]).await;
    let nobody = world.client().post("/mcp").call("write_a", &Value::Null);
    nobody.send().await.refused(401, None);
    let reader = world.client().post("/mcp").call("write_a", &Value::Null);
    let reader = reader.bearer(world.token().scope("mcp")).send().await;
    reader.refused(403, "insufficient_scope");
    assert_eq!(reader.json()["error"]["code"], -32003);
}

#[tokio::test]
async fn i_12_a_result_is_for_a_call_that_a_login_would_help() {
    let world = world("", &[&route("all")]).await;
    // a login does not help
    let token = || world.token().scope("mcp files:write");
    let hidden = call(&world, "hidden").bearer(token()).send().await;
    assert_eq!(
        hidden.is(403).json()["error"]["data"]["reason"],
        "not_permitted"
    );
    // a bad credential, which is seen before anything is read
    let bad = token().sign_with_other_key();
    call(&world, "write_a").bearer(bad).send().await.is(401);
    // no call of a tool, several of them, one that expects no answer
    let ask = |body: Value| {
        let request = world.client().post("/mcp").header("User-Agent", CHATGPT);
        request.json(&body).send()
    };
    let write =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "write_a"}});
    ask(json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}))
        .await
        .is(401);
    ask(json!([write])).await.is(401);
    ask(json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "write_a"}}))
        .await
        .is(401);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn i_12_without_the_option_a_status_is_a_status() {
    let world = world(
        "",
        &[&route("all").replace("tool_login: true", "tool_login: false")],
    )
    .await;
    call(&world, "write_a").send().await.refused(401, None);
}
