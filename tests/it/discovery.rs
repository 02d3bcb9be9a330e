//! What nobody needs a credential for (SEC-50), and what clients are told where they need one.

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Reply, World};

use crate::setting::refused;
use crate::support::world;

/// A route with these keys of `auth` and under `access`.
fn route(auth: &str, access: &str) -> String {
    format!(
        "{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ required_scopes: [mcp]{auth} }}, access: {{ {access} }} }}"
    )
}

const GREETING: &str = "discovery: public, public_tools: [greeting, ping]";

fn post(world: &World, body: &Value) -> Request {
    world.client().post("/mcp").json(body)
}

fn rpc(world: &World, method: &str, params: &Value) -> Request {
    world.client().post("/mcp").rpc(7, method, params)
}

fn call(world: &World, tool: &str) -> Request {
    rpc(
        world,
        "tools/call",
        &json!({ "name": tool, "arguments": {} }),
    )
}

/// 401 with a challenge that has no error and names these scopes.
async fn challenged(world: &World, request: Request, scopes: &str) -> Answer {
    let answer = refused(world, request, 401, "missing_credentials")
        .await
        .answer;
    let metadata = world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp");
    let expected = format!("Bearer scope=\"{scopes}\", resource_metadata=\"{metadata}\"");
    assert_eq!(answer.header("www-authenticate"), Some(&*expected));
    answer
}

#[tokio::test]
async fn s0_9_s0_10_sec_50_lists_are_public_and_calls_are_not() {
    let world = world("", &[&route("", "discovery: public")]).await;
    let reply = "{ \"jsonrpc\":\"2.0\", \"id\":7 ,\"result\":{\"tools\":[{\"name\":\"echo\"}]}}";
    let json = Reply::status(200).header("Content-Type", "application/json");
    world.server.answer(json.body(reply));
    let answer = rpc(&world, "tools/list", &json!({})).send().await;
    assert_eq!(answer.is(200).text(), reply, "as the server wrote it");
    assert_eq!(
        world.server.last().header("x-auth-method"),
        Some("anonymous")
    );
    let answer = challenged(&world, call(&world, "echo"), "mcp").await;
    let body = answer.json();
    assert_eq!(body["id"], 7, "the id of the request (I-12)");
    assert_eq!(body["error"]["code"], -32001);
    let token = world.token().scope("mcp");
    call(&world, "echo").bearer(token).send().await.is(200);
}

#[tokio::test]
async fn s0_9_s0_63_sec_50_nothing_is_public_unless_it_is_said_or_where_all_need_a_credential() {
    for access in [
        "discovery: authenticated, tools: [ { match: \"*\" } ]",
        "require_authentication: true, discovery: public, calls: public, public_tools: [greeting]",
    ] {
        let world = world("", &[&route("", access)]).await;
        for request in [
            rpc(&world, "initialize", &json!({})),
            rpc(&world, "ping", &json!({})),
            rpc(&world, "tools/list", &json!({})),
            call(&world, "greeting"),
        ] {
            challenged(&world, request, "mcp").await;
        }
        assert_eq!(world.server.requests(), 0);
    }
}

#[tokio::test]
async fn s0_11_public_tools_are_these_names_byte_for_byte() {
    let world = world("", &[&route("", GREETING)]).await;
    for tool in ["greeting", "ping"] {
        call(&world, tool).send().await.is(200);
    }
    assert_eq!(world.server.requests(), 2);
    for tool in [
        "Greeting",
        "greeting ",
        " greeting",
        "ns/greeting",
        "greeting/",
        "greetin",
        "greeting2",
        "",
        "greeting\u{200b}",
        "ｇreeting",
        "echo",
    ] {
        challenged(&world, call(&world, tool), "mcp").await;
    }
    let escaped =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u0067reeting"}}"#;
    let request = world.client().post("/mcp").body(escaped);
    request.send().await.is(200);
    assert_eq!(world.server.last().body, escaped.as_bytes());
}

