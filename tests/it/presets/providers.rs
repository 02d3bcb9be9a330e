//! The presets of known providers, with tokens in the shapes that those give out.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testbed::Idp;
use testbed::idp::TokenBuilder;

use super::Stage;
use crate::introspection;
use crate::setting::{call, world, world_of};
use crate::tree::read;

#[tokio::test]
async fn s3_27_s0_72_auth0_has_a_slash_and_an_audience() {
    let idp = Idp::builder().closing_slash().start().await.unwrap();
    let domain = idp.issuer().replace("http://", "").replace('/', "");
    let variables = [
        ("AUTH0_DOMAIN", &*domain),
        ("AUTH0_AUDIENCE", "https://mcp.example.com"),
    ];
    let change = ("https://${AUTH0_DOMAIN}", "http://${AUTH0_DOMAIN}");
    let stage = Stage::start("auth0", idp, change, &variables).await;
    let token = || {
        let token = stage.token().header("typ", "JWT").without("client_id");
        let userinfo = format!("{}userinfo", stage.idp.issuer());
        token
            .claim("azp", "spa")
            .claim("aud", json!(["https://mcp.example.com", userinfo]))
    };
    stage.accepts(token()).await;
    let line = stage.refuses("a.b.c.d.e", 401, "not_a_jwt").await;
    assert!(line.contains("encrypted token (JWE)"), "{line}");
    let other = token().audience("https://other.example.com");
    stage.refuses(other, 401, "audience_mismatch").await;
    let bare = stage.idp.issuer().trim_end_matches('/').to_owned();
    let unslashed = token().claim("iss", bare);
    stage.refuses(unslashed, 401, "issuer_mismatch").await;
}

#[tokio::test]
async fn s3_28_s0_72_okta_has_an_audience_of_its_own() {
    let idp = Idp::builder().issuer_path("/oauth2/default");
    let idp = idp.start().await.unwrap();
    let issuer = idp.issuer().to_owned();
    let variables = [
        ("OKTA_ISSUER", &*issuer),
        ("OKTA_AUDIENCE", "api://mcp-server"),
    ];
    let stage = Stage::start("okta", idp, ("", ""), &variables).await;
    let token = || {
        let token = stage.token().header("typ", Value::Null).without("scope");
        let token = token.without("client_id").claim("cid", "0oa1");
        let token = token.claim("scp", json!(["openid", "mcp"]));
        token.audience("api://mcp-server")
    };
    stage.accepts(token()).await;
    assert_eq!(
        stage.server.last().header("x-auth-scopes"),
        Some("mcp openid")
    );
    // the organization's own server signs tokens for Okta's API, and says so
    let own = token().header("typ", "application/okta-internal-at+jwt");
    let line = stage.refuses(own, 401, "token_type_not_allowed").await;
    assert!(line.contains("application/okta-internal-at+jwt"), "{line}");
    let other = token().audience("api://default");
    stage.refuses(other, 401, "audience_mismatch").await;
}

#[tokio::test]
async fn s3_29_s0_72_cognito_is_compared_by_its_client() {
    let idp = Idp::start().await;
    let issuer = idp.issuer().to_owned();
    let variables = [
        ("COGNITO_ISSUER", &*issuer),
        ("COGNITO_AUDIENCE", "client-1"),
    ];
    let stage = Stage::start("cognito", idp, ("", ""), &variables).await;
    let token = || {
        let token = stage.idp.token().header("typ", Value::Null);
        let token = token.claim("client_id", "client-1");
        let token = token.claim("cognito:groups", json!(["admins"]));
        token.claim("token_use", "access")
    };
    stage.accepts(token()).await;
    assert_eq!(stage.server.last().header("x-auth-groups"), Some("admins"));
    let id = token().claim("token_use", "id");
    stage.refuses(id, 401, "token_type_not_allowed").await;
    let other = token().claim("client_id", "client-2");
    stage.refuses(other, 401, "audience_mismatch").await;
}

