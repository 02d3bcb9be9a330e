//! Configurations, good and bad, as the program reads them.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use testbed::gateway::Launch;
use testbed::{Gateway, Idp, Recorder};

use crate::setting::program;

const BAD: &str = r#"
server: { listen: "127.0.0.1:0", listn: "127.0.0.1:1", timeouts: { idle: forever } }
authenticators:
  corp: { oidc: { issuer: "login.example.com" } }
  keys: { jwks: { issuer: "https://partner.example" } }
  intro: { introspection: { url: "https://x.example" } }
routes:
  - { path: mcp, upstream: "http://127.0.0.1:9/mcp", auth: { type: some } }
  - { path: /health, upstream: "http://127.0.0.1:9", auth: { accept: [nobody] } }
"#;

/// Paths of problems in [`BAD`].
const PATHS: [&str; 9] = [
    "server.listn",
    "server.timeouts.idle",
    "authenticators.corp.oidc.issuer",
    "authenticators.keys.jwks",
    "authenticators.intro.introspection",
    "routes[0].path",
    "routes[0].auth.type",
    "routes[1].path",
    "routes[1].auth.accept",
];

#[tokio::test]
async fn s3_3_s3_5_s4_2_all_that_is_wrong_is_told_at_once_and_no_port_is_taken() {
    let (code, stderr) = Gateway::fails(program(), BAD).await;
    assert_eq!(code, Some(2));
    for path in PATHS {
        let told = format!("\n  {path}");
        assert!(stderr.contains(&told), "{path} is not in\n{stderr}");
    }
    assert!(!stderr.contains("listening"), "{stderr}");
    assert!(stderr.contains("jwks validation requires jwks_uri or jwks_file"));
    assert!(stderr.contains("oauth, jwt, both, none"), "S0-1: {stderr}");
}

#[tokio::test]
async fn s3_4_keys_of_parts_that_do_not_exist_yet_are_errors() {
    for (key, yaml) in [
        (
            "authenticators.a.api_key",
            "authenticators: { a: { api_key: { keys: [x] } } }",
        ),
        ("server.tls.cert", "server: { tls: { cert: x } }"),
        ("sessions", "sessions: { max_age: 1d }"),
        ("rate_limits", "rate_limits: {}"),
    ] {
        let (code, stderr) = Gateway::fails(program(), yaml).await;
        assert_eq!(code, Some(2));
        assert!(stderr.contains(&format!("\n  {key}")), "{key}: {stderr}");
    }
}

const WITH_VARIABLES: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:${ADMIN_PORT:-0}" }
authenticators: { corp: { oidc: { issuer: "${ISSUER}" } } }
routes: [{ path: /mcp, upstream: "${UPSTREAM}/mcp", auth: { audiences: ["${file:AUDIENCE_FILE}"] } }]
"#;

#[tokio::test]
async fn s0_66_variables_and_files_are_put_in() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let audience = folder.path().join("audience");
    std::fs::write(&audience, "api://mcp\n").unwrap();
    let yaml = WITH_VARIABLES.replace("AUDIENCE_FILE", audience.to_str().unwrap());
    let env_file = folder.path().join("gateway.env");
    let text = format!(
        "ISSUER=https://wrong.example\nUPSTREAM='{}'\n",
        server.url()
    );
    std::fs::write(&env_file, text).unwrap();
    std::fs::set_permissions(&env_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let launch = Gateway::launch(program()).config(&yaml).arg("--env-file");
    let gateway = launch.arg(&env_file).env("ISSUER", idp.issuer());
    let gateway = gateway.start().await;
    let request = gateway.client().post("/mcp").call("echo", &Value::Null);
    let token = idp.token().audience("api://mcp");
    request.bearer(token).send().await.is(200);
    assert_eq!(server.requests(), 1);
    let warned = gateway.log().iter().any(|line| line.contains("readable"));
    assert!(!warned, "the file is private");
}

#[tokio::test]
async fn s0_19_a_variable_that_is_not_set_is_told_by_name() {
    let launch = Gateway::launch(program()).config(WITH_VARIABLES);
    let finished = launch.env("ISSUER", "https://login.example.com").finish();
    let finished = finished.await;
    assert_eq!(finished.code, Some(2));
    for name in ["UPSTREAM", "AUDIENCE_FILE"] {
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn s0_27_an_env_file_that_is_none_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.env");
    std::fs::write(&file, "GOOD=1\nnot a variable\n").unwrap();
    let start = |file: &std::path::Path| -> Launch {
        let launch = Gateway::launch(program()).config(WITH_VARIABLES);
        launch.arg("--env-file").arg(file)
    };
    let finished = start(&file).finish().await;
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("line 2"), "{}", finished.stderr);
    let finished = start(&folder.path().join("nowhere.env")).finish().await;
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("cannot read the env file"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn s3_34_sec_38_plain_http_beyond_this_machine_is_refused_or_said_aloud() {
    let yaml = |server: &str| {
        format!(
            "server: {{ listen: \"0.0.0.0:0\", public_url: \"https://mcp.example.com\"{server} }}\n\
             authenticators: {{ corp: {{ oidc: {{ issuer: \"https://login.example.com\" }} }} }}\n\
             routes: [{{ path: /mcp, upstream: \"http://127.0.0.1:9/mcp\" }}]\n"
        )
    };
    let (code, stderr) = Gateway::fails(program(), &yaml("")).await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("serves plain HTTP beyond this machine"),
        "{stderr}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml(", dangerous: [plain_http]")).unwrap();
    let check = Gateway::launch(program()).arg("check").arg("-c").arg(&file);
    let checked = check.finish().await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(checked.stderr.contains("warning:"), "{}", checked.stderr);
}
