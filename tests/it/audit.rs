//! The audit trail: what was decided, one line each, the same as everywhere else it is told.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testbed::gateway::Finished;
use testbed::{Gateway, Reply};

use crate::setting::{call, program, reference, refused, usual};
use crate::trail::{Trail, events, in_file};

#[tokio::test]
async fn s0_56_s0_62_every_decision_is_a_line_of_a_file_for_nobody_else() {
    let (mut world, trail) = in_file("").await;
    call(&world).bearer(world.token()).send().await.is(200);
    call(&world).send().await.is(401);
    let weak = world.token().scope("other");
    call(&world).bearer(weak).send().await.is(403);
    world.client().get("/nowhere").send().await.is(404);
    // nothing was asked for that could be refused
    world.client().get("/health").send().await.is(200);
    let preflight = world.client().options("/mcp");
    preflight.send().await.is(204);
    world.gateway.terminate().await;
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));

    let lines = trail.lines();
    assert_eq!(
        events(&lines),
        ["start", "request", "request", "request", "request", "stop"]
    );
    assert_eq!(
        lines[0]["listeners"],
        json!([world.gateway.address().to_string()])
    );
    assert!(lines[0]["version"].is_string());
    let decisions: Vec<_> = lines[1..5]
        .iter()
        .map(|line| (&line["decision"], &line["reason"], &line["status"]))
        .collect();
    assert_eq!(
        decisions,
        [
            (&json!("allowed"), &Value::Null, &json!(200)),
            (
                &json!("refused"),
                &json!("missing_credentials"),
                &json!(401)
            ),
            (&json!("refused"), &json!("insufficient_scope"), &json!(403)),
            (&json!("refused"), &json!("not_found"), &json!(404)),
        ]
    );
    assert_eq!(lines[4]["route"], "none");
    assert!(
        lines
            .windows(2)
            .all(|two| two[0]["time"].as_str() <= two[1]["time"].as_str())
    );
    let mode = trail.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn s0_56_a_line_says_who_did_what_in_the_order_of_the_contract() {
    let (world, trail) = in_file("").await;
    let token = world
        .token()
        .scope("mcp:tools mcp:more")
        .claim("client_id", "app-7");
    let answer = call(&world).bearer(token).send().await;
    trail.wait_for(2).await;
    let line = trail.text().lines().nth(1).unwrap().to_owned();
    let parsed: Value = serde_json::from_str(&line).unwrap();
    for (field, expected) in [
        ("event", "request"),
        ("reference", answer.header("x-request-id").unwrap()),
        ("route", "/mcp"),
        ("client_address", "127.0.0.1"),
        ("authenticator", "corp"),
        ("subject", "alice"),
        ("kind", "user"),
        ("issuer", world.idp.issuer()),
        ("client_id", "app-7"),
        ("method", "tools/call"),
        ("tool", "echo"),
        ("decision", "allowed"),
        ("needed", "mcp:tools"),
        ("scopes", "mcp:more mcp:tools"),
    ] {
        assert_eq!(parsed[field], expected, "{field}: {line}");
    }
    assert!(parsed["duration_ms"].as_u64().unwrap() < 10_000);
    let fields = [
        "time",
        "event",
        "reference",
        "route",
        "client_address",
        "authenticator",
        "subject",
        "kind",
        "issuer",
        "client_id",
        "method",
        "tool",
        "decision",
        "needed",
        "scopes",
        "status",
        "duration_ms",
    ];
    let places: Vec<_> = fields
        .iter()
        .map(|field| line.find(&format!("\"{field}\":")))
        .collect();
    assert!(places.is_sorted() && places[0].is_some(), "{line}");
    assert_eq!(parsed.as_object().unwrap().len(), fields.len(), "{line}");
    let time = parsed["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.ends_with('Z'),
        "RFC 3339 with milliseconds: {time}"
    );
}

