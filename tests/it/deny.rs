//! The deny list: who is turned away now, whoever issued the token and however long it is good.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use testbed::client::Request;
use testbed::{Gateway, Reply, World};

use crate::reload::reloaded;
use crate::setting::{assert_challenged, program, refused, usual};
use crate::support::told_of_end;

/// A file in a folder of its own.
struct DenyFile {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl DenyFile {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deny.yaml");
        std::fs::write(&path, text).unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    /// In the way of editors and mounts: another file takes its place.
    fn replace(&self, text: &str) {
        let new = self.path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.path).unwrap();
    }
}

async fn world(deny: &str) -> World {
    let config = usual("", "") + &format!("deny: {{ {deny} }}\n");
    World::start(program(), &config).await
}

async fn world_with(file: &DenyFile) -> World {
    world(&format!("file: \"{}\"", file.path.display())).await
}

/// A call of ada with this token id.
fn call(world: &World, id: &str) -> Request {
    let token = world
        .token()
        .scope("mcp:tools")
        .subject("ada")
        .claim("jti", id);
    let call = world.client().post("/mcp").call("echo", &Value::Null);
    call.bearer(token.claim("client_id", "app"))
}

#[tokio::test]
async fn sec_80_a_listed_token_is_refused_and_its_bearer_is_not_told_why() {
    for entry in [
        "{ issuer: \"{idp}\", subject: ada }",
        "{ client: app }",
        "{ jti: seven }",
        "{ jti: seven, issuer: \"{idp}\" }",
    ] {
        let world = world(&format!("entries: [{entry}]")).await;
        let refused = refused(&world, call(&world, "seven"), 401, "denied").await;
        assert_challenged(&world, &refused.answer, false);
        assert!(refused.cause().contains("deny list"), "{}", refused.cause());
        let other = world.token().scope("mcp:tools").subject("bob");
        let other = other.claim("client_id", "other").claim("jti", "eight");
        let request = world.client().post("/mcp").call("echo", &Value::Null);
        request.bearer(other).send().await.is(200);
    }
    let world = world("entries: [{ issuer: \"https://other.example\", subject: ada }]").await;
    call(&world, "seven").send().await.is(200);
}