#[tokio::test]
async fn s3_30_s0_72_entra_has_two_versions() {
    let idp = Idp::builder().issuer_path("/tenant/v2.0");
    let idp = idp.start().await.unwrap();
    let origin = idp.issuer().replace("/tenant/v2.0", "");
    let change = ("https://login.microsoftonline.com", &*origin);
    let variables = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "guid")];
    let stage = Stage::start("entra", idp, change, &variables).await;
    let token = || {
        let token = stage.idp.token().header("typ", "JWT").without("scope");
        token.without("client_id").claim("scp", "mcp.use")
    };
    stage
        .accepts(token().audience("guid").claim("azp", "app"))
        .await;
    let first = || token().claim("iss", "https://sts.windows.net/tenant/");
    stage
        .accepts(first().audience("api://guid").claim("appid", "app"))
        .await;
    let foreign = token().claim("iss", "https://sts.windows.net/other/");
    stage
        .refuses(foreign.audience("api://guid"), 401, "issuer_mismatch")
        .await;
    let other = token().audience("api://other");
    stage.refuses(other, 401, "audience_mismatch").await;
    // a token for Graph has a nonce in its header, and a signature that only Graph can check
    let graph = token().audience("guid").header("nonce", "n").tampered();
    let line = stage.refuses(graph, 401, "invalid_signature").await;
    assert!(line.contains("Graph"), "{line}");
}

/// An ID token of a service account has no scope, and the account as its client.
fn of_service_account(stage: &Stage, email: &str) -> TokenBuilder {
    let token = stage.token().header("typ", "JWT").without("scope");
    let token = token
        .without("client_id")
        .without("jti")
        .claim("email", email);
    let token = token.subject("1055").claim("azp", "1055");
    token.claim("email_verified", true)
}

#[tokio::test]
async fn s0_72_google_takes_service_accounts_that_are_named() {
    let idp = Idp::start().await;
    let issuer = idp.issuer().to_owned();
    let change = ("https://accounts.google.com", &*issuer);
    let stage = Stage::start("google", idp, change, &[]).await;
    let ours = "deployer@my-project.iam.gserviceaccount.com";
    stage.accepts(of_service_account(&stage, ours)).await;
    let seen = stage.server.last();
    let told = ["x-auth-subject", "x-auth-kind", "x-auth-email"].map(|name| seen.header(name));
    assert_eq!(told, [Some("1055"), Some("client"), Some(ours)]);
    let theirs = of_service_account(&stage, "deployer@their-project.iam.gserviceaccount.com");
    stage.refuses(theirs, 403, "insufficient_scope").await;
    // a person's ID token was made for a client, and says so
    let person = || of_service_account(&stage, ours).claim("azp", "web.apps.googleusercontent.com");
    let for_client = person().audience("web.apps.googleusercontent.com");
    stage.refuses(for_client, 401, "audience_mismatch").await;
    let with_hash = person().claim("at_hash", "x");
    stage
        .refuses(with_hash, 401, "token_type_not_allowed")
        .await;
    // and the access token of one is no JWT at all
    let line = stage.refuses("ya29.a0Af", 401, "not_a_jwt").await;
    assert!(line.contains("token is not a valid JWT format"), "{line}");
}

#[tokio::test]
async fn s0_72_github_takes_jobs_of_repositories_that_are_named() {
    let idp = Idp::start().await;
    let issuer = idp.issuer().to_owned();
    let change = ("https://token.actions.githubusercontent.com", &*issuer);
    let stage = Stage::start("github", idp, change, &[]).await;
    let job = |repository: &str| {
        let token = stage.token().header("typ", "JWT").without("scope");
        let token = token.without("client_id").claim("repository", repository);
        let token = token.subject(&format!("repo:{repository}:environment:a mcp"));
        let workflow = format!("{repository}/.github/workflows/deploy.yml@refs/heads/main");
        let token = token.claim("job_workflow_ref", workflow);
        token.claim("repository_id", "74").claim("actor", "octocat")
    };
    stage.accepts(job("my-org/my-repository")).await;
    let kind = stage.server.last().header("x-auth-kind").map(str::to_owned);
    assert_eq!(kind.as_deref(), Some("client"));
    for other in [
        "their-org/my-repository",
        "my-org/my-repository2",
        "My-Org/my-repository",
    ] {
        stage.refuses(job(other), 403, "insufficient_scope").await;
    }
    // unless it asks for another one, a job gets a token for the owner's page
    let usual = job("my-org/my-repository").audience("https://github.com/my-org");
    stage.refuses(usual, 401, "audience_mismatch").await;
    let opaque = stage.refuses("gho_16C7e42F292c6912E7710c838347Ae178B4a", 401, "not_a_jwt");
    assert!(opaque.await.contains("opaque"));
}