/// One fact, told four times.
#[tokio::test]
async fn s3_38_sec_78_a_refusal_is_the_same_in_answer_log_metric_and_audit() {
    let (world, trail) = in_file("").await;
    let requests = [
        (call(&world), 401, "missing_credentials"),
        (
            call(&world).bearer(world.token().expires_in(-60)),
            401,
            "expired",
        ),
        (
            call(&world).bearer(world.token().sign_with_other_key()),
            401,
            "invalid_signature",
        ),
        (call(&world).bearer("opaque"), 401, "not_a_jwt"),
        (
            call(&world).bearer(world.token().scope("other")),
            403,
            "insufficient_scope",
        ),
        (world.client().get("/a//b"), 400, "ambiguous_request"),
        (world.client().get("/nowhere"), 404, "not_found"),
        (
            world.client().request("PUT", "/mcp"),
            405,
            "method_not_allowed",
        ),
        (call(&world).host("evil.example"), 421, "misdirected"),
        (
            call(&world).header("Origin", "https://evil.example"),
            403,
            "origin_not_allowed",
        ),
    ];
    let count = requests.len();
    let mut told = Vec::new();
    for (request, status, reason) in requests {
        told.push((refused(&world, request, status, reason).await, reason));
    }
    let lines = trail.wait_for(count + 1).await;
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    for ((refused, reason), line) in told.iter().zip(&lines[1..]) {
        let (body, log) = (refused.answer.json(), &refused.entry);
        assert_eq!(line["reference"], reference(&body), "{line}");
        for (field, of_log) in [
            ("reference", "reference"),
            ("reason", "reason"),
            ("route", "route"),
            ("tool", "tool"),
            ("status", "status"),
            ("client_address", "client"),
            ("detail", "cause"),
        ] {
            assert_eq!(line[field], log[of_log], "{field}: {line} {log}");
        }
        let method = log.get("mcp_method").unwrap_or(&log["method"]);
        assert_eq!(line["method"], *method, "{line} {log}");
        assert_eq!(line["status"], refused.answer.status);
        let route = line["route"].as_str().unwrap();
        let series = format!(
            "portcullis_requests_total{{route=\"{route}\",outcome=\"refused\",reason=\"{reason}\"}} 1"
        );
        assert_eq!(line["decision"], "refused");
        assert!(metrics.contains(&series), "{series}\n{metrics}");
    }
}

#[tokio::test]
async fn sec_78_at_level_refusals_nothing_else_is_told() {
    let (world, trail) = in_file("level: refusals").await;
    call(&world).bearer(world.token()).send().await.is(200);
    call(&world).send().await.is(401);
    let lines = trail.wait_for(2).await;
    assert_eq!(lines[1]["reason"], "missing_credentials");
}

#[tokio::test]
async fn sec_78_what_callers_write_stays_within_its_line_and_its_length() {
    let (world, trail) = in_file("").await;
    let hostile = "eve\n{\"event\":\"forged\"}\r\u{1b}[2J\u{85}\u{9b}\u{2028}\u{202e}end";
    for subject in [hostile, &"é".repeat(500)] {
        let token = world.token().subject(subject);
        call(&world).bearer(token).send().await.is(200);
    }
    let method = "M".repeat(5000);
    world.client().request(&method, "/mcp").send().await.is(405);
    let lines = trail.wait_for(4).await;
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1]["subject"], hostile);
    for (line, field) in [(&lines[2], "subject"), (&lines[3], "method")] {
        let text = line[field].as_str().unwrap();
        assert!(text.len() <= 256 && text.ends_with('…'), "{text}");
    }
    let text = trail.text();
    let controls: Vec<_> = text
        .chars()
        .filter(|c| c.is_control() && *c != '\n')
        .collect();
    assert!(controls.is_empty(), "{controls:?} in {text}");
    assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text}");
}

