//! The operator's listener: probes and metrics, and that no request can make them grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use testbed::{Idp, Reply, World, openmetrics};

use crate::setting::program;
use crate::support::{MCP, OPEN, WEB, call, config, world};

/// All series with their values.
pub(crate) async fn series(world: &World) -> BTreeMap<String, f64> {
    let answer = world.gateway.admin().get("/metrics").send().await;
    let kind = answer.is(200).header("content-type").unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let mut series = BTreeMap::new();
    for family in openmetrics::read(&answer.text()).into_values() {
        for (name, labels, value) in family.samples {
            let labels = labels.iter();
            let labels: Vec<_> = labels
                .map(|(label, value)| format!("{label}=\"{value}\""))
                .collect();
            let labels = labels.join(",");
            let key = if labels.is_empty() {
                name
            } else {
                format!("{name}{{{labels}}}")
            };
            series.insert(key, value);
        }
    }
    series
}

/// Names of all metrics, without labels.
fn names(series: &BTreeMap<String, f64>) -> BTreeSet<&str> {
    series
        .keys()
        .map(|name| name.split('{').next().unwrap())
        .collect()
}

/// The value of the one series of this name with these labels, among others.
#[track_caller]
fn value(series: &BTreeMap<String, f64>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<_> = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    let fits = |(key, _): &(&String, &f64)| {
        key.starts_with(&format!("{name}{{")) && labels.iter().all(|label| key.contains(label))
    };
    let found: Vec<_> = series.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name} {labels:?} in {series:#?}");
    *found[0].1
}

/// How many requests ended so.
#[track_caller]
fn assert_requests(
    series: &BTreeMap<String, f64>,
    route: &str,
    outcome: &str,
    reason: &str,
    expected: f64,
) {
    let labels = [("route", route), ("outcome", outcome), ("reason", reason)];
    let counted = value(series, "portcullis_requests_total", &labels);
    assert!((counted - expected).abs() < 0.1, "{labels:?}: {counted}");
}

#[tokio::test]
async fn health_the_probes_are_on_their_own_listener() {
    let world = world("", &[WEB]).await;
    for (path, status, text) in [("/healthz", 200, "ok\n"), ("/readyz", 200, "ready\n")] {
        let answer = world.gateway.admin().get(path).send().await;
        assert_eq!(answer.is(status).text(), text);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = world.gateway.admin().request("HEAD", path).send().await;
        assert_eq!(head.is(200).body, b"");
    }
    world.gateway.admin().get("/").send().await.is(404);
    world.gateway.admin().get("/mcp").send().await.is(404);
    for method in ["POST", "DELETE", "OPTIONS"] {
        let answer = world
            .gateway
            .admin()
            .request(method, "/metrics")
            .send()
            .await;
        assert_eq!(answer.is(405).header("allow"), Some("GET, HEAD"));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        world.client().get(path).send().await.is(200);
        assert_eq!(
            world.server.last().target,
            path,
            "the public listener has none of them"
        );
    }
}

#[tokio::test]
async fn health_a_lazy_provider_is_waited_for_with_503() {
    let idp = Idp::start().await;
    idp.go_down();
    let yaml = config("", &[MCP]).replace("leeway: 0s", "leeway: 0s, start: lazy");
    let world = World::start_with(program(), idp, &yaml).await;
    world.gateway.admin().get("/readyz").send().await.is(200);
    let refused = call(&world).send().await;
    assert!(refused.is(503).header("retry-after").is_some());
    assert_eq!(
        refused.header("www-authenticate"),
        None,
        "another login would not help"
    );
    assert_eq!(world.server.requests(), 0);
    world.idp.come_back();
    let answered = async {
        while call(&world).send().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), answered).await;
    assert!(in_time.is_ok(), "once the provider is back");
}

