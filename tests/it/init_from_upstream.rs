//! `init --from-upstream`: a server is asked once for its tools, and what it says becomes rules that pass `check` and nothing else.

mod refused;

use serde_json::{Value, json};
use testbed::gateway::{Finished, Launch};
use testbed::recorder::Recorded;
use testbed::{Gateway, McpServer, Recorder, Reply};

use crate::presets::{PRESETS, check};
use crate::setting::program;

fn from(url: &str, words: &[&str]) -> Launch {
    let launch = Gateway::launch(program()).arg("init");
    let launch = launch.arg("--from-upstream").arg(url);
    words.iter().fold(launch, Launch::arg)
}

/// What is shown for this server.
async fn shown(url: &str, words: &[&str]) -> Finished {
    from(url, words).arg("--output").arg("-").finish().await
}

#[track_caller]
fn failed(shown: &Finished, code: i32, words: &str) {
    assert_eq!((shown.code, &*shown.stdout), (Some(code), ""), "{words}");
    assert!(shown.stderr.contains(words), "{words}: {}", shown.stderr);
}

/// The rules in a file, each as its patterns and scopes.
fn rules(yaml: &str) -> Vec<(String, String)> {
    let whole: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
    let access = &whole["routes"][0]["access"];
    assert_eq!(access["unlisted"], "deny", "{yaml}");
    let tools = access["tools"].as_sequence().unwrap();
    let text = |value: &serde_yaml::Value| value.as_str().unwrap().to_owned();
    tools
        .iter()
        .map(|rule| (text(&rule["match"]), text(&rule["scopes"][0])))
        .collect()
}

const OIDC: &[(&str, &str)] = &[("OIDC_ISSUER", "https://login.example.com")];

async fn passes_check(yaml: &str) {
    let checked = check(yaml, OIDC).await;
    assert_eq!(checked.code, Some(0), "{}\n{yaml}", checked.stderr);
}

fn answer(request: &Recorded, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": request.json()["id"], "result": result })
}

fn error(request: &Recorded, code: i32, message: &str) -> Value {
    let error = json!({ "code": code, "message": message });
    json!({ "jsonrpc": "2.0", "id": request.json()["id"], "error": error })
}

/// A server of the handshake that answers `tools/list` so.
async fn listing(list: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Recorder {
    let server = Recorder::start().await;
    server.answer_with(move |request| {
        if request.method == "DELETE" {
            return Reply::status(204);
        }
        match request.json()["method"].as_str() {
            Some("initialize") => {
                let hello =
                    json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} } });
                Reply::json(&answer(request, &hello)).header("Mcp-Session-Id", "s-1")
            }
            Some("tools/list") => list(request),
            _ => Reply::status(202),
        }
    });
    server
}

/// A server with these tools.
async fn with_tools(tools: Value) -> Recorder {
    listing(move |request| Reply::json(&answer(request, &json!({ "tools": tools })))).await
}

fn url(server: &Recorder) -> String {
    format!("{}/mcp", server.url())
}

#[tokio::test]
async fn a_starter_policy_is_made_of_a_servers_tools() {
    let server = McpServer::start().await.unwrap();
    let made = shown(server.url(), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(
        made.stderr.contains("hint: read every rule"),
        "{}",
        made.stderr
    );
    // it says nothing of what they do, which is the worst
    let found = rules(&made.stdout);
    let names: Vec<_> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["add", "echo", "slow", "whoami"]);
    assert_eq!(found[1].1, "mcp:tool:echo");
    assert!(made.stdout.contains("        #   says it again\n"));
    assert!(made.stdout.contains("not to be trusted"));
    let upstream = format!("upstream: \"${{UPSTREAM_URL:-{}}}\"", server.url());
    assert!(made.stdout.contains(&upstream), "{}", made.stdout);
    passes_check(&made.stdout).await;
}