#[tokio::test]
async fn s3_27_s3_30_programs_without_any_permission_are_known_by_other_marks() {
    let idp = Idp::builder().closing_slash().start().await.unwrap();
    let domain = idp.issuer().replace("http://", "").replace('/', "");
    let variables = [("AUTH0_DOMAIN", &*domain), ("AUTH0_AUDIENCE", "api")];
    let change = ("https://${AUTH0_DOMAIN}", "http://${AUTH0_DOMAIN}");
    let auth0 = Stage::start("auth0", idp, change, &variables).await;
    let bare = |stage: &Stage| {
        let token = stage.idp.token().header("typ", "JWT");
        token
            .without("scope")
            .without("client_id")
            .claim("azp", "app")
    };
    let program = || bare(&auth0).audience("api").subject("app@clients");
    auth0
        .accepts(program().claim("gty", "client-credentials"))
        .await;
    assert_eq!(auth0.server.last().header("x-auth-kind"), Some("client"));
    let line = auth0
        .refuses(program(), 401, "token_type_not_allowed")
        .await;
    assert!(line.contains("access_token_marks"), "{line}");

    let idp = Idp::builder().issuer_path("/tenant/v2.0");
    let idp = idp.start().await.unwrap();
    let origin = idp.issuer().replace("/tenant/v2.0", "");
    let change = ("https://login.microsoftonline.com", &*origin);
    let variables = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "guid")];
    let entra = Stage::start("entra", idp, change, &variables).await;
    let program = || {
        let token = bare(&entra).audience("guid").subject("service-principal");
        token.claim("roles", json!(["Tools.Use"]))
    };
    entra.accepts(program().claim("azpacr", "1")).await;
    entra.accepts(program().claim("idtyp", "app")).await;
    assert_eq!(entra.server.last().header("x-auth-kind"), Some("client"));
    // the same app's ID tokens have roles, and are no access tokens
    let id = program()
        .without("azp")
        .claim("preferred_username", "ada@acme.example");
    entra.refuses(id, 401, "token_type_not_allowed").await;
}

