//! Whose an MCP session is: `Mcp-Session-Id` is handed out for one caller, and to everybody else the session is not there.

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Recorder, Reply, World};

use crate::setting::program;
use crate::support::{MCP, OPEN, config, world};

/// What the upstream of these stories calls its sessions.
pub(crate) const ID: &str = "5f3c-9a.b~1";
pub(crate) const REASON: &str = "mcp_session_of_another_caller";

/// An upstream that makes a session of this name for whoever initializes.
pub(crate) fn serve(server: &Recorder, id: &'static str) {
    server.answer_with(move |request| {
        let reply = Reply::json(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
        let text = String::from_utf8_lossy(&request.body);
        if text.contains("\"initialize\"") {
            return reply.header("Mcp-Session-Id", id);
        }
        reply
    });
}

/// A world whose server makes sessions.
async fn sessions() -> World {
    let world = world("", &[MCP]).await;
    serve(&world.server, ID);
    world
}

/// The id in an answer.
#[track_caller]
pub(crate) fn id_in(answer: &Answer) -> String {
    answer.is(200).header("mcp-session-id").unwrap().to_owned()
}

pub(crate) fn initialize(world: &World) -> Request {
    world.client().post("/mcp").rpc(1, "initialize", &json!({}))
}

/// Begins a session with this token.
async fn begun(world: &World, token: impl Into<String>) -> String {
    id_in(&initialize(world).bearer(token).send().await)
}

/// A request of the session, of a caller yet to be named.
pub(crate) fn of(world: &World, method: &str, id: &str) -> Request {
    let request = world.client().request(method, "/mcp");
    let request = request.header("Mcp-Session-Id", id);
    match method {
        "POST" => request.rpc(2, "tools/list", &json!({})),
        _ => request.header("Accept", "text/event-stream"),
    }
}

/// It is 404, no upstream hears of it, and nobody is sent to a login.
pub(crate) async fn not_there(world: &World, request: Request) {
    let before = world.server.requests();
    let answer = request.send().await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(world.server.requests(), before);
    assert_eq!(answer.header("www-authenticate"), None, "X24");
    let reference = answer.header("x-request-id").unwrap();
    let line = world.gateway.wait_for_log(reference).await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["reason"], REASON);
    assert!(!line.contains(ID), "{line}");
}

/// It arrives, under the name that the upstream knows.
async fn arrives(world: &World, request: Request) -> Answer {
    let before = world.server.requests();
    let answer = request.send().await;
    answer.is(200);
    assert_eq!(world.server.requests(), before + 1);
    let received = world.server.last();
    assert_eq!(received.header("mcp-session-id"), Some(ID));
    answer
}

#[tokio::test]
async fn sbp_5_sec_54_tl_3_the_upstreams_id_never_leaves_and_comes_back_to_it_as_it_was() {
    let world = sessions().await;
    let id = begun(&world, world.token()).await;
    assert_eq!(id.len(), 56 + 1 + ID.len());
    assert_eq!(&id[56..], &format!(".{ID}"));
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()));
    for method in ["POST", "GET", "DELETE"] {
        arrives(&world, of(&world, method, &id).bearer(world.token())).await;
    }
    let again = begun(&world, world.token()).await;
    assert_eq!(again, id, "the same session is the same bytes");
    // a session that the upstream names again and again keeps its name
    let reply = Reply::json(&json!({})).header("Mcp-Session-Id", ID);
    world.server.answer(reply);
    let answer = arrives(&world, of(&world, "POST", &id).bearer(world.token())).await;
    assert_eq!(id_in(&answer), id);
    // and one that it names anew gets a new one
    let other = Reply::json(&json!({})).header("Mcp-Session-Id", "other");
    world.server.answer(other);
    let answer = arrives(&world, of(&world, "POST", &id).bearer(world.token())).await;
    assert_eq!(id_in(&answer).rsplit('.').next(), Some("other"));
    assert_ne!(id_in(&answer)[..56], id[..56]);
}

