//! `run --upstream URL`: no file, a few variables (S4-2 and its table).

use serde_json::Value;
use testbed::gateway::Launch;
use testbed::{Gateway, Idp, Recorder};

use crate::setting::program;

fn launch(upstream: &Recorder, path: &str) -> Launch {
    let upstream = format!("{}{path}", upstream.url());
    let launch = Gateway::launch(program()).arg("run").arg("--upstream");
    launch.arg(upstream).env("PORT", "0").env("ADMIN_PORT", "0")
}

async fn ask(gateway: &Gateway, path: &str, token: impl Into<String>) -> u16 {
    let request = gateway.client().post(path).call("echo", &Value::Null);
    request.bearer(token).send().await.status
}

#[tokio::test]
async fn s4_2_s4_3_s4_7_an_issuer_is_enough_and_the_audience_is_the_route() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let gateway = launch(&server, "/mcp").env("OAUTH_ISSUER_URL", idp.issuer());
    let gateway = gateway.start().await;
    let own = gateway.url("/mcp");
    assert_eq!(ask(&gateway, "/mcp", idp.token().audience(&own)).await, 200);
    assert_eq!(server.last().target, "/mcp");
    assert_eq!(ask(&gateway, "/mcp", idp.token()).await, 401);
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = gateway.client().get(path).send().await.json();
    assert_eq!(document["resource"], own);
    assert_eq!(document["authorization_servers"][0], idp.issuer());
    assert!(!gateway.log().iter().any(|line| line.contains("DEBUG")));

    // where there is no file, `health` asks the sidecar
    let nowhere = tempfile::tempdir().unwrap();
    let admin = gateway.admin_address().port().to_string();
    let health = || {
        let mut health = std::process::Command::new(program());
        health.arg("health").env_clear().current_dir(&nowhere);
        health.env("ADMIN_PORT", &admin);
        health.output().unwrap().status.code()
    };
    assert_eq!(health(), Some(0));
    drop(gateway);
    assert_eq!(health(), Some(1));
}

#[tokio::test]
async fn s4_12_s4_21_audience_public_url_and_level_each_change_something() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let gateway = launch(&server, "/servers/one")
        .env("OAUTH_ISSUER_URL", idp.issuer())
        .env("OAUTH_AUDIENCE", "api://mcp")
        .env("PUBLIC_URL", "https://mcp.example.com")
        .env("LOG_LEVEL", "debug");
    let gateway = gateway.start().await;
    let token = || idp.token().audience("api://mcp");
    assert_eq!(ask(&gateway, "/servers/one", token()).await, 200);
    let route = idp.token().audience("https://mcp.example.com/servers/one");
    assert_eq!(ask(&gateway, "/servers/one", route).await, 401);
    let path = "/.well-known/oauth-protected-resource/servers/one";
    let document = gateway.client().get(path).send().await.json();
    assert_eq!(document["resource"], "https://mcp.example.com/servers/one");
    gateway.wait_for_log("DEBUG").await;
}

#[tokio::test]
async fn s4_21_port_is_the_port() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gateway = launch(&server, "/mcp").env("OAUTH_ISSUER_URL", idp.issuer());
    let gateway = gateway.env("PORT", &address.port().to_string());
    assert_eq!(gateway.start().await.address(), address);
}

#[tokio::test]
async fn s4_2_without_an_issuer_it_ends_with_every_problem() {
    let server = Recorder::start().await;
    let finished = launch(&server, "/mcp").finish().await;
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("OAUTH_ISSUER_URL   is missing"),
        "{}",
        finished.stderr
    );
    let finished = launch(&server, "/mcp")
        .env("PORT", "http")
        .env("ADMIN_PORT", "-1")
        .env("LOG_LEVEL", "loud")
        .env("PUBLIC_URL", "ftp://x")
        .finish()
        .await;
    assert_eq!(finished.code, Some(2));
    for name in [
        "OAUTH_ISSUER_URL",
        "  PORT",
        "ADMIN_PORT",
        "LOG_LEVEL",
        "PUBLIC_URL",
    ] {
        assert!(finished.stderr.contains(name), "{}", finished.stderr);
    }
}

#[tokio::test]
async fn s4_8_it_does_not_start_without_its_provider() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    idp.go_down();
    let launch = launch(&server, "/mcp").env("OAUTH_ISSUER_URL", idp.issuer());
    let finished = launch.finish().await;
    assert_eq!(finished.code, Some(1));
    assert!(
        finished
            .stderr
            .contains("failed to fetch OIDC discovery document"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn s0_27_an_env_file_is_read_and_the_environment_wins() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidecar.env");
    let text = format!(
        "# a comment\nexport OAUTH_ISSUER_URL=\"{}\"\nOAUTH_AUDIENCE=from-file\nPUBLIC_URL=https://file.example\n",
        idp.issuer()
    );
    std::fs::write(&file, text).unwrap();
    let launch = launch(&server, "/mcp").arg("--env-file").arg(&file);
    let gateway = launch.env("OAUTH_AUDIENCE", "from-environment");
    let gateway = gateway.start().await;
    let token = |audience: &str| idp.token().audience(audience);
    assert_eq!(ask(&gateway, "/mcp", token("from-environment")).await, 200);
    assert_eq!(ask(&gateway, "/mcp", token("from-file")).await, 401);
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = gateway.client().get(path).send().await.json();
    assert_eq!(document["resource"], "https://file.example/mcp");
    gateway.wait_for_log("is readable by everybody").await;
}
