//! What can be asked for that is dangerous, and how far it goes.

use serde_json::{Value, json};
use testbed::client::{Answer, Client};
use testbed::idp::TokenBuilder;
use testbed::{Idp, World};

use crate::setting::{bad_token, call, program, refused, usual, world_of};
use crate::support::{OPEN, config};

/// A world in which the authenticator has these further keys, and this beside its kind.
async fn world(fields: &str, name: &str) -> World {
    let template = usual(fields, "").replace("oidc: {", &format!("dangerous: [{name}], oidc: {{"));
    World::start(program(), &template).await
}

async fn passes(world: &World, token: impl Into<String>) {
    call(world).bearer(token).send().await.is(200);
}

#[tokio::test]
async fn x21_any_audience_is_taken_and_nothing_else_is_let_go() {
    let world = world(", audiences: any", "any_audience").await;
    let log = world.gateway.log().join("\n");
    assert!(
        log.contains("warning: authenticators.corp.dangerous any_audience: "),
        "{log}"
    );
    passes(&world, world.idp.token().audience("https://other.example")).await;
    passes(&world, world.idp.token().claim("aud", json!(["a", "b"]))).await;
    passes(&world, world.idp.token().without("aud")).await;
    let token = || world.idp.token().audience("https://other.example");
    bad_token(&world, token().sign_with_other_key(), "invalid_signature").await;
    bad_token(&world, token().unsigned(), "not_a_jwt").await;
    bad_token(&world, token().expires_in(-60), "expired").await;
    bad_token(
        &world,
        token().claim("iss", "https://other.example"),
        "issuer_mismatch",
    )
    .await;
    bad_token(&world, token().claim("aud", 7), "malformed_token").await;
    let scope = call(&world).bearer(token().scope("other"));
    refused(&world, scope, 403, "insufficient_scope").await;
}

#[tokio::test]
async fn x3_s0_15_an_expired_token_counts_for_a_while_and_each_use_is_told() {
    let world = world(", expiry_grace: 1h", "expired_tokens").await;
    let log = world.gateway.log().join("\n");
    assert!(
        log.contains("warning: authenticators.corp.dangerous expired_tokens: tokens count for 1h after their end"),
        "{log}"
    );
    let token = || world.token().expires_in(-600);
    let late = || {
        let lines = world.gateway.log();
        let told = lines
            .iter()
            .filter(|line| line.contains("an expired token counts"));
        told.count()
    };
    let one = token().sign();
    for uses in 1..=3 {
        passes(&world, &one).await; // also when it is known already
        assert_eq!(late(), uses, "each use is told");
    }
    let line = world.gateway.wait_for_log("an expired token counts").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["level"], &line["authenticator"]),
        (&json!("WARN"), &json!("corp"))
    );
    assert!(
        (600..700).contains(&line["late"].as_u64().unwrap()),
        "{line}"
    );
    assert!(!line.to_string().contains(&one), "no token is in the log");
    // it has an end, and whoever does not say when the token was made has no grace
    bad_token(&world, world.token().expires_in(-3700), "expired").await;
    bad_token(&world, token().without("iat"), "expired").await;
    bad_token(&world, token().sign_with_other_key(), "invalid_signature").await;
    bad_token(
        &world,
        token().audience("https://other.example"),
        "audience_mismatch",
    )
    .await;
    passes(&world, world.token()).await;
    assert_eq!(late(), 3, "an ordinary token is not told");
}

#[tokio::test]
async fn x2_s0_13_what_a_peer_has_checked_is_believed_without_its_signature_and_no_more() {
    let fields = ", checked_by: [127.0.0.1]";
    let world = world(fields, "signature_checked_by_peer").await;
    let log = world.gateway.log().join("\n");
    assert!(
        log.contains("warning: authenticators.corp.dangerous signature_checked_by_peer: "),
        "{log}"
    );
    passes(&world, world.token()).await;
    passes(&world, world.token().sign_with_other_key()).await;
    passes(&world, world.token().header("kid", "unknown")).await;
    bad_token(&world, world.token().unsigned(), "not_a_jwt").await;
    let none = world.token().header("alg", "none");
    bad_token(&world, none, "algorithm_not_allowed").await;
    let shared = world.token().sign_with_secret(b"secret");
    bad_token(&world, shared, "algorithm_not_allowed").await;
    let forged =
        |change: fn(TokenBuilder) -> TokenBuilder| change(world.token()).sign_with_other_key();
    for (token, reason) in [
        (forged(|token| token.expires_in(-60)), "expired"),
        (forged(|token| token.without("exp")), "missing_expiry"),
        (
            forged(|token| token.audience("https://other.example")),
            "audience_mismatch",
        ),
        (
            forged(|token| token.claim("iss", "https://other.example")),
            "issuer_mismatch",
        ),
        (
            forged(|token| token.header("typ", "dpop+jwt")),
            "token_type_not_allowed",
        ),
    ] {
        bad_token(&world, token, reason).await;
    }
    let scope = call(&world).bearer(forged(|token| token.scope("other")));
    refused(&world, scope, 403, "insufficient_scope").await;
}