#[tokio::test]
async fn s0_56_no_token_argument_or_query_is_in_the_trail() {
    let (world, trail) = in_file("").await;
    let token = world.token().sign();
    let mut planted = vec![
        "planted-argument",
        "planted-cookie",
        "planted-key",
        "planted-query",
        "planted-opaque",
    ];
    planted.extend(token.split('.').filter(|part| part.len() > 8));
    let call = || {
        let call = world.client().post("/mcp?more=planted-query");
        let call = call.call("echo", &json!({ "text": "planted-argument" }));
        call.header("Cookie", "session=planted-cookie")
            .header("X-Api-Key", "planted-key")
    };
    call().bearer(&token).send().await.is(200);
    call().bearer("planted-opaque").send().await.is(401);
    call()
        .header("Authorization", "Basic planted-opaque")
        .send()
        .await
        .is(401);
    let query = world.client().post(&format!("/mcp?access_token={token}"));
    query.send().await.is(400);
    let nowhere = world
        .client()
        .get(&format!("/nowhere/planted-query?code={token}"));
    nowhere.send().await.is(404);
    trail.wait_for(6).await;
    let text = trail.text();
    for secret in planted {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn sec_78_a_stream_is_told_when_it_begins_and_a_client_that_leaves_before_as_such() {
    let (world, trail) = in_file("queue: 16").await;
    world.server.answer(Reply::events());
    // more streams than there are places
    let mut streams = Vec::new();
    for _ in 0..20 {
        let stream = call(&world).bearer(world.token()).open().await;
        assert_eq!(stream.status, 200);
        streams.push(stream);
    }
    let lines = trail.wait_for(21).await;
    assert!(lines[1..].iter().all(|line| line["decision"] == "allowed"));
    drop(streams);

    world.server.answer(Reply::silence());
    let mut connection = world.client().connect().await;
    let request = call(&world).bearer(world.token());
    connection.write(&request.to_bytes()).await;
    world.server.wait_for(21).await;
    drop(connection);
    let lines = trail.wait_for(22).await;
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["decision"], &last["reason"]),
        (&json!("client_gone"), &json!("client_gone"))
    );
    assert_eq!(
        (&last["subject"], last.get("status")),
        (&json!("alice"), None)
    );
}

#[tokio::test]
async fn s0_62_a_place_that_cannot_be_written_is_an_error_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
    let ends = async |word: &str, file: &str| -> Finished {
        let yaml = format!(
            "audit: {{ file: '{file}' }}\n{}",
            usual(", start: lazy", "")
        );
        let yaml = yaml
            .replace("{idp}", "http://127.0.0.1:9")
            .replace("{upstream}", "http://127.0.0.1:9");
        std::fs::write(at("gateway.yaml"), yaml).unwrap();
        let launch = Gateway::launch(program()).arg(word).arg("-c");
        launch.arg(at("gateway.yaml")).finish().await
    };
    for word in ["check", "run"] {
        let ended = ends(word, &at("gone/audit.jsonl")).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("audit.file"), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: make it"), "{}", ended.stderr);
    }
    for (file, told) in [("folder", "no plain file"), ("link", "a link")] {
        let ended = ends("run", &at(file)).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(told) && ended.stderr.contains("hint: "),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn s0_56_on_a_second_signal_the_trail_is_finished_all_the_same() {
    let (mut world, trail) = in_file("").await;
    world.server.answer(Reply::silence());
    let mut connection = world.client().connect().await;
    let request = call(&world).bearer(world.token());
    connection.write(&request.to_bytes()).await;
    world.server.wait_for(1).await;
    world.gateway.terminate().await;
    world.gateway.wait_for_log("draining").await;
    world.gateway.signal("TERM").await;
    world.gateway.wait_exit().await;
    let lines = trail.lines();
    assert_eq!(events(&lines), ["start", "request", "stop"]);
    assert_eq!(lines[1]["decision"], "client_gone");
}

/// For collectors that read a container's output.
#[tokio::test]
async fn s0_62_lines_may_go_to_stdout_instead() {
    let trail = Trail::new();
    let mut world = trail.on_stdout().await;
    call(&world).bearer(world.token()).send().await.is(200);
    world.gateway.terminate().await;
    world.gateway.wait_exit().await;
    assert_eq!(events(&trail.lines()), ["start", "request", "stop"]);
}
