//! Tokens in the shapes of well-known providers, through discovery and the whole program.

use serde_json::{Value, json};
use testbed::client::Headers;
use testbed::{Gateway, Idp, Recorder, World};

use crate::setting::{bad_token, call, program, world_of};

/// What the upstream was told about the caller.
async fn identity(world: &World, token: impl Into<String>) -> Headers {
    call(world).bearer(token).send().await.is(200);
    world.server.last().headers
}

#[tokio::test]
async fn s3_27_auth0_issuer_ends_in_a_slash_and_claims_have_urls_for_names() {
    let idp = Idp::builder().closing_slash().start().await.unwrap();
    let groups = ", claims: { groups: \"https://example.com/groups\" }";
    let world = world_of(idp, groups, "").await;
    let user = || {
        let token = world.token().header("typ", "JWT").without("client_id");
        let token = token.subject("auth0|42").claim("azp", "spa");
        token.claim("https://example.com/groups", json!(["a,b", "c"]))
    };
    let headers = identity(&world, user()).await;
    assert_eq!(headers.get("x-auth-subject"), Some("auth0|42"));
    assert_eq!(headers.get("x-auth-issuer"), Some(world.idp.issuer()));
    assert_eq!(headers.get("x-auth-client"), Some("spa"));
    assert_eq!(headers.get("x-auth-groups"), Some("a%2Cb,c"));
    let bare = world.idp.issuer().trim_end_matches('/').to_owned();
    bad_token(&world, user().claim("iss", bare), "issuer_mismatch").await;
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    assert_eq!(
        document["authorization_servers"],
        json!([world.idp.issuer()])
    );
}

#[tokio::test]
async fn s4_11_x22_an_issuer_written_without_its_slash_is_taken_in_the_providers_spelling() {
    let idp = Idp::builder().closing_slash().start().await.unwrap();
    let server = Recorder::start().await;
    let bare = idp.issuer().trim_end_matches('/');
    let yaml = crate::setting::usual("", "")
        .replace("{idp}", bare)
        .replace("{upstream}", &server.url());
    let gateway = Gateway::start(program(), &yaml).await;
    let world = World {
        idp,
        server,
        gateway,
    };
    call(&world).bearer(world.token()).send().await.is(200);
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    assert_eq!(
        document["authorization_servers"],
        json!([world.idp.issuer()])
    );
    let configured = world.idp.issuer().trim_end_matches('/').to_owned();
    let token = world.token().claim("iss", configured);
    bad_token(&world, token, "issuer_mismatch").await;
}

#[tokio::test]
async fn s3_28_okta_has_scp_as_a_list_and_an_audience_that_is_no_resource() {
    let idp = Idp::builder()
        .issuer_path("/oauth2/default")
        .start()
        .await
        .unwrap();
    let world = world_of(idp, "", ", audiences: [\"api://mcp-server\"]").await;
    let token = world.idp.token().audience("api://mcp-server");
    let token = token
        .header("typ", Value::Null)
        .without("scope")
        .without("client_id");
    let token = token
        .claim("cid", "0oa1")
        .claim("scp", json!(["openid", "mcp:tools"]));
    let headers = identity(&world, token).await;
    assert_eq!(headers.get("x-auth-scopes"), Some("mcp:tools openid"));
    assert_eq!(headers.get("x-auth-client"), Some("0oa1"));
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(
        document.send().await.json()["resource"],
        world.gateway.url("/mcp")
    );
}

#[tokio::test]
async fn s3_29_cognito_names_its_client_and_no_audience() {
    let authenticator = ", audience_claim: client_id, audiences: [client-1], claims: { groups: \"cognito:groups\" }";
    let world = world_of(Idp::start().await, authenticator, "").await;
    let token = || {
        let token = world.idp.token().header("typ", Value::Null);
        let token = token
            .claim("client_id", "client-1")
            .claim("token_use", "access");
        token.claim("cognito:groups", json!(["admins"]))
    };
    let headers = identity(&world, token()).await;
    assert_eq!(headers.get("x-auth-client"), Some("client-1"));
    assert_eq!(headers.get("x-auth-groups"), Some("admins"));
    bad_token(
        &world,
        token().claim("client_id", "client-2"),
        "audience_mismatch",
    )
    .await;
    bad_token(
        &world,
        token().claim("token_use", "id"),
        "token_type_not_allowed",
    )
    .await;
}

#[tokio::test]
async fn s3_30_entra_has_two_issuers_and_two_audiences() {
    let idp = Idp::builder()
        .issuer_path("/tid/v2.0")
        .start()
        .await
        .unwrap();
    let guid = "11111111-2222-3333-4444-555555555555";
    let authenticator =
        format!(", issuers: [\"https://sts.example/tid/\"], audiences: [{guid}, \"api://{guid}\"]");
    let world = world_of(idp, &authenticator, "").await;
    let common = || {
        let token = world.idp.token().header("typ", "JWT").without("scope");
        token
            .without("client_id")
            .claim("scp", "mcp:tools")
            .claim("tid", "tid")
    };
    let second = common().audience(guid).claim("azp", "client");
    let headers = identity(&world, second).await;
    assert_eq!(headers.get("x-auth-issuer"), Some(world.idp.issuer()));
    let api = format!("api://{guid}");
    let first = || common().audience(&api).claim("appid", "client");
    let headers = identity(&world, first().claim("iss", "https://sts.example/tid/")).await;
    assert_eq!(
        headers.get("x-auth-issuer"),
        Some("https://sts.example/tid/")
    );
    let other = first().claim("iss", "https://sts.example/other/");
    bad_token(&world, other, "issuer_mismatch").await;
}