#[tokio::test]
async fn sbp_3_sbp_4_sbp_5_sec_54_conf_p4_a_session_is_of_one_caller() {
    let world = sessions().await;
    let alice = world.token().claim("client_id", "editor");
    let id = begun(&world, alice.clone()).await;
    let others = [
        alice.clone().subject("bob"),
        alice.clone().subject("Alice"),
        alice.clone().claim("client_id", "browser"),
        alice.clone().without("client_id").claim("azp", "other"),
    ];
    for method in ["POST", "GET", "DELETE"] {
        for other in &others {
            not_there(&world, of(&world, method, &id).bearer(other.clone())).await;
        }
        arrives(&world, of(&world, method, &id).bearer(alice.clone())).await;
        let renewed = alice
            .clone()
            .fresh()
            .scope("mcp:tools more")
            .expires_in(900);
        arrives(&world, of(&world, method, &id).bearer(renewed)).await;
    }
    // nor is it worth anything on the upstream's word alone
    let bob = world.token().subject("bob");
    not_there(&world, of(&world, "POST", ID).bearer(bob.clone())).await;
    let bobs = begun(&world, bob.clone()).await;
    assert_ne!(bobs, id);
    not_there(&world, of(&world, "POST", &bobs).bearer(alice)).await;
    arrives(&world, of(&world, "POST", &bobs).bearer(bob)).await;
}

#[tokio::test]
async fn sbp_3_t_h6_t_h7_x24_a_session_is_no_credential() {
    let world = sessions().await;
    let id = begun(&world, world.token()).await;
    let before = world.server.requests();
    for method in ["POST", "GET", "DELETE"] {
        let bare = world.client().request(method, "/mcp");
        let anonymous = [bare, of(&world, method, &id), of(&world, method, "bogus")];
        for request in anonymous {
            let answer = request.send().await;
            answer.is(401);
            assert!(answer.header("www-authenticate").is_some());
        }
        let two = of(&world, method, &id).header("Mcp-Session-Id", &id);
        two.send().await.is(401);
        let bad = of(&world, method, &id).bearer(world.token().expires_in(-60));
        bad.send().await.is(401);
    }
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn t_h8_x24_a_session_that_nobody_made_is_404_and_the_client_may_initialize() {
    let world = sessions().await;
    for method in ["POST", "GET", "DELETE"] {
        for id in [
            "bogus",
            "",
            ".",
            ".x",
            "AQcI.x",
            &"A".repeat(56),
            &"A".repeat(3_000),
        ] {
            not_there(&world, of(&world, method, id).bearer(world.token())).await;
        }
    }
    let answer = of(&world, "POST", "bogus")
        .bearer(world.token())
        .send()
        .await;
    let body = answer.json();
    assert_eq!(body["error"], "Not Found");
    assert_eq!(
        body["error_description"],
        "Session not found: initialize again"
    );
    begun(&world, world.token()).await;
}

#[tokio::test]
async fn sec_54_what_is_changed_anywhere_is_no_session() {
    let world = sessions().await;
    let id = begun(&world, world.token()).await;
    let mut connection = world.client().connect().await;
    let token = world.token().sign();
    for place in 0..id.len() {
        let mut changed = id.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let request = of(&world, "GET", &changed).bearer(&token);
        connection.write(&request.to_bytes()).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, 404, "{place}");
    }
    assert_eq!(world.server.requests(), 1);
    let (mut shorter, longer) = (id.clone(), format!("{id}x"));
    shorter.pop();
    for other in [shorter, longer, id.to_lowercase(), format!("{id}, {id}")] {
        not_there(&world, of(&world, "POST", &other).bearer(&token)).await;
    }
    arrives(&world, of(&world, "POST", &id).bearer(&token)).await;
}

