//! Traces: what a collector gets, what the upstream is told, and that nobody waits for either.

use std::time::Duration;

use serde_json::Value;
use testbed::gateway::Launch;
use testbed::otlp::{Export, Span};
use testbed::{Gateway, Idp, Recorder, Reply, World};

use crate::setting::program;
use crate::support::{MCP, WEB, call, config};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// Spans are sent after so many milliseconds.
const DELAY: &str = "50";

fn sampled() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// A world that sends its spans to a collector; `more` sets further variables.
pub(crate) async fn traced(more: impl Fn(Launch) -> Launch) -> (World, Recorder) {
    traced_on(&[MCP, WEB], more).await
}

async fn traced_on(routes: &[&str], more: impl Fn(Launch) -> Launch) -> (World, Recorder) {
    let collector = Recorder::start().await;
    let world = world_of(routes, |launch| {
        let launch = launch
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
            .env("OTEL_BSP_SCHEDULE_DELAY", DELAY);
        more(launch)
    })
    .await;
    (world, collector)
}

async fn world(more: impl Fn(Launch) -> Launch) -> World {
    world_of(&[MCP, WEB], more).await
}

async fn world_of(routes: &[&str], more: impl Fn(Launch) -> Launch) -> World {
    let idp = Idp::start().await;
    let server = Recorder::start().await;
    let yaml = config("", routes)
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let launch = Gateway::launch(program()).config(&yaml);
    let gateway = more(launch).start().await;
    World {
        idp,
        server,
        gateway,
    }
}

pub(crate) fn spans(collector: &Recorder) -> Vec<Span> {
    let requests = collector.recorded().into_iter();
    let whole = requests.filter(|request| request.complete);
    whole
        .flat_map(|request| Export::read(&request).spans)
        .collect()
}

