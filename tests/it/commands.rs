//! The commands beside `run`: what they print, where, and how they end.

use std::path::Path;

use serde_json::Value;
use testbed::gateway::{Finished, Launch};
use testbed::{Gateway, Idp, Recorder, Reply};

use crate::setting::{program, usual};

fn command(words: &[&str]) -> Launch {
    let launch = Gateway::launch(program());
    words.iter().fold(launch, Launch::arg)
}

pub(crate) async fn with_file(words: &[&str], yaml: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    command(words).arg("-c").arg(&file).finish().await
}

fn good() -> String {
    usual("", "")
        .replace("{idp}", "https://login.example.com/")
        .replace("{upstream}", "http://127.0.0.1:9")
}

#[tokio::test]
async fn s4_2_check_says_good_without_asking_anybody() {
    let idp = Idp::start().await;
    let yaml = good().replace("https://login.example.com/", idp.issuer());
    let checked = with_file(&["check"], &yaml).await;
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert!(
        checked
            .stdout
            .ends_with("is good: 1 route(s), 1 authenticator(s)\n"),
        "{}",
        checked.stdout
    );
    assert_eq!(idp.fetches("/.well-known/openid-configuration"), 0);
}

#[tokio::test]
async fn s3_5_check_ends_with_2_and_every_problem() {
    let yaml = good()
        .replace("path: /mcp", "path: mcp")
        .replace("level: debug", "level: loud");
    let checked = with_file(&["check"], &yaml).await;
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(2), ""));
    assert!(
        checked.stderr.contains("has 2 problems"),
        "{}",
        checked.stderr
    );
    let resolved = with_file(&["check", "--resolved"], &yaml).await;
    assert_eq!((resolved.code, resolved.stdout.as_str()), (Some(2), ""));
}

#[tokio::test]
async fn s0_2_what_is_resolved_is_a_configuration_that_resolves_to_itself() {
    let first = with_file(&["check", "--resolved"], &good()).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    for default in [
        "type: oauth",
        "leeway: 30s",
        "cache: 15m",
        "- RS256\n      - ES256\n",
        "max_stale: 1h",
        "level: debug",
    ] {
        assert!(
            first.stdout.contains(default),
            "{default}: {}",
            first.stdout
        );
    }
    let second = with_file(&["check", "--resolved"], &first.stdout).await;
    assert_eq!(second.stdout, first.stdout, "{}", second.stderr);
}

#[tokio::test]
async fn the_schema_is_json_and_knows_the_keys() {
    let printed = command(&["schema"]).finish().await;
    assert_eq!(printed.code, Some(0));
    let schema: Value = serde_json::from_str(&printed.stdout).unwrap();
    for key in ["server", "admin", "logging", "authenticators", "routes"] {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let mut child = std::process::Command::new(program())
        .arg("schema")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!((ended.status.code(), said.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn health_asks_readyz() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = port.local_addr().unwrap().to_string();
    drop(port);
    let yaml = usual("", "")
        .replace(
            "admin: { listen: \"127.0.0.1:0\" }",
            &format!("admin: {{ listen: \"{admin}\" }}"),
        )
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let before = with_file(&["health"], &yaml).await;
    assert_eq!((before.code, before.stdout.as_str()), (Some(1), ""));
    assert!(
        before
            .stderr
            .starts_with(&format!("error: not ready: {admin}")),
        "{}",
        before.stderr
    );
    let mut gateway = Gateway::start(program(), &yaml).await;
    let ready = with_file(&["health"], &yaml).await;
    assert_eq!((ready.code, ready.stderr.as_str()), (Some(0), ""));

    // a request that is still open keeps the gateway between SIGTERM and its end
    server.answer(Reply::silence());
    let token = idp.token().audience(&gateway.url("/mcp")).sign();
    let request = gateway.client().post("/mcp").call("echo", &Value::Null);
    let _open = tokio::spawn(request.bearer(token).send());
    server.wait_for(1).await;
    gateway.terminate().await;
    gateway.wait_for_log("draining").await;
    let draining = with_file(&["health"], &yaml).await;
    assert_eq!(draining.code, Some(1));
    assert!(
        draining
            .stderr
            .ends_with("answered 503: not ready: it is stopping\n"),
        "{}",
        draining.stderr
    );
}

#[tokio::test]
async fn the_configuration_is_named_by_option_or_variable() {
    let nowhere = command(&["check", "-c", "/nowhere/gateway.yaml"]);
    let nowhere = nowhere.finish().await;
    assert_eq!(nowhere.code, Some(2));
    assert!(
        nowhere.stderr.contains("/nowhere/gateway.yaml") && nowhere.stderr.contains("hint:"),
        "{}",
        nowhere.stderr
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("of-variable.yaml");
    std::fs::write(&file, good()).unwrap();
    let variable = |launch: Launch| launch.env("PORTCULLIS_CONFIG", file.to_str().unwrap());
    let checked = variable(command(&["check"])).finish().await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let option = variable(command(&["check", "-c", "/nowhere/gateway.yaml"]));
    assert_eq!(option.finish().await.code, Some(2), "the option wins");
}

#[tokio::test]
async fn a_file_that_is_no_text_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let check = async |path: &Path| command(&["check", "-c"]).arg(path).finish().await;
    let binary = check(&write("binary", &[0xff, 0xfe, 0])).await;
    assert_eq!(binary.code, Some(2));
    assert!(binary.stderr.contains("not UTF-8"), "{}", binary.stderr);
    let huge = check(&write("huge", &vec![b'#'; 5 << 20])).await;
    assert_eq!(huge.code, Some(2));
    assert!(huge.stderr.contains("larger than"), "{}", huge.stderr);
    let empty = check(&write("empty", b"")).await;
    assert_eq!(empty.code, Some(2));
    assert!(empty.stderr.contains("is empty"), "{}", empty.stderr);
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_help_with_0() {
    for words in [
        &["bogus"][..],
        &["run", "--bogus"],
        &["run", "--upstream", "http://x", "-c", "x"],
    ] {
        let ended = command(words).finish().await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{words:?}"
        );
    }
    let help = command(&["--help"]).finish().await;
    assert_eq!(help.code, Some(0));
    assert!(
        help.stdout.contains("gateway for MCP servers"),
        "{}",
        help.stdout
    );
    for word in ["run", "check", "init", "schema", "health", "demo"] {
        assert!(help.stdout.contains(&format!("\n  {word} ")), "{word}");
    }
}

/// Runs the program in a folder, with nothing in its environment.
fn in_folder(folder: &Path, words: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(program());
    command.args(words).env_clear().current_dir(folder);
    command.output().unwrap()
}

#[test]
fn without_a_word_it_is_the_gateway_yaml_beside_us() {
    let folder = tempfile::tempdir().unwrap();
    let missing = in_folder(folder.path(), &["run"]);
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        said.contains("gateway.yaml") && said.contains("portcullis demo"),
        "{said}"
    );
    std::fs::write(folder.path().join("gateway.yaml"), good()).unwrap();
    let checked = in_folder(folder.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(checked.stdout.starts_with(b"gateway.yaml is good"));
}