#[tokio::test]
async fn sec_54_two_lines_are_refused() {
    let world = sessions().await;
    let id = begun(&world, world.token()).await;
    let before = world.server.requests();
    for method in ["POST", "GET", "DELETE"] {
        for second in [&*id, "other", ""] {
            let two = of(&world, method, &id).header("mcp-session-id", second);
            let answer = two.bearer(world.token()).send().await;
            answer.is(400);
        }
    }
    assert_eq!(world.server.requests(), before);
}

#[tokio::test]
async fn sec_54_tl_3_an_upstreams_id_that_is_none_is_no_answer() {
    let world = sessions().await;
    let (most, more) = ("~".repeat(512), "~".repeat(513));
    for good in ["!", "a,b;c", &most] {
        let reply = Reply::json(&json!({})).header("Mcp-Session-Id", good);
        world.server.answer_once(reply);
        let id = begun(&world, world.token()).await;
        assert_eq!(&id[57..], good);
        of(&world, "GET", &id)
            .bearer(world.token())
            .send()
            .await
            .is(200);
        assert_eq!(world.server.last().header("mcp-session-id"), Some(good));
    }
    for bad in ["", "a b", "a\tb", "é", &more] {
        let reply = Reply::json(&json!({})).header("Mcp-Session-Id", bad);
        world.server.answer_once(reply);
        let answer = initialize(&world).bearer(world.token()).send().await;
        assert_eq!(answer.status, 502, "{bad:?}");
        assert_eq!(answer.header("mcp-session-id"), None);
    }
    let two = Reply::json(&json!({})).header("Mcp-Session-Id", "a");
    world.server.answer_once(two.header("Mcp-Session-Id", "a"));
    let answer = initialize(&world).bearer(world.token()).send().await;
    assert_eq!(answer.status, 502);
    let line = world
        .gateway
        .wait_for_log("two Mcp-Session-Id headers")
        .await;
    assert!(line.contains("upstream_answer"), "{line}");
}

#[tokio::test]
async fn sec_54_events_are_asked_for_again_within_a_session_alone() {
    let world = sessions().await;
    let id = begun(&world, world.token()).await;
    let resumed = |request: Request| request.header("Last-Event-ID", "7").bearer(world.token());
    arrives(&world, resumed(of(&world, "GET", &id))).await;
    assert_eq!(world.server.last().header("last-event-id"), Some("7"));
    resumed(world.client().get("/mcp")).send().await.is(200);
    assert_eq!(world.server.last().header("last-event-id"), None);
    let bob = of(&world, "GET", &id).header("Last-Event-ID", "7");
    not_there(&world, bob.bearer(world.token().subject("bob"))).await;
}

#[tokio::test]
async fn sec_54_a_session_is_of_one_route() {
    let other = r#"{ path: /other, upstream: "{upstream}/mcp" }"#;
    let world = world("", &[MCP, other]).await;
    serve(&world.server, ID);
    let id = begun(&world, world.token()).await;
    let elsewhere = world.client().get("/other").header("Mcp-Session-Id", &id);
    not_there(&world, elsewhere.bearer(world.token_for("/other"))).await;
    arrives(&world, of(&world, "GET", &id).bearer(world.token())).await;
}

#[tokio::test]
async fn sec_54_where_nobody_is_asked_ids_pass_as_they_are() {
    let world = world("", &[OPEN]).await;
    serve(&world.server, ID);
    let answer = initialize(&world).send().await;
    assert_eq!(id_in(&answer), ID);
    let request = of(&world, "GET", ID).header("Last-Event-ID", "7");
    arrives(&world, request).await;
    assert_eq!(world.server.last().header("last-event-id"), Some("7"));
}

#[tokio::test]
async fn sec_54_sessions_go_on_after_a_reload_without_keys() {
    let world = World::start(program(), &config("", &[MCP])).await;
    serve(&world.server, ID);
    let id = begun(&world, world.token()).await;
    let other = r#"{ path: /other, upstream: "{upstream}/mcp" }"#;
    crate::reload::reloaded(&world, &config("", &[other, MCP]), 1).await;
    arrives(&world, of(&world, "GET", &id).bearer(world.token())).await;
}
