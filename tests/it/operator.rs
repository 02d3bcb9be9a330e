//! What the operator alone may see and do (SEC-79).

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testbed::client::{Answer, Client, Connection, Request};
use testbed::{Gateway, World};
use tokio::net::UnixStream;

use crate::https::{Authority, GOOD};
use crate::reload::{needing, reloaded, scoped};
use crate::setting::program;
use crate::support::{MCP, config};

const TOKEN: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";

fn with(template: &str, admin: &str) -> String {
    template.replace(
        "admin: { listen: \"127.0.0.1:0\" }",
        &format!("admin: {{ {admin} }}"),
    )
}

fn with_token(template: &str) -> String {
    with(
        template,
        &format!("listen: \"127.0.0.1:0\", token: {TOKEN}"),
    )
}

fn asked(world: &World, method: &str, path: &str) -> Request {
    let request = world.gateway.admin().request(method, path);
    request.bearer(TOKEN)
}

/// Over a Unix socket, and without a token.
async fn through(socket: &std::path::Path, request: Request) -> Answer {
    let mut connection = Connection::over(UnixStream::connect(socket).await.unwrap());
    connection.write(&request.to_bytes()).await;
    connection.answer().await.unwrap()
}

fn nobody() -> Client {
    Client::new("127.0.0.1:1".parse().unwrap()).with_host("localhost")
}

#[tokio::test]
async fn sec_79_without_a_token_there_are_probes_and_metrics_and_nothing_else() {
    let world = World::start(program(), &config("", &[MCP])).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let admin = world.gateway.admin();
        admin.get(path).send().await.is(200);
        admin
            .get(path)
            .host("monitoring.example")
            .send()
            .await
            .is(200);
        admin.post(path).send().await.is(405);
    }
    for (method, path) in [("GET", "/status"), ("POST", "/reload"), ("GET", "/other")] {
        let answer = asked(&world, method, path).send().await;
        answer.is(404);
        assert!(answer.text().starts_with("not found"), "{}", answer.text());
    }
}

#[tokio::test]
async fn sec_79_the_operator_proves_to_be_one_and_pages_of_others_do_not() {
    let world = World::start(program(), &with_token(&config("", &[MCP]))).await;
    let admin = world.gateway.admin();
    let own = world.gateway.admin_address().to_string();
    let status = || asked(&world, "GET", "/status");
    status().send().await.is(200);
    status()
        .header("Origin", &format!("http://{own}"))
        .send()
        .await
        .is(200);
    let answer = admin.get("/status").send().await;
    assert_eq!(answer.is(401).header("www-authenticate"), Some("Bearer"));
    admin
        .get("/status")
        .bearer(TOKEN.replace('q', "1"))
        .send()
        .await
        .is(401);
    admin
        .get(&format!("/status?access_token={TOKEN}"))
        .send()
        .await
        .is(401);
    status().host("rebound.example").send().await.is(421);
    status()
        .header("Origin", "https://evil.example")
        .send()
        .await
        .is(403);
    asked(&world, "POST", "/status").send().await.is(405);
    asked(&world, "GET", "/reload").send().await.is(405);
    // a page without the token learns nothing, not even by a preflight
    let preflight = admin
        .options("/reload")
        .header("Origin", "https://evil.example");
    let preflight = preflight
        .header("Access-Control-Request-Method", "POST")
        .send()
        .await;
    assert_eq!(
        preflight.is(403).header("access-control-allow-origin"),
        None
    );
    world.gateway.wait_for_log("admin request refused").await;
    world.gateway.wait_for_log("\"admin request\"").await;
    assert!(!world.gateway.log().iter().any(|line| line.contains(TOKEN)));
    world
        .client()
        .get("/status")
        .bearer(TOKEN)
        .send()
        .await
        .is(404);
}

