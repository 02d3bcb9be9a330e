//! HTTP+SSE: who may listen, who may post, and for how long.

use std::time::Duration;

use serde_json::json;
use testbed::client::Request;
use testbed::{Gateway, Idp, Recorder, Reply, World};

use crate::http_sse::{SSE, begun, endpoint, listen, message, old, opened, speaks, token};
use crate::reload::reloaded;
use crate::setting::{program, refused};
use crate::support::{MCP, config, world};

const DOCUMENT: &str = "/.well-known/oauth-protected-resource/sse";

fn post(world: &World, address: &str) -> Request {
    world.client().post(address).call("echo", &json!({}))
}

#[tokio::test]
async fn t_s1_t_s2_t_s3_sse_3_a_stream_is_for_who_has_a_good_token() {
    let world = old("", SSE).await;
    let anonymous = world.client().get("/sse").send().await;
    let challenge = anonymous.refused(401, None).challenge();
    assert_eq!(challenge["resource_metadata"], world.gateway.url(DOCUMENT));
    let bad = token(&world).tampered();
    let bad = world.client().get("/sse").bearer(bad).send().await;
    bad.refused(401, "invalid_token");
    assert_eq!(world.server.requests(), 0);
    let (stream, upstream, _address) = opened(&world, "/m?s=1").await;
    assert_eq!(
        stream.headers.get("content-type"),
        Some("text/event-stream")
    );
    assert_eq!(stream.headers.get("x-accel-buffering"), Some("no"));
    let asked = upstream.request();
    assert_eq!(asked.header("x-auth-subject"), Some("alice"));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn t_s4_t_s5_t_s6_t_s8_sse_3_each_message_is_judged_and_401_comes_before_the_session() {
    let world = old("", SSE).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    for address in [&*address, "/sse/message", "/sse/message?sessionId=x"] {
        let anonymous = post(&world, address).send().await;
        let challenge = anonymous.refused(401, None).challenge();
        assert_eq!(
            challenge["resource_metadata"],
            world.gateway.url(DOCUMENT),
            "SSE-5"
        );
        for bad in [
            token(&world).tampered(),
            token(&world).expires_in(-60).sign(),
            world.token().sign(),
        ] {
            let bad = post(&world, address).bearer(bad).send().await;
            bad.refused(401, "invalid_token");
        }
    }
    assert_eq!(world.server.requests(), 1, "the stream alone");
    let good = message(&world, &address).send().await;
    assert_eq!(good.is(202).header("www-authenticate"), None);
    let posted = world.server.last();
    assert_eq!(posted.header("x-auth-subject"), Some("alice"));
    assert_eq!(posted.header("authorization"), None);
}

#[tokio::test]
async fn t_s8_sse_3_sbp_5_sec_54_the_address_is_of_use_to_nobody_else() {
    let other_route = SSE.replace("path: /sse", "path: /other");
    let world = world("", &[SSE, &other_route]).await;
    speaks(&world.server);
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    let not_theirs = "mcp_session_of_another_caller";
    for token in [
        token(&world).subject("mallory"),
        token(&world).claim("client_id", "another-client"),
    ] {
        refused(
            &world,
            post(&world, &address).bearer(token),
            404,
            not_theirs,
        )
        .await;
    }
    let elsewhere = address.replace("/sse/", "/other/");
    let there = post(&world, &elsewhere).bearer(world.token_for("/other"));
    refused(&world, there, 404, not_theirs).await;
    // the same person with a new token
    let renewed = token(&world).claim("jti", "2").scope("more");
    post(&world, &address).bearer(renewed).send().await.is(202);
}

#[tokio::test]
async fn sse_3_sec_54_nothing_else_can_be_reached_by_an_address() {
    let world = old("", SSE).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    let (path, value) = address.split_once("?sessionId=").unwrap();
    let (seal, _uri) = value.split_once('.').unwrap();
    let mut changed: Vec<String> = vec![
        path.to_owned(),
        format!("{path}?sessionId="),
        format!("{path}?session={value}"),
        format!("{address}&sessionId={value}"),
        format!("{path}?sessionId={seal}.L2FkbWlu"), // `/admin`
        format!("{path}?sessionId={seal}."),
        format!("{path}?sessionId=.L20_cz0x"),
    ];
    for at in [0, 4, 20, seal.len() - 1, seal.len() + 2] {
        let mut other = value.to_owned();
        let letter = if other[at..=at] == *"A" { "B" } else { "A" };
        other.replace_range(at..=at, letter);
        changed.push(format!("{path}?sessionId={other}"));
    }
    for address in changed {
        refused(
            &world,
            message(&world, &address),
            404,
            "mcp_session_of_another_caller",
        )
        .await;
    }
    let with_token = format!("{address}&access_token=x");
    refused(&world, message(&world, &with_token), 400, "token_in_query").await;
    // what else a client says in the query is none of the server's business
    let more = format!("{address}&to=/admin");
    message(&world, &more).send().await.is(202);
    assert_eq!(world.server.last().target, "/m?s=1");
}

#[tokio::test]
async fn sec_54_where_nobody_is_asked_an_address_is_sealed_all_the_same() {
    let route = SSE.replace(
        "path:",
        "auth: { type: none }, dangerous: [anonymous_access], path:",
    );
    let world = old("", &route).await;
    let anybody = world.client().get("/sse");
    let (mut stream, _upstream) = begun(&world, anybody, &endpoint("/m?s=1")).await;
    let address = stream.event().await.unwrap().data;
    post(&world, &address).send().await.is(202);
    let (seal, _uri) = address.split_once('.').unwrap();
    let forged = format!("{seal}.L2FkbWlu");
    refused(
        &world,
        post(&world, &forged),
        404,
        "mcp_session_of_another_caller",
    )
    .await;
}

#[tokio::test]
async fn t_s7_sse_5_s3_2_the_resource_is_the_url_of_the_stream() {
    let world = old("", SSE).await;
    let document = world.client().get(DOCUMENT).send().await.is(200).json();
    assert_eq!(document["resource"], json!(world.gateway.url("/sse")));
    let messages = world.client().get(&format!("{DOCUMENT}/message"));
    refused(&world, messages, 404, "not_found").await;
    // a token for the stream is one for the messages, and one for the path of the messages is for nobody
    let wrong = world.token_for("/sse/message");
    let wrong = world.client().get("/sse").bearer(wrong).send().await;
    wrong.refused(401, "invalid_token");
}

#[tokio::test]
async fn x17_s3_11_nothing_is_open_by_itself_on_either_transport() {
    let world = world("", &[SSE, MCP]).await;
    for path in ["/sse", "/sse/message", "/mcp"] {
        for method in ["initialize", "ping", "tools/list", "server/discover"] {
            let request = world.client().post(path).rpc(0, method, &json!({}));
            request.send().await.refused(401, None);
        }
        if path != "/sse/message" {
            world.client().get(path).send().await.refused(401, None);
        }
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sse_4_sec_55_a_stream_ends_with_its_token_and_others_stay() {
    let world = old("", SSE).await;
    let short = world
        .client()
        .get("/sse")
        .bearer(token(&world).expires_in(2));
    let (stream, upstream) = begun(&world, short, &endpoint("/m?s=1")).await;
    let (mut lasting, lasting_upstream, _address) = opened(&world, "/m?s=2").await;
    let end = tokio::time::timeout(Duration::from_secs(2 + 5), stream.finish()).await;
    assert!(end.expect("within 5 s of the token's end").complete);
    upstream.closed().await;
    lasting_upstream.event("still").await;
    assert_eq!(lasting.event().await.unwrap().data, "still");
}

#[tokio::test]
async fn sec_55_one_caller_has_so_many_streams_and_may_post_all_the_same() {
    let route = SSE.replace("path:", "streams: { per_caller: 1 }, path:");
    let world = old("", &route).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    assert_eq!(listen(&world).send().await.status, 429);
    message(&world, &address).send().await.is(202);
}

#[tokio::test]
async fn sse_4_sec_55_a_reload_ends_the_stream_of_a_route_that_is_gone() {
    let world = old("", SSE).await;
    let (stream, upstream, _address) = opened(&world, "/m?s=1").await;
    let after = config("", &[&SSE.replace("path: /sse", "path: /other")]);
    reloaded(&world, &after, 1).await;
    assert!(stream.finish().await.complete);
    upstream.closed().await;
}

#[tokio::test]
async fn sse_4_sec_55_a_reload_leaves_streams_and_their_addresses_alone() {
    let world = old("", SSE).await;
    let (mut stream, upstream, address) = opened(&world, "/m?s=1").await;
    reloaded(&world, &config("sse_keepalive: 7s", &[SSE, MCP]), 1).await;
    assert!(stream.is_silent_for(Duration::from_secs(5)).await);
    upstream.event("still").await;
    assert_eq!(stream.event().await.unwrap().data, "still");
    message(&world, &address).send().await.is(202);
}

#[tokio::test]
async fn sse_3_messages_go_to_the_server_that_has_the_stream() {
    let other = Recorder::start().await;
    let servers = format!(r#"["{{upstream}}/sse", "{}/sse"]"#, other.url());
    let route = SSE.replace(r#""{upstream}/api/sse""#, &servers);
    let world = World::start(program(), &config("", &[&route])).await;
    speaks(&world.server);
    speaks(&other);
    let mut open = Vec::new();
    // the one with the fewest requests under way gets the next
    for server in [&world.server, &other] {
        let sent = async {
            tokio::select! {
                upstream = world.server.stream(), if open.len() < 2 => ("one", upstream),
                upstream = other.stream() => ("other", upstream),
            }
        };
        let _ = server;
        let begun = async {
            let (name, upstream) = sent.await;
            upstream.send(endpoint(&format!("/m?of={name}"))).await;
            (name, upstream)
        };
        let (mut stream, (name, upstream)) = tokio::join!(listen(&world).open(), begun);
        let address = stream.event().await.unwrap().data;
        open.push((name, address, stream, upstream));
    }
    assert_ne!(open[0].0, open[1].0);
    for (name, address, ..) in open.iter().cycle().take(20) {
        message(&world, address).send().await.is(202);
        let server = if *name == "one" {
            &world.server
        } else {
            &other
        };
        let last = server.last();
        assert_eq!(
            (&*last.method, &*last.target),
            ("POST", &*format!("/m?of={name}"))
        );
    }
    let posted = |server: &Recorder| {
        server
            .recorded()
            .iter()
            .filter(|it| it.method == "POST")
            .count()
    };
    assert_eq!((posted(&world.server), posted(&other)), (10, 10));
}

#[tokio::test]
async fn s3_2_a_server_that_has_forgotten_the_session_says_so_itself() {
    let world = old("", SSE).await;
    let (_stream, _upstream, address) = opened(&world, "/m?s=1").await;
    world.server.answer_once(Reply::status(404));
    message(&world, &address).send().await.is(404);
    assert_eq!(world.server.last().target, "/m?s=1");
}

#[tokio::test]
async fn sse_3_sec_54_gateways_with_one_key_know_each_others_addresses_and_others_do_not() {
    let idp = Idp::start().await;
    let server = Recorder::start().await;
    speaks(&server);
    let keys = |key: &str| {
        let keys = format!("sessions: {{ encryption_keys: ['{key}'] }}\n");
        let yaml = keys + &config("public_url: 'http://127.0.0.1:1'", &[SSE]);
        yaml.replace("{idp}", idp.issuer())
            .replace("{upstream}", &server.url())
    };
    let one = "base64:Kx0m1u9rQ2cV7tZ4sYb8wE3hJ6nP5aDfGgHjLkMnBvA=".to_owned();
    let other = "base64:b3TqzWv8uXe1RyCk5NfHs7oJm2LpGa9d0iBx4KtVhQw=".to_owned();
    let token = idp.token().audience("http://127.0.0.1:1/sse").sign();
    let first = Gateway::start(program(), &keys(&one)).await;
    let sent = async {
        let upstream = server.stream().await;
        upstream.send(endpoint("/m?s=1")).await;
        upstream
    };
    let listening = first.client().get("/sse").bearer(&token).open();
    let (mut stream, _upstream) = tokio::join!(listening, sent);
    let address = stream.event().await.unwrap().data;
    for (keys, status) in [
        (keys(&one), 202),
        (keys(&format!("{other}', '{one}")), 202),
        (keys(&other), 404),
    ] {
        let gateway = Gateway::start(program(), &keys).await;
        let post = gateway.client().post(&address).call("echo", &json!({}));
        post.bearer(&token).send().await.is(status);
    }
}

/// The event that a list comes in, as the server writes it.
fn listed(names: &[&str]) -> String {
    let tools: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}});
    format!("event: message\ndata: {answer}\n\n")
}

#[tokio::test]
async fn sse_3_s3_2_messages_are_judged_one_by_one_and_lists_on_the_stream_are_filtered() {
    let access = r#"access: { list_filter: callable, tools: [ { match: "delete_*", scopes: [delete] }, { match: echo } ] }"#;
    let world = old("", &SSE.replace("path:", &format!("{access}, path:"))).await;
    let (mut stream, upstream, address) = opened(&world, "/m?s=1").await;
    let call = |tool: &str, scope: &str| {
        let token = token(&world).scope(scope);
        let call = world.client().post(&address).call(tool, &json!({}));
        call.bearer(token).send()
    };
    call("echo", "mcp").await.is(202);
    let before = world.server.requests();
    let refused = call("delete_x", "mcp").await;
    let challenge = refused.refused(403, "insufficient_scope").challenge();
    assert_eq!(challenge["scope"], "delete");
    assert_eq!(refused.json()["jsonrpc"], "2.0", "{}", refused.text());
    call("unlisted", "mcp delete").await.is(403);
    let not_json = world.client().post(&address).bearer(token(&world));
    not_json.body("{").send().await.is(400);
    assert_eq!(world.server.requests(), before);
    call("delete_x", "mcp delete").await.is(202);
    // the stream was opened without that scope
    upstream
        .send(listed(&["echo", "delete_x", "unlisted"]))
        .await;
    assert_eq!(stream.block().await.unwrap(), listed(&["echo"]));
}

#[tokio::test]
async fn sec_50_a_stream_that_nobody_may_open_is_for_nobody_whatever_is_public() {
    for access in [
        "access: { discovery: handshake }",
        "access: { calls: public }",
        "access: { public_tools: [echo] }",
    ] {
        let route = SSE.replace("path:", &format!("{access}, path:"));
        let yaml = config("", &[&route])
            .replace("{idp}", "http://127.0.0.1:9")
            .replace("{upstream}", "http://127.0.0.1:9");
        let (code, said) = Gateway::fails(program(), &yaml).await;
        assert_eq!(code, Some(2));
        assert!(
            said.contains("the stream itself needs a credential"),
            "{said}"
        );
    }
}

/// Some clients take the last address that they were told, whatever its origin, and post there with their token.
#[tokio::test]
async fn sec_56_a_second_address_reaches_no_client() {
    let filtered = SSE.replace(" }", ", access: { list_filter: callable } }");
    for route in [SSE, &filtered] {
        let world = old("", route).await;
        for second in ["http://elsewhere.example/m", "/m?s=2"] {
            let (mut stream, upstream, _) = opened(&world, "/m?s=1").await;
            upstream
                .send("event: message\ndata: {}\n\nevent: end")
                .await;
            assert_eq!(stream.event().await.unwrap().data, "{}");
            upstream.send(format!("point\ndata: {second}\n\n")).await;
            let end = stream.finish().await; // broken off
            assert!(!end.complete && !end.text().contains("point"));
            upstream.closed().await;
        }
        world.gateway.wait_for_log("a second endpoint event").await;
    }
}
