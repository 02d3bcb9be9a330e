//! Sessions beyond one process and one key, and those that were begun without a credential.

use serde_json::{Value, json};
use testbed::client::{Answer, Client, Request};
use testbed::{Gateway, Recorder, Reply, World};

use crate::mcp_sessions::{ID, id_in, initialize, not_there, of, serve};
use crate::reload::reloaded;
use crate::setting::program;
use crate::support::{MCP, config, world};
use crate::upstreams::route;

/// Two keys of 32 bytes, and a text.
const OLD: &str = "hex:5b1d9e0c7a3f48826d94e1b05c27fa3893ce60d7145ab98f02e6774bd13c85a9";
const NEW: &str = "base64:x9Qf0mJ3vUe7Yt2Rk5Lw8Zb1Nc4Hs6PdGq0XaVo3iTE=";
const TEXT: &str = "correct horse battery staple, and forty-two more";

/// The route of these stories with these keys; without any the process makes up one.
fn keyed(keys: &[&str], route: &str) -> String {
    let config = config("", &[route]);
    if keys.is_empty() {
        return config;
    }
    let keys: Vec<_> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    format!(
        "sessions: {{ encryption_keys: [{}] }}\n{config}",
        keys.join(", ")
    )
}

/// A further gateway in the same world.
async fn another(world: &World, template: &str) -> Gateway {
    let yaml = template.replace("{idp}", world.idp.issuer());
    let yaml = yaml.replace("{upstream}", &world.server.url());
    Gateway::start(program(), &yaml).await
}

/// A request of a session to any gateway.
fn at(client: &Client, id: &str, token: String) -> Request {
    let request = client.get("/mcp").header("Mcp-Session-Id", id);
    request.bearer(token)
}

async fn begun(world: &World) -> String {
    id_in(&initialize(world).bearer(world.token()).send().await)
}

fn alice(world: &World, gateway: &Gateway) -> String {
    let token = world.idp.token().audience(&gateway.url("/mcp"));
    token.sign()
}

#[tokio::test]
async fn sec_54_sec_72_gateways_with_one_key_know_each_others_sessions_before_and_after_a_restart()
{
    for keys in [&[OLD][..], &[NEW, OLD], &[TEXT]] {
        let world = World::start(program(), &keyed(keys, MCP)).await;
        serve(&world.server, ID);
        let id = begun(&world).await;
        let other = another(&world, &keyed(keys, MCP)).await;
        let request = at(&other.client(), &id, alice(&world, &other));
        request.send().await.is(200);
        assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
        let bob = world
            .idp
            .token()
            .audience(&other.url("/mcp"))
            .subject("bob");
        let request = at(&other.client(), &id, bob.sign());
        request.send().await.is(404);
        assert!(
            !world
                .gateway
                .log()
                .join("\n")
                .contains("end with this process")
        );
    }
}

#[tokio::test]
async fn sec_54_sec_72_without_a_key_sessions_end_with_the_process_and_it_says_so() {
    let world = World::start(program(), &keyed(&[], MCP)).await;
    serve(&world.server, ID);
    world
        .gateway
        .wait_for_log("MCP sessions end with this process")
        .await;
    let id = begun(&world).await;
    for keys in [&[][..], &[OLD]] {
        let other = another(&world, &keyed(keys, MCP)).await;
        let request = at(&other.client(), &id, alice(&world, &other));
        request.send().await.is(404);
    }
}

#[tokio::test]
async fn sec_54_sec_72_keys_are_changed_by_reloads_without_an_end_of_sessions() {
    let world = World::start(program(), &keyed(&[OLD], MCP)).await;
    serve(&world.server, ID);
    let get = |id: &str| of(&world, "GET", id).bearer(world.token());
    let first = begun(&world).await;
    reloaded(&world, &keyed(&[OLD, NEW], MCP), 1).await;
    assert_eq!(begun(&world).await, first, "the first key makes");
    reloaded(&world, &keyed(&[NEW, OLD], MCP), 2).await;
    get(&first).send().await.is(200);
    let second = begun(&world).await;
    assert_ne!(second[..56], first[..56]);
    // whoever has the old name keeps it as long as it counts
    let reply = Reply::json(&json!({})).header("Mcp-Session-Id", ID);
    world.server.answer_once(reply);
    assert_eq!(id_in(&get(&first).send().await), first);
    reloaded(&world, &keyed(&[NEW], MCP), 3).await;
    not_there(&world, get(&first)).await;
    get(&second).send().await.is(200);
    reloaded(&world, &keyed(&[TEXT], MCP), 4).await;
    not_there(&world, get(&second)).await;
}

