//! `init --preset`: each of them is a good configuration, and lets in whom it is for.

mod providers;

use std::net::TcpListener;

use serde_json::{Value, json};
use testbed::gateway::{Finished, Launch};
use testbed::idp::TokenBuilder;
use testbed::{Gateway, Idp, Recorder};

use crate::setting::program;

/// As somebody would make it.
pub(crate) const SECRET: &str = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d";

/// The presets, with values like those that people will have.
pub(crate) const PRESETS: &[(&str, &[(&str, &str)])] = &[
    (
        "oauth",
        &[("OAUTH_ISSUER_URL", "https://login.example.com/")],
    ),
    ("jwt", &[("JWT_SECRET", SECRET)]),
    (
        "both",
        &[
            ("OAUTH_ISSUER_URL", "https://login.example.com/"),
            ("JWT_SECRET", SECRET),
        ],
    ),
    ("none", &[]),
    ("oidc", &[("OIDC_ISSUER", "https://login.example.com")]),
    (
        "auth0",
        &[
            ("AUTH0_DOMAIN", "acme.eu.auth0.com"),
            ("AUTH0_AUDIENCE", "https://mcp.example.com/mcp"),
        ],
    ),
    (
        "okta",
        &[
            ("OKTA_ISSUER", "https://acme.okta.com/oauth2/default"),
            ("OKTA_AUDIENCE", "api://mcp-server"),
        ],
    ),
    (
        "entra",
        &[
            ("AZURE_TENANT_ID", "00000000-1111-2222-3333-444444444444"),
            ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555"),
        ],
    ),
    (
        "cognito",
        &[
            (
                "COGNITO_ISSUER",
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf",
            ),
            ("COGNITO_AUDIENCE", "1example23456789"),
        ],
    ),
    ("google", &[]),
    ("github", &[]),
    (
        "keycloak",
        &[("KEYCLOAK_ISSUER", "https://id.example.com/realms/acme")],
    ),
    (
        "mcp-framework",
        &[
            ("OAUTH_AUTHORIZATION_SERVER", "https://login.example.com"),
            ("OAUTH_ISSUER", "https://login.example.com/"),
            ("OAUTH_JWKS_URI", "https://login.example.com/keys"),
            ("OAUTH_AUDIENCE", "api://mcp-server"),
            ("OAUTH_RESOURCE", "https://mcp.example.com/mcp"),
        ],
    ),
    (
        "mcp-framework-introspection",
        &[
            ("OAUTH_AUTHORIZATION_SERVER", "https://login.example.com"),
            (
                "OAUTH_INTROSPECTION_ENDPOINT",
                "https://login.example.com/i",
            ),
            ("OAUTH_CLIENT_ID", "gateway"),
            ("OAUTH_CLIENT_SECRET", SECRET),
            ("OAUTH_AUDIENCE", "api://mcp-server"),
            ("OAUTH_RESOURCE", "https://mcp.example.com/mcp"),
        ],
    ),
    (
        "sidecar",
        &[("OAUTH_ISSUER_URL", "https://login.example.com/")],
    ),
];

fn command(words: &[&str]) -> Launch {
    let launch = Gateway::launch(program());
    words.iter().fold(launch, Launch::arg)
}

/// The text of a preset, as `init` writes it.
pub(crate) async fn preset(name: &str) -> String {
    let shown = command(&["init", "--preset", name, "--output", "-"]);
    let shown = shown.finish().await;
    assert_eq!((shown.code, &*shown.stderr), (Some(0), ""), "{name}");
    shown.stdout
}

pub(crate) async fn check(yaml: &str, variables: &[(&str, &str)]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    let launch = command(&["check", "--resolved", "-c"]).arg(&file);
    let launch = variables
        .iter()
        .fold(launch, |launch, (name, value)| launch.env(name, value));
    launch.finish().await
}

#[tokio::test]
async fn s0_72_every_preset_is_good_and_says_which_variables_it_needs() {
    let help = command(&["init", "--help"]).finish().await.stdout;
    for (name, variables) in PRESETS {
        assert!(help.contains(&format!("- {name}:")), "{name}: {help}");
        let yaml = preset(name).await;
        let line = "# yaml-language-server: $schema=gateway.schema.json\n";
        assert!(yaml.starts_with(line), "{name}");
        let checked = check(&yaml, variables).await;
        assert_eq!(checked.code, Some(0), "{name}: {}", checked.stderr);
        let warned = checked.stderr.contains("anonymous_access");
        assert_eq!(warned, *name == "none", "{name}: {}", checked.stderr);
        for (index, (variable, _)) in variables.iter().enumerate() {
            let mut others = variables.to_vec();
            others.remove(index);
            // one of two that stand in for each other is enough
            let pair = ["OAUTH_AUTHORIZATION_SERVER", "OAUTH_ISSUER"];
            let enough = others.iter().any(|(other, _)| pair.contains(other));
            let told = match pair.iter().position(|one| one == variable) {
                Some(_) if enough => None,
                Some(_) => Some(format!("the variable `{}` is not set", pair[0])),
                None => Some(format!("the variable `{variable}` is not set")),
            };
            let without = check(&yaml, &others).await;
            let code = if told.is_some() { 2 } else { 0 };
            assert_eq!(without.code, Some(code), "{name} without {variable}");
            let told = told.unwrap_or_default();
            assert!(without.stderr.contains(&told), "{}", without.stderr);
            let comment = format!("\n#   {variable} ");
            assert!(yaml.contains(&comment), "{name} explains {variable}");
        }
    }
    let known = help.matches("\n          - ").count();
    assert_eq!(known, PRESETS.len(), "all of them are tried: {help}");
}

