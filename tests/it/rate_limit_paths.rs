//! Rates where one route has more than one path.

use serde_json::json;

use crate::http_sse::{SSE, message, old, opened};
use crate::rate_limit::{enough, enough_calls, with, world};
use crate::support::MCP;

#[tokio::test]
async fn s0_60_i_12_a_second_path_of_the_same_route_is_no_second_helping() {
    let route = MCP.replace(
        "path: /mcp",
        "path: /mcp, access: { discovery: public }, auth: { challenge_path: /login }",
    );
    let world = world(&route, "window: 1h, max_requests: 4, max_tool_calls: 2").await;
    let alice = world.token().sign();
    let login = world.token_for("/login").sign();
    let call = |path: &str, token: &str| {
        let call = world.client().post(path).call("echo", &json!({}));
        call.bearer(token).send()
    };
    call("/mcp", &alice).await.is(200);
    call("/login", &login).await.is(200);
    let policy = "\"tool-calls\";q=2;w=3600";
    for (path, token) in [("/mcp", &alice), ("/login", &login)] {
        let answer = call(path, token).await;
        enough_calls(&answer, Some(1), "\"tool-calls\";r=0", policy);
    }
    let answer = call("/login", &login).await;
    enough(&answer, "\"requests\";r=0", "\"requests\";q=4;w=3600");
}

#[tokio::test]
async fn s0_60_sse_1_the_stream_and_the_messages_of_an_old_server_are_of_one_route() {
    let route = with(SSE, "window: 1h, max_requests: 4, max_tool_calls: 2");
    let world = old("", &route).await;
    let (_stream, _upstream, address) = opened(&world, "/api/message?sessionId=a").await;
    for _ in 0..2 {
        message(&world, &address).send().await.is(202);
    }
    let asked = world.server.requests();
    let answer = message(&world, &address).send().await;
    let policy = "\"tool-calls\";q=2;w=3600";
    enough_calls(&answer, Some(1), "\"tool-calls\";r=0", policy);
    let answer = message(&world, &address).send().await;
    enough(&answer, "\"requests\";r=0", "\"requests\";q=4;w=3600");
    assert_eq!(world.server.requests(), asked);
}