#[tokio::test]
async fn sec_54_every_gateway_finds_the_server_that_has_a_session() {
    let other_server = Recorder::start().await;
    let urls = ["\"{upstream}\"", &format!("\"{}\"", other_server.url())];
    let world = World::start(program(), &keyed(&[OLD], &route(&urls))).await;
    // in another order, with one more that nobody listens at
    let turned = route(&[urls[1], "\"http://127.0.0.1:9\"", urls[0]]);
    let second = another(&world, &keyed(&[OLD], &turned)).await;
    for (server, name) in [(&world.server, "one"), (&other_server, "other")] {
        let reply = Reply::json(&json!({"by": name}));
        server.answer(reply.header("Mcp-Session-Id", "same"));
    }
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let answer = initialize(&world).bearer(world.token()).send().await;
        let made = (by(&answer), id_in(&answer));
        assert!(!made.1.contains("127.0.0.1"));
        if !ids.contains(&made) {
            ids.push(made); // one name, two sessions
        }
    }
    for _ in 0..8 {
        for (name, id) in &ids {
            let request = at(&second.client(), id, alice(&world, &second));
            let answer = request.send().await;
            assert_eq!((&by(&answer), &id_in(&answer)), (name, id));
        }
    }
}

fn by(answer: &Answer) -> String {
    answer.is(200).json()["by"].as_str().unwrap().to_owned()
}

/// Everybody may initialize, and log in when there is something to log in for.
const HANDSHAKE: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { challenge: call }, access: { discovery: handshake } }"#;

fn ping(world: &World, id: &str) -> Request {
    let request = world.client().post("/mcp").header("Mcp-Session-Id", id);
    request.rpc(7, "ping", &json!({}))
}

