//! The number of series depends on the configuration alone, whatever callers send, and every label is one that the operator can look up.

use std::sync::Arc;

use serde_json::{Value, json};
use testbed::client::{Request, h2};
use testbed::{World, openmetrics};
use tokio::task::JoinSet;

use crate::admin::series;
use crate::reload::{reloaded, scoped};
use crate::setting::program;
use crate::support::{MCP, WEB, config, world};
use crate::tree::read;

/// Rounds of requests that are each different from all before.
const ROUNDS: usize = 300;
/// Requests at a time.
const AT_ONCE: usize = 32;

/// One request of each kind, with the status that it has; made up in every part that a caller can make up.
fn noise(world: &World, i: usize) -> Vec<(u16, Request)> {
    let client = world.client();
    let noise = format!("noise{i}");
    let host = format!("{noise}.example");
    let token = || world.token().subject(&noise);
    let tool = |request: Request| request.call(&noise, &json!({ &*noise: noise }));
    let stranger = token()
        .claim("iss", format!("https://{host}"))
        .claim("client_id", noise.clone());
    let odd = format!(r#"{{"alg":"{noise}","kid":"{noise}"}}"#);
    let odd = token().sign_raw(&odd, &token().claims_text());
    vec![
        (404, client.get(&format!("/oauth/{noise}?{noise}={noise}"))),
        (
            200,
            client
                .get(&format!("/{noise}"))
                .header("User-Agent", &noise),
        ),
        (421, client.post("/mcp").host(&host)),
        (405, client.request(&format!("METHOD{i}"), "/mcp")),
        (
            403,
            client
                .post("/mcp")
                .header("Origin", &format!("https://{host}")),
        ),
        (401, client.post("/mcp").bearer(stranger)),
        (401, client.post("/mcp").bearer(odd)),
        (
            401,
            client
                .post("/mcp")
                .header("Authorization", &format!("{noise} x")),
        ),
        (200, tool(client.post("/mcp").bearer(token()))),
        (
            404,
            tool(client.post("/mcp").bearer(token())).header("Mcp-Session-Id", &noise),
        ),
        (
            200,
            client
                .post("/mcp")
                .bearer(token().claim("client_id", noise.clone()))
                .header("Mcp-Method", &noise)
                .header("traceparent", &noise)
                .rpc(1, &noise, &Value::Null),
        ),
    ]
}

#[tokio::test]
async fn s3_38_no_request_can_add_series() {
    // The budget would turn most of them away, and rightly so.
    let world = world("limits: { failures_per_address: off }", &[MCP, WEB]).await;
    let connection = Arc::new(h2::Connection::open(world.gateway.address()).await);
    for (status, request) in noise(&world, 0) {
        connection.send(request).await.unwrap().is(status);
    }
    let before: Vec<_> = series(&world).await.into_keys().collect();
    let mut running = JoinSet::new();
    for i in 1..ROUNDS {
        for (status, request) in noise(&world, i) {
            if running.len() >= AT_ONCE {
                running.join_next().await.unwrap().unwrap();
            }
            let connection = Arc::clone(&connection);
            running.spawn(async move {
                connection.send(request).await.unwrap().is(status);
            });
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    let after = series(&world).await;
    let counted = |(key, value): (&String, &f64)| {
        let ended = key.starts_with("portcullis_requests_total");
        ended.then_some(*value)
    };
    let requests: f64 = after.iter().filter_map(counted).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let sent = (ROUNDS * noise(&world, 0).len()) as f64;
    assert!((requests - sent).abs() < 0.1, "all are counted: {requests}");
    let after: Vec<_> = after.into_keys().collect();
    assert_eq!(before, after);
    assert!(!after.join("\n").contains("noise"));
}

#[tokio::test]
async fn s3_38_routes_that_are_gone_take_their_series_along() {
    let named = |name: &str| {
        let route = MCP.replace("path: /mcp", &format!("path: /mcp, name: {name}"));
        config("", &[&route])
    };
    let world = World::start(program(), &named("route0")).await;
    for nth in 0..4 {
        if nth > 0 {
            reloaded(&world, &named(&format!("route{nth}")), nth).await;
        }
        scoped(&world, "any").send().await.is(200);
        world.client().post("/mcp").send().await.is(401);
    }
    let all = series(&world).await;
    let of = |name: &str| all.keys().filter(|key| key.contains(name)).count();
    // requests end on the plan that they began with, so the one before is still told of
    assert_eq!((of("route0"), of("route1")), (0, 0), "{all:?}");
    assert!(of("route2") > 0 && of("route3") >= of("route2"), "{all:?}");
    let corp = of("authenticator=\"corp\"");
    assert!(corp > 0, "it is in all configurations");
}

#[tokio::test]
async fn s3_38_every_label_is_configured_or_in_the_contract() {
    let routes = &[MCP, WEB];
    let world = world("", routes).await;
    for (_, request) in noise(&world, 0) {
        request.send().await;
    }
    let page = world.gateway.admin().get("/metrics").send().await.text();
    let configured = config("", routes);
    let contract = read("docs/contract.md");
    for (name, family) in openmetrics::read(&page) {
        let documented = contract.contains(&*name) || name.starts_with("process_");
        assert!(documented, "{name} is in docs/contract.md");
        for (_, labels, _) in family.samples {
            for (label, value) in labels {
                if label == "le" || label == "version" || value.is_empty() {
                    continue; // bounds are numbers of ours
                }
                let mut words = contract.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let known = configured.contains(&value) || words.any(|word| word == value);
                assert!(known, "{name}{{{label}={value:?}}} is a word of nobody's");
            }
        }
    }
}