/// Waits for so many spans.
async fn wait_for(collector: &Recorder, count: usize) -> Vec<Span> {
    let there = |_: &[_]| spans(collector).len() >= count;
    let what = format!("{count} spans");
    collector.wait_until(&what, there).await;
    let spans = spans(collector);
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

/// The server span and the client span of the one request that was traced.
async fn wait_for_pair(collector: &Recorder) -> (Span, Span) {
    let spans = wait_for(collector, 2).await;
    let of = |kind| spans.iter().find(|span| span.kind == kind).unwrap().clone();
    (of(2), of(3))
}

/// A series of the operator's listener, or 0.
pub(crate) async fn counted(world: &World, result: &str) -> f64 {
    let page = world.gateway.admin().get("/metrics").send().await.text();
    let name = format!("portcullis_spans_total{{result=\"{result}\"}} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&*name));
    value.map_or(0.0, |value| value.parse().unwrap())
}

pub(crate) async fn wait_for_count(world: &World, result: &str, at_least: f64) {
    let reached = async {
        while counted(world, result).await < at_least {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .unwrap_or_else(|_| panic!("{at_least} spans {result}"));
}

#[tokio::test]
async fn traces_a_callers_trace_goes_on_here_and_at_the_upstream() {
    let (world, collector) = traced(|launch| launch).await;
    let request = call(&world)
        .header("traceparent", &sampled())
        .header("tracestate", "vendor=x")
        .header("tracestate", "other=y");
    let answer = request.send().await;
    let reference = answer.is(200).header("x-request-id").unwrap();
    let (server, client) = wait_for_pair(&collector).await;
    assert_eq!(
        (&*server.trace, &*server.parent, server.flags),
        (TRACE, SPAN, 0x301)
    );
    assert_eq!(
        (&client.trace, &client.parent, client.flags),
        (&server.trace, &server.id, 0x101)
    );
    assert_eq!(server.state, "vendor=x,other=y");
    let told = world.server.last();
    let expected = format!("00-{TRACE}-{}-01", client.id);
    assert_eq!(told.headers.all("traceparent"), [&expected]);
    assert_eq!(told.headers.all("tracestate"), ["vendor=x,other=y"]);

    assert_eq!((&*server.name, server.status), ("POST /mcp", 0));
    let expected = [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/mcp"),
        ("portcullis.outcome", "allowed"),
        ("portcullis.reference", reference),
        ("portcullis.route", "/mcp"),
        ("url.scheme", "http"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(server.attributes, expected.into());
    assert_eq!((&*client.name, client.status), ("POST", 0));
    let port = world.server.address().port().to_string();
    assert_eq!(client.attributes["server.address"], "127.0.0.1");
    assert_eq!(client.attributes["server.port"], port);
    assert_eq!(client.attributes["http.response.status_code"], "200");
    assert!(server.start <= client.start && client.start < client.end);
    assert!(client.end <= server.end);
    let line = world.gateway.wait_for_log("request ended").await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["trace"], TRACE);

    let export = collector.last();
    assert_eq!(export.target, "/v1/traces");
    assert_eq!(
        export.header("content-type"),
        Some("application/x-protobuf")
    );
    let resource = Export::read(&export).resource;
    assert_eq!(resource["service.name"], "portcullis");
    wait_for_count(&world, "exported", 2.0).await;
}

#[tokio::test]
async fn traces_without_a_good_parent_one_begins_here() {
    let (world, collector) = traced(|launch| launch).await;
    let begun = call(&world)
        .header("traceparent", &format!("00-{TRACE}-{SPAN}-01-more"))
        .header("tracestate", "vendor=x")
        .send()
        .await;
    let reference = begun.is(200).header("x-request-id").unwrap();
    let (server, client) = wait_for_pair(&collector).await;
    assert_eq!(server.trace, reference, "the reference finds it");
    assert_eq!((&*server.parent, &*server.state), ("", ""));
    let told = world.server.last();
    let expected = format!("00-{reference}-{}-01", client.id);
    assert_eq!(told.headers.all("traceparent"), [&expected]);
    assert_eq!(told.header("tracestate"), None, "it belonged to no trace");
}

#[tokio::test]
async fn traces_what_is_not_sampled_is_passed_on_and_not_recorded() {
    let (world, collector) = traced(|launch| launch).await;
    let line = format!("00-{TRACE}-{SPAN}-02");
    call(&world)
        .header("traceparent", &line)
        .send()
        .await
        .is(200);
    let told = world.server.last();
    let told = told.header("traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-02"));
    assert!(
        !told.contains(SPAN),
        "the hop is there all the same: {told}"
    );
    // what comes after it is recorded, so what came before would be there too
    call(&world)
        .header("traceparent", &sampled())
        .send()
        .await
        .is(200);
    wait_for(&collector, 2).await;
}

#[tokio::test]
async fn traces_a_sampler_that_asks_no_parent_decides_itself() {
    for (sampler, expected) in [("always_on", 2), ("always_off", 0)] {
        let (mut world, collector) =
            traced(|launch| launch.env("OTEL_TRACES_SAMPLER", sampler)).await;
        let flags = if expected == 0 { "01" } else { "00" };
        let line = format!("00-{TRACE}-{SPAN}-{flags}");
        call(&world)
            .header("traceparent", &line)
            .send()
            .await
            .is(200);
        world.gateway.terminate().await;
        world.gateway.wait_exit().await;
        assert_eq!(spans(&collector).len(), expected, "{sampler}");
    }
}

#[tokio::test]
async fn traces_refusals_and_failures_are_told_by_their_reason_alone() {
    let (world, collector) = traced(|launch| launch).await;
    let secret = world.token().expires_in(-60).sign();
    let path = format!("/mcp?access_token={secret}");
    world.client().post(&path).send().await.is(400);
    let late = world.client().post("/mcp").bearer(&secret);
    late.send().await.is(401);
    world
        .client()
        .post("/oauth/secret-path")
        .send()
        .await
        .is(404);
    let odd = world.client().request("SECRETMETHOD", "/secret-path");
    odd.send().await.is(200);
    world.server.answer_once(Reply::close());
    call(&world).send().await.is(502);
    world.server.answer_once(Reply::status(500));
    world.client().get("/x?secret-query").send().await.is(500);
    let spans = wait_for(&collector, 9).await;
    let of = |name: &str, reason: &str| {
        let fits = |span: &&Span| {
            let said = span.attributes.get("error.type").map_or("", |said| said);
            span.name == name && said == reason
        };
        let found: Vec<_> = spans.iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "{name} {reason} in {spans:#?}");
        found[0].clone()
    };
    let query = of("POST /mcp", "token_in_query");
    assert_eq!(query.attributes["portcullis.outcome"], "refused");
    assert_eq!(query.attributes["portcullis.reason"], "token_in_query");
    assert_eq!(query.status, 0, "a refusal is no failure of the gateway");
    of("POST /mcp", "expired");
    assert_eq!(
        of("POST", "not_found").attributes["portcullis.route"],
        "portcullis"
    );
    let odd = of("HTTP /", "");
    assert_eq!(odd.attributes["http.request.method"], "_OTHER");
    let failed = of("POST /mcp", "upstream_unreachable");
    assert_eq!(failed.status, 2);
    assert_eq!(failed.attributes["http.response.status_code"], "502");
    let exchange = of("POST", "upstream_unreachable");
    assert_eq!((&exchange.parent, exchange.status), (&failed.id, 2));
    assert_eq!(of("GET /", "500").status, 2);
    let all = format!("{spans:?}");
    for planted in [&*secret, "secret", "SECRET", "alice", "access_token"] {
        assert!(!all.contains(planted), "{planted} in {all}");
    }
}

#[tokio::test]
async fn sec_81_traces_the_collectors_key_is_sent_and_told_nobody() {
    let (world, collector) = traced(|launch| {
        launch
            .env(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "x-key=hunter2%20planted,x-org=a",
            )
            .env("OTEL_SERVICE_NAME", "gate")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    })
    .await;
    collector.answer_once(Reply::status(400));
    call(&world).send().await.is(200);
    world.gateway.wait_for_log("traces are not exported").await;
    call(&world).send().await.is(200);
    world
        .gateway
        .wait_for_log("traces are exported again")
        .await;
    let export = collector.last();
    assert_eq!(export.header("x-key"), Some("hunter2 planted"));
    assert_eq!(export.header("x-org"), Some("a"));
    let resource = Export::read(&export).resource;
    assert_eq!(resource["service.name"], "gate");
    assert_eq!(resource["deployment.environment"], "test");
    let log = world.gateway.log().join("\n");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn traces_are_off_unless_a_collector_is_named() {
    let collector = Recorder::start().await;
    let off: [(&str, &[(&str, &str)]); 3] = [
        ("nothing", &[("OTEL_SERVICE_NAME", "x")]),
        (
            "disabled",
            &[
                ("OTEL_SDK_DISABLED", "true"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ],
        ),
        (
            "grpc",
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ],
        ),
    ];
    for (name, variables) in off {
        let mut world = world(|launch| {
            let set = |launch: Launch, (name, value): &(&str, &str)| launch.env(name, value);
            variables.iter().fold(launch, set)
        })
        .await;
        let parent = format!("00-{}-{SPAN}-01", TRACE.to_uppercase());
        let request = call(&world)
            .header("traceparent", &parent)
            .header("tracestate", "Any=Thing=At-All");
        request.send().await.is(200);
        let told = world.server.last();
        assert_eq!(
            told.header("traceparent"),
            Some(&*parent),
            "{name}: it passes as it is"
        );
        assert_eq!(told.header("tracestate"), Some("Any=Thing=At-All"));
        let page = world.gateway.admin().get("/metrics").send().await.text();
        assert!(!page.contains("portcullis_spans"), "{name}");
        world.gateway.terminate().await;
        world.gateway.wait_exit().await;
        let warned = world.gateway.log().join("\n");
        let warned = warned.contains("warning: OTEL_EXPORTER_OTLP_PROTOCOL is another protocol");
        assert_eq!(warned, name == "grpc");
    }
    assert_eq!(collector.requests(), 0);
}

#[tokio::test]
async fn traces_name_methods_and_tools_that_are_known_and_no_text_of_a_caller() {
    let route = MCP.replace("path: /mcp", "path: /mcp, access: { public_tools: [echo] }");
    let (world, collector) = traced_on(&[&route], |launch| launch).await;
    let post = || world.client().post("/mcp").bearer(world.token());
    let none = &Value::Null;
    let known = post().call("echo", none);
    let made_up = post().call("noise", none);
    let other = post().rpc(1, "made/up", none);
    let batch = post().body(r#"[{"id":1,"method":"tools/call","params":{"name":"echo"}}]"#);
    for (i, (request, method, tool)) in [
        (known, Some("tools/call"), Some("echo")),
        (made_up, Some("tools/call"), None),
        (other, None, None),
        (batch, None, None),
    ]
    .into_iter()
    .enumerate()
    {
        request.send().await.is(200);
        let spans = wait_for(&collector, 2 * (i + 1)).await;
        let server = spans.iter().rev().find(|span| span.kind == 2).unwrap();
        let attribute = |name: &str| server.attributes.get(name).map(String::as_str);
        assert_eq!(attribute("mcp.method.name"), method, "{i}");
        assert_eq!(attribute("gen_ai.tool.name"), tool, "{i}");
    }
}
