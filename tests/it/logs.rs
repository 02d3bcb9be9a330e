//! What the operator reads, and what nobody does.

use serde_json::Value;
use testbed::gateway::Launch;
use testbed::{Gateway, Idp, World};

use crate::setting::{call, program, refused, usual};
use crate::support;

async fn world(logging: &str) -> World {
    let template = usual("", "").replace("format: json, level: debug", logging);
    assert!(template.contains(logging));
    World::start(program(), &template).await
}

fn entries(world: &World) -> Vec<Value> {
    let lines = world.gateway.log();
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test]
async fn s3_50_start_claims_and_failures_are_told_at_their_levels() {
    let world = world("format: json, level: debug").await;
    call(&world).bearer(world.token()).send().await.is(200);
    let expired = world.token().expires_in(-60);
    call(&world).bearer(expired).send().await.is(401);
    world.gateway.wait_for_log("request refused").await;
    let entries = entries(&world);
    let find = |message: &str| {
        let found = entries.iter().find(|entry| entry["message"] == message);
        found.unwrap_or_else(|| panic!("no {message:?} in {entries:?}"))
    };
    let start = find("authenticator initialised");
    assert_eq!(start["level"], "INFO");
    assert_eq!(start["method"], "oidc");
    assert_eq!(start["issuer"], world.idp.issuer());
    let claims = find("token claims");
    assert_eq!(claims["level"], "DEBUG");
    assert_eq!(claims["sub"], "\"alice\"");
    assert_eq!(claims["scope"], "mcp:tools");
    let refused = find("request refused");
    assert_eq!(refused["level"], "WARN");
    assert_eq!(refused["reason"], "expired");
    let cause = refused["cause"].as_str().unwrap();
    assert!(cause.starts_with("token has expired"), "{cause}");
    for field in ["route", "method", "path", "client", "reference", "status"] {
        assert!(refused.get(field).is_some(), "{field}: {refused}");
    }
}

#[tokio::test]
async fn s3_49_the_level_is_the_operators_choice() {
    let info = world("format: text, level: info").await;
    call(&info).bearer(info.token()).send().await.is(200);
    call(&info).bearer("x").send().await.is(401);
    info.gateway.wait_for_log("request refused").await;
    let log = info.gateway.log().join("\n");
    assert!(
        !log.contains("DEBUG") && !log.contains("token claims"),
        "{log}"
    );
    assert!(log.contains(" INFO ") && log.contains(" WARN "), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours where nobody sees them");
}

#[tokio::test]
async fn a_stranger_cannot_forge_a_line() {
    let world = world("format: text, level: debug").await;
    let token = world
        .token()
        .claim("iss", "x\n2026 INFO portcullis: forged");
    call(&world).bearer(token).send().await.is(401);
    let token = world.token().subject("eve\nforged line");
    call(&world).bearer(token).send().await.is(200);
    let kid = world.token().header("kid", "k\r\nforged");
    call(&world).bearer(kid).send().await.is(401);
    let path = world.client().get("/a%0Aforged");
    path.send().await;
    world.gateway.wait_for_log("unknown_key").await;
    for line in world.gateway.log() {
        assert!(
            !line.starts_with("forged") && !line.starts_with("2026 INFO"),
            "{line}"
        );
    }
}

/// The parts of a token that nobody may learn from a log. Header and claims are no secrets by themselves, but together with the
/// signature they are the token, so no part of it has a place there.
fn parts(token: &str) -> Vec<String> {
    token.split('.').map(str::to_owned).collect()
}

#[tokio::test]
async fn s3_24_s3_50_tokens_are_in_no_log_at_any_level() {
    for logging in ["format: json, level: trace", "format: text, level: trace"] {
        let world = world(logging).await;
        let good = world.token().sign();
        let mut secrets = Vec::new();
        for token in [
            good.clone(),
            world.token().expires_in(-60).sign(),
            world.token().sign_with_other_key(),
            world.token().audience("https://other.example").sign(),
            world.token().header("kid", "unknown").sign(),
            "opaque-token-8xLOxBtZp8".to_owned(),
        ] {
            call(&world).bearer(&token).send().await;
            let query = world
                .client()
                .post(&format!("/mcp?access_token={token}&more=secret-query"));
            query.call("echo", &Value::Null).send().await.is(400);
            let elsewhere = world.client().get(&format!("/nowhere?code={token}"));
            elsewhere.send().await.is(404);
            secrets.extend(parts(&token));
        }
        let cookie = call(&world)
            .bearer(&good)
            .header("Cookie", "session=planted-cookie");
        cookie
            .header("X-Api-Key", "planted-key")
            .send()
            .await
            .is(200);
        let body = world
            .client()
            .post("/mcp")
            .bearer(&good)
            .body("planted-body");
        body.send().await;
        let basic = call(&world).header("Authorization", "Basic cGxhbnRlZDpwYXNz");
        basic.send().await.is(401);
        secrets.extend(
            [
                "secret-query",
                "planted-cookie",
                "planted-key",
                "planted-body",
                "cGxhbnRlZDpwYXNz",
            ]
            .map(str::to_owned),
        );
        world.gateway.wait_for_log("unknown scheme").await;
        let log = world.gateway.log().join("\n");
        for secret in secrets {
            // all headers of one kind of token are the same public text
            if secret.len() > 8 {
                assert!(!log.contains(&secret), "{secret} is in\n{log}");
            }
        }
    }
}

#[tokio::test]
async fn sec_81_s0_19_planted_secrets_come_out_nowhere() {
    let idp = Idp::start().await;
    let yaml = usual(
        ", start: lazy, proxy: \"http://gate:${PASSWORD}@127.0.0.1:1\"",
        "",
    )
    .replace("level: debug", "level: trace")
    .replace("{idp}", idp.issuer())
    .replace("{upstream}", "http://127.0.0.1:9");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let env_file = folder.path().join("gateway.env");
    std::fs::write(&env_file, "PASSWORD=hunter2planted\n").unwrap();
    let run = async |words: &[&str], yaml: &str| {
        std::fs::write(&file, yaml).unwrap();
        let launch = Gateway::launch(program());
        let launch = words.iter().fold(launch, Launch::arg);
        let launch = launch.arg("-c").arg(&file).arg("--env-file").arg(&env_file);
        launch.finish().await
    };
    let required = yaml.replace("start: lazy, ", "");
    let broken = yaml.replace("level: trace", "level: \"${PASSWORD}\"");
    for (words, yaml, code) in [
        (&["check"][..], &yaml, 0),
        (&["check", "--resolved"], &yaml, 0),
        (&["run"], &required, 1),
        (&["check"], &broken, 2),
        (&["health"], &broken, 1),
    ] {
        let ended = run(words, yaml).await;
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains("hunter2planted"), "{words:?}: {all}");
    }
    let resolved = run(&["check", "--resolved"], &yaml).await;
    assert!(
        resolved.stdout.contains("http://***@127.0.0.1:1"),
        "{}",
        resolved.stdout
    );

    let launch = Gateway::launch(program()).config(&yaml);
    let gateway = launch.env("PASSWORD", "hunter2planted").start().await;
    gateway.wait_for_log("failed to fetch").await;
    let request = gateway.client().post("/mcp").call("echo", &Value::Null);
    let answer = request.bearer(idp.token()).send().await;
    answer.is(503);
    let log = gateway.log().join("\n");
    assert!(!log.contains("hunter2planted"), "{log}");
    assert!(!format!("{answer:?}").contains("hunter2planted"));
}

