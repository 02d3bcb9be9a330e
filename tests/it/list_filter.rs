//! What each caller sees of lists (X27, SEC-57): everything, what is public, or what they may call.

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Reply, World};

use crate::support::world;

/// `greet` is for everybody, `read_*` for any caller, `write_*` for those with the scope, `hidden` for nobody.
const TOOLS: &str = "public_tools: [greet], tools: [ { match: hidden, deny: true }, { match: \"write_*\", scopes: [\"files:write\"] }, { match: [\"read_*\", admin], groups: [] } ]";

/// A route where lists are open to everybody, filtered like this.
pub(crate) fn filtered(filter: &str) -> String {
    format!(
        "{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ challenge: call }}, access: {{ discovery: public, list_filter: {filter}, {TOOLS} }} }}"
    )
}

/// An answer of the upstream with odd spacing and fields that nobody knows.
const ANSWER: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{ \"x-more\":[1.50,\"\\u00e9\"], \"tools\":[{\"name\":\"write_file\",\"x\":{\"y\":[]}}, {\"name\":\"greet\"} ,\n{\"title\":\"R\",\"name\":\"read_file\"},{\"name\":\"hidden\"}],\"nextCursor\":\"p2\",\"ttlMs\":5,\"cacheScope\":\"public\"}}";

const HEAD: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{ \"x-more\":[1.50,\"\\u00e9\"], \"tools\":[";
const TAIL: &str = "],\"nextCursor\":\"p2\",\"ttlMs\":5,\"cacheScope\":\"private\"}}";
const WRITE: &str = "{\"name\":\"write_file\",\"x\":{\"y\":[]}}";
const GREET: &str = "{\"name\":\"greet\"}";
const READ: &str = "{\"title\":\"R\",\"name\":\"read_file\"}";

/// With these entries and what stands between them.
fn listed(entries: &[&str]) -> String {
    format!("{HEAD}{}{TAIL}", entries.concat())
}

pub(crate) fn json_reply(body: &str) -> Reply {
    Reply::status(200)
        .header("Content-Type", "application/json")
        .body(body)
}

pub(crate) fn list(world: &World) -> Request {
    world
        .client()
        .post("/mcp")
        .header("Accept", "application/json, text/event-stream")
        .rpc(1, "tools/list", &json!({}))
}

/// The names of the tools in an answer.
fn names(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let tools = json["result"]["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn s0_9_x27_scp_7_cache_2_cache_4_callable_shows_each_what_they_may_call_and_changes_nothing_else()
 {
    let world = world("", &[&filtered("callable")]).await;
    world.server.answer(json_reply(ANSWER));
    let nobody = list(&world).send().await;
    assert_eq!(nobody.is(200).text(), listed(&[GREET]));
    let reader = list(&world).bearer(world.token()).send().await;
    assert_eq!(reader.is(200).text(), listed(&[GREET, " ,\n", READ]));
    let writer = world.token().scope("files:write");
    let writer = list(&world).bearer(writer).send().await;
    assert_eq!(
        writer.is(200).text(),
        listed(&[WRITE, ", ", GREET, " ,\n", READ])
    );
    let length = writer.header("content-length").unwrap();
    assert_eq!(length, writer.body.len().to_string());
}

#[tokio::test]
async fn x27_public_hides_from_nobody_who_has_logged_in() {
    let world = world("", &[&filtered("public")]).await;
    world.server.answer(json_reply(ANSWER));
    let nobody = list(&world).send().await;
    assert_eq!(nobody.is(200).text(), listed(&[GREET]));
    let anybody = list(&world).bearer(world.token()).send().await;
    let private = ANSWER.replace("\"public\"}}", "\"private\"}}");
    assert_eq!(anybody.is(200).text(), private, "CACHE-4");
}

#[tokio::test]
async fn s0_9_x27_cache_1_all_changes_not_a_byte() {
    let world = world("", &[&filtered("all")]).await;
    let reply = json_reply(ANSWER)
        .header("ETag", "\"7\"")
        .header("Cache-Control", "max-age=5");
    world.server.answer(reply);
    let request = list(&world).header("Accept-Encoding", "br, gzip");
    let nobody = request.send().await;
    assert_eq!(nobody.is(200).text(), ANSWER);
    assert_eq!(nobody.header("etag"), Some("\"7\""));
    assert_eq!(nobody.header("cache-control"), Some("max-age=5"));
    let asked = world.server.last();
    assert_eq!(asked.header("accept-encoding"), Some("br, gzip"));
}

#[tokio::test]
async fn s0_9_lists_need_a_credential_where_discovery_says_so() {
    for discovery in ["authenticated", "handshake"] {
        let route =
            filtered("callable").replace("discovery: public", &format!("discovery: {discovery}"));
        let world = world("", &[&route]).await;
        world.server.answer(json_reply(ANSWER));
        list(&world).send().await.refused(401, None);
        assert_eq!(world.server.requests(), 0);
        let reader = list(&world).bearer(world.token()).send().await;
        assert_eq!(reader.is(200).text(), listed(&[GREET, " ,\n", READ]));
    }
}

#[tokio::test]
async fn scp_9_what_is_not_listed_cannot_be_called_either() {
    let world = world("", &[&filtered("callable")]).await;
    world.server.answer(json_reply(ANSWER));
    let call = |tool: &str| world.client().post("/mcp").call(tool, &Value::Null);
    call("read_file").send().await.is(401);
    let reader = call("write_file").bearer(world.token()).send().await;
    reader.refused(403, "insufficient_scope");
    call("hidden").bearer(world.token()).send().await.is(403);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn x27_prompts_and_resources_are_shown_to_who_may_use_them() {
    let world = world("", &[&filtered("callable")]).await;
    for (method, list) in [
        ("prompts/list", json!({"prompts": [{"name": "p"}]})),
        (
            "resources/list",
            json!({"resources": [{"uri": "file:///r", "name": "r"}]}),
        ),
        (
            "resources/templates/list",
            json!({"resourceTemplates": [{"uriTemplate": "file:///{t}", "name": "t"}]}),
        ),
    ] {
        let full = json!({"jsonrpc": "2.0", "id": 1, "result": list}).to_string();
        world.server.answer(json_reply(&full));
        let ask = || world.client().post("/mcp").rpc(1, method, &json!({}));
        let nobody = ask().send().await;
        let entries = nobody.is(200).json()["result"].clone();
        let entries = entries.as_object().unwrap().values().next().unwrap();
        assert_eq!(entries, &json!([]), "{method}");
        let somebody = ask().bearer(world.token()).send().await;
        assert_eq!(somebody.is(200).text(), full, "{method}");
    }
}

#[tokio::test]
async fn x27_cache_3_every_page_is_filtered_and_an_empty_one_leads_to_the_next() {
    let world = world("", &[&filtered("callable")]).await;
    world.server.answer_with(|request| {
        let cursor = request.json()["params"]["cursor"].clone();
        json_reply(match cursor.as_str() {
            None => r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"hidden"},{"name":"write_a"}],"nextCursor":"2"}}"#,
            Some("2") => r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read_a"},{"name":"hidden"}],"nextCursor":"3"}}"#,
            Some(_) => r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"greet"}]}}"#,
        })
    });
    let mut pages = Vec::new();
    let mut params = json!({});
    loop {
        let page = world.client().post("/mcp").rpc(1, "tools/list", &params);
        let page = page.bearer(world.token()).send().await;
        pages.push(names(page.is(200)));
        let Some(cursor) = page.json()["result"].get("nextCursor").cloned() else {
            break;
        };
        params = json!({ "cursor": cursor });
    }
    assert_eq!(pages, [vec![], vec!["read_a"], vec!["greet"]]);
    assert_eq!(world.server.requests(), 3);
    list(&world).bearer(world.token()).send().await.is(200);
    assert_eq!(world.server.requests(), 4, "nothing is kept");
}

