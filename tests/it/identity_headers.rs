//! What the upstream is told about the caller, and that nobody else can tell it (SEC-34, SEC-35).

use serde_json::{Value, json};
use testbed::idp::TokenBuilder;
use testbed::{World, client::Headers};

use crate::setting::{call, program, refused, usual, world};

/// The identity headers of whatever preset, as the upstream got them.
fn told(headers: &Headers) -> Vec<(String, String)> {
    let ours = |name: &str| name.starts_with("x-auth-") || name.starts_with("remote-");
    let preset = ["user", "email", "groups", "preferred-username"];
    let mut told: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| {
            let forwarded = name.strip_prefix("x-forwarded-");
            ours(name) || forwarded.is_some_and(|rest| preset.contains(&rest))
        })
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
    token
        .claim("groups", json!(["dev", "a,b"]))
        .claim("preferred_username", "alice.x")
}

async fn world_with(identity: &str) -> World {
    let template = usual("", "").replace(
        "required_scopes: [mcp:tools] } }",
        &format!("required_scopes: [mcp:tools] }}, identity: {identity} }}"),
    );
    assert!(template.contains(identity));
    World::start(program(), &template).await
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
async fn sec_1_a_client_is_told_as_a_client() {
    let world = world().await;
    let machine = world.token().without("sub");
    call(&world).bearer(machine).send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-kind"), Some("client"));
    assert_eq!(headers.get("x-auth-subject"), Some("pub"));
    let disguised = world.token().subject("pub");
    call(&world).bearer(disguised).send().await.is(200);
    assert_eq!(
        world.server.last().header("x-auth-kind"),
        Some("client"),
        "sub = client_id"
    );
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
async fn s3_25_sec_34_what_a_client_says_about_itself_never_arrives() {
    let world = world_with("{ strip: [X-Team] }").await;
    let mut request = call(&world).bearer(world.token());
    let forged = [
        "X-Auth-Subject",
        "x-auth-email",
        "X-AUTH-GROUPS",
        "X-Auth-Made-Up",
        "X_Auth_Subject",
        "X-Auth_Subject",
        "X.Auth.Subject",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "Remote-User",
        "Remote_User",
        "Remote-Groups",
        "X-Team",
        "X_Team",
        "X-Real-IP",
        "True-Client-IP",
        "Forwarded",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "Client-Cert",
        "X-SSL-Client-Verify",
        "Proxy-Authorization",
        "DPoP",
    ];
    for name in forged {
        request = request.header(name, "root");
    }
    request.header("X-Own", "root").send().await.is(200);
    let seen = world.server.last();
    let with_root: Vec<_> = seen
        .headers
        .iter()
        .filter(|(_, value)| value.contains("root"))
        .collect();
    assert_eq!(with_root, [("x-own", "root")]);
    assert_eq!(seen.headers.all("x-auth-subject"), ["alice"]);
    assert_eq!(seen.headers.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn sec_34_identity_headers_of_the_presets() {
    for (preset, expected) in [
        (
            "{ headers: oauth2-proxy }",
            pairs([
                ("x-forwarded-email", "alice@example.com"),
                ("x-forwarded-groups", "dev,a%2Cb"),
                ("x-forwarded-preferred-username", "Alice %C3%84%2C 50 %25"),
                ("x-forwarded-user", "alice"),
            ]),
        ),
        (
            "{ headers: authelia }",
            pairs([
                ("remote-email", "alice@example.com"),
                ("remote-groups", "dev,a%2Cb"),
                ("remote-name", "Alice %C3%84%2C 50 %25"),
                ("remote-user", "alice"),
            ]),
        ),
        ("{ headers: none }", pairs([])),
    ] {
        let world = world_with(preset).await;
        call(&world).bearer(alice(&world)).send().await.is(200);
        assert_eq!(told(&world.server.last().headers), expected, "{preset}");
    }
}

#[tokio::test]
async fn t_o6_sec_34_a_map_sends_exactly_the_claims_it_names() {
    let world =
        world_with("{ headers: { X-User: preferred_username, X-Department: org.unit } }").await;
    let token = alice(&world).claim("org", json!({"unit": "R&D"}));
    let request = call(&world).bearer(token);
    request.header("X-User", "root").send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.all("x-user"), ["alice.x"]);
    assert_eq!(headers.all("x-department"), ["R&D"]);
    assert_eq!(told(&headers), []);
    let without = call(&world).bearer(world.token());
    without.header("X-User", "root").send().await.is(200);
    assert!(
        !world.server.last().headers.has("x-user"),
        "a claim that is missing leaves no room"
    );
}

#[tokio::test]
async fn sec_35_an_identity_over_8_kib_is_refused_and_never_cut() {
    let world = world().await;
    let groups = |count: usize| {
        let groups: Vec<_> = (0..count).map(|n| format!("group-{n:04}")).collect();
        world.token().claim("groups", groups)
    };
    call(&world).bearer(groups(600)).send().await.is(200);
    let groups_told = world.server.last().headers;
    assert_eq!(
        groups_told
            .get("x-auth-groups")
            .map(|all| all.split(',').count()),
        Some(600)
    );
    let request = call(&world).bearer(groups(900));
    refused(&world, request, 403, "identity_too_large").await;
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
async fn s4_22_body_and_headers_of_old_clients_arrive_untouched() {
    let world = world().await;
    let body = "{ \"jsonrpc\":\"2.0\",\"id\":1,\n \"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2024-11-05\"} }";
    let request = world
        .client()
        .post("/mcp")
        .header("Content-Type", "application/json");
    let request = request.bearer(world.token()).body(body);
    request.send().await.is(200);
    let seen = world.server.last();
    assert_eq!(String::from_utf8(seen.body).unwrap(), body);
    assert!(!seen.headers.has("accept"), "no Accept is invented");
}
