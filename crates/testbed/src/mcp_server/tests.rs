use std::net::SocketAddr;

use super::*;
use crate::client::{Client, Request as Asked};

const BOTH: &str = "application/json, text/event-stream";

fn client(server: &McpServer) -> Client {
    let address = server
        .url()
        .trim_start_matches("http://")
        .trim_end_matches("/mcp");
    Client::new(address.parse::<SocketAddr>().unwrap())
}

async fn session(server: &McpServer) -> String {
    let wish = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let answer = client(server)
        .post("/mcp")
        .rpc(0, "initialize", &wish)
        .send()
        .await;
    assert_eq!(
        answer.is(200).json()["result"]["protocolVersion"],
        "2025-06-18"
    );
    answer.header("Mcp-Session-Id").unwrap().to_owned()
}

/// A request of 2026-07-28 with everything it must have.
fn modern(server: &McpServer, method: &str, mut params: Value) -> Asked {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": "p",
    });
    let mut request = client(server)
        .post("/mcp")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method);
    if let Some(name) = params["name"].as_str() {
        request = request.header("Mcp-Name", name);
    }
    request.rpc(7, method, &params)
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn a_session_from_its_beginning_to_its_end() {
    let server = McpServer::start().await.unwrap();
    let client = client(&server);
    let id = session(&server).await;
    let post = || client.post("/mcp").header("Mcp-Session-Id", &id);

    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    post()
        .header("Accept", BOTH)
        .json(&ready)
        .send()
        .await
        .is(202);
    let tools = post()
        .rpc(1, "tools/list", &json!({}))
        .send()
        .await
        .is(200)
        .json();
    let names: Vec<_> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["echo", "add", "whoami", "slow"]);
    assert_eq!(
        text(
            &post()
                .call("echo", &json!({"message": "hi"}))
                .send()
                .await
                .json()
        ),
        "hi"
    );
    assert_eq!(
        text(
            &post()
                .call("add", &json!({"a": 2, "b": 0.5}))
                .send()
                .await
                .json()
        ),
        "2.5"
    );
    assert_eq!(
        post()
            .call("nothing", &json!({}))
            .send()
            .await
            .is(200)
            .json()["error"]["code"],
        -32602
    );
    assert_eq!(
        post()
            .rpc(2, "prompts/list", &json!({}))
            .send()
            .await
            .is(200)
            .json()["error"]["code"],
        -32601
    );

    let mut stream = client
        .get("/mcp")
        .header("Mcp-Session-Id", &id)
        .header("Accept", "text/event-stream")
        .open()
        .await;
    assert_eq!(stream.block().await.as_deref(), Some(": keepalive\n\n"));
    client
        .delete("/mcp")
        .header("Mcp-Session-Id", &id)
        .send()
        .await
        .is(204);
    assert!(
        stream.finish().await.complete,
        "the stream ends with its session"
    );
    post().rpc(3, "ping", &json!({})).send().await.is(404);
    client
        .post("/mcp")
        .rpc(3, "ping", &json!({}))
        .send()
        .await
        .is(400);
    assert_eq!(server.requests(), 11);
}

#[tokio::test]
async fn progress_comes_while_the_tool_works() {
    let server = McpServer::start().await.unwrap();
    for era in ["legacy", "modern"] {
        let request = if era == "legacy" {
            let id = session(&server).await;
            let params =
                json!({"name": "slow", "arguments": {"steps": 2}, "_meta": {"progressToken": "p"}});
            client(&server)
                .post("/mcp")
                .header("Mcp-Session-Id", &id)
                .rpc(7, "tools/call", &params)
        } else {
            modern(
                &server,
                "tools/call",
                json!({"name": "slow", "arguments": {"steps": 2}}),
            )
        };
        let mut stream = request.open().await;
        assert_eq!(
            stream.headers.get("content-type"),
            Some("text/event-stream")
        );
        for step in 1..=2 {
            let event: Value = serde_json::from_str(&stream.event().await.unwrap().data).unwrap();
            assert_eq!(
                event["params"],
                json!({"progressToken": "p", "progress": step, "total": 2})
            );
        }
        let event: Value = serde_json::from_str(&stream.event().await.unwrap().data).unwrap();
        assert_eq!(
            (event["id"].as_u64(), text(&event)),
            (Some(7), "done in 2 steps")
        );
        assert!(stream.event().await.is_none());
    }
}

#[tokio::test]
async fn a_client_gets_what_it_takes() {
    let server = McpServer::start().await.unwrap();
    let id = session(&server).await;
    let post = async |accept: &str, method: &str, params: &Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let post = client(&server)
            .post("/mcp")
            .header("Mcp-Session-Id", &id)
            .header("Accept", accept);
        post.json(&message).send().await
    };
    let events = post("text/event-stream", "ping", &json!({})).await;
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        events.json(),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}})
    );

    let slow = json!({"name": "slow", "arguments": {"steps": 1}, "_meta": {"progressToken": "p"}});
    let whole = post("application/json", "tools/call", &slow).await;
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert_eq!(text(&whole.json()), "done in 1 steps");

    post("text/html", "ping", &json!({})).await.is(406);
}

