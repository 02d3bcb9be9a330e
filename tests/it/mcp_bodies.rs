//! What becomes of bodies that policy depends on: understood and forwarded byte for byte, or refused (SEC-53, X11).

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::setting::refused;
use crate::support::world;
use crate::tree::root;

/// Everything but calls of one tool is for everybody, so each body is read.
const PUBLIC: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp", access: { discovery: public, public_tools: [harmless] } }"#;

fn anonymous(world: &World, body: impl Into<Vec<u8>>) -> Request {
    world.client().post("/mcp").body(body)
}

/// The bodies of the differential test of crate `mcp`, with what is made of each.
fn odd_bodies() -> Vec<(String, Vec<u8>)> {
    let table = root().join("crates/mcp/tests/odd_bodies.txt");
    let table = std::fs::read_to_string(table).unwrap();
    let blocks = table.split("\n\n").skip(1).map(|block| {
        let lines: Vec<_> = block.trim_matches('\n').split('\n').collect();
        (lines[1].to_owned(), lines[2])
    });
    // what is written with repetitions is long, and long bodies are another story
    let short = blocks.filter(|(_, body)| !body.contains("%{"));
    short
        .map(|(made_of_it, body)| (made_of_it, unescaped(body)))
        .collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}

#[tokio::test]
async fn sec_53_x11_x8_an_odd_body_is_refused_or_arrives_as_it_was_sent() {
    let world = world("", &[PUBLIC]).await;
    let odd = odd_bodies();
    assert!(odd.len() > 450, "{}", odd.len());
    let (mut refused, mut guarded, mut passed) = (0, 0, 0);
    for (made_of_it, body) in odd {
        let text = String::from_utf8_lossy(&body).into_owned();
        let before = world.server.requests();
        let nobody = anonymous(&world, body.clone()).send().await;
        if made_of_it.starts_with("refused") {
            assert_eq!(nobody.status, 400, "{text}");
            assert_eq!(world.server.requests(), before, "{text}");
            refused += 1;
            continue;
        }
        if made_of_it != "no call" {
            assert_eq!(
                nobody.status, 401,
                "no call here is of the public tool alone: {text}"
            );
            assert_eq!(world.server.requests(), before, "{text}");
            guarded += 1;
        }
        let mut known = anonymous(&world, body.clone()).bearer(world.token());
        if text.contains("2026-07-28") {
            for (name, value) in [
                ("MCP-Protocol-Version", "2026-07-28"),
                ("Mcp-Method", "tools/call"),
                ("Mcp-Name", "echo"),
            ] {
                known = known.header(name, value);
            }
        }
        assert_eq!(known.send().await.status, 200, "{text}");
        assert!(world.server.last().body == body, "byte for byte: {text}");
        passed += 1;
    }
    assert!(
        refused > 300 && guarded > 50 && passed > 60,
        "{refused} {guarded} {passed}"
    );
}

#[tokio::test]
async fn s0_50_x11_what_a_body_is_does_not_depend_on_what_it_says_it_is() {
    let world = world("", &[PUBLIC]).await;
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}});
    for media in [
        None,
        Some("application/x-www-form-urlencoded"),
        Some("text/plain"),
        Some("application/octet-stream"),
        Some("multipart/form-data; boundary=x"),
        Some("image/png"),
        Some("nonsense"),
    ] {
        let request = anonymous(&world, call.to_string());
        let request = match media {
            Some(media) => request.header("Content-Type", media),
            None => request,
        };
        let refused = refused(&world, request, 401, "missing_credentials").await;
        assert_eq!(refused.answer.json()["id"], 1, "{media:?}");
        assert!(
            refused
                .answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer ")
        );
    }
}