#[tokio::test]
async fn x2_other_peers_are_nobodys_word() {
    let template = usual(", checked_by: [\"::1\"], audiences: [\"api://x\"]", "")
        .replace("oidc: {", "dangerous: [signature_checked_by_peer], oidc: {")
        .replace(
            "listen: \"127.0.0.1:0\" }\nadmin",
            "listen: [\"127.0.0.1:0\", \"[::1]:0\"] }\nadmin",
        );
    let world = World::start(program(), &template).await;
    let ask = async |index: usize, token: &str| -> Answer {
        let client = Client::new(world.gateway.addresses()[index]);
        // who the caller claims to be does not count either
        let call = client.post("/mcp").call("echo", &Value::Null);
        let call = call
            .header("X-Forwarded-For", "::1")
            .header("Forwarded", "for=\"[::1]\"");
        call.bearer(token).send().await
    };
    let forged = world.idp.token().audience("api://x").sign_with_other_key();
    ask(0, &forged).await.is(401);
    ask(1, &forged).await.is(200);
    ask(1, &forged).await.is(200);
    ask(0, &forged).await.is(401); // what one peer's word was good for is not remembered for others
    let good = world.idp.token().audience("api://x").sign();
    for index in [0, 1] {
        ask(index, &good).await.is(200);
    }
}

#[tokio::test]
async fn sec_81_x3_dangerous_things_come_and_go_with_a_restart_alone() {
    let world = world_of(Idp::start().await, "", "").await;
    let grace =
        usual(", expiry_grace: 1h", "").replace("oidc: {", "dangerous: [expired_tokens], oidc: {");
    world.rewrite(&grace);
    let line = world.gateway.wait_for_log("needs a restart").await;
    assert!(
        line.contains("authenticators.corp.dangerous changed"),
        "{line}"
    );
    bad_token(&world, world.token().expires_in(-600), "expired").await;
}

#[tokio::test]
async fn sec_81_a_route_that_asks_nobody_gets_no_other_place_without_a_restart() {
    let open = OPEN.replace("path: /mcp", "path: /mcp, name: open");
    let world = World::start(program(), &config("", &[&open])).await;
    let elsewhere = open.replace("path: /mcp", "path: /other");
    world.rewrite(&config("", &[&elsewhere]));
    let line = world.gateway.wait_for_log("needs a restart").await;
    assert!(line.contains("routes.open.dangerous changed"), "{line}");
    let other = world.client().post("/other").call("echo", &Value::Null);
    other.send().await.is(404);
}

#[tokio::test]
async fn x3_tools_with_scopes_or_groups_of_their_own_take_no_expired_token() {
    let rules = "{ match: \"delete_*\", scopes: [admin] }, { match: deploy, groups: [ops] }, { match: \"*\" }";
    let template = usual(", expiry_grace: 1h", "")
        .replace("oidc: {", "dangerous: [expired_tokens], oidc: {")
        .replace(
            "{ path: /mcp,",
            &format!("{{ path: /mcp, access: {{ tools: [ {rules} ] }},"),
        );
    let world = World::start(program(), &template).await;
    let token = |late: i64| {
        let token = world.token().scope("mcp:tools admin");
        token
            .claim("groups", json!(["ops"]))
            .expires_in(-late)
            .sign()
    };
    let call = |tool: &str| {
        let request = world.client().post("/mcp");
        request.rpc(5, "tools/call", &json!({ "name": tool }))
    };
    for (tool, scopes) in [("delete_x", "admin mcp:tools"), ("deploy", "mcp:tools")] {
        call(tool).bearer(token(-60)).send().await.is(200);
        let refused = refused(&world, call(tool).bearer(token(600)), 401, "expired").await;
        let challenge = refused.answer.challenge();
        assert_eq!(challenge["error"], "invalid_token");
        assert_eq!(challenge["error_description"], "Token expired");
        assert_eq!(challenge["scope"], scopes);
        assert!(
            refused.cause().starts_with("token expired 6"),
            "{}",
            refused.cause()
        );
    }
    call("echo").bearer(token(600)).send().await.is(200);
}