#[tokio::test]
async fn s3_38_metrics_tell_how_requests_ended() {
    let world = world("", &[MCP, WEB]).await;
    call(&world).send().await.is(200);
    call(&world).send().await.is(200);
    world.client().post("/mcp").send().await.is(401);
    world
        .client()
        .post("/mcp")
        .bearer("a.b.c")
        .send()
        .await
        .is(401);
    world.client().get("/x").send().await.is(200);
    world.client().get("/health").send().await.is(200);
    world.client().get("/oauth/x").send().await.is(404);
    world
        .client()
        .get("/health")
        .host("evil.example")
        .send()
        .await
        .is(200);
    world
        .client()
        .get("/x")
        .host("evil.example")
        .send()
        .await
        .is(421);
    world.server.answer_once(Reply::close());
    call(&world).send().await.is(502);
    let all = series(&world).await;
    assert_requests(&all, "/mcp", "allowed", "", 2.0);
    assert_requests(&all, "/mcp", "refused", "missing_credentials", 1.0);
    assert_requests(&all, "/mcp", "failed", "upstream_unreachable", 1.0);
    assert_requests(&all, "web", "allowed", "", 1.0);
    assert_requests(&all, "portcullis", "answered", "", 2.0);
    assert_requests(&all, "portcullis", "refused", "not_found", 1.0);
    assert_requests(&all, "none", "refused", "misdirected", 1.0);
    let corp = ("authenticator", "corp");
    let proven = value(
        &all,
        "portcullis_authentications_total",
        &[corp, ("result", "proven")],
    );
    assert!((proven - 3.0).abs() < 0.1);
    value(&all, "portcullis_jwks_age_seconds", &[corp]);
    let unreachable = [("route", "/mcp"), ("kind", "unreachable")];
    value(&all, "portcullis_upstream_errors_total", &unreachable);
    let mcp = [("route", "/mcp")];
    let count = value(&all, "portcullis_request_duration_seconds_count", &mcp);
    assert!((count - 5.0).abs() < 0.1);
    value(&all, "portcullis_gateway_duration_seconds_count", &mcp);
    for (route, requests) in [("portcullis", 3.0), ("none", 1.0)] {
        let refused = [("route", route)];
        let count = value(&all, "portcullis_gateway_duration_seconds_count", &refused);
        assert!((count - requests).abs() < 0.1, "{route}: {count}");
    }
    let expected = [
        "portcullis_authentications_total",
        "portcullis_build_info",
        "portcullis_connections",
        "portcullis_gateway_duration_seconds_bucket",
        "portcullis_gateway_duration_seconds_count",
        "portcullis_gateway_duration_seconds_sum",
        "portcullis_jwks_age_seconds",
        "portcullis_log_lines_dropped_total",
        "portcullis_open_streams",
        "portcullis_request_duration_seconds_bucket",
        "portcullis_request_duration_seconds_count",
        "portcullis_request_duration_seconds_sum",
        "portcullis_requests_total",
        "portcullis_upstream_errors_total",
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "portcullis_upstream_members",
    ];
    assert_eq!(names(&all), expected.into_iter().collect());
}

#[tokio::test]
async fn open_streams_are_counted_while_they_are_open() {
    let world = world("", &[OPEN]).await;
    world.server.answer(Reply::events());
    let open = async || series(&world).await["portcullis_open_streams"];
    assert!(open().await < 0.5);
    let first = world.client().post("/mcp").open().await;
    let second = world.client().post("/mcp").open().await;
    let (upstream, _second) = (world.server.stream().await, world.server.stream().await);
    let connections = series(&world).await["portcullis_connections{state=\"open\"}"];
    assert!((connections - 2.0).abs() < 0.1, "{connections}");
    assert!((open().await - 2.0).abs() < 0.1);
    upstream.end().await;
    let ended = async {
        while open().await > 1.5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(testbed::client::PATIENCE, ended)
        .await
        .expect("one less");
    drop((first, second));
}

#[tokio::test]
async fn s3_38_answers_that_break_off_and_clients_that_leave_are_counted_as_such() {
    let world = world("", &[OPEN]).await;
    world.server.answer_once(Reply::half(1000, "{"));
    let broken = world.client().post("/mcp").send().await;
    assert!(!broken.complete);
    world.server.answer_once(Reply::events());
    let left = world.client().post("/mcp").open().await;
    let upstream = world.server.stream().await;
    drop(left);
    upstream.closed().await;
    world.gateway.wait_for_log("client_gone").await;
    let series = series(&world).await;
    assert_requests(&series, "/mcp", "failed", "upstream_broke_off", 1.0);
    assert_requests(&series, "/mcp", "client_gone", "client_gone", 1.0);
}

#[tokio::test]
async fn s3_38_the_gateways_own_time_is_told_apart_from_the_upstreams() {
    let world = world("", &[OPEN]).await;
    let slow = Reply::json(&serde_json::json!({})).after(Duration::from_secs(2));
    world.server.answer(slow);
    world.client().post("/mcp").send().await.is(200);
    let series = series(&world).await;
    let mcp = [("route", "/mcp")];
    let sum = |of: &str| value(&series, &format!("portcullis_{of}_seconds_sum"), &mcp);
    assert!(sum("request_duration") >= 2.0);
    assert!(sum("gateway_duration") < 1.0);
}

#[tokio::test]
async fn head_counts_as_what_it_was_and_not_as_a_client_that_left() {
    let world = world("", &[MCP, WEB]).await;
    for path in ["/oauth/x", "/health", "/mcp"] {
        let answer = world.client().request("HEAD", path).send().await;
        assert!(answer.body.is_empty());
    }
    let series = series(&world).await;
    assert_requests(&series, "portcullis", "refused", "not_found", 1.0);
    assert_requests(&series, "portcullis", "answered", "", 1.0);
    assert_requests(&series, "/mcp", "refused", "method_not_allowed", 1.0);
}

#[tokio::test]
async fn s3_38_an_event_stream_with_a_length_was_heard_to_its_end() {
    let world = world("", &[MCP]).await;
    let measured = Reply::status(200)
        .header("Content-Type", "text/event-stream")
        .body("data: x\n\n");
    world.server.answer_once(measured);
    call(&world).send().await.is(200);
    assert_requests(&series(&world).await, "/mcp", "allowed", "", 1.0);
}
