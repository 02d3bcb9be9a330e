//! Calls that are answered with a stream, through a reload: who might not call the tool any more does not get the rest of the answer (SEC-55).

use std::time::Duration;

use serde_json::{Value, json};
use testbed::client::{Request, Stream};
use testbed::recorder::EventStream;
use testbed::{Reply, World};
use tokio::time::timeout;

use crate::reload::reloaded;
use crate::setting::program;
use crate::support::{config, ended_for};

/// In which a stream must have ended after the reload.
const WITHIN: Duration = Duration::from_secs(5);

/// The route with these keys under `access`.
fn access(keys: &str) -> String {
    let route = format!("{{ path: /mcp, upstream: \"{{upstream}}/mcp\", access: {{ {keys} }} }}");
    config("", &[&route])
}

/// The tools are called together, in a batch if they are several.
fn calling(world: &World, tools: &[&str]) -> Request {
    let call = |(id, tool): (usize, &&str)| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } });
    let calls: Value = match tools {
        [tool] => call((1, tool)),
        _ => tools.iter().enumerate().map(call).collect(),
    };
    world.client().post("/mcp").json(&calls)
}

/// An answer under way.
struct Answering {
    what: String,
    stream: Stream,
    upstream: EventStream,
}

async fn answering(world: &World, what: &str, request: Request) -> Answering {
    world.server.answer_once(Reply::events());
    let stream = request.open().await;
    assert_eq!(stream.status, 200, "{what}");
    let upstream = world.server.stream().await;
    Answering {
        what: what.to_owned(),
        stream,
        upstream,
    }
}

/// The same for the calls of a caller with a scope and a group.
async fn called(world: &World, tools: &[&str]) -> Answering {
    let token = world.token().scope("one").claim("groups", json!(["staff"]));
    answering(world, &tools.join(" "), calling(world, tools).bearer(token)).await
}

impl Answering {
    /// In time, and cleanly; the upstream learns of it.
    async fn ends(self) {
        let Self {
            what,
            stream,
            upstream,
        } = self;
        let end = timeout(WITHIN, stream.finish()).await;
        let end = end.unwrap_or_else(|_| panic!("still open: {what}"));
        assert!(end.complete, "it is ended, not cut: {what}");
        upstream.closed().await;
    }

    /// What the upstream sends arrives. To be asked when it has been judged again.
    async fn goes_on(&mut self) {
        self.upstream.event("still here").await;
        let block = self.stream.block().await;
        assert_eq!(
            block.as_deref(),
            Some("data: still here\n\n"),
            "{}",
            self.what
        );
    }
}

#[tokio::test]
async fn sec_55_sec_51_an_answer_ends_when_its_tool_has_a_stricter_rule() {
    const STRICTER: &str = "tools: [ { match: needs_two, scopes: [two] }, { match: ops_only, groups: [ops] }, { match: denied, deny: true }, { match: needs_one, scopes: [one], groups: [staff] }, { match: free } ]";
    let world = World::start(program(), &access(r#"tools: [ { match: "*" } ]"#)).await;
    let mut allowed = vec![
        called(&world, &["free"]).await,
        called(&world, &["needs_one"]).await,
        called(&world, &["free", "needs_one"]).await,
    ];
    let mut refused = vec![];
    for tools in [
        &["needs_two"][..],
        &["ops_only"],
        &["denied"],
        &["unlisted"],
        &["free", "denied", "needs_one"],
    ] {
        refused.push(called(&world, tools).await);
    }
    // a rehearsal ends nothing
    let rehearsed = format!("{STRICTER}, mode: dry_run");
    reloaded(&world, &access(&rehearsed), 1).await;
    // past the moment at which they are judged by the new configuration
    assert!(refused[0].stream.is_silent_for(WITHIN).await);
    for answer in refused.iter_mut().chain(&mut allowed) {
        answer.goes_on().await;
    }
    reloaded(&world, &access(STRICTER), 2).await;
    let ended = refused
        .into_iter()
        .map(|answer| tokio::spawn(answer.ends()));
    for ended in ended.collect::<Vec<_>>() {
        ended.await.unwrap();
    }
    for answer in &mut allowed {
        answer.goes_on().await;
    }
}

#[tokio::test]
async fn sec_55_sec_50_an_answer_to_nobody_ends_when_its_tool_is_no_longer_public() {
    let long = "x".repeat(128);
    let named = |tools: &[&str]| access(&format!("public_tools: [{}]", tools.join(", ")));
    let world = World::start(program(), &named(&["greet", "status", &long])).await;
    let mut allowed = vec![];
    for tool in ["greet", &long] {
        allowed.push(answering(&world, tool, calling(&world, &[tool])).await);
    }
    let refused = answering(&world, "status", calling(&world, &["status"])).await;
    let mut known = called(&world, &["status"]).await;
    reloaded(&world, &named(&["greet", &long]), 1).await;
    refused.ends().await;
    // past the moment at which the others are judged too
    assert!(known.stream.is_silent_for(WITHIN).await);
    for answer in allowed.iter_mut().chain([&mut known]) {
        answer.goes_on().await;
    }
}

#[tokio::test]
async fn sec_55_an_answer_to_nobody_knows_what_ends_when_there_are_rules() {
    // nothing depends on the body, so it is not read
    let world = World::start(program(), &access("")).await;
    let mut answer = called(&world, &["free"]).await;
    let rules = "tools: [ { match: free } ]";
    reloaded(&world, &access(&format!("{rules}, mode: dry_run")), 1).await;
    assert!(answer.stream.is_silent_for(WITHIN).await);
    answer.goes_on().await;
    reloaded(&world, &access(rules), 2).await;
    answer.ends().await;
    ended_for(&world, "rules_changed").await;
}
