//! Calls by tool, for the operator: names that the configuration writes out, a bounded number that were called with success, and no
//! others, whatever callers send.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testbed::client::Request;
use testbed::{Reply, World};

use crate::admin::series;
use crate::limits::limited;
use crate::reload::reloaded;
use crate::support::config;

const NAME: &str = "portcullis_tool_calls_total";

fn route(access: &str) -> String {
    format!(r#"{{ path: /mcp, upstream: "{{upstream}}/mcp", access: {{ {access} }} }}"#)
}

async fn world(access: &str) -> World {
    limited("failures_per_address: off", &[&route(access)]).await
}

fn call(world: &World, tool: &str) -> Request {
    world.client().post("/mcp").call(tool, &Value::Null)
}

/// The series of tool calls, by tool and outcome.
async fn counted(world: &World) -> BTreeMap<(String, String), u64> {
    let mut counted = BTreeMap::new();
    for (key, value) in series(world).await {
        let Some(labels) = key.strip_prefix(NAME) else {
            continue;
        };
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        assert_eq!(label("route"), "/mcp");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts"
        )]
        counted.insert((label("tool"), label("outcome")), value as u64);
    }
    counted
}

fn expected(rows: &[(&str, &str, u64)]) -> BTreeMap<(String, String), u64> {
    let rows = rows.iter();
    rows.map(|(tool, outcome, count)| (((*tool).to_owned(), (*outcome).to_owned()), *count))
        .collect()
}

#[tokio::test]
async fn s3_38_calls_are_counted_by_tool_and_by_how_they_ended() {
    let world = world(
        "public_tools: [greeting], tools: [ { match: Delete_All, deny: true }, { match: \"read_*\" } ], unlisted: allow",
    )
    .await;
    let alice = world.token().sign();
    assert_eq!(
        counted(&world).await,
        expected(&[]),
        "none before the first"
    );
    call(&world, "greeting").send().await.is(200);
    call(&world, "greeting").bearer(&alice).send().await.is(200);
    call(&world, "delete_all")
        .bearer(&alice)
        .send()
        .await
        .is(403);
    call(&world, "read_file")
        .bearer(&alice)
        .send()
        .await
        .is(200);
    call(&world, "read_file").send().await.is(401);
    call(&world, "stranger").send().await.is(401);
    world.server.answer_once(Reply::status(500));
    call(&world, "broken").bearer(&alice).send().await.is(500);
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "greeting" } },
        { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "read_file" } },
        { "jsonrpc": "2.0", "id": 3, "method": "ping" },
    ]);
    let batch = world.client().post("/mcp").json(&batch);
    batch.bearer(&alice).send().await.is(200);
    assert_eq!(
        counted(&world).await,
        expected(&[
            ("greeting", "allowed", 3),
            ("Delete_All", "refused", 1),
            ("read_file", "allowed", 2),
            ("read_file", "refused", 1),
            ("other", "allowed", 1),
            ("other", "refused", 1),
        ])
    );
}

#[tokio::test]
async fn s3_38_strangers_make_no_series_and_callers_a_hundred_at_most() {
    let open = "calls: public, discovery: public";
    let world = world(open).await;
    for i in 0..300 {
        let tool = format!("stranger{i}");
        call(&world, &tool).send().await.is(200);
    }
    assert_eq!(
        counted(&world).await,
        expected(&[("other", "allowed", 300)])
    );
    let alice = world.token().sign();
    let odd = ["", "a b", "x\"} 1\n", "é", &"x".repeat(129)];
    for tool in odd {
        call(&world, tool).bearer(&alice).send().await.is(200);
    }
    for i in 0..150 {
        let tool = format!("tool{i}");
        call(&world, &tool).bearer(&alice).send().await.is(200);
    }
    let after = counted(&world).await;
    assert_eq!(after.len(), 101);
    assert_eq!(after[&("other".to_owned(), "allowed".to_owned())], 355);
    assert!(after.contains_key(&("tool99".to_owned(), "allowed".to_owned())));
    // no more after a reload
    let template = config(
        "trusted_proxies: [127.0.0.0/8]",
        &[&route(&format!("{open}, list_filter: public"))],
    );
    reloaded(&world, &template, 1).await;
    for i in 150..200 {
        let tool = format!("tool{i}");
        call(&world, &tool).bearer(&alice).send().await.is(200);
    }
    call(&world, "tool1").bearer(&alice).send().await.is(200);
    let after = counted(&world).await;
    assert_eq!(after.len(), 101);
    assert_eq!(after[&("tool1".to_owned(), "allowed".to_owned())], 2);
}