#[tokio::test]
async fn sec_53_x11_json_that_is_a_form_with_a_call_in_it_is_refused() {
    let world = world("", &[PUBLIC]).await;
    // to a server that reads forms too, and goes by the type, this is a call of `echo`
    for separator in ["&", ";"] {
        let fields = [
            "x",
            "jsonrpc=2.0",
            "id=1",
            "method=tools/call",
            "params[name]=echo",
            "y",
        ];
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", fields.join(separator): 1});
        for media in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLencoded; x=application/json",
        ] {
            let request = anonymous(&world, body.to_string()).header("Content-Type", media);
            refused(&world, request, 400, "ambiguous_request").await;
        }
        let request =
            anonymous(&world, body.to_string()).header("Content-Type", "application/json");
        request.send().await.is(200);
    }
    let one_field = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let request =
        anonymous(&world, one_field).header("Content-Type", "application/x-www-form-urlencoded");
    request.send().await.is(200);
}

#[tokio::test]
async fn sec_57_who_sends_slowly_or_much_keeps_nobody_else_out() {
    let limits = "limits: { inspect_memory: 4MiB, body_bytes: 1MiB, list_bytes: 1MiB }";
    let world = world(limits, &[PUBLIC]).await;
    let list = |length: usize| {
        let words = "x".repeat(length);
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"x": words}})
            .to_string()
    };
    let slowly = async || {
        let mut connection = world.client().connect().await;
        let host = world.gateway.address();
        let head = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1048576\r\n\r\n");
        connection.write(head.as_bytes()).await;
        connection.write(&vec![b' '; 1_000_000]).await;
        connection
    };
    let mut slow = Vec::new();
    // what was written is read at some time, and then this address has no share left; one that came while there was none was refused
    let full = async {
        while anonymous(&world, list(900_000)).send().await.status != 503 {
            slow.push(slowly().await);
        }
    };
    let soon = tokio::time::timeout(std::time::Duration::from_secs(20), full);
    soon.await.expect("an address has a share of the memory");
    let known = anonymous(&world, list(900_000)).bearer(world.token());
    known.send().await.is(200);
}

#[tokio::test]
async fn tl_12_posted_responses_are_no_calls_and_not_for_everybody() {
    let world = world("", &[PUBLIC]).await;
    for response in [
        json!({"jsonrpc": "2.0", "id": 9, "result": {"method": "tools/call", "params": {"name": "harmless"}}}),
        json!({"jsonrpc": "2.0", "id": 9, "error": {"code": -1, "message": "no"}}),
    ] {
        refused(
            &world,
            anonymous(&world, response.to_string()),
            401,
            "missing_credentials",
        )
        .await;
        let answered = anonymous(&world, response.to_string()).bearer(world.token());
        answered.send().await.is(200);
        assert_eq!(world.server.last().json(), response);
    }
}

#[tokio::test]
async fn bat_1_bat_2_batches_are_judged_element_by_element_all_or_nothing() {
    let world = world("", &[PUBLIC]).await;
    let call = |name: &str| json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": name}});
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let batch = |elements: &[Value]| anonymous(&world, Value::from(elements).to_string());
    batch(&[list.clone(), call("harmless")])
        .send()
        .await
        .is(200);
    for elements in [
        [list.clone(), call("echo")],
        [call("harmless"), call("echo")],
        [call("echo"), call("harmless")],
    ] {
        let refused = refused(&world, batch(&elements), 401, "missing_credentials").await;
        assert_eq!(
            refused.answer.json().get("id"),
            None,
            "of several none is the one"
        );
        batch(&elements).bearer(world.token()).send().await.is(200);
        assert_eq!(world.server.last().json(), Value::from(&elements[..]));
    }
    let initialize = json!({"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}});
    for elements in [
        vec![list.clone(), initialize],
        vec![],
        vec![json!([list])],
        vec![list.clone(); 101],
    ] {
        refused(
            &world,
            batch(&elements).bearer(world.token()),
            400,
            "ambiguous_request",
        )
        .await;
    }
}

#[tokio::test]
async fn sbp_7_sbp_8_what_a_client_says_of_itself_and_states_of_requests_open_nothing_and_pass_untouched()
 {
    let world = world("", &[PUBLIC]).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","requestState":"e30=.forged\u0041","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"harmless","version":"1"}}}}"#;
    refused(&world, anonymous(&world, call), 401, "missing_credentials").await;
    anonymous(&world, call)
        .bearer(world.token())
        .send()
        .await
        .is(200);
    assert_eq!(world.server.last().body, call.as_bytes());
}