#[tokio::test]
async fn x27_a_batch_that_holds_a_list_request_is_filtered() {
    let world = world("", &[&filtered("callable")]).await;
    world.server.answer(json_reply(
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}, {"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"hidden"},{"name":"greet"}]}}]"#,
    ));
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]);
    let answer = world.client().post("/mcp").json(&batch).send().await;
    assert_eq!(
        answer.is(200).text(),
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}, {"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"greet"}]}}]"#
    );
}

#[tokio::test]
async fn sec_57_what_describes_other_bytes_goes_and_no_encoding_is_asked_for() {
    let world = world("", &[&filtered("callable")]).await;
    let mut reply = json_reply(ANSWER).header("Cache-Control", "public, max-age=60");
    let stale = [
        "ETag",
        "Digest",
        "Content-Digest",
        "Repr-Digest",
        "Content-MD5",
        "Last-Modified",
        "Accept-Ranges",
    ];
    for name in stale {
        reply = reply.header(name, "x");
    }
    world.server.answer(reply);
    let request = list(&world)
        .header("Accept-Encoding", "gzip, br")
        .header("Range", "bytes=0-9");
    let answer = request.send().await;
    assert_eq!(answer.is(200).text(), listed(&[GREET]));
    for name in stale {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let asked = world.server.last();
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert_eq!(asked.header("range"), None);
}

#[tokio::test]
async fn sec_57_an_answer_that_cannot_be_filtered_is_shown_to_nobody() {
    let world = world("limits: { list_bytes: 64KiB }", &[&filtered("callable")]).await;
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"greet","description":"{}"}}]}}}}"#,
        "x".repeat(64 * 1024)
    );
    let odd = [
        json_reply(&long),
        json_reply(&long).chunked(),
        json_reply(ANSWER).header("Content-Encoding", "gzip"),
        json_reply(ANSWER).header("Content-Encoding", "x"),
        Reply::status(200)
            .header("Content-Type", "application/json; charset=utf-16")
            .body(ANSWER),
        json_reply("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"greet\"}]}"),
        json_reply(r#"{"jsonrpc":"2.0","id":1,"result":{"Tools":[{"name":"hidden"}]}}"#),
        json_reply(
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"result":{"tools":[{"name":"hidden"}]}}"#,
        ),
        json_reply(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"hidden"}]}}"#),
    ];
    for (number, reply) in odd.into_iter().enumerate() {
        world.server.answer(reply);
        let answer = list(&world).bearer(world.token()).send().await;
        assert_eq!(answer.is(502).json()["error"]["code"], -32010, "{number}");
        assert_eq!(
            answer.json()["error"]["data"]["reason"],
            "upstream_answer",
            "{number}"
        );
        assert!(!answer.text().contains("hidden"), "{number}");
    }
    // what is no list request is none of the filter's business
    world.server.answer(json_reply(&long));
    let call = world.client().post("/mcp").call("greet", &Value::Null);
    assert_eq!(call.send().await.is(200).text(), long);
}