/// The first column of every table of `docs/providers.md` that says what the log says.
fn quoted() -> BTreeSet<String> {
    let page = read("docs/providers.md");
    let mut quotes = BTreeSet::new();
    for table in page.split("| the log says | remedy |\n|---|---|\n").skip(1) {
        for row in table.lines().take_while(|line| line.starts_with("| ")) {
            let cell = row.split(" | ").next().unwrap();
            quotes.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    quotes
}

#[tokio::test]
async fn s4_18_s3_27_s3_30_i_7_i_8_what_the_page_quotes_is_what_the_log_says() {
    let world = world().await;
    let cognito = ", audience_claim: client_id, audiences: [pub]";
    let pool = world_of(Idp::start().await, cognito, "").await;
    let ordinary = || world.token().header("typ", "JWT");
    let unmarked = || ordinary().without("scope").without("client_id");
    let wrong = [
        (
            &world,
            "a.b.c.d.e".to_owned(),
            "five parts, an encrypted token (JWE)",
        ),
        (
            &world,
            "opaque".to_owned(),
            "opaque, one part and not three",
        ),
        (
            &world,
            ordinary().claim("iss", "https://sts.windows.net/t/").sign(),
            "issuer mismatch",
        ),
        (
            &world,
            ordinary().audience("account").sign(),
            "token audience invalid",
        ),
        (
            &world,
            ordinary()
                .header("typ", "application/okta-internal-at+jwt")
                .sign(),
            "typ \"application/okta-internal-at+jwt\"",
        ),
        (
            &pool,
            pool.token().claim("token_use", "id").sign(),
            "token_use is not access",
        ),
        (
            &world,
            ordinary().header("nonce", "n").sign_with_other_key(),
            "a nonce in the header marks a token of Microsoft Graph",
        ),
        (
            &world,
            ordinary().claim("typ", "Refresh").sign(),
            "the payload's typ says so",
        ),
        (
            &world,
            unmarked().sign(),
            "neither typ at+jwt nor a claim that only access tokens have",
        ),
    ];
    let mut told = BTreeSet::from(["insufficient_scope".to_owned()]); // the reason, held by others
    for (world, token, words) in wrong {
        let call = call(world).bearer(token);
        let answer = call.send().await;
        assert_eq!(answer.status, 401, "{words}");
        let reference = answer.json()["reference"].as_str().unwrap().to_owned();
        let line = world.gateway.wait_for_log(&reference).await;
        let entry: Value = serde_json::from_str(&line).unwrap();
        let cause = entry["cause"].as_str().unwrap();
        assert!(cause.contains(words), "{words}: {cause}");
        told.insert(words.to_owned());
    }
    let central = introspection::world("").await;
    central.idp.answer(introspection::PATH, 401, &[], "{}");
    for words in [
        "cannot be asked about the token",
        "token is not active, says the provider",
    ] {
        let refused = introspection::call(&central, "unknown").send().await;
        let reference = refused.json()["reference"].as_str().unwrap().to_owned();
        let line = central.gateway.wait_for_log(&reference).await;
        assert!(line.contains(words), "{line}");
        told.insert(words.to_owned());
        central.idp.answer_normally(introspection::PATH);
    }
    assert_eq!(
        quoted(),
        told,
        "the page quotes what was tried, and nothing else"
    );
}

#[tokio::test]
async fn s4_18_every_preset_of_a_provider_has_its_section() {
    let page = read("docs/providers.md");
    for (name, section) in [
        ("auth0", "Auth0"),
        ("okta", "Okta"),
        ("cognito", "Cognito"),
        ("entra", "Entra ID"),
        ("keycloak", "Keycloak"),
        ("google", "Google"),
        ("github", "GitHub"),
        ("oidc", "Any OpenID Connect provider"),
    ] {
        let anchor = section.to_lowercase().replace(' ', "-");
        assert!(
            page.contains(&format!("](#{anchor}) | `{name}` |")),
            "{name}"
        );
        assert!(page.contains(&format!("\n## {section}\n")), "{section}");
        let yaml = super::preset(name).await;
        let leads = yaml.contains(&format!("docs/providers.md#{anchor}"));
        assert_eq!(leads, name != "oidc", "{name}");
    }
    for (preset, _) in super::PRESETS {
        assert!(page.contains(&format!("`{preset}`")), "{preset}");
    }
    assert!(read("README.md").contains("](docs/providers.md)"));
}

#[test]
fn s0_3_s3_41_the_page_says_which_type_is_for_whom_and_what_a_migration_changes() {
    let page = read("docs/providers.md");
    let types = page.split("## Which type").nth(1).unwrap();
    let types = types.split("\n## ").next().unwrap();
    for kind in ["`oauth` (default)", "`jwt`", "`both`", "`none`"] {
        assert!(types.contains(&format!("\n| {kind} | ")), "{kind}");
    }
    for difference in [
        "1. Signatures are asymmetric.",
        "2. Tokens come from a real authorization server",
        "3. There is a metadata document",
        "4. The audience is always checked",
    ] {
        assert!(types.contains(&format!("\n{difference}")), "{difference}");
    }
}