#[tokio::test]
async fn sec_80_a_change_of_the_file_counts_from_the_next_request_on() {
    let file = DenyFile::new("[]");
    let world = world_with(&file).await;
    let seven = call(&world, "seven"); // one token, remembered from now on
    seven.clone().send().await.is(200);
    file.replace("- { jti: seven }");
    world.gateway.wait_for_log("deny list taken").await;
    refused(&world, seven.clone(), 401, "denied").await;
    call(&world, "eight").send().await.is(200);
    file.replace("- { jti: nine }");
    for _ in 0..500 {
        if seven.clone().send().await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is no longer on the list");
}

#[tokio::test]
async fn sec_80_sec_55_open_streams_of_a_denied_caller_end_and_others_stay() {
    let file = DenyFile::new("[]");
    let world = world_with(&file).await;
    world.server.answer(Reply::events());
    let listed = call(&world, "seven").open().await;
    let reference = listed.headers.get("x-request-id").unwrap().to_owned();
    let upstream = world.server.stream().await;
    let mut other = call(&world, "eight").open().await;
    let other_upstream = world.server.stream().await;
    file.replace("- { jti: seven }");
    world.gateway.wait_for_log("deny list taken").await;
    let end = tokio::time::timeout(Duration::from_secs(5), listed.finish()).await;
    assert!(end.expect("within 5 s").complete);
    upstream.closed().await;
    other_upstream.event("still").await;
    assert_eq!(other.event().await.unwrap().data, "still");
    // and whoever put it on the list sees which stream that ended
    let told = told_of_end(&world, 1).await;
    for (field, expected) in [
        ("reason", "denied"),
        ("cause", "denied: its jti is on the deny list"),
        ("route", "/mcp"),
        ("method", "POST"),
        ("path", "/mcp"),
        ("subject", "ada"),
        ("client", "127.0.0.1"),
        ("reference", &reference),
    ] {
        assert_eq!(told[field], expected, "{field}: {told}");
    }
}

#[tokio::test]
async fn sec_80_streams_that_may_outlive_their_token_end_too() {
    let file = DenyFile::new("[]");
    let config = usual("", "").replace(
        "path: /mcp,",
        "path: /mcp, streams: { end_at_expiry: false },",
    ) + &format!("deny: {{ file: \"{}\" }}\n", file.path.display());
    let world = World::start(program(), &config).await;
    world.server.answer(Reply::events());
    let stream = call(&world, "seven").open().await;
    let _upstream = world.server.stream().await;
    file.replace("- { client: app }");
    assert!(stream.finish().await.complete);
}

#[tokio::test]
async fn sec_80_a_broken_file_keeps_the_list_in_use_and_is_told() {
    let file = DenyFile::new("- { client: app }");
    let world = world_with(&file).await;
    refused(&world, call(&world, "seven"), 401, "denied").await;
    for (nth, broken, told) in [
        (1, "- { subject: ada }", "issuer"),
        (2, "", "is empty"),
        (3, "- [", "line 2"),
    ] {
        file.replace(broken);
        let not_taken = world.gateway.wait_for_nth_log("deny list not taken", nth);
        let line = not_taken.await;
        assert!(line.contains(told), "{told}: {line}");
        refused(&world, call(&world, "seven"), 401, "denied").await;
    }
    std::fs::remove_file(&file.path).unwrap();
    world.gateway.wait_for_log("No such file").await;
    refused(&world, call(&world, "seven"), 401, "denied").await;
    file.replace("[]");
    world.gateway.wait_for_log("deny list taken").await;
    call(&world, "seven").send().await.is(200);
}

#[tokio::test]
async fn sec_80_without_its_file_the_gateway_does_not_start() {
    let idp = testbed::Idp::start().await;
    for (text, told) in [
        (None, "does not exist"),
        (Some("- { subject: a }"), "[0].issuer"),
    ] {
        let file = DenyFile::new(text.unwrap_or_default());
        if text.is_none() {
            std::fs::remove_file(&file.path).unwrap();
        }
        let config = usual("", "").replace("{idp}", idp.issuer());
        let config = config.replace("{upstream}", "http://127.0.0.1:1")
            + &format!("deny: {{ file: \"{}\" }}\n", file.path.display());
        let (code, said) = Gateway::fails(program(), &config).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("deny.file") && said.contains(told), "{said}");
    }
}

#[tokio::test]
async fn sec_80_entries_of_the_configuration_are_taken_up_by_a_reload_and_the_files_stay() {
    let file = DenyFile::new("- { jti: eight }");
    let with = |entries: &str| {
        usual("", "") + &format!("deny: {{ file: \"{}\"{entries} }}\n", file.path.display())
    };
    let world = World::start(program(), &with("")).await;
    world.server.answer_once(Reply::events());
    let stream = call(&world, "seven").open().await;
    reloaded(&world, &with(", entries: [{ jti: seven }]"), 1).await;
    assert!(stream.finish().await.complete);
    refused(&world, call(&world, "seven"), 401, "denied").await;
    refused(&world, call(&world, "eight"), 401, "denied").await;
    // the list that is in use now is the one that is kept fresh
    file.replace("[]");
    world.gateway.wait_for_log("deny list taken").await;
    call(&world, "eight").send().await.is(200);
    refused(&world, call(&world, "seven"), 401, "denied").await;
}

/// A slip in a name of ours would let somebody in who should be out.
#[tokio::test]
async fn sec_80_entries_that_turn_nobody_away_are_told_at_the_start_and_when_the_file_changes() {
    let file = DenyFile::new("[{ key: ci, authenticator: machnes }]");
    let entries = "entries: [{ issuer: \"{idp}x\", subject: ada }]";
    let world = world(&format!("file: \"{}\", {entries}", file.path.display())).await;
    let log = &world.gateway;
    log.wait_for_log("deny.entries[0].issuer is the issuer of no authenticator")
        .await;
    log.wait_for_log("[0].authenticator names no authenticator of kind api_keys")
        .await;
    file.replace("[{ client: other }, { key: ci }]");
    let line = log.wait_for_log("is the id of no API key").await;
    assert!(
        line.contains("WARN")
            && line.contains(r#""path":"[1].key""#)
            && line.contains("there is none"),
        "{line}"
    );
    call(&world, "seven").send().await.is(200);
}