/// 404 as JSON-RPC says it, with the id of the request.
#[track_caller]
fn unknown(answer: &Answer) {
    let body = answer.is(404).json();
    assert_eq!(body["jsonrpc"], "2.0");
    assert_eq!(body["id"], 7);
    assert_eq!(body["error"]["code"], -32001);
    let words = "Session not found: initialize again";
    assert_eq!(body["error"]["message"], words);
    let reason = "mcp_session_of_another_caller";
    assert_eq!(body["error"]["data"]["reason"], reason);
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn sec_54_sbp_3_a_session_begun_by_nobody_is_the_first_callers_who_uses_it() {
    let world = world("", &[HANDSHAKE]).await;
    serve(&world.server, ID);
    let id = id_in(&initialize(&world).send().await);
    assert!(id.ends_with(&format!(".{ID}")) && id.len() > 57);
    ping(&world, &id).send().await.is(200);
    assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
    ping(&world, ID).send().await.is(404);
    // alice logs in
    let list = |token: testbed::idp::TokenBuilder| of(&world, "POST", &id).bearer(token);
    let reply = Reply::json(&json!({})).header("Mcp-Session-Id", ID);
    world.server.answer_once(reply);
    let answer = list(world.token()).send().await;
    assert_eq!(id_in(&answer), id, "and keeps the name");
    assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
    // from now on it is nobody else's
    let before = world.server.requests();
    let bob = world.token().subject("bob");
    let elsewhere = world.token().claim("client_id", "browser");
    for _ in 0..2 {
        unknown(&ping(&world, &id).send().await);
        unknown(&ping(&world, &id).bearer(bob.clone()).send().await);
        unknown(&ping(&world, &id).bearer(elsewhere.clone()).send().await);
        let get = of(&world, "GET", &id).bearer(bob.clone());
        get.send().await.is(404);
    }
    assert_eq!(world.server.requests(), before);
    for method in ["POST", "GET", "DELETE"] {
        let request = of(&world, method, &id).bearer(world.token().fresh());
        request.send().await.is(200);
    }
    // what alice begins with her token was never nobody's
    let own = id_in(&initialize(&world).bearer(world.token()).send().await);
    unknown(&ping(&world, &own).send().await);
    // and claims outlive a reload
    reloaded(
        &world,
        &config("", &[&HANDSHAKE.replace("auth:", "name: /mcp, auth:")]),
        1,
    )
    .await;
    unknown(&ping(&world, &id).send().await);
}

#[tokio::test]
async fn t_r3_s3_11_whoever_initializes_anew_is_not_asked_about_the_session_before() {
    let world = world("", &[HANDSHAKE]).await;
    serve(&world.server, ID);
    let alices = id_in(&initialize(&world).bearer(world.token()).send().await);
    let stale = ["gone", &alices];
    for id in stale {
        let anew = || initialize(&world).header("Mcp-Session-Id", id);
        let bob = anew().bearer(world.token().subject("bob"));
        for request in [anew(), bob.header("Last-Event-ID", "7")] {
            let answer = request.send().await;
            assert_ne!(id_in(&answer), alices);
            let seen = world.server.last();
            assert_eq!(seen.header("mcp-session-id"), None);
            assert_eq!(seen.header("last-event-id"), None);
        }
        unknown(&ping(&world, id).send().await);
    }
    // other methods than the handshake's still need a credential, in a batch too; and nobody begins a session in one
    let batch = |first: &str| {
        let body = json!([
            {"jsonrpc": "2.0", "id": 1, "method": first, "params": {}},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        ]);
        world.client().post("/mcp").json(&body)
    };
    for request in [of(&world, "POST", "gone"), batch("ping")] {
        let answer = request.send().await;
        assert!(answer.is(401).header("www-authenticate").is_some());
    }
    batch("initialize").send().await.is(400);
    // one's own goes along, and the server decides
    let again = initialize(&world).header("Mcp-Session-Id", &alices);
    assert_eq!(id_in(&again.bearer(world.token()).send().await), alices);
    assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
}

#[tokio::test]
async fn t_r1_t_r2_t_r4_t_r5_t_r6_conf_p4_what_befalls_a_session_is_told_by_its_server() {
    let world = world("", &[MCP]).await;
    serve(&world.server, ID);
    let id = begun(&world).await;
    let ask = |method: &str| of(&world, method, &id).bearer(world.token());
    // errors on the way, one or many, leave it as it is
    for _ in 0..4 {
        world.server.answer_once(Reply::close());
        assert_eq!(ask("POST").send().await.status, 502);
        ask("POST").send().await.is(200);
        assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
    }
    // so does a stream that breaks off on either side
    world.server.answer_once(Reply::events());
    let stream = ask("GET").open().await;
    let upstream = world.server.stream().await;
    drop(upstream);
    assert!(!stream.finish().await.complete);
    world.server.answer_once(Reply::events());
    let stream = ask("GET").open().await;
    let upstream = world.server.stream().await;
    drop(stream);
    upstream.closed().await;
    ask("POST").send().await.is(200);
    // its end is for the server to say, and to tell of
    world
        .server
        .answer_once(Reply::status(405).header("Allow", "GET, POST"));
    assert_eq!(
        ask("DELETE").send().await.header("allow"),
        Some("GET, POST")
    );
    ask("DELETE").send().await.is(200);
    let gone =
        json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32001, "message": "no such session"}});
    let reply = Reply::status(404).header("Content-Type", "application/json");
    world.server.answer(reply.body(gone.to_string()));
    let answer = ask("POST").send().await;
    assert_eq!(answer.is(404).json(), gone, "T-R4: its own words");
    assert_eq!(world.server.last().header("mcp-session-id"), Some(ID));
}

#[tokio::test]
async fn tm_5_tl_7_a_client_that_leaves_aborts_what_was_read_and_filtered_too() {
    const FILTERED: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp", access: { list_filter: callable, tools: [ { match: "*" } ] } }"#;
    let world = world("", &[FILTERED]).await;
    for method in ["initialize", "tools/list", "tools/call"] {
        world.server.answer_once(Reply::events());
        let params = json!({"name": "echo", "arguments": Value::Null});
        let request = world.client().post("/mcp").rpc(1, method, &params);
        let stream = request.bearer(world.token()).open().await;
        let upstream = world.server.stream().await;
        drop(stream);
        upstream.closed().await;
    }
}
