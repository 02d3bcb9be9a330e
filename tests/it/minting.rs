//! `portcullis token`: tokens of one's own, for trying things.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::gateway::Finished;
use testbed::{Gateway, World};

use crate::commands::with_file;
use crate::own_tokens::JWT_ONLY;
use crate::setting::{bad_token, call, program};

async fn token(file: &Path, words: &[&str]) -> Finished {
    let launch = Gateway::launch(program()).arg("token").arg("-c").arg(file);
    let launch = words.iter().fold(launch, testbed::gateway::Launch::arg);
    launch.finish().await
}

/// The token alone is on stdout, so that it can stand in `$(…)`.
#[track_caller]
fn printed(finished: &Finished) -> &str {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let token = finished.stdout.strip_suffix('\n').unwrap();
    assert!(!token.contains(char::is_whitespace), "{token}");
    token
}

#[tokio::test]
async fn s0_49_a_token_is_minted_and_taken() {
    let world = World::start(program(), JWT_ONLY).await;
    let file = world.gateway.config_path();
    let minted = token(file, &["--scope", "mcp:tools", "--scope", "mcp"]).await;
    assert_eq!(minted.stderr, "");
    call(&world).bearer(printed(&minted)).send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-subject"), Some("test-user"));
    assert_eq!(headers.get("x-auth-scopes"), Some("mcp mcp:tools"));
    let words = [
        "--authenticator",
        "services",
        "--subject",
        "ada",
        "--scope",
        "mcp:tools",
        "--ttl",
        "90s",
        "--claim",
        "groups=[\"a\",\"b\"]",
        "--claim",
        "email=\"ada@example.com\"",
        "--claim",
        "email_verified=true",
    ];
    let minted = token(file, &words).await;
    call(&world).bearer(printed(&minted)).send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-subject"), Some("ada"));
    assert_eq!(headers.get("x-auth-groups"), Some("a,b"));
    assert_eq!(headers.get("x-auth-email"), Some("ada@example.com"));
    let other = token(file, &["--audience", "other", "--scope", "mcp:tools"]).await;
    bad_token(&world, printed(&other), "audience_mismatch").await;
}

#[tokio::test]
async fn s0_49_a_minted_token_expires() {
    let template = JWT_ONLY.replace("audiences: [mcp-api]", "audiences: [mcp-api], leeway: 0s");
    let world = World::start(program(), &template).await;
    let file = world.gateway.config_path();
    let minted = token(file, &["--scope", "mcp:tools", "--ttl", "3s"]).await;
    let token = printed(&minted);
    call(&world).bearer(token).send().await.is(200);
    let began = Instant::now();
    while call(&world).bearer(token).send().await.status == 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "it still counts");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bad_token(&world, token, "expired").await;
}

#[tokio::test]
async fn s0_49_what_cannot_be_minted_is_said() {
    let own = JWT_ONLY.replace("{upstream}", "http://127.0.0.1:9");
    let second = "authenticators:\n  corp: { oidc: { issuer: https://login.example.com } }\n  more: { shared_secret: { secret: zR2yVw8Xn5tQm1JcKd7hLg4PfSb9Ue3A, issuer: more, audiences: [b], max_token_lifetime: 1m } }";
    let several = own
        .replace("authenticators:", second)
        .replace("type: jwt", "type: jwt, accept: [services, more]");
    let none = crate::setting::usual("", "")
        .replace("{idp}", "https://login.example.com/")
        .replace("{upstream}", "http://127.0.0.1:9");
    for (yaml, words, told) in [
        (
            &none,
            &["token"][..],
            "there is no authenticator of kind shared_secret",
        ),
        (
            &several,
            &["token"],
            "hint: name one with --authenticator, of more, services",
        ),
        (
            &several,
            &["token", "--authenticator", "corp"],
            "authenticator corp is not of kind shared_secret",
        ),
        (
            &several,
            &["token", "--authenticator", "x"],
            "there is no authenticator x",
        ),
        (
            &several,
            &["token", "--authenticator", "more"],
            "longer than the 60 s",
        ),
        (
            &own,
            &["token", "--scope", "a b"],
            "\"a b\" is not one scope\nhint: say --scope once for each",
        ),
        (&own, &["token", "--ttl", "5"], "has no unit"),
        (
            &own,
            &["token", "--ttl", "0"],
            "lives for at least a second",
        ),
        (&own, &["token", "--claim", "x=y"], "the value is not JSON"),
        (&own, &["token", "--claim", "x"], "it is written name=json"),
    ] {
        let refused = with_file(words, yaml).await;
        assert_eq!(refused.code, Some(2), "{words:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{words:?}");
        assert!(
            refused.stderr.contains(told),
            "{words:?}: {}",
            refused.stderr
        );
    }
    let production = format!("profile: production\n{own}");
    let warned = with_file(&["token"], &production).await;
    assert!(
        warned.stderr.contains("warning: profile is production"),
        "{}",
        warned.stderr
    );
    assert_ne!(printed(&warned), "");
}
