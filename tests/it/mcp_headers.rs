//! `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` beside the body (2026-07-28, SEC-58).

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::setting::{Refused, refused};
use crate::support::{MCP, world};

/// Discovery for everybody, so that bodies are read.
const READ: &str =
    r#"{ path: /mcp, upstream: "{upstream}/mcp", access: { discovery: handshake } }"#;

const VERSION: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");
const METHOD: (&str, &str) = ("Mcp-Method", "tools/call");

/// A call of this tool with these header lines.
fn call(world: &World, tool: &str, lines: &[(&str, &str)]) -> Request {
    let body = json!({"jsonrpc": "2.0", "id": "a-7", "method": "tools/call", "params": {
        "name": tool,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    }});
    with(world.client().post("/mcp").bearer(world.token()), lines).json(&body)
}

fn with(request: Request, lines: &[(&str, &str)]) -> Request {
    lines.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// What is refused with the error of the protocol: 400, -32020, the id of the request, and no challenge.
async fn mismatch(world: &World, request: Request, cause: &str) -> Refused {
    let refused = refused(world, request, 400, "header_mismatch").await;
    assert_eq!(refused.cause(), format!("headers and body differ: {cause}"));
    let body = refused.answer.json();
    assert_eq!(body["error"]["code"], -32020);
    assert_eq!(body["id"], "a-7", "TM-13");
    assert_eq!(refused.answer.header("www-authenticate"), None);
    refused
}

async fn passes(world: &World, request: Request) {
    let before = world.server.requests();
    request.send().await.is(200);
    assert_eq!(world.server.requests(), before + 1);
}

#[tokio::test]
async fn hdr_3_hdr_4_hdr_5_tm_13_open_2_open_4_sec_58_what_does_not_agree_with_the_body_is_400_and_32020()
 {
    let world = world("", &[READ]).await;
    let name = ("Mcp-Name", "echo");
    passes(&world, call(&world, "echo", &[VERSION, METHOD, name])).await;
    passes(
        &world,
        call(
            &world,
            "echo",
            &[
                ("mcp-protocol-version", "2026-07-28"),
                ("MCP-METHOD", "tools/call"),
                ("mcp-name", "  echo  "),
            ],
        ),
    )
    .await;
    for (lines, cause) in [
        (&[VERSION, name][..], "Mcp-Method is missing"),
        (&[VERSION, METHOD], "Mcp-Name is missing"),
        (&[VERSION, METHOD, ("Mcp-Name", "")], "Mcp-Name is missing"),
        (&[METHOD, name], "MCP-Protocol-Version is missing"),
        (
            &[VERSION, ("Mcp-Method", "tools/list"), name],
            "Mcp-Method is not the method",
        ),
        (
            &[VERSION, ("Mcp-Method", "TOOLS/CALL"), name],
            "Mcp-Method is not the method",
        ),
        (
            &[("MCP-Protocol-Version", "2025-11-25"), METHOD, name],
            "MCP-Protocol-Version is not the one in `_meta`",
        ),
        (&[VERSION, METHOD, name, name], "two lines of Mcp-Name"),
        (&[VERSION, METHOD, METHOD, name], "two lines of Mcp-Method"),
        (
            &[VERSION, VERSION, METHOD, name],
            "two lines of MCP-Protocol-Version",
        ),
    ] {
        mismatch(&world, call(&world, "echo", lines), cause).await;
    }
}

#[tokio::test]
async fn hdr_6_trap_5_sec_58_a_harmless_name_in_the_header_opens_nothing() {
    let route = r#"{ path: /mcp, upstream: "{upstream}/mcp", access: { public_tools: [echo] } }"#;
    let world = world("", &[route]).await;
    let anonymous = |tool: &str, named: &str| {
        let body = json!({"jsonrpc": "2.0", "id": "a-7", "method": "tools/call", "params": {"name": tool}});
        with(
            world.client().post("/mcp"),
            &[VERSION, METHOD, ("Mcp-Name", named)],
        )
        .json(&body)
    };
    passes(&world, anonymous("echo", "echo")).await;
    // who may not call it hears that first (VER-7), whatever the header says
    refused(
        &world,
        anonymous("delete", "echo"),
        401,
        "missing_credentials",
    )
    .await;
    mismatch(
        &world,
        anonymous("delete", "echo").bearer(world.token()),
        "Mcp-Name is not what the body names",
    )
    .await;
    mismatch(
        &world,
        anonymous("echo", "delete"),
        "Mcp-Name is not what the body names",
    )
    .await;
}

#[tokio::test]
async fn hdr_7_trap_8_conf_s5_names_in_base64_are_decoded_before_they_are_compared() {
    let world = world("", &[READ]).await;
    let named = |tool: &str, name: &str| call(&world, tool, &[VERSION, METHOD, ("Mcp-Name", name)]);
    passes(&world, named("tööl", "=?base64?dMO2w7Zs?=")).await;
    passes(&world, named("echo", "=?base64?ZWNobw==?=")).await;
    passes(&world, named("=?base64?ZWNobw==", "=?base64?ZWNobw==")).await;
    mismatch(
        &world,
        named("echo", "=?base64?ZWNobw?="),
        "Mcp-Name is ill-formed",
    )
    .await;
    mismatch(
        &world,
        named("echo", "=?base64?ZWN!!!bw==?="),
        "Mcp-Name is ill-formed",
    )
    .await;
    for other in [
        "=?base64??=",
        "=?BASE64?ZWNobw==?=",
        "=?base64?ZGVsZXRl?=",
        "Echo",
    ] {
        mismatch(
            &world,
            named("echo", other),
            "Mcp-Name is not what the body names",
        )
        .await;
    }
    let task = |name: &str| {
        let body = json!({"jsonrpc": "2.0", "id": "a-7", "method": "tasks/cancel", "params": {"taskId": "t-1"}});
        let lines = [VERSION, ("Mcp-Method", "tasks/cancel"), ("Mcp-Name", name)];
        with(world.client().post("/mcp").bearer(world.token()), &lines).json(&body)
    };
    passes(&world, task("t-1")).await;
    mismatch(
        &world,
        task("=?base64??="),
        "Mcp-Name is not what the body names",
    )
    .await;
}

#[tokio::test]
async fn hdr_9_sec_58_arguments_in_headers_are_the_servers_business() {
    let world = world("", &[READ]).await;
    let lines = [
        VERSION,
        METHOD,
        ("Mcp-Name", "echo"),
        ("Mcp-Param-Region", "=?base64?!?="),
        ("Mcp-Param-Region", "x"),
    ];
    passes(&world, call(&world, "echo", &lines)).await;
    let seen = world.server.last();
    let params: Vec<_> = seen.headers.all("mcp-param-region");
    assert_eq!(params, ["=?base64?!?=", "x"]);
}

#[tokio::test]
async fn hdr_10_hdr_11_older_requests_may_say_what_they_like_but_once() {
    let world = world("", &[READ]).await;
    let old = |lines: &[(&str, &str)]| {
        let request = world.client().post("/mcp").bearer(world.token());
        with(request, lines).call("echo", &Value::Null)
    };
    let wrong = [("Mcp-Method", "prompts/list"), ("Mcp-Name", "=?base64?!?=")];
    passes(&world, old(&wrong)).await;
    for version in [
        "2024-11-05",
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
        "DRAFT-2026-v1",
    ] {
        let lines = [&[("MCP-Protocol-Version", version)], &wrong[..]].concat();
        passes(&world, old(&lines)).await;
    }
    let seen = world.server.last();
    assert_eq!(
        seen.header("mcp-method"),
        Some("prompts/list"),
        "it passes as it is"
    );
    for twice in ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"] {
        let request = old(&[(twice, "2025-06-18"), (twice, "2025-06-18")]);
        let refused = refused(&world, request, 400, "ambiguous_request").await;
        assert_eq!(
            refused.cause(),
            format!("ambiguous request: ambiguous: two lines of {twice}")
        );
    }
}

#[tokio::test]
async fn open_7_a_notification_needs_no_headers() {
    let world = world("", &[READ]).await;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    }});
    let post = || world.client().post("/mcp").bearer(world.token());
    passes(&world, post().json(&note)).await;
    passes(&world, with(post(), &[VERSION]).json(&note)).await;
}

#[tokio::test]
async fn hdr_3_where_no_body_is_read_the_server_compares() {
    let world = world("", &[MCP]).await;
    passes(
        &world,
        call(&world, "echo", &[VERSION, METHOD, ("Mcp-Name", "other")]),
    )
    .await;
}