#[tokio::test]
async fn s0_11_bat_2_a_batch_passes_as_a_whole_or_not_at_all() {
    let world = world("", &[&route("", GREETING)]).await;
    let one = |id: u64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let list = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"});
    let good = json!([one(1, "greeting"), list]);
    post(&world, &good).send().await.is(200);
    for batch in [
        json!([one(1, "greeting"), one(2, "echo")]),
        json!([one(1, "echo"), one(2, "greeting")]),
        json!([list, one(1, "greeting"), {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "echo"}}]),
        json!([list, {"jsonrpc": "2.0", "id": 9, "result": {}}]),
    ] {
        let answer = challenged(&world, post(&world, &batch), "mcp").await;
        assert_eq!(answer.json().get("id"), None, "of several it is nobody's");
        let token = world.token().scope("mcp");
        post(&world, &batch).bearer(token).send().await.is(200);
    }
}

/// `-` nobody, `h` with `discovery: handshake`, `l` with `public`, `c` with `calls: public`: who needs no credential.
const METHODS: [(&str, &str); 28] = [
    ("initialize", "hl"),
    ("server/discover", "hl"),
    ("ping", "hl"),
    ("notifications/initialized", "hl"),
    ("tools/list", "l"),
    ("prompts/list", "l"),
    ("resources/list", "l"),
    ("resources/templates/list", "l"),
    ("tools/call", "c"),
    ("prompts/get", "c"),
    ("resources/read", "c"),
    ("completion/complete", "-"),
    ("logging/setLevel", "-"),
    ("resources/subscribe", "-"),
    ("resources/unsubscribe", "-"),
    ("subscriptions/listen", "-"),
    ("tasks/get", "-"),
    ("tasks/update", "-"),
    ("tasks/cancel", "-"),
    ("tasks/list", "-"),
    ("tasks/result", "-"),
    ("roots/list", "-"),
    ("sampling/createMessage", "-"),
    ("elicitation/create", "-"),
    ("notifications/cancelled", "-"),
    ("notifications/progress", "-"),
    ("notifications/roots/list_changed", "-"),
    ("x/unheard-of", "-"),
];

