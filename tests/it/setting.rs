//! What most stories about credentials begin with, and what every refusal has in common.

use std::path::Path;

use serde_json::Value;
use testbed::client::{Answer, Request};
use testbed::{Idp, World};

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// One provider and one protected route; `{authenticator}` and `{auth}` stand for further keys of theirs.
const USUAL: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  corp: { oidc: { issuer: "{idp}"{authenticator} } }
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { accept: [corp], required_scopes: [mcp:tools]{auth} } }
"#;

/// The usual configuration with more keys for the authenticator and for the route's `auth`, each like `", leeway: 0s"`.
pub(crate) fn usual(authenticator: &str, auth: &str) -> String {
    USUAL
        .replace("{authenticator}", authenticator)
        .replace("{auth}", auth)
}

/// A world with the usual configuration.
pub(crate) async fn world() -> World {
    World::start(program(), &usual("", "")).await
}

/// The same with more keys for the authenticator, and a provider of one's own.
pub(crate) async fn world_of(idp: Idp, authenticator: &str, auth: &str) -> World {
    World::start_with(program(), idp, &usual(authenticator, auth)).await
}

/// A tool call of nobody yet.
pub(crate) fn call(world: &World) -> Request {
    world.client().post("/mcp").call("echo", &Value::Null)
}

/// What a refusal says to the caller and to the operator.
pub(crate) struct Refused {
    pub(crate) answer: Answer,
    /// The log line, in which there is a cause.
    pub(crate) entry: Value,
}

impl Refused {
    /// The operator's reason.
    #[track_caller]
    pub(crate) fn cause(&self) -> &str {
        self.entry["cause"].as_str().unwrap()
    }
}

/// Sends a request that must be refused, and compares everything all refusals have in common: status, body, reference, log line.
/// The upstream must not hear of it.
pub(crate) async fn refused(world: &World, request: Request, status: u16, reason: &str) -> Refused {
    let before = world.server.requests();
    let answer = request.send().await;
    assert_eq!(answer.status, status, "{reason}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "CACHE-5");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        world.server.requests(),
        before,
        "the upstream was asked: {reason}"
    );
    let body = answer.json();
    let reference = reference(&body);
    assert_eq!(answer.header("x-request-id"), Some(reference));
    let line = world.gateway.wait_for_log(reference).await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["reason"], reason, "{line}");
    assert_eq!(entry["status"], status);
    Refused { answer, entry }
}

/// The reference in the body of a refusal, which has one of two forms: that of JSON-RPC where the request was read.
#[track_caller]
pub(crate) fn reference(body: &Value) -> &str {
    let members = |value: &Value| -> Vec<String> {
        let members = value.as_object().unwrap().keys();
        members.cloned().collect()
    };
    if body.get("jsonrpc").is_none() {
        assert_eq!(members(body), ["error", "error_description", "reference"]);
        return body["reference"].as_str().unwrap();
    }
    assert_eq!(body["jsonrpc"], "2.0");
    let error = &body["error"];
    assert_eq!(members(error), ["code", "data", "message"]);
    let data = &error["data"];
    assert_eq!(members(data), ["error", "reason", "reference"]);
    data["reference"].as_str().unwrap()
}

/// Sends a call with this token, which must be refused as `invalid_token` in the way all bad tokens are.
pub(crate) async fn bad_token(world: &World, token: impl Into<String>, reason: &str) -> Refused {
    let token = token.into();
    let refused = refused(world, call(world).bearer(&token), 401, reason).await;
    assert_challenged(world, &refused.answer, reason == "expired");
    refused
}

/// The challenge of a credential that does not count. What is wrong with it the caller learns only if it has expired (X23).
#[track_caller]
pub(crate) fn assert_challenged(world: &World, answer: &Answer, expired: bool) {
    let description = if expired {
        "Token expired"
    } else {
        "the credential was not accepted"
    };
    let metadata = world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp");
    let challenge: Vec<_> = answer.challenge().into_iter().collect();
    let expected = [
        ("error", "invalid_token"),
        ("error_description", description),
        ("resource_metadata", &metadata),
        ("scope", "mcp:tools"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(challenge, expected);
    assert_eq!(answer.json()["error_description"], description);
}
