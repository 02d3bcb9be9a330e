//! `portcullis explain`: why a token is taken or refused, in the words of the log and of the audit trail.

use std::path::Path;

use serde_json::Value;
use testbed::gateway::Finished;
use testbed::{Gateway, Idp, World};

use crate::setting::{call, program, refused};
use crate::trail::Trail;

const AUDIENCE: &str = "https://mcp.example.com/mcp";

/// A route that takes tokens for [`AUDIENCE`], and one for everybody; on any port.
const CONFIG: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  corp: { oidc: { issuer: "{idp}", leeway: 0s, audiences: [https://mcp.example.com/mcp], scope_map: { "mcp:admin": ["mcp:tools"] } } }
  elsewhere: { oidc: { issuer: "http://127.0.0.1:1", start: lazy } }
  asked: { introspection: { endpoint: "{idp}/introspect", client_id: svc, client_secret: svc-secret, issuer: "{idp}", audiences: [https://opaque.example.com/mcp] } }
  services: { shared_secret: { secret: a-secret-of-two-services-0123456789, issuer: ours, audiences: [mcp-api] } }
  keys:
    api_keys:
      header: X-Key
      scope_map: { all: [mcp] }
      keys: [ { id: ci, hash: "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756", scopes: [all] } ]
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { accept: [corp], required_scopes: [mcp:tools] } }
  - { path: /partner, upstream: "{upstream}/mcp", auth: { accept: [elsewhere] } }
  - { path: /own, upstream: "{upstream}/mcp", auth: { type: jwt, accept: [services, keys], required_scopes: [mcp] } }
  - { path: /opaque, upstream: "{upstream}/mcp", auth: { accept: [asked], required_scopes: [mcp] } }
  - { path: /open, upstream: "{upstream}", auth: { type: none }, dangerous: [anonymous_access] }
"#;

/// A provider, a configuration on disk, and nothing that serves it.
pub(crate) struct Desk {
    pub(crate) idp: Idp,
    pub(crate) home: tempfile::TempDir,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let (idp, home) = (Idp::start().await, tempfile::tempdir().unwrap());
        let yaml = CONFIG
            .replace("{idp}", idp.issuer())
            .replace("{upstream}", "http://127.0.0.1:3000");
        std::fs::write(home.path().join("gateway.yaml"), yaml).unwrap();
        Self { idp, home }
    }

    fn token(&self) -> testbed::idp::TokenBuilder {
        self.idp.token().audience(AUDIENCE).scope("mcp:tools")
    }

    pub(crate) async fn explain(&self, words: &[&str], stdin: &str) -> Finished {
        explain(&self.home.path().join("gateway.yaml"), words, stdin).await
    }

    /// What is said of a token at `/mcp`.
    async fn of(&self, token: &str) -> (Option<i32>, Value) {
        let told = self
            .explain(&["--route", "/mcp", "--token", "-", "--json"], token)
            .await;
        assert!(!told.stderr.contains("error"), "{}", told.stderr);
        let whole: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_secret(&told, token);
        (told.code, whole)
    }
}

async fn explain(config: &Path, words: &[&str], stdin: &str) -> Finished {
    let launch = Gateway::launch(program())
        .arg("explain")
        .arg("-c")
        .arg(config);
    let launch = words.iter().fold(launch, |launch, word| launch.arg(*word));
    launch.stdin(stdin).finish().await
}

/// Neither a token nor its signature is ever printed.
#[track_caller]
pub(crate) fn assert_secret(told: &Finished, token: &str) {
    for part in token.split('.').filter(|part| part.len() > 5) {
        assert!(!told.stdout.contains(part), "{}", told.stdout);
        assert!(!told.stderr.contains(part), "{}", told.stderr);
    }
}

pub(crate) fn stages(whole: &Value) -> Vec<(&str, &str)> {
    let stages = whole["stages"].as_array().unwrap().iter();
    stages
        .map(|one| {
            (
                one["stage"].as_str().unwrap(),
                one["mark"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn s0_71_a_good_token_is_explained_from_the_route_to_what_the_server_is_sent() {
    let desk = Desk::new().await;
    let token = desk
        .token()
        .scope("mcp:admin")
        .claim("client_id", "app-7")
        .sign();
    let words = [
        "--route",
        "/mcp",
        "--token",
        "-",
        "--method",
        "tools/call",
        "--tool",
        "echo",
    ];
    let told = desk.explain(&words, &format!("{token}\n")).await;
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_secret(&told, &token);
    let idp = desk.idp.issuer();
    for line in [
        r#"+ route           "/mcp" at "127.0.0.1:0" is route "/mcp"; it believes corp (oidc)"#
            .to_owned(),
        format!("+ credential      a bearer token of {} bytes", token.len()),
        "+ form            a JWT: three parts, one reading".to_owned(),
        format!("+ issuer          {idp:?} selects corp (oidc)"),
        "+ algorithm       RS256; the authenticator takes RS256, ES256".to_owned(),
        "+ signature       the key's own".to_owned(),
        "+ proof           none is needed: the token is bound to no key".to_owned(),
        format!(r#"+ subject         user "alice" of {idp:?}, by client "app-7""#),
        r#"+ scopes          scope: "mcp:admin"; scope_map adds "mcp:tools""#.to_owned(),
        format!(r#"+ audience        it is for "{AUDIENCE}"; expected is ["{AUDIENCE}"]"#),
        "+ deny list       it does not name this caller".to_owned(),
        "+ route's scopes  the route needs [mcp:tools]".to_owned(),
        r#"+ tool            tools/call "echo": there are no rules for tools; it needs [mcp:tools]"#.to_owned(),
        "= allowed         http://127.0.0.1:3000/mcp would be sent:".to_owned(),
        "                  x-auth-subject: alice".to_owned(),
        "                  x-auth-scopes: mcp:admin mcp:tools".to_owned(),
        "                  x-auth-client: app-7".to_owned(),
        "                  x-auth-method: oidc".to_owned(),
    ] {
        assert!(
            told.stdout.lines().any(|told| told == line),
            "{line}\n{}",
            told.stdout
        );
    }
}

#[tokio::test]
async fn s0_71_a_refusal_names_its_stage_its_reason_and_a_remedy() {
    let desk = Desk::new().await;
    let good = || desk.token();
    for (token, status, reason, stage) in [
        (good().tampered(), 401, "invalid_signature", "signature"),
        (
            good().scope("other").sign(),
            403,
            "insufficient_scope",
            "route's scopes",
        ),
        (good().expires_in(-5).sign(), 401, "expired", "times"),
        (
            good().audience("https://else.example").sign(),
            401,
            "audience_mismatch",
            "audience",
        ),
        (
            good().claim("iss", "https://else.example").sign(),
            401,
            "issuer_mismatch",
            "issuer",
        ),
        ("8xLOxBtZp8".into(), 401, "not_a_jwt", "form"),
        (
            "two words".into(),
            401,
            "malformed_credentials",
            "credential",
        ),
    ] {
        let (code, whole) = desk.of(&token).await;
        assert_eq!((code, &whole["allowed"]), (Some(1), &Value::Bool(false)));
        let refusal = &whole["refusal"];
        assert_eq!(
            (&refusal["status"], &refusal["reason"]),
            (&status.into(), &reason.into())
        );
        assert_eq!(
            stages(&whole).last().unwrap(),
            &(stage, "refused"),
            "{reason}"
        );
        assert!(refusal["hints"][0].as_str().unwrap().len() > 20);
    }
}

#[tokio::test]
async fn s0_71_routes_and_hosts_that_are_not_there_and_routes_that_ask_nobody() {
    let desk = Desk::new().await;
    for (words, code, part) in [
        (
            vec!["--route", "/nowhere"],
            1,
            r#"the routes are ["/mcp", "/partner", "/own", "/opaque", "/open"]"#,
        ),
        (
            vec!["--route", "/mcp", "--host", "evil.example"],
            1,
            "421 misdirected",
        ),
        (vec!["--route", "/health"], 1, "answers this path itself"),
        (vec!["--route", "/a//b"], 1, "400 ambiguous_request"),
        (
            vec!["--route", "/mcp"],
            1,
            "401 missing_credentials: no credentials were presented",
        ),
        (vec!["--route", "/open"], 0, "it asks nobody"),
    ] {
        let told = desk.explain(&words, "").await;
        assert_eq!(told.code, Some(code), "{words:?} {}", told.stderr);
        assert!(told.stdout.contains(part), "{words:?} {}", told.stdout);
    }
}

/// The authenticator of another route is not asked; the one of this route is, and cannot be.
#[tokio::test]
async fn s0_71_a_provider_that_cannot_be_reached_is_a_stage_that_says_so() {
    let desk = Desk::new().await;
    let token = desk.token().claim("iss", "http://127.0.0.1:1").sign();
    let words = ["--route", "/partner", "--token", "-"];
    let told = desk.explain(&words, &token).await;
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout
            .contains("  provider        authenticator elsewhere:"),
        "{}",
        told.stdout
    );
    assert!(told.stdout.contains("= refused         503 jwks_unreachable: keys of authenticator elsewhere cannot be reached"), "{}", told.stdout);
}

#[tokio::test]
async fn sec_81_a_token_on_the_command_line_is_refused_and_not_repeated() {
    let desk = Desk::new().await;
    let token = desk.token().sign();
    for option in ["--token", "--api-key"] {
        let told = desk.explain(&["--route", "/mcp", option, &token], "").await;
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""));
        assert_secret(&told, &token);
        assert!(
            told.stderr
                .contains("shell's history and the list of processes"),
            "{}",
            told.stderr
        );
    }
    let both = ["--route", "/mcp", "--token", "-", "--api-key", "-"];
    assert_eq!(desk.explain(&both, &token).await.code, Some(2));
    assert_eq!(
        desk.explain(&["--route", "/mcp", "--token", "-"], " \n")
            .await
            .code,
        Some(2)
    );
    let file = desk.home.path().join("token");
    std::fs::write(&file, format!("Bearer {token}\n")).unwrap();
    let words = ["--route", "/mcp", "--token", file.to_str().unwrap()];
    assert_eq!(
        desk.explain(&words, "").await.code,
        Some(0),
        "a file is read"
    );
}

#[tokio::test]
async fn s0_71_a_configuration_that_is_wrong_is_no_refusal() {
    let desk = Desk::new().await;
    std::fs::write(desk.home.path().join("gateway.yaml"), "routes: 7\n").unwrap();
    let told = desk.explain(&["--route", "/mcp"], "").await;
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""));
}

/// Trouble "Invalid signature", four times something else each time: four tokens, four reasons, the same words everywhere.
#[tokio::test]
async fn s0_69_four_bad_tokens_have_four_reasons_told_alike_in_log_audit_and_explain() {
    let trail = Trail::new();
    let template = trail.section("") + CONFIG;
    let world = World::start(program(), &template).await;
    let yaml = template
        .replace("{idp}", world.idp.issuer())
        .replace("{upstream}", &world.server.url());
    let config = trail.at("gateway.yaml");
    std::fs::write(&config, yaml).unwrap();
    let good = || world.idp.token().audience(AUDIENCE).scope("mcp:tools");
    let table = [
        (
            good().sign_with_other_key(),
            401,
            "invalid_signature",
            "invalid token signature",
        ),
        (
            good().scope("other").sign(),
            403,
            "insufficient_scope",
            "the token has scopes [other], this needs [mcp:tools]",
        ),
        (
            good().audience("https://else.example").sign(),
            401,
            "audience_mismatch",
            r#"token audience invalid: expected ["https://mcp.example.com/mcp"], got "https://else.example""#,
        ),
        (
            good().expires_in(-60).sign(),
            401,
            "expired",
            "token has expired: ",
        ),
    ];
    for (place, (token, status, reason, words)) in table.into_iter().enumerate() {
        let refused = refused(&world, call(&world).bearer(&token), status, reason).await;
        let lines = trail.wait_for(place + 2).await;
        let detail = lines[place + 1]["detail"].as_str().unwrap();
        assert_eq!(detail, refused.cause());
        assert!(detail.starts_with(words), "{detail}");
        let words = ["--route", "/mcp", "--token", "-", "--json"];
        let told = explain(&config, &words, &token).await;
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(told["refusal"]["reason"], reason);
        let explained = told["refusal"]["detail"].as_str().unwrap();
        if reason == "expired" {
            assert!(
                explained.starts_with("token has expired: "),
                "seconds went by"
            );
        } else {
            assert_eq!(explained, detail);
        }
    }
}
