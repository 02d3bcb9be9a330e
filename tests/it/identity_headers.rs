//! What the upstream is told about callers. That nobody else can tell it is in `forwarding`.

use serde_json::{Value, json};
use testbed::idp::TokenBuilder;
use testbed::{World, client::Headers};

use crate::setting::{call, refused, world};
use crate::support;

/// The identity headers, as the upstream got them.
fn told(headers: &Headers) -> Vec<(String, String)> {
    let mut told: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| name.starts_with("x-auth-"))
        .collect();
    told.sort();
    told
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn alice(world: &World) -> TokenBuilder {
    let token = world.token().claim("email", "alice@example.com");
    let token = token
        .claim("email_verified", true)
        .claim("name", "Alice Ä, 50 %");
    token.claim("groups", json!(["dev", "a,b"]))
}

#[tokio::test]
async fn s3_25_sec_35_a_user_is_told_with_everything_known() {
    let world = world().await;
    call(&world).bearer(alice(&world)).send().await.is(200);
    let expected = pairs([
        ("x-auth-client", "pub"),
        ("x-auth-email", "alice@example.com"),
        ("x-auth-groups", "dev,a%2Cb"),
        ("x-auth-issuer", world.idp.issuer()),
        ("x-auth-kind", "user"),
        ("x-auth-method", "oidc"),
        ("x-auth-name", "Alice %C3%84%2C 50 %25"),
        ("x-auth-scopes", "mcp:tools"),
        ("x-auth-subject", "alice"),
    ]);
    assert_eq!(told(&world.server.last().headers), expected);
}

#[tokio::test]
async fn sec_1_a_client_that_names_itself_as_subject_is_no_user() {
    let world = world().await;
    let disguised = world.token().subject("pub");
    call(&world).bearer(disguised).send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-kind"), Some("client"));
    assert_eq!(headers.get("x-auth-subject"), Some("pub"));
}

#[tokio::test]
async fn sec_4_an_address_that_nobody_verified_is_not_told() {
    let world = world().await;
    for verified in [json!(false), json!("true"), Value::Null] {
        let token = alice(&world).claim("email_verified", verified);
        call(&world).bearer(token).send().await.is(200);
        assert_eq!(world.server.last().header("x-auth-email"), None);
    }
    let idp = testbed::Idp::start().await;
    let world = crate::setting::world_of(idp, ", trust_email: true", "").await;
    let token = world.token().claim("email", "alice@example.com");
    call(&world).bearer(token).send().await.is(200);
    assert_eq!(
        world.server.last().header("x-auth-email"),
        Some("alice@example.com")
    );
}

#[tokio::test]
async fn t_rc1_t_rc2_t_rc3_parallel_callers_never_get_each_others_identity() {
    let world = world().await;
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..40 {
        let token = world.token().subject(&format!("user-{caller}"));
        let token = token.claim("email", format!("user-{caller}@example.com"));
        let token = token.claim("email_verified", true).sign();
        let client = world.client();
        calls.spawn(async move {
            for _ in 0..5 {
                let arguments = json!({"caller": caller});
                let request = client.post("/mcp").call("echo", &arguments);
                request.bearer(&token).send().await.is(200);
            }
        });
    }
    calls.join_all().await;
    let recorded = world.server.recorded();
    assert_eq!(recorded.len(), 200);
    for request in recorded {
        let caller = request.json()["params"]["arguments"]["caller"].clone();
        let subject = format!("user-{caller}");
        assert_eq!(request.headers.all("x-auth-subject"), [&subject]);
        assert_eq!(
            request.headers.all("x-auth-email"),
            [format!("{subject}@example.com")]
        );
    }
}

#[tokio::test]
async fn sec_35_claims_of_a_map_are_refused_when_they_are_too_large() {
    let route =
        r#"{ path: /mcp, upstream: "{upstream}/mcp", identity: { headers: { X-Teams: teams } } }"#;
    let world = support::world("", &[route]).await;
    let teams = |count: usize| {
        world
            .token()
            .claim("teams", json!(vec!["ü".repeat(8); count]))
    };
    call(&world).bearer(teams(3)).send().await.is(200);
    let seen = world.server.last();
    assert_eq!(
        seen.header("x-teams").map(|teams| teams.split(',').count()),
        Some(3)
    );
    let request = call(&world).bearer(teams(200));
    refused(&world, request, 403, "identity_too_large").await;
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn s3_25_that_nobody_was_asked_is_told_in_the_default_words_alone() {
    let open = |path: &str, headers: &str| {
        format!(
            r#"{{ path: {path}, upstream: "{{upstream}}", auth: {{ type: none }}, dangerous: [anonymous_access], identity: {{ headers: {headers} }} }}"#
        )
    };
    let routes = [
        open("/a", "default"),
        open("/b", "oauth2-proxy"),
        open("/c", "none"),
    ];
    let world = support::world("", &routes.each_ref().map(|route| &**route)).await;
    for (path, method) in [("/a", Some("anonymous")), ("/b", None), ("/c", None)] {
        world.client().post(path).send().await.is(200);
        assert_eq!(
            world.server.last().header("x-auth-method"),
            method,
            "{path}"
        );
    }
}
