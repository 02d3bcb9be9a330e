//! The audit trail while it cannot be written: as configured, counted, and never a silent gap.

use std::time::Duration;

use serde_json::json;
use testbed::client::Connection;
use testbed::{Gateway, World};

use crate::setting::{call, program, reference, usual};
use crate::trail::{Trail, events, in_file, requests};

/// A number out of the metrics.
async fn metric(world: &World, series: &str) -> u64 {
    let text = world.gateway.admin().get("/metrics").send().await.text();
    let line = text.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .unwrap()
}

async fn ready(world: &World) -> u16 {
    world.gateway.admin().get("/readyz").send().await.status
}

/// Waits until the gateway says that it is ready, or not.
async fn until_ready(world: &World, status: u16) {
    let waiting = async {
        while ready(world).await != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(
        waited.is_ok(),
        "waited for {status}:\n{}",
        world.gateway.log().join("\n")
    );
}

/// Fills the file with refusals, of which the number is returned.
async fn fill(world: &World) -> u64 {
    let working = "portcullis_audit_working{sink=\"file\"}";
    for sent in 1..200 {
        call(world).send().await.is(401);
        if metric(world, working).await == 0 {
            return sent;
        }
    }
    panic!("the file takes everything");
}

#[tokio::test]
async fn sec_78_s0_56_with_block_a_full_disk_lets_nothing_through_and_loses_nothing() {
    let trail = Trail::new();
    let mut world = trail.limited("queue: 16", 32).await;
    call(&world).bearer(world.token()).send().await.is(200);
    let mut sent = 1 + fill(&world).await;
    until_ready(&world, 503).await;
    let before = world.server.requests();
    let answer = call(&world).bearer(world.token()).send().await;
    assert_eq!(answer.is(503).header("retry-after"), Some("2"));
    assert_eq!(world.server.requests(), before, "no record, no action");
    let told = world.gateway.wait_for_log("audit_unavailable").await;
    assert!(told.contains(reference(&answer.json())), "{told}");
    sent += 1;
    // refusals stand without a record, and nobody waits: more of them than there are places
    let begun = std::time::Instant::now();
    for _ in 0..30 {
        call(&world).send().await.is(401);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    sent += 30;
    assert!(world.gateway.is_running());
    let full = trail.lines(); // each of them whole, though the limit is in the middle of a line
    assert_eq!(
        metric(&world, "portcullis_audit_records_total{result=\"written\"}").await,
        full.len() as u64
    );
    let dropped = metric(&world, "portcullis_audit_records_total{result=\"dropped\"}").await;
    assert!(dropped > 0);

    // what an operator does: moves the file away
    std::fs::rename(trail.path(), trail.at("full.jsonl")).unwrap();
    until_ready(&world, 200).await;
    call(&world).bearer(world.token()).send().await.is(200);
    sent += 1;
    world.gateway.terminate().await;
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));
    let mut lines = trail.lines_of("full.jsonl");
    assert_eq!(lines, full, "what was rotated away stays as it was");
    lines.extend(trail.lines());
    assert_eq!(requests(&lines), sent, "{lines:?}");
    let gap = lines.iter().find(|line| line["event"] == "gap").unwrap();
    assert_eq!(gap["records"], dropped);
    assert!(gap["since"].as_str() <= gap["until"].as_str(), "{gap}");
    assert_eq!(
        gap["missing"],
        json!([{ "decision": "refused", "reason": "missing_credentials", "count": dropped }])
    );
    let unavailable = lines
        .iter()
        .filter(|line| line["reason"] == "audit_unavailable");
    assert_eq!(unavailable.count(), 1);
    assert_eq!(lines.last().unwrap()["event"], "stop");
}

#[tokio::test]
async fn sec_78_s0_56_with_drop_everything_passes_and_the_gap_is_told() {
    let trail = Trail::new();
    let mut world = trail.limited("queue: 16, on_full: drop", 32).await;
    let mut sent = fill(&world).await;
    let begun = std::time::Instant::now();
    for _ in 0..30 {
        call(&world).bearer(world.token()).send().await.is(200);
        sent += 1;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "nobody waits: {:?}",
        begun.elapsed()
    );
    assert_eq!(ready(&world).await, 200);
    let dropped = metric(&world, "portcullis_audit_records_total{result=\"dropped\"}").await;
    assert!(dropped > 0);
    std::fs::rename(trail.path(), trail.at("full.jsonl")).unwrap();
    trail.wait_until(|text| text.contains("\"gap\"")).await;
    world.gateway.terminate().await;
    world.gateway.wait_exit().await;
    let mut lines = trail.lines_of("full.jsonl");
    lines.extend(trail.lines());
    assert_eq!(requests(&lines), sent);
    let gap = lines.iter().find(|line| line["event"] == "gap").unwrap();
    assert_eq!(
        gap["missing"],
        json!([{ "decision": "allowed", "count": dropped }])
    );
}