#[tokio::test]
async fn s0_72_init_writes_a_file_and_never_over_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    let init = |words: &[&str]| command(words).arg("--output").arg(&file).finish();
    let written = init(&["init", "--preset", "auth0"]).await;
    assert_eq!((written.code, &*written.stderr), (Some(0), ""));
    let told = format!(
        "{file} is written; set AUTH0_AUDIENCE and AUTH0_DOMAIN, then try `portcullis check -c {file}`\n",
        file = file.display()
    );
    assert_eq!(written.stdout, told);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        preset("auth0").await
    );
    let again = init(&["init", "--preset", "okta"]).await;
    assert_eq!((again.code, &*again.stdout), (Some(2), ""));
    assert!(
        again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("hint: --force"), "{}", again.stderr);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        preset("auth0").await
    );
    let forced = init(&["init", "--preset", "okta", "--force"]).await;
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        preset("okta").await
    );
    let other = folder.path().join("other.yaml");
    let named = command(&["init", "--preset", "mcp-framework", "--config"]).arg(&other);
    let named = named.finish().await;
    let told = "; set OAUTH_AUDIENCE, OAUTH_AUTHORIZATION_SERVER or OAUTH_ISSUER, OAUTH_JWKS_URI and OAUTH_RESOURCE, then";
    assert!(named.stdout.contains(told), "{}", named.stdout);
    assert!(other.exists(), "--config says where to, too");
    let nowhere = command(&["init", "--preset", "okta", "-o", "/nowhere/x.yaml"]);
    assert_eq!(nowhere.finish().await.code, Some(1));
    let unknown = command(&["init", "--preset", "bogus"]).finish().await;
    assert_eq!(unknown.code, Some(2));
    for (name, _) in PRESETS {
        assert!(unknown.stderr.contains(name), "{}", unknown.stderr);
    }
}

/// A preset at work, before a provider and a server of ours.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    server: Recorder,
    pub(crate) idp: Idp,
}

impl Stage {
    /// With these variables, and with what the preset says about a provider of the real world changed to ours.
    pub(crate) async fn start(
        name: &str,
        idp: Idp,
        change: (&str, &str),
        variables: &[(&str, &str)],
    ) -> Self {
        let server = Recorder::start().await;
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let (provider, ours) = change;
        let yaml = preset(name).await;
        assert!(yaml.contains(provider), "{name} has {provider}");
        let yaml = yaml.replace(provider, ours);
        let yaml = format!("{yaml}\nadmin: {{ listen: \"127.0.0.1:0\" }}\n");
        let upstream = format!("{}/mcp", server.url());
        let launch = Gateway::launch(program())
            .config(&yaml)
            .env("PORT", &port)
            .env("UPSTREAM_URL", &upstream);
        let launch = variables
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value));
        Self {
            gateway: launch.start().await,
            server,
            idp,
        }
    }

    /// A token of the provider's for the URL that clients type.
    fn token(&self) -> TokenBuilder {
        self.idp.token().audience(&self.gateway.url("/mcp"))
    }

    pub(crate) async fn accepts(&self, token: impl Into<String>) {
        let call = self.gateway.client().post("/mcp").call("echo", &json!({}));
        call.bearer(token).send().await.is(200);
    }

    /// The log's line about the refusal; the server hears nothing of it.
    pub(crate) async fn refuses(
        &self,
        token: impl Into<String>,
        status: u16,
        reason: &str,
    ) -> String {
        let before = self.server.requests();
        let call = self.gateway.client().post("/mcp").call("echo", &json!({}));
        let answer = call.bearer(token).send().await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(self.server.requests(), before);
        let body: Value = answer.json();
        // where bodies are read, a refusal is an answer to the request in it
        let in_answer = || body["error"]["data"]["reference"].as_str();
        let reference = body["reference"].as_str().or_else(in_answer).unwrap();
        let line = self.gateway.wait_for_log(reference).await;
        assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
        line
    }
}

