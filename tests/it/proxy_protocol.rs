//! The PROXY protocol: whose connection it is, said by proxies that pass bytes on, and by nobody else.

use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::World;
use testbed::client::{Connection, h2};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::https::{Authority, GOOD, How, call as call_by_name};
use crate::support::{MCP, OPEN, call, world};

/// Everybody here must say who they are, and nobody minds that others can read along.
const LISTED: &str = "proxy_protocol: [127.0.0.0/8], dangerous: [plain_http]";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n";
const V1_LOCAL: &[u8] = b"PROXY UNKNOWN\r\n";

/// A header of version 2 for 192.0.2.8, with extensions.
fn v2(command: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, 8, 10, 0, 0, 1, 0x12, 0x34, 1, 187];
    let extensions = [&[0x04, 0, 50][..], &[0; 50]].concat(); // NOOP
    let length = u8::try_from(addresses.len() + extensions.len()).unwrap();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[0x20 | command, 0x11, 0, length][..],
        &addresses,
        &extensions,
    ]
    .concat()
}

/// Whom the upstream is told of.
fn told(world: &World) -> String {
    let seen = world.server.last();
    let lines = seen.headers.all("x-forwarded-for");
    assert_eq!(lines.len(), 1, "{seen:?}");
    lines[0].to_owned()
}

async fn begun_with(world: &World, header: &[u8]) -> TcpStream {
    let mut peer = TcpStream::connect(world.gateway.address()).await.unwrap();
    peer.set_nodelay(true).unwrap();
    peer.write_all(header).await.unwrap();
    peer
}

#[tokio::test]
async fn the_announced_address_takes_the_place_of_the_peers() {
    let world = world(LISTED, &[MCP]).await;
    for (header, client) in [
        (V1.to_vec(), "192.0.2.7"),
        (v2(1), "192.0.2.8"),
        (
            b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(),
            "2001:db8::7",
        ),
        // the proxy speaks for itself
        (v2(0), "127.0.0.1"),
        (V1_LOCAL.to_vec(), "127.0.0.1"),
    ] {
        let mut connection = world.client().connect().await;
        // in one piece: what follows the header is the first request, to the byte
        let sent = [header, call(&world).to_bytes()].concat();
        connection.write(&sent).await;
        connection.answer().await.unwrap().is(200);
        assert_eq!(told(&world), client);
        connection
            .write(&world.client().get("/mcp").to_bytes())
            .await;
        let refused = connection.answer().await.unwrap();
        let reference = refused.is(401).header("x-request-id").unwrap();
        let line = world.gateway.wait_for_log(reference).await;
        let entry: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(entry["client"], client, "{line}");
    }
}

#[tokio::test]
async fn a_header_in_pieces_is_a_header() {
    let world = world(LISTED, &[OPEN]).await;
    for header in [V1.to_vec(), v2(1)] {
        let mut peer = begun_with(&world, b"").await;
        for piece in header.chunks(7) {
            peer.write_all(piece).await.unwrap();
            // pieces that arrive together would only make this easier
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut connection = Connection::over(peer);
        connection
            .write(&world.client().post("/mcp").to_bytes())
            .await;
        connection.answer().await.unwrap().is(200);
    }
}

#[tokio::test]
async fn http_2_comes_behind_a_header_too() {
    let world = world(LISTED, &[MCP]).await;
    for (header, client) in [(V1.to_vec(), "192.0.2.7"), (v2(1), "192.0.2.8")] {
        let peer = begun_with(&world, &header).await;
        let connection = h2::Connection::over(peer).await;
        for _ in 0..2 {
            connection.send(call(&world)).await.unwrap().is(200);
            assert_eq!(told(&world), client);
        }
    }
}

#[tokio::test]
async fn a_header_stands_before_tls() {
    let authority = Authority::new();
    authority.write("main", &["localhost", "127.0.0.1"], GOOD);
    let server = format!(
        "proxy_protocol: [127.0.0.1], trusted_proxies: [127.0.0.1, 192.0.2.8], {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    let lie = call_by_name(&world, "localhost").header("X-Forwarded-For", "203.0.113.9");
    // the proxy's own word counts for nothing once it has announced somebody else
    for (header, client) in [
        (V1.to_vec(), "192.0.2.7"),
        (v2(1), "203.0.113.9"),
        (v2(0), "203.0.113.9"),
    ] {
        let peer = begun_with(&world, &header).await;
        let connector = authority.connector(&How::default());
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, peer).await.unwrap();
        let mut connection = Connection::over(stream);
        connection.write(&lie.to_bytes()).await;
        connection.answer().await.unwrap().is(200);
        assert_eq!(told(&world), client);
    }
    let without = authority.connect(&world, "localhost", How::default()).await;
    assert!(without.is_err(), "a ClientHello is no header");
}

#[tokio::test]
async fn sec_38_a_client_from_elsewhere_is_not_local_however_near_its_proxy_is() {
    let world = world(
        "proxy_protocol: [127.0.0.0/8], trusted_proxies: [192.0.2.8]",
        &[OPEN],
    )
    .await;
    let local = b"PROXY TCP4 127.0.0.5 127.0.0.1 1 2\r\n".to_vec();
    for (header, scheme, status) in [
        (V1.to_vec(), "", 403),
        (V1.to_vec(), "https", 403), // nobody it would be believed from
        (v2(1), "http", 403),
        (v2(1), "https", 200),
        (local, "", 200),
        (V1_LOCAL.to_vec(), "", 200),
        (v2(0), "", 200),
    ] {
        let mut request = world.client().post("/mcp");
        if !scheme.is_empty() {
            request = request.header("X-Forwarded-Proto", scheme);
        }
        let mut connection = Connection::over(begun_with(&world, &header).await);
        connection.write(&request.to_bytes()).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status, status, "{header:?} {scheme}");
    }
    world.gateway.wait_for_log("insecure_transport").await;
}