/// A program whose log goes into a pipe, with the pipe in our hands once it is ready.
struct Piped {
    child: std::process::Child,
    client: testbed::Client,
    _folder: tempfile::TempDir,
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

async fn piped(idp: &Idp) -> (Piped, std::process::ChildStderr) {
    let yaml = usual("", "")
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", "http://127.0.0.1:9");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut child = std::process::Command::new(program())
        .args(["run", "-c"])
        .arg(&file)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let (address, log) = tokio::task::spawn_blocking(move || {
        let mut address = None;
        let mut line = String::new();
        loop {
            line.clear();
            std::io::BufRead::read_line(&mut log, &mut line).unwrap();
            let entry: Value = serde_json::from_str(&line).unwrap();
            match entry["message"].as_str() {
                Some("listening") => address = entry["address"].as_str().map(str::to_owned),
                Some("ready") => break,
                _ => {}
            }
        }
        (address.unwrap().parse().unwrap(), log.into_inner())
    })
    .await
    .unwrap();
    let client = testbed::Client::new(address);
    let piped = Piped {
        child,
        client,
        _folder: folder,
    };
    (piped, log)
}

/// A pipe whose reader has died must not take the gateway along.
#[tokio::test]
async fn a_log_that_nobody_reads_any_more_harms_nobody() {
    let idp = Idp::start().await;
    let (gateway, log) = piped(&idp).await;
    drop(log);
    for _ in 0..3 {
        gateway.client.post("/mcp").send().await.is(401);
    }
}

/// Nor one whose reader has stopped reading: refusals cost a line each, and anybody can cause them.
#[tokio::test]
async fn a_log_that_is_not_read_for_a_while_makes_nobody_wait() {
    let idp = Idp::start().await;
    let (gateway, _unread) = piped(&idp).await;
    // a pipe holds 64 KiB, a line is over 200 bytes: it is full long before the last of these
    for _ in 0..600 {
        gateway.client.post("/mcp").send().await.is(401);
    }
}

#[tokio::test]
async fn a_long_path_is_logged_as_far_as_it_helps() {
    let world = support::world("", &[support::MCP]).await;
    let request = world.client().get(&format!("/{}", "x".repeat(5000)));
    let refused = refused(&world, request, 404, "not_found").await;
    assert_eq!(refused.entry["path"].as_str().map(str::len), Some(256));
}