#[tokio::test]
async fn s0_62_after_sighup_the_file_is_a_new_one_at_once() {
    let (mut world, trail) = in_file("").await;
    call(&world).bearer(world.token()).send().await.is(200);
    trail.wait_for(2).await;
    std::fs::rename(trail.path(), trail.at("audit.jsonl.1")).unwrap();
    world.gateway.signal("HUP").await;
    trail.wait_until(|_| true).await; // nothing has to happen first
    call(&world).bearer(world.token()).send().await.is(200);
    assert!(world.gateway.is_running());
    world.gateway.terminate().await;
    world.gateway.wait_exit().await;
    assert_eq!(
        events(&trail.lines_of("audit.jsonl.1")),
        ["start", "request"]
    );
    assert_eq!(events(&trail.lines()).last(), Some(&"stop"));
}

#[tokio::test]
async fn s0_62_a_file_that_was_renamed_without_a_word_is_made_anew_soon() {
    let (world, trail) = in_file("").await;
    std::fs::rename(trail.path(), trail.at("audit.jsonl.1")).unwrap();
    let mut sent = 0;
    while !trail.path().is_file() {
        call(&world).bearer(world.token()).send().await.is(200);
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(sent < 200, "it is never looked at");
    }
    trail.wait_for(1).await;
    let mut lines = trail.lines_of("audit.jsonl.1");
    lines.extend(trail.lines());
    assert_eq!(requests(&lines), sent, "none is lost on the way");
}

#[tokio::test]
async fn sec_78_a_file_that_cannot_be_opened_after_rotation_stops_what_needs_a_record() {
    let (world, trail) = in_file("").await;
    std::fs::rename(trail.path(), trail.at("audit.jsonl.1")).unwrap();
    std::fs::create_dir(trail.path()).unwrap();
    world.gateway.signal("HUP").await;
    until_ready(&world, 503).await;
    let told = world
        .gateway
        .wait_for_log("the audit trail cannot be written")
        .await;
    assert!(told.contains("no plain file"), "{told}");
    let answer = call(&world).bearer(world.token()).send().await;
    answer.is(503);
    assert_eq!(world.server.requests(), 0);
    std::fs::remove_dir(trail.path()).unwrap();
    until_ready(&world, 200).await;
    world
        .gateway
        .wait_for_log("the audit trail is written again")
        .await;
    call(&world).bearer(world.token()).send().await.is(200);
    trail
        .wait_until(|text| text.matches("\"request\"").count() == 2)
        .await;
    let lines = trail.lines();
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "request")
        .collect();
    assert_eq!(requests[0]["reason"], "audit_unavailable");
    assert_eq!(requests[1]["decision"], "allowed");
    assert_eq!(events(&trail.lines_of("audit.jsonl.1")), ["start"]);
}

/// A rotation that is over within the two seconds costs a wait, not a refusal.
#[tokio::test]
async fn sec_78_a_short_outage_is_waited_for() {
    let (world, trail) = in_file("").await;
    std::fs::rename(trail.path(), trail.at("audit.jsonl.1")).unwrap();
    std::fs::create_dir(trail.path()).unwrap();
    world.gateway.signal("HUP").await;
    until_ready(&world, 503).await;
    let mut connection = world.client().connect().await;
    let request = call(&world).bearer(world.token());
    connection.write(&request.to_bytes()).await;
    std::fs::remove_dir(trail.path()).unwrap();
    connection.answer().await.unwrap().is(200);
}

#[tokio::test]
async fn s0_56_without_its_first_line_the_gateway_does_not_start() {
    let yaml = format!("audit: {{ stdout: true }}\n{}", usual(", start: lazy", ""));
    let yaml = yaml
        .replace("{idp}", "http://127.0.0.1:9")
        .replace("{upstream}", "http://127.0.0.1:9");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    let (program, file) = (program().display(), file.display());
    let script = format!("exec '{program}' run -c '{file}' > /dev/full");
    let shell = Gateway::launch(std::path::Path::new("/bin/sh"));
    let ended = shell.arg("-c").arg(script).finish().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("error: the audit trail cannot be written"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn sec_78_callers_who_are_slow_keep_nobody_from_a_record() {
    let (world, trail) = in_file("queue: 16").await;
    let host = world.gateway.address();
    let token = world.token().sign();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n"
    );
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(host).await;
        connection.write(head.as_bytes()).await;
        slow.push(connection);
    }
    // all of them are before the server, which waits for bodies
    call(&world).bearer(world.token()).send().await.is(200);
    trail.wait_for(2).await;
    drop(slow);
    trail.wait_for(22).await;
    call(&world).bearer(world.token()).send().await.is(200);
    assert_eq!(requests(&trail.wait_for(23).await), 22);
}