#[tokio::test]
async fn s0_3_s0_9_s0_72_oauth_takes_tokens_of_an_authorization_server() {
    let idp = Idp::start().await;
    let issuer = idp.issuer().to_owned();
    let variables = [("OAUTH_ISSUER_URL", &*issuer)];
    let stage = Stage::start("oauth", idp, ("", ""), &variables).await;
    stage.accepts(stage.token().scope("mcp")).await;
    let other = stage.token().scope("other");
    stage.refuses(other, 403, "insufficient_scope").await;
    stage.refuses("opaque", 401, "not_a_jwt").await;
    let nobody = stage.gateway.client().post("/mcp").call("echo", &json!({}));
    nobody.send().await.is(401);
    // who is not logged in sees what there is
    let post = stage.gateway.client().post("/mcp");
    post.rpc(1, "tools/list", &json!({})).send().await.is(200);
}

#[tokio::test]
async fn s0_3_s0_72_none_asks_nobody_and_is_for_this_machine() {
    let stage = Stage::start("none", Idp::start().await, ("", ""), &[]).await;
    let call = || stage.gateway.client().post("/mcp").call("echo", &json!({}));
    call().send().await.is(200);
    assert_eq!(
        stage.server.last().header("x-auth-method"),
        Some("anonymous")
    );
    // a page of somebody else's may not call, and no other name leads here
    let page = call().header("Origin", "https://evil.example");
    page.send().await.is(403);
    call().host("evil.example").send().await.is(421);
}

/// A token as a service signs it for itself.
pub(crate) fn of_service(stage: &Stage, secret: &str) -> String {
    let token = stage
        .idp
        .token()
        .header("typ", "JWT")
        .header("kid", Value::Null);
    let token = token
        .without("scope")
        .without("client_id")
        .subject("test-user");
    let token = token.claim("scopes", json!(["mcp", "mcp:call"]));
    let token = token.claim("iss", "your-service").audience("mcp-api");
    token.sign_with_secret(secret.as_bytes())
}

#[tokio::test]
async fn s0_3_s0_33_s0_72_jwt_takes_tokens_of_your_own() {
    let idp = Idp::start().await;
    let stage = Stage::start("jwt", idp, ("", ""), &[("JWT_SECRET", SECRET)]).await;
    stage.accepts(of_service(&stage, SECRET)).await;
    let seen = stage.server.last();
    assert_eq!(seen.header("x-auth-method"), Some("shared_secret"));
    let other = of_service(&stage, &SECRET.replace('8', "9"));
    stage.refuses(other, 401, "invalid_signature").await;
    stage.refuses(stage.token(), 401, "issuer_mismatch").await;
    let list = stage
        .gateway
        .client()
        .post("/mcp")
        .rpc(1, "tools/list", &json!({}));
    list.send().await.is(401);
}

#[tokio::test]
async fn s0_3_s0_16_s3_40_s0_72_both_takes_either() {
    let idp = Idp::start().await;
    let issuer = idp.issuer().to_owned();
    let variables = [("OAUTH_ISSUER_URL", &*issuer), ("JWT_SECRET", SECRET)];
    let stage = Stage::start("both", idp, ("", ""), &variables).await;
    stage.accepts(of_service(&stage, SECRET)).await;
    stage.accepts(stage.token().scope("mcp")).await;
    assert_eq!(stage.server.last().header("x-auth-method"), Some("oidc"));
    let swapped = stage
        .token()
        .claim("iss", "your-service")
        .audience("mcp-api");
    stage.refuses(swapped, 401, "algorithm_not_allowed").await;
    let signed = stage.token().sign_with_secret(SECRET.as_bytes());
    stage.refuses(signed, 401, "algorithm_not_allowed").await;
}

#[tokio::test]
async fn s0_72_oidc_sidecar_and_keycloak_take_tokens_made_for_the_url() {
    for (name, variable) in [
        ("oidc", "OIDC_ISSUER"),
        ("sidecar", "OAUTH_ISSUER_URL"),
        ("keycloak", "KEYCLOAK_ISSUER"),
    ] {
        let idp = Idp::builder().issuer_path("/realms/acme");
        let idp = idp.start().await.unwrap();
        let issuer = idp.issuer().to_owned();
        let stage = Stage::start(name, idp, ("", ""), &[(variable, &issuer)]).await;
        let roles = json!({ "roles": ["admin"] });
        let token = || stage.token().claim("realm_access", roles.clone());
        stage.accepts(token()).await;
        let groups = (name == "keycloak").then_some("admin");
        assert_eq!(
            stage.server.last().header("x-auth-groups"),
            groups,
            "{name}"
        );
        let account = token().audience("account");
        stage.refuses(account, 401, "audience_mismatch").await;
    }
}