#[tokio::test]
async fn whoever_must_begin_with_a_header_and_does_not_is_let_go() {
    let world = world(LISTED, &[OPEN]).await;
    let request = world.client().post("/mcp").to_bytes();
    let long = format!("PROXY UNKNOWN {}", "x".repeat(100));
    let unix = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
    for header in [
        b"".as_slice(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        long.as_bytes(),
        &unix,
    ] {
        let mut peer = begun_with(&world, &[header, &request].concat()).await;
        let mut answer = Vec::new();
        let _reset = peer.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{header:?}");
    }
    // a second header is the beginning of a bad request
    let mut twice = Connection::over(begun_with(&world, &[V1, V1, &request].concat()).await);
    twice.answer().await.unwrap().is(400);
    assert_eq!(world.server.requests(), 0);
    world.gateway.wait_for_log("no PROXY protocol header").await;
    world
        .gateway
        .wait_for_log("the PROXY protocol header is too long")
        .await;
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let counted = "portcullis_connections_refused_total{reason=\"proxy_protocol\"}";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn tm_11_a_header_is_due_in_the_time_of_the_first_head() {
    let server = format!("timeouts: {{ request_head: 300ms }}, {LISTED}");
    let world = world(&server, &[OPEN]).await;
    for beginning in [b"".as_slice(), b"PROXY TC", V1, &v2(1)[..40]] {
        let begun = Instant::now();
        let mut connection = Connection::over(begun_with(&world, beginning).await);
        assert!(connection.closes_within(Duration::from_secs(4)).await);
        assert!(begun.elapsed() >= Duration::from_millis(299));
    }
    world.gateway.wait_for_log("too slow").await;
}

#[tokio::test]
async fn what_strangers_announce_is_no_http() {
    for server in [
        "",
        "proxy_protocol: [192.0.2.0/24], trusted_proxies: [127.0.0.1]",
    ] {
        let world = world(server, &[OPEN]).await;
        for header in [V1.to_vec(), v2(1)] {
            let sent = [header, world.client().post("/mcp").to_bytes()].concat();
            let mut connection = Connection::over(begun_with(&world, &sent).await);
            if let Some(answer) = connection.answer().await {
                assert!(answer.is(400).closed);
            }
        }
        assert_eq!(world.server.requests(), 0);
        world.client().post("/mcp").send().await.is(200);
        assert_eq!(told(&world), "127.0.0.1");
    }
}

#[tokio::test]
async fn the_listener_that_redirects_takes_headers_too() {
    let authority = Authority::new();
    authority.write("main", &["localhost", "127.0.0.1"], GOOD);
    let server = format!(
        "proxy_protocol: [127.0.0.1], redirect_http: \"127.0.0.1:0\", {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    let client = crate::to_https::plain(&world).await;
    let mut connection = client.connect().await;
    connection
        .write(&client.get("/").host("localhost").to_bytes())
        .await;
    assert!(connection.answer().await.is_none());
    for header in [V1, V1_LOCAL] {
        let sent = [header, &client.get("/").host("localhost").to_bytes()].concat();
        let mut connection = client.connect().await;
        connection.write(&sent).await;
        connection.answer().await.unwrap().is(308);
    }
}
