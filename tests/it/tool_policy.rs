//! Which caller may call which tool (SEC-51): scopes, groups, denials, and what is told of each.

use serde_json::{Value, json};
use testbed::World;
use testbed::client::Request;

use crate::setting::{program, refused};
use crate::support::{config, world};

/// A route that needs `mcp`, with these rules.
fn route(rules: &str, more: &str) -> String {
    format!(
        "{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ required_scopes: [mcp] }}, access: {{ tools: [ {rules} ]{more} }} }}"
    )
}

const RULES: &str = r#"{ match: "delete_*", scopes: ["mcp:admin", "mcp:write"] }, { match: [deploy, "*_prod"], groups: [platform, ops] }, { match: shutdown, deny: true }, { match: [echo, "read_*"] }"#;

fn call(world: &World, tool: &str) -> Request {
    let request = world.client().post("/mcp");
    request.rpc(5, "tools/call", &json!({ "name": tool }))
}

async fn passes(world: &World, request: Request) {
    let before = world.server.requests();
    request.send().await.is(200);
    assert_eq!(world.server.requests(), before + 1);
}

/// 403 `insufficient_scope` with these scopes in the challenge.
async fn lacks(world: &World, request: Request, scopes: &str) {
    let refused = refused(world, request, 403, "insufficient_scope").await;
    let challenge = refused.answer.challenge();
    assert_eq!(challenge["error"], "insufficient_scope");
    assert_eq!(challenge["scope"], scopes);
    assert!(challenge.contains_key("resource_metadata"));
    let body = refused.answer.json();
    assert_eq!(
        (&body["id"], &body["error"]["code"]),
        (&json!(5), &json!(-32003))
    );
    let message = format!("the token lacks a scope that this needs: {scopes}");
    assert_eq!(
        body["error"]["message"], message,
        "not all clients show more"
    );
    assert_eq!(refused.entry["subject"], "alice");
}

/// 403 where no login would help: no challenge.
async fn forbidden(world: &World, request: Request, cause: &str) {
    let refused = refused(world, request, 403, "not_permitted").await;
    assert_eq!(refused.answer.header("www-authenticate"), None);
    assert_eq!(
        refused.answer.json()["error"]["message"],
        "this may not be called"
    );
    assert_eq!(refused.cause(), format!("not permitted: {cause}"));
}

#[tokio::test]
async fn s0_14_s0_57_scp_3_scp_4_err_5_err_6_a_call_needs_all_scopes_of_its_route_and_rule() {
    let world = world("", &[&route(RULES, "")]).await;
    let with = |scopes: &str| world.token().scope(scopes);
    for held in [
        "mcp",
        "mcp mcp:write",
        "mcp mcp:admin",
        "mcp:admin mcp:write",
    ] {
        // what is held already is named again: clients of before 2026 do not add up
        lacks(
            &world,
            call(&world, "delete_x").bearer(with(held)),
            "mcp mcp:admin mcp:write",
        )
        .await;
    }
    lacks(
        &world,
        call(&world, "echo").bearer(with("mcp:admin")),
        "mcp",
    )
    .await;
    passes(
        &world,
        call(&world, "delete_x").bearer(with("mcp:write mcp mcp:admin")),
    )
    .await;
    passes(&world, call(&world, "echo").bearer(with("mcp"))).await;
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.is(200).json();
    assert_eq!(
        document["scopes_supported"],
        json!(["mcp", "mcp:admin", "mcp:write"])
    );
}

#[tokio::test]
async fn sec_51_names_are_judged_without_their_case_and_the_first_rule_wins() {
    let rules =
        r#"{ match: Delete_mine }, { match: "delete_*", scopes: [admin] }, { match: "*" }, "#;
    let world = world("", &[&route(rules.trim_end_matches(", "), "")]).await;
    let token = world.token().scope("mcp").sign();
    for tool in ["delete_mine", "DELETE_MINE", "other"] {
        passes(&world, call(&world, tool).bearer(&token)).await;
    }
    for tool in ["delete_x", "Delete_X", "DELETE_", "delete_mine2"] {
        lacks(&world, call(&world, tool).bearer(&token), "admin mcp").await;
    }
    let cause = "the name of the tool is none that rules can speak of";
    for tool in [
        "",
        "a b",
        "é",
        "delete_x ",
        "delete_\u{212a}",
        "a:b",
        &"a".repeat(129),
    ] {
        forbidden(&world, call(&world, tool).bearer(&token), cause).await;
    }
}

#[tokio::test]
async fn sec_51_s0_57_groups_denials_and_tools_that_no_rule_names() {
    let world = world("", &[&route(RULES, "")]).await;
    let of = |groups: Value| {
        world
            .token()
            .scope("mcp mcp:admin mcp:write")
            .claim("groups", groups)
    };
    for tool in ["deploy", "wipe_PROD"] {
        for groups in [json!(["ops"]), json!(["x", "platform"])] {
            passes(&world, call(&world, tool).bearer(of(groups))).await;
        }
        for groups in [
            json!([]),
            json!(["Ops"]),
            json!(["ops,platform"]),
            json!(["op"]),
        ] {
            let cause = "the caller has none of the groups of the tool's rule";
            forbidden(&world, call(&world, tool).bearer(of(groups)), cause).await;
        }
    }
    let all = || of(json!(["ops", "platform"]));
    forbidden(
        &world,
        call(&world, "shutdown").bearer(all()),
        "a rule denies the tool",
    )
    .await;
    forbidden(
        &world,
        call(&world, "unheard_of").bearer(all()),
        "no rule names the tool",
    )
    .await;
    // prompts, resources and everything else have no rules
    let prompt = world
        .client()
        .post("/mcp")
        .rpc(5, "prompts/get", &json!({"name": "shutdown"}));
    passes(&world, prompt.bearer(all())).await;
}