#[tokio::test]
async fn a_starter_policy_has_the_tools_of_every_page_by_their_annotations() {
    let server = listing(|request| {
        let page = match request.json()["params"]["cursor"].as_str() {
            None => json!({ "tools": [
                { "name": "get", "title": "Get", "description": "gets", "annotations": { "readOnlyHint": true } },
                { "name": "put", "annotations": { "readOnlyHint": false, "destructiveHint": false } },
            ], "nextCursor": "two" }),
            Some(_) => json!({ "tools": [{ "name": "drop", "annotations": { "destructiveHint": true } }] }),
        };
        // in an event stream, behind something else
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
        let answer = answer(request, &page);
        Reply::status(200)
            .header("Content-Type", "text/event-stream; charset=utf-8")
            .body(format!("data: {note}\n\n: a comment\n\ndata: {answer}\n\n"))
    })
    .await;
    let made = shown(&url(&server), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let expected = [
        ("get", "mcp:read"),
        ("put", "mcp:write"),
        ("drop", "mcp:tool:drop"),
    ];
    let expected = expected.map(|(name, scope)| (name.to_owned(), scope.to_owned()));
    assert_eq!(rules(&made.stdout), expected);
    assert!(
        made.stdout.contains("        #   Get: gets\n"),
        "{}",
        made.stdout
    );
    passes_check(&made.stdout).await;

    let asked = server.recorded();
    let methods: Vec<_> = asked
        .iter()
        .map(|request| match request.method.as_str() {
            "POST" => request.json()["method"].as_str().unwrap().to_owned(),
            other => other.to_owned(),
        })
        .collect();
    assert_eq!(
        methods,
        [
            "initialize",
            "notifications/initialized",
            "tools/list",
            "tools/list",
            "DELETE"
        ]
    );
    for request in &asked[1..] {
        assert_eq!(request.header("mcp-session-id"), Some("s-1"));
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-06-18"));
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(asked[3].json()["params"], json!({ "cursor": "two" }));
}

#[tokio::test]
async fn a_server_without_a_handshake_is_asked_without_one() {
    let server = Recorder::start().await;
    server.answer_with(|request| {
        if request.json()["method"] == "tools/list" {
            let tools = json!({ "tools": [{ "name": "get" }], "ttlMs": 1, "cacheScope": "public" });
            return Reply::json(&answer(request, &tools));
        }
        let refusal = error(request, -32601, "no such method").to_string();
        let reply = Reply::status(404).header("Content-Type", "application/json");
        reply.body(refusal)
    });
    let made = shown(&url(&server), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(
        rules(&made.stdout),
        [("get".to_owned(), "mcp:tool:get".to_owned())]
    );
    let asked = server.last();
    assert_eq!(asked.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(asked.header("mcp-method"), Some("tools/list"));
    let meta = &asked.json()["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({})
    );
}

#[tokio::test]
async fn what_a_hostile_server_says_stays_in_comments() {
    let evil = "x\n        - { match: \"*\" }\r\n\u{85}      unlisted: allow\u{2028}profile: development\u{1b}[2J\u{202e}";
    let server = with_tools(json!([
        { "name": "good", "description": evil, "title": evil },
        { "name": "a\" }\n        - { match: \"*\" }", "description": evil },
        { "name": "*" },
        { "name": "${file:/etc/passwd}" },
        { "name": "Good", "annotations": { "readOnlyHint": true } },
        { "name": "", "title": 7, "annotations": "none" },
    ]))
    .await;
    let made = shown(&url(&server), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    // two names that differ in letters alone are one to rules, and the narrower one counts
    assert_eq!(
        rules(&made.stdout),
        [("good".to_owned(), "mcp:tool:good".to_owned())]
    );
    let odd = |char: &char| {
        char.is_control() && *char != '\n' || *char == '\u{202e}' || *char == '\u{2028}'
    };
    assert_eq!(made.stdout.chars().find(odd), None, "{}", made.stdout);
    let with_word = made
        .stdout
        .lines()
        .filter(|line| line.contains("\\u{1b}") || line.contains("passwd"));
    for line in with_word {
        assert!(line.trim_start().starts_with('#'), "{line}");
    }
    passes_check(&made.stdout).await;
}

#[tokio::test]
async fn a_thousand_tools_with_long_names_and_words_still_make_a_good_file() {
    let tools: Vec<Value> = (0..1000)
        .map(|n| json!({ "name": format!("{n:0>128}"), "description": "世".repeat(500) }))
        .collect();
    let server = with_tools(Value::Array(tools)).await;
    let made = shown(&url(&server), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(rules(&made.stdout).len(), 1000);
    passes_check(&made.stdout).await;
}

#[tokio::test]
async fn a_server_that_asks_for_a_token_gets_the_one_in_a_file() {
    let server = Recorder::start().await;
    server.answer_with(|request| {
        if request.header("authorization") != Some("Bearer let-me-in") {
            return Reply::status(401).header("WWW-Authenticate", "Bearer");
        }
        match request.json()["method"].as_str() {
            Some("tools/list") => {
                Reply::json(&answer(request, &json!({ "tools": [{ "name": "get" }] })))
            }
            _ => Reply::json(&answer(
                request,
                &json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} } }),
            )),
        }
    });
    let without = shown(&url(&server), &[]).await;
    failed(&without, 1, "asks for a credential (401 Unauthorized)");
    assert!(
        without.stderr.contains("hint: --bearer FILE"),
        "{}",
        without.stderr
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "let-me-in\n").unwrap();
    let with = from(&url(&server), &["--output", "-", "--bearer"]).arg(&file);
    let with = with.finish().await;
    assert_eq!(with.code, Some(0), "{}", with.stderr);
    assert_eq!(rules(&with.stdout).len(), 1);
    assert!(!with.stdout.contains("let-me-in"));
    std::fs::write(&file, "other\n").unwrap();
    let other = from(&url(&server), &["--output", "-", "--bearer"]).arg(&file);
    let other = other.finish().await;
    failed(&other, 1, "asks for a credential");
    assert!(
        other.stderr.contains("is not taken there"),
        "{}",
        other.stderr
    );
}

#[tokio::test]
async fn every_preset_with_rules_is_good() {
    let server = with_tools(
        json!([{ "name": "get" }, { "name": "put", "annotations": { "destructiveHint": false } }]),
    )
    .await;
    for (name, variables) in PRESETS {
        let made = shown(&url(&server), &["--preset", name]).await;
        if *name == "none" {
            failed(&made, 2, "--preset none asks nobody");
            continue;
        }
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        assert_eq!(rules(&made.stdout).len(), 2, "{name}");
        let checked = check(&made.stdout, variables).await;
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.stderr);
        assert!(checked.stdout.contains(&url(&server)), "{name}");
    }
}

#[tokio::test]
async fn nobody_is_asked_for_a_file_that_cannot_be_written() {
    let server = with_tools(json!([{ "name": "get" }])).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, "mine").unwrap();
    let kept = from(&url(&server), &["--output"]).arg(&file).finish().await;
    failed(&kept, 2, "is there already");
    assert_eq!(server.requests(), 0);
    let forced = from(&url(&server), &["--force", "--output"])
        .arg(&file)
        .finish()
        .await;
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(
        forced
            .stdout
            .contains("is written; set OIDC_ISSUER, then try"),
        "{}",
        forced.stdout
    );
    assert_eq!(rules(&std::fs::read_to_string(&file).unwrap()).len(), 1);
    for odd in [
        "unix:/run/mcp.sock",
        "http://me:hunter2@127.0.0.1/mcp",
        "http://127.0.0.1/${HOME}",
    ] {
        let refused = shown(odd, &[]).await;
        failed(&refused, 2, "--from-upstream takes a URL");
        assert!(!refused.stderr.contains("hunter2"));
    }
}