#[tokio::test]
async fn sec_79_the_status_tells_what_is_configured_and_how_it_is() {
    let tls = Authority::new();
    tls.write("main", &["localhost"], GOOD);
    let world = World::start(
        program(),
        &with_token(&config(&tls.keys("main", ""), &[MCP])),
    )
    .await;
    let status = async || asked(&world, "GET", "/status").send().await.is(200).json();
    let mut first = status().await;
    let key_age = first["authenticators"][0]["keys_age_seconds"].take();
    let days = first["certificates"][0]["days_left"].take();
    assert!(key_age.as_u64().unwrap() < 60, "{key_age}");
    assert!([999, 1000].contains(&days.as_i64().unwrap()), "{days}");
    assert!(first["uptime_seconds"].take().as_u64().unwrap() < 60);
    assert!(first["version"].take().as_str().unwrap().contains('.'));
    let route = json!({
        "name": "/mcp", "host": null, "path": "/mcp", "challenge_path": null, "transport": "mcp", "protected": true, "rate_limit": null,
        "upstream": [{ "server": world.server.url(), "standing": "serving", "requests": 0 }],
    });
    let expected = json!({
        "version": null, "profile": "development", "uptime_seconds": null, "ready": true, "draining": false, "routes": [route],
        "authenticators": [{ "name": "corp", "keys_age_seconds": null }],
        "certificates": [{ "certificate": "server.tls", "days_left": null }],
        "last_reload": null,
    });
    assert_eq!(first, expected);
    world.rewrite("routes: 1");
    world
        .gateway
        .wait_for_log("configuration not reloaded")
        .await;
    let last = &status().await["last_reload"];
    assert_eq!(last["result"], "refused");
    assert!(last["cause"].as_str().unwrap().contains("routes"), "{last}");
    assert!(last["at"].as_u64().unwrap() > 1_700_000_000, "{last}");
}

#[tokio::test]
async fn sec_79_s0_60_the_status_tells_how_often_a_caller_may_ask() {
    let limited = |limit: &str| {
        let route = MCP.replacen(
            ", upstream",
            &format!(", rate_limit: {{ {limit} }}, upstream"),
            1,
        );
        with_token(&config("", &[&route]))
    };
    let world = World::start(program(), &limited("max_tool_calls: 50")).await;
    let limit = async || {
        let mut status = asked(&world, "GET", "/status").send().await.is(200).json();
        status["routes"][0]["rate_limit"].take()
    };
    assert_eq!(
        limit().await,
        json!({ "window_seconds": 60.0, "max_requests": null, "max_tool_calls": 50 })
    );
    let wider = limited("window: 1500ms, max_requests: 100");
    reloaded(&world, &wider, 1).await;
    assert_eq!(
        limit().await,
        json!({ "window_seconds": 1.5, "max_requests": 100, "max_tool_calls": null })
    );
}

#[tokio::test]
async fn sec_79_a_reload_can_be_asked_for_and_answers_what_came_of_it() {
    let world = World::start(program(), &with_token(&needing("one"))).await;
    let reload = async || asked(&world, "POST", "/reload").send().await;
    assert_eq!(reload().await.is(200).json(), json!({ "result": "ok" }));
    world.rewrite(&with_token(&needing("two")));
    assert_eq!(reload().await.is(200).json(), json!({ "result": "ok" }));
    scoped(&world, "two").send().await.is(200);
    world.rewrite(&with_token(&needing("two").replace("routes:", "rutes:")));
    let answer = reload().await;
    let answer: Value = answer.is(422).json();
    assert_eq!(answer["result"], "refused");
    let cause = answer["cause"].as_str().unwrap();
    assert!(cause.contains("did you mean `routes`?"), "{cause}");
    scoped(&world, "two").send().await.is(200);
    // another token counts from the moment it is there
    let other = with_token(&needing("two")).replace(TOKEN, &TOKEN.replace('q', "9"));
    world.rewrite(&other);
    reload().await.is(200);
    reload().await.is(401);
}

#[tokio::test]
async fn sec_79_whoever_may_open_the_socket_is_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let yaml = with(
        &needing("one"),
        &format!("listen: \"unix:{}\"", socket.display()),
    );
    let mut world = World::start(program(), &yaml).await;
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    through(&socket, nobody().get("/readyz")).await.is(200);
    let status = through(&socket, nobody().get("/status")).await;
    assert_eq!(status.is(200).json()["routes"][0]["path"], "/mcp");
    through(&socket, nobody().post("/reload")).await.is(200);
    let moved = yaml.replace("admin.sock", "other.sock");
    world.rewrite(&moved);
    let refused = through(&socket, nobody().post("/reload")).await;
    assert_eq!(
        refused.is(422).json()["cause"],
        "needs a restart: admin.listen changed"
    );
    world.rewrite(&yaml);
    let health = Gateway::launch(program()).arg("health").arg("-c");
    let health = health.arg(world.gateway.config_path()).finish().await;
    assert_eq!(health.code, Some(0), "{}", health.stderr);
    world.gateway.terminate().await;
    world.gateway.wait_exit().await;
    assert!(!socket.exists(), "it goes with the gateway");
}