#[tokio::test]
async fn sec_51_unlisted_tools_may_be_allowed() {
    let world = world("", &[&route(RULES, ", unlisted: allow")]).await;
    let token = world.token().scope("mcp").sign();
    passes(&world, call(&world, "unheard_of").bearer(&token)).await;
    forbidden(
        &world,
        call(&world, "shutdown").bearer(&token),
        "a rule denies the tool",
    )
    .await;
    lacks(
        &world,
        call(&world, "delete_x").bearer(&token),
        "mcp mcp:admin mcp:write",
    )
    .await;
}

#[tokio::test]
async fn bat_2_scp_3_a_batch_is_refused_whole_with_all_scopes_of_all_its_calls() {
    let rules = r#"{ match: "a*", scopes: [a] }, { match: "b*", scopes: [b] }, { match: no, deny: true }, { match: "*" }"#;
    let world = world("", &[&route(rules, "")]).await;
    let batch = |tools: &[&str]| {
        let calls = tools.iter().enumerate().map(|(id, tool)| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}}));
        world.client().post("/mcp").json(&calls.collect())
    };
    let token = |scopes: &str| world.token().scope(scopes);
    for (tools, held, needed) in [
        (&["x", "a1", "b1"][..], "mcp", "a b mcp"),
        (&["b1", "x", "a1"], "a mcp", "a b mcp"),
        (&["x", "y", "b2"], "a mcp", "b mcp"),
    ] {
        let request = batch(tools).bearer(token(held));
        let refused = refused(&world, request, 403, "insufficient_scope").await;
        assert_eq!(refused.answer.challenge()["scope"], needed);
        assert_eq!(refused.answer.json().get("id"), None);
    }
    let all = || token("a b mcp");
    refused(
        &world,
        batch(&["a1", "no"]).bearer(all()),
        403,
        "not_permitted",
    )
    .await;
    passes(&world, batch(&["a1", "b1", "x"]).bearer(all())).await;
}

#[tokio::test]
async fn scp_9_a_tool_that_a_list_hides_or_shows_is_judged_when_it_is_called() {
    let world = world("", &[&route(RULES, ", list_filter: callable")]).await;
    let token = world.token().scope("mcp").sign();
    forbidden(
        &world,
        call(&world, "shutdown").bearer(&token),
        "a rule denies the tool",
    )
    .await;
    // what a token claims is not enough without a rule for it, and a header decides nothing (HDR-6)
    let posing = call(&world, "delete_x")
        .bearer(&token)
        .header("Mcp-Name", "echo");
    let answer = posing.send().await;
    assert!([400, 403].contains(&answer.status), "{}", answer.status);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn s0_74_scp_5_scopes_imply_others_where_the_map_says_so_and_nowhere_else() {
    let rules =
        r#"{ match: "admin_*", scopes: ["mcp:admin"] }, { match: "*", scopes: ["mcp:call"] }"#;
    let literal = config("", &[&route(rules, "")]);
    let mapped = literal.replace(
        "leeway: 0s",
        "leeway: 0s, scope_map: { mcp: [\"mcp:call\"], \"mcp:admin\": [mcp] }",
    );
    assert_ne!(literal, mapped);
    let world = World::start(program(), &literal).await;
    let request = call(&world, "echo").bearer(world.token().scope("mcp"));
    lacks(&world, request, "mcp mcp:call").await;
    let world = World::start(program(), &mapped).await;
    let with = |scope: &str| world.token().scope(scope);
    passes(&world, call(&world, "echo").bearer(with("mcp"))).await;
    passes(&world, call(&world, "echo").bearer(with("mcp:admin"))).await;
    passes(&world, call(&world, "admin_x").bearer(with("mcp:admin"))).await;
    lacks(
        &world,
        call(&world, "admin_x").bearer(with("mcp")),
        "mcp mcp:admin",
    )
    .await;
    lacks(
        &world,
        call(&world, "echo").bearer(with("mcp:call")),
        "mcp mcp:call",
    )
    .await;
}

#[tokio::test]
async fn s0_38_x7_each_state_of_a_credential_with_lists_public_and_private_calls() {
    let route = "{ path: /mcp, upstream: \"{upstream}/mcp\", auth: { required_scopes: [mcp] }, access: { discovery: public, public_tools: [greeting] } }";
    let world = world("", &[route]).await;
    let requests = || {
        let list = world.client().post("/mcp").rpc(5, "tools/list", &json!({}));
        [list, call(&world, "greeting"), call(&world, "echo")]
    };
    let token = |scope: &str| world.token().scope(scope);
    // none; good; bad; expired; and good without the scope: list, public call, private call
    for (token, expected) in [
        (None, [None, None, Some((401, "missing_credentials"))]),
        (Some(token("mcp").sign()), [None, None, None]),
        (
            Some(token("mcp").sign_with_other_key()),
            [Some((401, "invalid_signature")); 3],
        ),
        (
            Some(token("mcp").expires_in(-60).sign()),
            [Some((401, "expired")); 3],
        ),
        (
            Some(token("other").sign()),
            [None, None, Some((403, "insufficient_scope"))],
        ),
    ] {
        for (request, expected) in requests().into_iter().zip(expected) {
            let request = match &token {
                Some(token) => request.bearer(token),
                None => request,
            };
            match expected {
                None => passes(&world, request).await,
                Some((status, reason)) => {
                    refused(&world, request, status, reason).await;
                }
            }
        }
    }
}
