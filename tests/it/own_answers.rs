//! What all answers have in common that the gateway makes itself, whoever asks for whatever.

use testbed::client::{Answer, Client, Request, h2};
use testbed::{Reply, World};

use crate::https::{Authority, GOOD, call as call_by_name, send, world as tls_world};
use crate::support::{MCP, WEB, call, world};
use crate::to_https::plain;

/// Nobody keeps it, nobody takes it for anything else, and nobody learns what made it.
#[track_caller]
fn is_our_own(what: &str, answer: &Answer, status: u16, caching: &str) {
    assert_eq!(answer.status, status, "{what}");
    assert_eq!(answer.headers.all("cache-control"), [caching], "{what}");
    let kinds = answer.headers.all("x-content-type-options");
    assert_eq!(kinds, ["nosniff"], "{what}");
    for name in ["server", "x-powered-by", "set-cookie"] {
        assert!(!answer.headers.has(name), "{what}: {name}");
    }
}

fn preflight(client: &Client, origin: &str) -> Request {
    let request = client.options("/mcp").header("Origin", origin);
    request.header("Access-Control-Request-Method", "POST")
}

#[tokio::test]
async fn cache_5_every_answer_of_our_own_is_kept_by_nobody_and_read_as_what_it_is() {
    let world = world("limits: { body_bytes: 10 }", &[MCP]).await;
    let client = world.client();
    let own = format!("http://{}", world.gateway.address());
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    let table = [
        ("health", client.get("/health"), 200),
        ("preflight", preflight(&client, &own), 204),
        ("options", client.options("/mcp"), 204),
        (
            "foreign origin",
            preflight(&client, "https://evil.example"),
            403,
        ),
        ("no credential", client.post("/mcp"), 401),
        ("bad credential", client.post("/mcp").bearer("x"), 401),
        ("no scope", client.get("/mcp?access_token=x"), 400),
        ("nowhere", client.get("/nowhere"), 404),
        ("reserved", client.get("/oauth/token"), 404),
        (
            "no such document",
            client.get(&format!("{metadata}/x")),
            404,
        ),
        ("two readings", client.get("/a//b"), 400),
        ("another host", client.get("/mcp").host("evil.example"), 421),
        (
            "method",
            client.request("PUT", "/mcp").bearer(world.token()),
            405,
        ),
        ("trace", client.request("TRACE", "/mcp"), 405),
        ("tunnel", client.request("CONNECT", "/mcp"), 501),
        ("body", call(&world).body("more than ten bytes"), 413),
    ];
    let multiplexed = h2::Connection::open(world.gateway.address()).await;
    for (what, request, status) in table {
        is_our_own(what, &request.clone().send().await, status, "no-store");
        if what != "tunnel" {
            let answer = multiplexed.send(request).await.unwrap();
            is_our_own(what, &answer, status, "no-store");
        }
    }
    // a document that is the same for everybody may be kept
    let document = client.get(metadata).send().await;
    is_our_own("metadata", &document, 200, "public, max-age=300");
    for (what, reply) in [
        ("upstream's 401", Reply::status(401)),
        (
            "a page",
            Reply::status(200)
                .header("Content-Type", "text/html")
                .body("<p>"),
        ),
        ("no answer", Reply::close()),
    ] {
        world.server.answer(reply.header("Server", "nginx/1.2.3"));
        let answer = world.client().post("/mcp").body("{}").bearer(world.token());
        is_our_own(what, &answer.send().await, 502, "no-store");
    }
    let admin = world.gateway.admin();
    for (what, request, status) in [
        ("healthz", admin.get("/healthz"), 200),
        ("readyz", admin.get("/readyz"), 200),
        ("metrics", admin.get("/metrics"), 200),
        ("no such page", admin.get("/"), 404),
        ("not asked but told", admin.post("/healthz"), 405),
    ] {
        is_our_own(what, &request.send().await, status, "no-store");
    }
}

#[tokio::test]
async fn cache_5_the_way_to_https_is_no_different() {
    let authority = Authority::new();
    authority.write("main", &["localhost", "127.0.0.1"], GOOD);
    let server = format!(
        "redirect_http: \"127.0.0.1:0\", {}",
        authority.keys("main", "")
    );
    let world = tls_world(&server, &[MCP]).await;
    let client = plain(&world).await;
    let get = client.get("/").host("localhost");
    is_our_own("redirect", &get.clone().send().await, 308, "no-store");
    is_our_own("credential", &get.bearer("x").send().await, 403, "no-store");
    let stream = authority.open(&world, "localhost").await;
    let foreign = call_by_name(&world, "localhost").host("evil.example");
    is_our_own(
        "another host",
        &send(stream, &foreign).await,
        421,
        "no-store",
    );
}

#[tokio::test]
async fn what_an_upstream_says_of_itself_passes() {
    let world = world("", &[MCP, WEB]).await;
    let told = [
        ("Server", "nginx/1.2.3"),
        ("X-Powered-By", "PHP/9"),
        ("Cache-Control", "max-age=60"),
    ];
    for (request, kind) in [
        (call(&world), "application/json"),
        (world.client().get("/page"), "text/html"),
    ] {
        let reply = Reply::status(200).header("Content-Type", kind);
        let reply = told
            .iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value));
        world.server.answer(reply.body("{}"));
        let answer = request.send().await;
        for (name, value) in told {
            assert_eq!(answer.headers.all(name), [value]);
        }
    }
    assert_eq!(world.server.requests(), 2);
}

/// Only a head that nobody could read is answered before any of this: it has no body to be kept or misread.
#[tokio::test]
async fn an_unreadable_head_is_answered_without_a_word() {
    let world: World = world("", &[MCP]).await;
    let answer =
        testbed::client::send_raw(world.gateway.address(), b"GET / HTTP/1.1\r\nA b: c\r\n\r\n");
    let answer = answer.await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    assert!(!answer.headers.has("server"));
}
