//! A gateway on a developer's machine, reached through a tunnel: everything it says names the tunnel.

use serde_json::Value;
use testbed::World;
use testbed::client::{Answer, Request};

use crate::setting::program;
use crate::support::{MCP, WEB, config};

const TUNNEL: &str = "abc123.ngrok-free.app";
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// What a tunnel's agent on this machine makes of a request from outside.
fn through(request: Request, host: &str) -> Request {
    request
        .host(host)
        .header("X-Forwarded-Host", TUNNEL)
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-For", "203.0.113.9")
}

/// Nothing in an answer leads to where the gateway really listens.
#[track_caller]
fn names_no_local_address(world: &World, answer: &Answer) {
    let all = format!("{:?} {}", answer.headers, answer.text());
    let own = world.gateway.address().to_string();
    for local in ["localhost", "[::1]", &own, "http://abc123"] {
        assert!(!all.contains(local), "{local} in {all}");
    }
}

#[tokio::test]
async fn s0_42_s0_43_s0_24_through_a_tunnel_everything_names_the_tunnel() {
    let proxies =
        "trusted_proxies: [127.0.0.1/32], cors: { allowed_origins: [\"http://localhost:4000\"] }";
    for server in [
        format!("{proxies}, public_url: \"https://{TUNNEL}\""),
        format!(
            "{proxies}, public_url: \"https://{TUNNEL}\", allowed_hosts: [\"*.ngrok-free.app\"]"
        ),
        format!("{proxies}, allowed_hosts: [{TUNNEL}]"),
    ] {
        let world = World::start(program(), &config(&server, &[MCP, WEB])).await;
        let resource = format!("https://{TUNNEL}/mcp");
        let metadata = format!("https://{TUNNEL}{METADATA}");
        // as it came to the tunnel, or with the name of the agent's target
        for host in [TUNNEL.to_owned(), world.gateway.address().to_string()] {
            let client = world.client();
            let post = || through(client.post("/mcp").call("echo", &Value::Null), &host);
            let refused = post().send().await;
            let challenge = refused.refused(401, None).challenge();
            assert_eq!(challenge.get("resource_metadata"), Some(&metadata));
            names_no_local_address(&world, &refused);

            let document = through(client.get(METADATA), &host).send().await;
            assert_eq!(document.is(200).json()["resource"], *resource);
            names_no_local_address(&world, &document);

            let token = || world.idp.token().audience(&resource);
            let answer = post().bearer(token()).send().await;
            names_no_local_address(&world, answer.is(200));
            let seen = world.server.last();
            for (name, value) in [
                ("x-forwarded-host", TUNNEL),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-auth-subject", "alice"),
            ] {
                assert_eq!(seen.header(name), Some(value));
            }
            // a token for where we really listen, which any program of this machine may have got, is for somebody else
            if server.contains("public_url") {
                let local = world.idp.token().audience(&world.gateway.url("/mcp"));
                let refused = post().bearer(local).send().await;
                names_no_local_address(&world, refused.refused(401, Some("invalid_token")));
            }

            // pages: one behind the tunnel, and a developer's tool
            for (origin, status) in [
                (format!("https://{TUNNEL}"), 200),
                ("http://localhost:4000".to_owned(), 200),
                (format!("http://{TUNNEL}"), 403),
                ("https://other.ngrok-free.app".to_owned(), 403),
                ("http://localhost:4001".to_owned(), 403),
            ] {
                let page = post().bearer(token()).header("Origin", &origin);
                page.send().await.is(status);
            }
            world
                .server
                .answer_once(testbed::Reply::status(302).header("Location", "/next"));
            let redirect = through(client.get("/page"), &host).send().await;
            assert_eq!(redirect.is(302).header("location"), Some("/next"));
        }
    }
}

#[tokio::test]
async fn s0_42_s0_43_another_tunnel_is_not_ours_unless_it_is_named() {
    let server = format!("trusted_proxies: [127.0.0.1/32], public_url: \"https://{TUNNEL}\"");
    let world = World::start(program(), &config(&server, &[MCP])).await;
    let other = world.client().get(METADATA).host("other.ngrok-free.app");
    other.clone().send().await.is(421);
    other
        .header("X-Forwarded-Host", "evil.example")
        .send()
        .await
        .is(421);
    // a name of a wildcard borrows the public one: what its owner was given elsewhere is worth nothing here
    let server = format!("{server}, allowed_hosts: [\"*.ngrok-free.app\"]");
    let world = World::start(program(), &config(&server, &[MCP])).await;
    let token = world
        .idp
        .token()
        .audience("https://other.ngrok-free.app/mcp");
    let request = world.client().post("/mcp").host("other.ngrok-free.app");
    let refused = request.clone().bearer(token).send().await;
    let challenge = refused.refused(401, Some("invalid_token")).challenge();
    let metadata = format!("https://{TUNNEL}{METADATA}");
    assert_eq!(challenge.get("resource_metadata"), Some(&metadata));
    let token = world.idp.token().audience(&format!("https://{TUNNEL}/mcp"));
    request.bearer(token).send().await.is(200);
}

#[tokio::test]
async fn s0_24_what_no_trusted_peer_forwards_names_nothing() {
    let server = format!("trusted_proxies: [192.0.2.1], allowed_hosts: [{TUNNEL}]");
    let world = World::start(program(), &config(&server, &[MCP])).await;
    let host = world.gateway.address().to_string();
    let document = through(world.client().get(METADATA), &host).send().await;
    assert_eq!(
        document.is(200).json()["resource"],
        *world.gateway.url("/mcp")
    );
}