#[tokio::test]
async fn sec_57_five_hundred_tools_are_a_list_like_any_other() {
    let world = world("", &[&filtered("callable")]).await;
    let tools: Vec<Value> = (0..500)
        .map(|n| {
            let kind = if n % 5 == 0 { "write" } else { "read" };
            json!({"name": format!("{kind}_{n}"), "description": "x".repeat(400), "inputSchema": {"type": "object"}})
        })
        .collect();
    let all = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}});
    for reply in [
        json_reply(&all.to_string()),
        json_reply(&all.to_string()).chunked(),
    ] {
        world.server.answer(reply);
        let answer = list(&world).bearer(world.token()).send().await;
        let shown = names(answer.is(200));
        let expected: Vec<String> = (0..500)
            .filter(|n| n % 5 != 0)
            .map(|n| format!("read_{n}"))
            .collect();
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn x27_answers_without_a_list_pass() {
    let world = world("", &[&filtered("callable")]).await;
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#;
    world.server.answer(json_reply(error));
    assert_eq!(list(&world).send().await.is(200).text(), error);
    world.server.answer(Reply::status(202));
    assert_eq!(list(&world).send().await.is(202).text(), "");
    // an error keeps its status, whatever it says
    let mut missing = Reply::status(404).header("Content-Type", "application/json");
    missing = missing.body(error);
    world.server.answer(missing);
    assert_eq!(list(&world).send().await.is(404).text(), error);
    let page = Reply::status(404).header("Content-Type", "application/json");
    world.server.answer(page.body("no such session"));
    assert_eq!(list(&world).send().await.is(404).text(), "");
    let page = Reply::status(404).header("Content-Type", "text/html");
    world.server.answer(page.body("no such session"));
    assert_eq!(list(&world).send().await.is(404).text(), "");
}

#[tokio::test]
async fn sec_57_lists_that_are_looked_at_share_the_memory_of_bodies() {
    let world = world(
        "limits: { inspect_memory: 1MiB, body_bytes: 1MiB }",
        &[&filtered("callable")],
    )
    .await;
    let long = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [
        {"name": "greet", "description": "x".repeat(2 << 20)},
    ]}});
    world.server.answer(json_reply(&long.to_string()));
    let answer = list(&world).send().await;
    let error = answer.is(503).json()["error"].clone();
    assert_eq!(error["data"]["reason"], "inspection_full");
    assert!(answer.header("retry-after").is_some());
    world.server.answer(json_reply(ANSWER));
    let answer = list(&world).send().await;
    assert_eq!(answer.is(200).text(), listed(&[GREET]), "given back");
}