#[tokio::test]
async fn x8_tm_14_s3_11_s3_33_x17_sec_50_the_whole_method_map_of_both_eras() {
    for (access, letter) in [
        ("discovery: handshake", 'h'),
        ("discovery: public", 'l'),
        ("calls: public", 'c'),
    ] {
        let world = world("", &[&route("", access)]).await;
        for (method, open) in METHODS {
            let params = json!({"name": "n", "uri": "u", "taskId": "t"});
            let notification = json!({"jsonrpc": "2.0", "method": method, "params": params});
            for request in [rpc(&world, method, &params), post(&world, &notification)] {
                let token = world.token().scope("mcp");
                request.clone().bearer(token).send().await.is(200);
                if open.contains(letter) {
                    request.send().await.is(200);
                } else {
                    challenged(&world, request, "mcp").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn sec_50_streams_ends_of_sessions_and_posted_responses_are_for_callers_alone() {
    let access = "discovery: public, calls: public, public_tools: [greeting]";
    let world = world("", &[&route("", access)]).await;
    let stream = world
        .client()
        .get("/mcp")
        .header("Accept", "text/event-stream");
    // not 401: clients ask for these by themselves, and would log in for it or fail (I-12)
    for request in [stream, world.client().delete("/mcp")] {
        refused(&world, request.clone(), 405, "method_not_allowed").await;
        let token = world.token().scope("mcp");
        request.bearer(token).send().await.is(200);
    }
    for request in [
        post(&world, &json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
        post(
            &world,
            &json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}),
        ),
    ] {
        challenged(&world, request.clone(), "mcp").await;
        let token = world.token().scope("mcp");
        request.bearer(token).send().await.is(200);
    }
}

#[tokio::test]
async fn s3_11_what_begins_a_session_opens_nothing_else() {
    let world = world("", &[&route("", "discovery: handshake")]).await;
    let initialize = || {
        rpc(
            &world,
            "initialize",
            &json!({"protocolVersion": "2025-06-18"}),
        )
    };
    initialize().send().await.is(200);
    challenged(&world, rpc(&world, "tools/list", &json!({})), "mcp").await;
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    challenged(&world, post(&world, &json!([ping, list])), "mcp").await;
    // a batch with initialize in it is no message of any version (BAT-1)
    let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"});
    let request = post(&world, &json!([first, list]));
    refused(&world, request, 400, "ambiguous_request").await;
}

#[tokio::test]
async fn s0_50_x11_the_type_of_a_body_changes_nothing() {
    let world = world("", &[&route("", GREETING)]).await;
    let echo = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
    let types = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/octet-stream"),
        Some("image/png"),
    ];
    for content_type in types {
        let request = |body: &str| {
            let request = world.client().post("/mcp").body(body);
            match content_type {
                None => request,
                Some(content_type) => request.header("Content-Type", content_type),
            }
        };
        challenged(&world, request(echo), "mcp").await;
        let greeting = echo.replace("echo", "greeting");
        request(&greeting).send().await.is(200);
        let form = request("payload=%7B%22method%22%3A%22tools%2Fcall%22%7D");
        refused(&world, form, 400, "ambiguous_request").await;
    }
    let packed = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let request = world
        .client()
        .post("/mcp")
        .header("Content-Encoding", "gzip");
    let request = request
        .header("Content-Type", "application/json")
        .body(packed);
    refused(&world, request, 415, "unsupported_media").await;
}

#[tokio::test]
async fn t_h1_t_h6_t_h7_ver_7_err_9_what_needs_a_credential_is_401_before_anything_else_is_looked_at()
 {
    let world = world("", &[&route("", "tools: [ { match: \"*\" } ]")]).await;
    let versions = ["2024-11-05", "2025-03-26", "2026-07-28", "1999-01-01", "x"];
    for version in versions {
        let request = rpc(&world, "initialize", &json!({}));
        let request = request.header("MCP-Protocol-Version", version);
        let request = request.header("Mcp-Session-Id", "bogus");
        let answer = refused(&world, request, 401, "missing_credentials")
            .await
            .answer;
        assert!(
            answer.json().get("jsonrpc").is_none(),
            "nothing of the body was read"
        );
    }
    for body in ["", "not json", "[]", "{\"method\":\"a\",\"method\":\"b\"}"] {
        let request = world.client().post("/mcp").body(body);
        challenged(&world, request, "mcp").await;
    }
    let mut connection = world.client().connect().await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\n",
        world.gateway.address()
    );
    connection.write(head.as_bytes()).await;
    connection.answer().await.unwrap().is(401);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn i_12_s3_11_connect_sends_clients_to_log_in_at_once_and_call_when_they_use_something() {
    for (challenge, open) in [("connect", false), ("call", true)] {
        let auth = format!(", challenge: {challenge}");
        let world = world("", &[&route(&auth, &format!("{GREETING}, tools: [ {{ match: \"delete_*\", scopes: [admin] }} ], unlisted: allow"))]).await;
        for method in ["initialize", "server/discover"] {
            let request = rpc(&world, method, &json!({}));
            if open {
                request.send().await.is(200);
            } else {
                // what it takes to come in, and not all that there is (SCP-8)
                challenged(&world, request, "mcp").await;
            }
        }
        rpc(&world, "tools/list", &json!({})).send().await.is(200);
        call(&world, "greeting").send().await.is(200);
        challenged(&world, call(&world, "echo"), "mcp").await;
        challenged(&world, call(&world, "delete_it"), "admin mcp").await;
    }
}

#[tokio::test]
async fn s0_73_what_is_the_servers_business_passes_byte_for_byte() {
    let access = "tools: [ { match: \"*\" } ]";
    let world = world("", &[&route("", access)]).await;
    for body in [
        "{ \"jsonrpc\" : \"2.0\", \"id\": \"r-1\", \"method\":\"roots/list\" }\n",
        "{\"method\":\"notifications/roots/list_changed\",\"jsonrpc\":\"2.0\",\"params\":{\"x\":1.50e2,\"y\":\"é\\u00e9\"}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1,\"reason\":\"r\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"roots\":[{\"uri\":\"file:///a\",\"name\":\"a\"}]}}",
    ] {
        let reply = format!("{{ \"echo\":{} }}", body.len());
        let json = Reply::status(200).header("Content-Type", "application/json");
        world.server.answer(json.body(reply.clone()));
        let request = world.client().post("/mcp").body(body);
        let answer = request.bearer(world.token().scope("mcp")).send().await;
        assert_eq!(answer.is(200).text(), reply);
        assert_eq!(world.server.last().body, body.as_bytes());
    }
}
