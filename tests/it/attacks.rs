//! Attempts to get past the gateway, each of which once worked.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use testbed::recorder::Reply;
use testbed::{Idp, World};
use tokio::time::timeout;

use crate::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, block, frame};
use crate::setting::{program, refused};
use crate::support::{MCP, WEB, config, world};

/// A web application whose administration asks for more than the rest.
const SHOP: &str =
    r#"{ path: /shop, upstream: "{upstream}", transport: http, auth: { audiences: [shop] } }"#;
const ADMIN: &str = r#"{ path: /shop/admin, upstream: "{upstream}", transport: http, auth: { audiences: [shop], required_scopes: [admin] } }"#;
const COMMA: &str = r#"{ path: "/shop/a%2Cb", upstream: "{upstream}", transport: http, auth: { audiences: [shop], required_scopes: [admin] } }"#;

#[tokio::test]
async fn sec_31_a_stricter_route_is_not_left_by_another_spelling_of_its_path() {
    let world = world("", &[SHOP, ADMIN, COMMA, WEB]).await;
    let token = world.token().audience("shop").sign();
    for path in [
        "/shop/%61dmin",
        "/shop/%61dmin/users",
        "/shop/admi%6E",
        "/shop/admin;v=1",
        "/shop/admin;/users",
        "/shop/admin%3Bv=1",
        "/shop;v=1/%61dmin",
        "/shop;v=1",
        "/%73hop",
        "/shop/a,b",
        "/shop/a%2cb/x",
        "/shop/;x/admin",
        "/%6Fauth/callback",
        "/.well-known;v=1/oauth-protected-resource/shop",
    ] {
        let request = world.client().get(path).bearer(&token);
        refused(&world, request, 400, "ambiguous_request").await;
    }
    // other spellings of what has no stricter route go on as they came
    for path in [
        "/shop/%61rticles",
        "/shop/a%20b;v=1",
        "/shop/caf%C3%A9",
        "/%7Ebob;v=1",
    ] {
        world.client().get(path).bearer(&token).send().await.is(200);
        assert_eq!(world.server.last().target, path);
    }
    let request = world.client().get("/shop/admin").bearer(&token);
    refused(&world, request, 403, "insufficient_scope").await;
}

/// An h2 client that lets answers pile up: its window is closed, and it lives, because it answers pings. Asks on each of so many streams.
async fn miser(address: SocketAddr, head: &[(&str, &str)], streams: u32) -> Peer {
    let no_window = [0, 4, 0, 0, 0, 0]; // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut peer = Peer::open(address, &no_window).await;
    for stream in 0..streams {
        let request = frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            1 + 2 * stream,
            &block(head),
        );
        assert!(peer.send(&request).await);
    }
    peer
}

#[tokio::test]
async fn an_h2_peer_that_closes_its_window_does_not_hold_answers_for_ever() {
    let world = world("timeouts: { idle: 500ms }", &[MCP]).await;
    let address = world.gateway.address();
    let host = address.to_string();
    let bearer = format!("Bearer {}", world.token().sign());
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/mcp"),
        (":authority", &host),
        ("authorization", &bearer),
    ];
    // without a credential, and with one that makes the upstream wait too
    let stranger = miser(address, &request[..4], 20).await;
    assert!(stranger.ends_within(Duration::from_secs(5)).await);
    let page = Reply::status(200).header("content-type", "application/json");
    world.server.answer(page.body(vec![b' '; 4 << 20]));
    let friend = miser(address, &request, 20).await;
    assert!(friend.ends_within(Duration::from_secs(5)).await);
    let ended = async {
        while !(0..20).all(|number| world.server.is_closed(number)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ended = timeout(Duration::from_secs(5), ended).await;
    assert!(ended.is_ok(), "exchanges with the upstream went on");
}

#[tokio::test]
async fn sec_30_a_name_with_a_port_has_no_second_port() {
    let server =
        r#"public_url: "https://mcp.example.com", allowed_hosts: ["alt.example.com:8443"]"#;
    let world = world(server, &[MCP]).await;
    let token = world.token().audience("https://mcp.example.com/mcp").sign();
    let port = world.gateway.address().port();
    for host in [
        format!("localhost:{port}:80"),
        format!("[::1]:{port}:80"),
        "alt.example.com:8443:443".to_owned(),
        "mcp.example.com:443:443".to_owned(),
    ] {
        let request = world.client().get("/mcp").host(&host).bearer(&token);
        refused(&world, request, 421, "misdirected").await;
    }
}

#[tokio::test]
async fn a_stranger_can_neither_flood_the_log_nor_steer_the_terminal_that_shows_it() {
    let template = config("", &[MCP]).replace("format: json", "format: text");
    let world = World::start(program(), &template).await;
    let long = "M".repeat(60_000);
    let request = world.client().request(&long, "/mcp");
    request.bearer(world.token()).send().await.is(405);
    let path = "/mcp/a\u{9b}31m\u{85}\u{2028}\u{202e}b";
    world.client().get(path).send().await.is(404);
    world.gateway.wait_for_log("not_found").await;
    for line in world.gateway.log() {
        assert!(line.len() < 2000, "{} bytes", line.len());
        let plain = |char| matches!(char, ' '..='~' | 'µ'); // ours, in durations
        assert!(line.chars().all(plain), "{line:?}");
    }
}

#[tokio::test]
async fn a_file_system_that_hangs_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let idp = Idp::start().await;
    std::fs::write(&file, idp.jwks().to_string()).unwrap();
    let keys = format!(
        "jwks: {{ issuer: \"{{idp}}\", jwks_file: \"{}\"",
        file.display()
    );
    let template =
        config("timeouts: { drain: 1s }", &[MCP]).replace("oidc: { issuer: \"{idp}\"", &keys);
    let mut world = World::start_with(program(), idp, &template).await;
    std::fs::remove_file(&file).unwrap();
    let made = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    // a read that nobody can end: it waits for whoever writes
    let unknown = world.token().header("kid", "unknown");
    let request = world.client().post("/mcp").bearer(unknown);
    request.send().await.is(503);
    world.gateway.terminate().await;
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));
}

#[tokio::test]
async fn sec_36_a_page_does_not_pass_as_json() {
    let world = world("", &[MCP]).await;
    let page = Reply::status(200).body("<script>alert(1)</script>");
    let json = "application/json";
    for reply in [
        page.clone()
            .header("content-type", json)
            .header("content-type", "text/html"),
        page.clone().header("content-type", "text/html,x+json"),
        page.clone()
            .header("content-type", "text/html, application/json"),
        page.header("content-type", "text/html/x+json"),
    ] {
        world.server.answer(reply);
        let request = world.client().post("/mcp").bearer(world.token());
        request.send().await.is(502);
    }
    let problem =
        Reply::status(200).header("content-type", "application/problem+json; charset=utf-8");
    world.server.answer(problem.body("{}"));
    let request = world.client().post("/mcp").bearer(world.token());
    assert_eq!(request.send().await.is(200).text(), "{}");
}

#[tokio::test]
async fn r9112_an_answer_with_two_lengths_has_that_of_its_chunks() {
    let world = world("", &[MCP]).await;
    world.server.answer(Reply::raw(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         a\r\n0123456789\r\n0\r\n\r\n",
    ));
    let request = world.client().post("/mcp").bearer(world.token());
    assert_eq!(request.send().await.is(200).text(), "0123456789");
}
