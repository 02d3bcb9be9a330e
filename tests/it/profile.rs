//! What is dangerous is asked for by name in the file, told at every start, and refused in production.

use serde_json::{Value, json};
use testbed::{Gateway, Idp, Recorder, World};

use crate::setting::{call, program, usual, world};
use crate::support::{MCP, OPEN, config};

#[tokio::test]
async fn s0_4_x1_what_is_dangerous_is_warned_of_at_every_start() {
    let everything = config(
        "dangerous: [plain_http]",
        &[MCP, &OPEN.replace("/mcp,", "/open,")],
    );
    let world = World::start(program(), &everything).await;
    let log = world.gateway.log().join("\n");
    for warning in [
        "warning: server.dangerous plain_http: tokens can be read by anyone on the way",
        "warning: routes[1].dangerous anonymous_access: everyone who reaches this machine may call this route",
    ] {
        assert!(log.contains(warning), "{log}");
    }
    let starting = world.gateway.wait_for_log("\"starting\"").await;
    assert!(
        starting.contains("\"profile\":\"development\""),
        "{starting}"
    );
}

#[tokio::test]
async fn s0_4_x1_in_production_it_does_not_start() {
    let everything = config(
        "dangerous: [plain_http]",
        &[MCP, &OPEN.replace("/mcp,", "/open,")],
    );
    let yaml = format!("profile: production\n{everything}")
        .replace("{idp}", "https://login.example.com")
        .replace("{upstream}", "http://127.0.0.1:9");
    let (code, said) = Gateway::fails(program(), &yaml).await;
    assert_eq!(code, Some(2));
    for problem in [
        "server.dangerous[0]      is plain_http, and the profile is production",
        "routes[1].dangerous[0]   is anonymous_access, and the profile is production",
    ] {
        assert!(said.contains(problem), "{said}");
    }
    let sound = format!("profile: production\n{}", usual("", ""));
    let world = World::start(program(), &sound).await;
    let starting = world.gateway.wait_for_log("\"starting\"").await;
    assert!(
        starting.contains("\"profile\":\"production\""),
        "{starting}"
    );
}

/// Names that switch protection off, or mean "no need for it here", in programs that people may have used before.
const SWITCHES: [(&str, &str); 16] = [
    ("DISABLE_MCP_SECURITY", "true"),
    ("DISABLE_AUTH", "1"),
    ("AUTH_DISABLED", "true"),
    ("SKIP_AUTH", "true"),
    ("NO_AUTH", "1"),
    ("ALLOW_ANONYMOUS", "true"),
    ("DANGEROUSLY_OMIT_AUTH", "true"),
    ("INSECURE", "1"),
    ("NODE_ENV", "test"),
    ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
    ("ENVIRONMENT", "development"),
    ("CI", "true"),
    ("DEBUG", "*"),
    ("MCP_DEBUG_CONSOLE", "true"),
    ("TRUST_PROXY", "true"),
    ("PORTCULLIS_PROFILE", "development"),
];

#[tokio::test]
async fn b_30_no_variable_switches_anything_off() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let yaml = usual("", "")
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let mut environments = vec![SWITCHES.to_vec()];
    environments.extend(SWITCHES.iter().map(|switch| vec![*switch]));
    for environment in environments {
        let launch = Gateway::launch(program()).config(&yaml);
        let launch = environment
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value));
        let gateway = launch.start().await;
        let call = || gateway.client().post("/mcp").call("echo", &json!({}));
        let token = || idp.token().audience(&gateway.url("/mcp"));
        call().send().await.is(401);
        for bad in [
            token().unsigned(),
            token().sign_with_other_key(),
            token().expires_in(-3600).sign(),
            token().audience("https://other.example").sign(),
        ] {
            call().bearer(bad).send().await.is(401);
        }
        call().bearer(token().scope("other")).send().await.is(403);
        // who stands in front is nobody's word but the file's
        let claims = call().header("X-Forwarded-Host", "evil.example");
        claims.bearer(token()).send().await.is(200);
        let seen = server.last();
        assert_eq!(
            seen.header("x-forwarded-host"),
            Some(&*gateway.address().to_string())
        );
    }
    assert_eq!(server.requests(), SWITCHES.len() + 1, "only the good ones");
}

/// What makes tests look like tests is no reason either.
#[tokio::test]
async fn b_30_nor_does_anything_a_caller_says() {
    let world = world().await;
    for (name, value) in [
        ("User-Agent", "vitest"),
        ("X-Test", "true"),
        ("X-Skip-Auth", "1"),
        ("X-Auth-Subject", "root"),
        ("X-Forwarded-For", "127.0.0.1"),
    ] {
        let answer = call(&world).header(name, value).send().await;
        let body: Value = answer.is(401).json();
        assert_eq!(body["error"], "Unauthorized", "{name}");
    }
    assert_eq!(world.server.requests(), 0);
}