#[tokio::test]
async fn tm_12_without_a_handshake() {
    let server = McpServer::start().await.unwrap();
    let found = modern(&server, "server/discover", json!({}))
        .send()
        .await
        .is(200)
        .json();
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(found["result"]["resultType"], "complete");
    let called = modern(
        &server,
        "tools/call",
        json!({"name": "echo", "arguments": {"message": "hi"}}),
    )
    .send()
    .await;
    assert_eq!(text(&called.is(200).json()), "hi");
    assert_eq!(called.header("mcp-session-id"), None);
    let unknown = modern(&server, "prompts/list", json!({})).send().await;
    assert_eq!(unknown.is(404).json()["error"]["code"], -32601);
}

#[tokio::test]
async fn tm_7_a_subscription_is_acknowledged_and_stays_open() {
    let server = McpServer::start().await.unwrap();
    let mut stream = modern(
        &server,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    )
    .open()
    .await;
    let first: Value = serde_json::from_str(&stream.event().await.unwrap().data).unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );
    assert!(
        stream
            .is_silent_for(std::time::Duration::from_millis(100))
            .await
    );
}

#[tokio::test]
async fn hdr_3_ver_1_headers_must_say_what_the_body_says() {
    let server = McpServer::start().await.unwrap();
    let params = json!({
        "name": "echo",
        "arguments": {"message": "hi"},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}},
    });
    let post = |headers: &[(&str, &str)], params: &Value| {
        let mut request = client(&server).post("/mcp");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.rpc(7, "tools/call", params);
        async move {
            request.send().await.is(400).json()["error"]["code"]
                .as_i64()
                .unwrap()
        }
    };
    let good = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "echo"),
    ];
    assert_eq!(post(&good[1..], &params).await, -32020);
    assert_eq!(post(&good[..2], &params).await, -32020);
    assert_eq!(
        post(&[good[0], ("Mcp-Method", "tools/list"), good[2]], &params).await,
        -32020
    );
    assert_eq!(
        post(&[good[0], good[1], ("Mcp-Name", "add")], &params).await,
        -32020
    );
    let mut without = params.clone();
    without["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    assert_eq!(post(&good, &without).await, -32602);
    without.as_object_mut().unwrap().remove("_meta");
    assert_eq!(post(&good, &without).await, -32602);
    let mut future = params.clone();
    future["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    assert_eq!(
        post(
            &[("MCP-Protocol-Version", "2099-01-01"), good[1], good[2]],
            &future
        )
        .await,
        -32022
    );

    let encoded = [good[0], good[1], ("Mcp-Name", "=?base64?ZWNobw==?=")];
    let mut request = client(&server).post("/mcp");
    for (name, value) in encoded {
        request = request.header(name, value);
    }
    request.rpc(7, "tools/call", &params).send().await.is(200);
}

#[tokio::test]
async fn whoami_tells_what_the_gateway_said() {
    let server = McpServer::start().await.unwrap();
    let call = modern(&server, "tools/call", json!({"name": "whoami"}));
    let answer = call
        .header("X-Auth-Subject", "alice")
        .header("Authorization", "Bearer secret")
        .header("X-Other", "x")
        .send()
        .await;
    let expected = json!({"x-auth-subject": "alice", "authorization": "a credential came through"});
    assert_eq!(answer.json()["result"]["structuredContent"], expected);
}

#[tokio::test]
async fn tm_4_pages_from_elsewhere_are_refused() {
    let server = McpServer::start().await.unwrap();
    let get = |origin: &'static str| {
        modern(&server, "server/discover", json!({}))
            .header("Origin", origin)
            .send()
    };
    get("http://localhost:3000").await.is(200);
    get("https://evil.example").await.is(403);
    get("null").await.is(403);
}

#[tokio::test]
async fn a_conversation_over_http_sse() {
    let server = McpServer::start().await.unwrap();
    assert!(server.sse_url().ends_with("/sse"));
    let client = client(&server);
    let mut stream = client.get("/sse").open().await;
    assert_eq!(stream.status, 200);
    let endpoint = stream.event().await.unwrap();
    assert_eq!(endpoint.event.as_deref(), Some("endpoint"));
    assert!(endpoint.data.starts_with("/messages?sessionId="));
    let post = |id, method, params| client.post(&endpoint.data).rpc(id, method, &params).send();
    for (id, method, params, expected) in [
        (
            1,
            "initialize",
            json!({}),
            r#""protocolVersion":"2024-11-05""#,
        ),
        (2, "tools/list", json!({}), r#""name":"echo""#),
        (
            3,
            "tools/call",
            json!({"name": "echo", "arguments": {"message": "hi"}}),
            "hi",
        ),
        (
            4,
            "tools/call",
            json!({"name": "slow", "arguments": {"steps": 1}}),
            "content",
        ),
        (5, "nonsense", json!({}), "-32601"),
    ] {
        let accepted = post(id, method, params).await;
        assert_eq!(accepted.is(202).text(), "Accepted");
        let answer = stream.event().await.unwrap();
        assert_eq!(answer.event.as_deref(), Some("message"));
        assert!(answer.data.contains(&format!(r#""id":{id}"#)));
        assert!(answer.data.contains(expected), "{}", answer.data);
    }
    let unknown = client
        .post("/messages?sessionId=x")
        .rpc(6, "ping", &json!({}));
    assert_eq!(unknown.send().await.is(404).text(), "Session not found");
    client.post("/sse").send().await.is(405);
}