#[tokio::test]
async fn s3_26_s4_4_keycloak_has_an_issuer_with_a_path_and_nested_roles() {
    let idp = Idp::builder()
        .issuer_path("/realms/acme")
        .start()
        .await
        .unwrap();
    let world = world_of(idp, ", claims: { groups: realm_access.roles }", "").await;
    let document = "/.well-known/openid-configuration";
    assert_eq!(
        world.idp.fetches(document),
        1,
        "S4-4: discovery is one request"
    );
    let own = world.gateway.url("/mcp");
    let token = || {
        let token = world.idp.token().header("typ", "JWT").without("client_id");
        let token = token.claim("typ", "Bearer").claim("azp", "cli");
        let token = token.claim("realm_access", json!({"roles": ["admin", "dev"]}));
        token.claim("aud", json!([own, "account"]))
    };
    let headers = identity(&world, token()).await;
    assert_eq!(headers.get("x-auth-groups"), Some("admin,dev"));
    let refresh = token().claim("typ", "Refresh");
    bad_token(&world, refresh, "token_type_not_allowed").await;
}

#[tokio::test]
async fn s0_35_each_of_the_usual_scope_claims_is_read() {
    let world = world_of(Idp::start().await, "", "").await;
    for (claim, value) in [
        ("scope", json!("mcp:tools x")),
        ("scopes", json!(["mcp:tools", "x"])),
        ("scp", json!("mcp:tools x")),
    ] {
        let token = world.token().without("scope").claim(claim, value);
        let headers = identity(&world, token).await;
        assert_eq!(headers.get("x-auth-scopes"), Some("mcp:tools x"), "{claim}");
    }
}

#[tokio::test]
async fn s3_5_keys_by_url_or_file_need_no_discovery() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, idp.jwks().to_string()).unwrap();
    for source in [
        format!("jwks_uri: \"{}\"", idp.url("/jwks")),
        format!("jwks_file: \"{}\"", file.display()),
    ] {
        let yaml = crate::setting::usual("", "")
            .replace(
                "oidc: { issuer: \"{idp}\" }",
                &format!("jwks: {{ issuer: \"https://partner.example\", {source} }}"),
            )
            .replace("{upstream}", &server.url());
        let gateway = Gateway::start(program(), &yaml).await;
        let token = idp.token().claim("iss", "https://partner.example");
        let token = token.audience(&gateway.url("/mcp"));
        let request = gateway.client().post("/mcp").call("echo", &Value::Null);
        request.bearer(token).send().await.is(200);
        assert_eq!(server.last().header("x-auth-method"), Some("jwks"));
        let stranger = idp.token().audience(&gateway.url("/mcp"));
        let request = gateway.client().post("/mcp").call("echo", &Value::Null);
        request
            .bearer(stranger)
            .send()
            .await
            .refused(401, "invalid_token");
    }
    assert_eq!(idp.fetches("/jwks"), 1);
    assert_eq!(idp.fetches("/.well-known/openid-configuration"), 0);
}

const TWO_PROVIDERS: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
authenticators:
  corp: { oidc: { issuer: "{idp}" } }
  partner: { oidc: { issuer: "{partner}" } }
routes:
  - { path: /both, upstream: "{upstream}", auth: { accept: [corp, partner] } }
  - { path: /own, upstream: "{upstream}", auth: { accept: [corp] } }
"#;

#[tokio::test]
async fn s3_32_x20_sec_18_a_partner_counts_only_where_it_is_accepted() {
    let partner = Idp::start().await;
    let template = TWO_PROVIDERS.replace("{partner}", partner.issuer());
    let world = World::start(program(), &template).await;
    let ask = async |path: &str, token: String| {
        let request = world.client().post(path).call("echo", &Value::Null);
        request.bearer(token).send().await.status
    };
    let token = |idp: &Idp, path: &str| idp.token().audience(&world.gateway.url(path));
    assert_eq!(ask("/both", token(&world.idp, "/both").sign()).await, 200);
    assert_eq!(ask("/both", token(&partner, "/both").sign()).await, 200);
    assert_eq!(ask("/own", token(&world.idp, "/own").sign()).await, 200);
    assert_eq!(ask("/own", token(&partner, "/own").sign()).await, 401);
    let crossed = token(&partner, "/both").claim("iss", world.idp.issuer());
    assert_eq!(
        ask("/both", crossed.sign()).await,
        401,
        "the key of one, the issuer of the other"
    );
    let listed = async |path: &str| {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let document = world.client().get(&path).send().await.json();
        document["authorization_servers"].clone()
    };
    assert_eq!(
        listed("/both").await,
        json!([world.idp.issuer(), partner.issuer()])
    );
    assert_eq!(listed("/own").await, json!([world.idp.issuer()]));
}
