//! Tokens that are bound to a client certificate, and the ways to show one (RFC 8705).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;
use testbed::World;
use testbed::client::{Answer, Request};

use crate::https::{self, Authority, GOOD, How, Own, TLS12};
use crate::setting::{program, refused};
use crate::support::{MCP, config};

/// Asks over a connection on which this certificate was shown, if any.
async fn ask(authority: &Authority, world: &World, own: Option<Own>, token: &str) -> Answer {
    let how = How {
        own,
        versions: &TLS12,
        ..How::default()
    };
    let stream = authority.connect(world, "localhost", how).await.unwrap();
    let host = format!("localhost:{}", world.gateway.address().port());
    let request = world.client().post("/mcp").host(&host);
    https::send(stream, &request.body("{}").bearer(token)).await
}

/// The operator's word for a refusal.
async fn is_refused(world: &World, answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 401);
    let reference = answer.json()["reference"].as_str().unwrap().to_owned();
    let line = world.gateway.wait_for_log(&reference).await;
    assert!(line.contains(&format!("\"reason\":\"{reason}\"")), "{line}");
}

#[tokio::test]
async fn r8705_sec_15_a_bound_token_counts_on_a_connection_with_its_certificate_alone() {
    let authority = Authority::new();
    authority.write("main", &["localhost", "127.0.0.1"], GOOD);
    authority.write_root("clients.pem");
    let more = format!(
        ", client_ca: \"{}\", client_auth: optional",
        authority.path("clients.pem").display()
    );
    let world = https::world(&authority.keys("main", &more), &[MCP]).await;
    let resource = format!("https://localhost:{}/mcp", world.gateway.address().port());
    let token = || world.idp.token().audience(&resource);
    let holder = authority.own("holder");
    let bound = token().claim("cnf", json!({ "x5t#S256": holder.thumbprint() }));
    let bound = bound.sign();
    let other = || Some(authority.own("other"));
    // before it is remembered, and after
    let stolen = ask(&authority, &world, other(), &bound).await;
    is_refused(&world, &stolen, "invalid_proof").await;
    assert_eq!(world.server.requests(), 0);
    let own = ask(&authority, &world, Some(holder), &bound).await;
    own.is(200);
    let stolen = ask(&authority, &world, other(), &bound).await;
    is_refused(&world, &stolen, "invalid_proof").await;
    let bare = ask(&authority, &world, None, &bound).await;
    is_refused(&world, &bare, "proof_required").await;
    assert_eq!(world.server.requests(), 1);
    // one that is bound to nothing asks for none, and minds none
    for shown in [None, other()] {
        let free = token().sign();
        ask(&authority, &world, shown, &free).await.is(200);
    }
}

const HEADER: &str = "X-Forwarded-Client-Cert";

/// A terminator at this address tells of certificates, as Envoy writes them.
async fn told_by(proxy: &str) -> World {
    let server = format!(
        "trusted_proxies: [{proxy}], client_certificate: {{ header: {HEADER}, format: xfcc }}"
    );
    World::start(program(), &config(&server, &[MCP])).await
}

/// A certificate in the words of Envoy; in place of a hash one byte, 32 times.
fn element(byte: u8) -> String {
    let hash = format!("{byte:02x}").repeat(32);
    format!("By=spiffe://mesh/gateway;Hash={hash};Subject=\"CN=a, O=b\"")
}

/// A call with a token that is bound to the certificate `element(7)`.
fn bound(world: &World) -> Request {
    let hash = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    let token = world.token().claim("cnf", json!({ "x5t#S256": hash }));
    world.client().post("/mcp").body("{}").bearer(token.sign())
}

#[tokio::test]
async fn r8705_a_terminator_that_is_trusted_says_which_certificate_it_was() {
    let world = told_by("127.0.0.1").await;
    let own = bound(&world).header(HEADER, &element(7));
    own.send().await.is(200);
    assert_eq!(world.server.last().header(HEADER), None);
    for (told, reason) in [
        (Some(element(8)), "invalid_proof"),
        (None, "proof_required"),
    ] {
        let request = bound(&world);
        let request = match &told {
            Some(told) => request.header(HEADER, told),
            None => request,
        };
        refused(&world, request, 401, reason).await;
    }
    // what says two things is taken for neither
    let two = format!("{},{}", element(7), element(8));
    for request in [
        bound(&world).header(HEADER, &two),
        bound(&world).header(HEADER, "Hash=07"),
        bound(&world)
            .header(HEADER, &element(7))
            .header(HEADER, &element(7)),
    ] {
        refused(&world, request, 400, "ambiguous_request").await;
    }
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn r8705_nobody_else_can_say_so() {
    let world = told_by("192.0.2.1").await;
    let request = bound(&world).header(HEADER, &element(7));
    refused(&world, request, 401, "proof_required").await;
    assert_eq!(world.server.requests(), 0);
    // nor tell the server
    let free = world.client().post("/mcp").body("{}").bearer(world.token());
    free.header(HEADER, &element(7)).send().await.is(200);
    assert_eq!(world.server.last().header(HEADER), None);
}
