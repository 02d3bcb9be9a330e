//! Tokens that the operator's own services sign: with a shared secret, or with a key of which the gateway has the public half.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testbed::{Gateway, Recorder, World};

use crate::setting::{bad_token, call, program, refused};

pub(crate) const SECRET: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";

/// A gateway for tokens of `your-service` alone.
pub(crate) const JWT_ONLY: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  services: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: your-service, audiences: [mcp-api] } }
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { type: jwt, required_scopes: ["mcp:tools"] } }
"#;

/// The claims of the guides, with these in their place.
pub(crate) fn claims(change: Value) -> Value {
    let now = now();
    let mut claims = json!({
        "sub": "test-user", "email": "test@example.com", "scopes": ["mcp:tools"],
        "iss": "your-service", "aud": "mcp-api", "iat": now, "exp": now + 3600,
    });
    let Value::Object(change) = change else {
        panic!("claims are an object")
    };
    for (name, value) in change {
        claims[name] = value;
    }
    claims
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokens are for the clock of the program under test"
)]
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs()
}

/// Signed as `jsonwebtoken` does it by default.
pub(crate) fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(header), text(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(crate) fn hs256(claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, SECRET)
}

/// As docs/contract.md shows it: an authenticator has the audiences, so that each route has one of its own.
#[tokio::test]
async fn sec_10_routes_of_one_secret_are_told_apart_by_an_authenticator_each() {
    let of = |name: &str| {
        format!(
            "  {name}: {{ shared_secret: {{ secret: {SECRET}, issuer: your-service, audiences: [{name}] }} }}"
        )
    };
    let route = |name: &str| {
        format!(
            "  - {{ path: /{name}, upstream: \"{{upstream}}/mcp\", auth: {{ type: jwt, accept: [{name}] }} }}"
        )
    };
    let config = format!(
        "server: {{ listen: \"127.0.0.1:0\" }}\nadmin: {{ listen: \"127.0.0.1:0\" }}\nlogging: {{ format: json }}\nauthenticators:\n{}\n{}\nroutes:\n{}\n{}\n",
        of("notes"),
        of("files"),
        route("notes"),
        route("files")
    );
    let world = World::start(program(), &config).await;
    let call = |path: &str, audience: Value| {
        let call = world.client().post(path).call("echo", &Value::Null);
        call.bearer(hs256(&claims(json!({ "aud": audience }))))
    };
    for (own, other) in [("/notes", "/files"), ("/files", "/notes")] {
        let audience = json!(own.trim_start_matches('/'));
        call(own, audience.clone()).send().await.is(200);
        refused(&world, call(other, audience), 401, "audience_mismatch").await;
    }
    let both = json!(["notes", "files"]);
    call("/notes", both.clone()).send().await.is(200);
    call("/files", both).send().await.is(200);
}

#[tokio::test]
async fn s0_32_t_jw1_t_jw3_t_jw4_a_token_of_ones_own_is_taken_and_nothing_else() {
    let world = World::start(program(), JWT_ONLY).await;
    let good = hs256(&claims(json!({})));
    call(&world).bearer(&good).send().await.is(200);
    let headers = world.server.last().headers;
    assert_eq!(headers.get("x-auth-subject"), Some("test-user"));
    assert_eq!(headers.get("x-auth-issuer"), Some("your-service"));
    assert_eq!(headers.get("x-auth-method"), Some("shared_secret"));
    assert_eq!(headers.get("x-auth-scopes"), Some("mcp:tools"));
    assert_eq!(headers.get("authorization"), None);

    let other = |name: &str, value: &str| hs256(&claims(json!({ name: value })));
    bad_token(&world, other("iss", "other-service"), "issuer_mismatch").await;
    bad_token(&world, other("aud", "other-api"), "audience_mismatch").await;
    let alg = |alg: &str| {
        let header = json!({ "alg": alg, "typ": "JWT" });
        signed(&header, &claims(json!({})), SECRET)
    };
    bad_token(&world, alg("none"), "algorithm_not_allowed").await;
    bad_token(&world, alg("RS256"), "algorithm_not_allowed").await;
    bad_token(&world, "garbage", "not_a_jwt").await;
}

#[tokio::test]
async fn s0_33_t_jw2_without_an_authorization_server_clients_are_told_that_there_is_none() {
    let world = World::start(program(), JWT_ONLY).await;
    let list = || world.client().post("/mcp").rpc(1, "tools/list", &json!({}));
    let refused = refused(&world, list(), 401, "missing_credentials").await;
    let metadata = world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp");
    let challenge = refused.answer.challenge();
    assert_eq!(challenge.get("resource_metadata"), Some(&metadata));
    assert_eq!(challenge.get("error"), None);
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let expected = json!({
        "resource": world.gateway.url("/mcp"),
        "scopes_supported": ["mcp:tools"],
        "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
            "dpop_bound_access_tokens_required": false,
    });
    assert_eq!(document.send().await.is(200).json(), expected);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
    ] {
        let answer = world.client().get(path).send().await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    list()
        .bearer(hs256(&claims(json!({}))))
        .send()
        .await
        .is(200);
}

#[tokio::test]
async fn s0_69_each_trouble_has_its_reason_in_the_log() {
    let world = World::start(program(), JWT_ONLY).await;
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let other_secret = "zR2yVw8Xn5tQm1JcKd7hLg4PfSb9Ue3A";
    let forged = signed(&header, &claims(json!({})), other_secret);
    bad_token(&world, forged, "invalid_signature").await;
    let late = hs256(&claims(json!({ "exp": now() - 60 })));
    bad_token(&world, late, "expired").await;
    let foreign = hs256(&claims(json!({ "aud": "other-api" })));
    bad_token(&world, foreign, "audience_mismatch").await;
    let less = hs256(&claims(json!({ "scopes": ["mcp"] })));
    let request = call(&world).bearer(less);
    refused(&world, request, 403, "insufficient_scope").await;
}

/// What most setups become while they move from one to the other.
const BOTH: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  corp: { oidc: { issuer: "{idp}" } }
  services: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: your-service, audiences: [mcp-api] } }
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { type: both, required_scopes: ["mcp:tools"] } }
"#;

#[tokio::test]
async fn s0_16_s0_36_s3_40_x20_both_kinds_are_taken_side_by_side_until_one_is_taken_away() {
    let world = World::start(program(), BOTH).await;
    let own = hs256(&claims(json!({})));
    for _ in 0..2 {
        call(&world).bearer(&own).send().await.is(200);
        assert_eq!(
            world.server.last().header("x-auth-method"),
            Some("shared_secret")
        );
        call(&world).bearer(world.token()).send().await.is(200);
        assert_eq!(world.server.last().header("x-auth-method"), Some("oidc"));
    }
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp");
    let document = document.send().await.json();
    assert_eq!(
        document["authorization_servers"],
        json!([world.idp.issuer()])
    );
    let page = world.gateway.admin().get("/metrics").send().await.text();
    for authenticator in ["corp", "services"] {
        let series = format!(
            "portcullis_authentications_total{{authenticator=\"{authenticator}\",result=\"proven\"}} 2"
        );
        assert!(page.contains(&series), "{page}");
    }
    // a key of one, the issuer of the other
    let crossed = hs256(&claims(json!({ "iss": world.idp.issuer() })));
    bad_token(&world, crossed, "algorithm_not_allowed").await;
    let crossed = world.token().claim("iss", "your-service");
    bad_token(&world, crossed, "algorithm_not_allowed").await;

    let only_new = BOTH.replace("type: both", "type: oauth");
    world.rewrite(&only_new);
    world.gateway.signal("HUP").await;
    world.gateway.wait_for_log("configuration reloaded").await;
    call(&world).bearer(world.token()).send().await.is(200);
    bad_token(&world, &own, "issuer_mismatch").await;
}

#[tokio::test]
async fn s0_6_s0_38_a_route_of_both_takes_only_those_it_names() {
    let only = BOTH.replace("type: both,", "type: both, accept: [services],");
    let world = World::start(program(), &only).await;
    call(&world)
        .bearer(hs256(&claims(json!({}))))
        .send()
        .await
        .is(200);
    bad_token(&world, world.token(), "issuer_mismatch").await;
}

#[tokio::test]
async fn s0_65_secret_issuer_and_audience_come_from_the_environment() {
    let yaml = JWT_ONLY
        .replace(SECRET, "\"${JWT_SECRET}\"")
        .replace("your-service", "\"${JWT_ISSUER}\"")
        .replace("mcp-api", "\"${JWT_AUDIENCE}\"");
    let server = Recorder::start().await;
    let gateway = Gateway::launch(program())
        .config(&yaml.replace("{upstream}", &server.url()))
        .env("JWT_SECRET", SECRET)
        .env("JWT_ISSUER", "prod-service")
        .env("JWT_AUDIENCE", "prod-api")
        .start()
        .await;
    let list = || {
        gateway
            .client()
            .post("/mcp")
            .rpc(1, "tools/list", &json!({}))
    };
    let tool = || gateway.client().post("/mcp").call("echo", &Value::Null);
    let good = hs256(&claims(json!({ "iss": "prod-service", "aud": "prod-api" })));
    let other = hs256(&claims(json!({})));
    for request in [list(), tool()] {
        request.send().await.refused(401, None);
    }
    for request in [list(), tool()] {
        request
            .bearer(&other)
            .send()
            .await
            .refused(401, "invalid_token");
    }
    assert_eq!(server.requests(), 0);
    for request in [list(), tool()] {
        request.bearer(&good).send().await.is(200);
    }
    let log = gateway.log().join("\n");
    assert!(!log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn s0_32_a_public_key_is_put_in_from_its_file() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwt.pem");
    std::fs::write(&file, &pem).unwrap();
    let kind = format!("public_key: {{ pem: \"${{file:{}}}\"", file.display());
    let template = JWT_ONLY.replace(&format!("shared_secret: {{ secret: {SECRET}"), &kind);
    let world = World::start(program(), &template).await;
    let es256 = |claims: &Value| {
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            text(&json!({ "alg": "ES256", "typ": "JWT" })),
            text(claims)
        );
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    call(&world)
        .bearer(es256(&claims(json!({}))))
        .send()
        .await
        .is(200);
    let method = world.server.last().headers;
    assert_eq!(method.get("x-auth-method"), Some("public_key"));
    // the oldest trick: what is public as a secret
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    for secret in [&*pem, pem.trim_end()] {
        let forged = signed(&header, &claims(json!({})), secret);
        bad_token(&world, forged, "algorithm_not_allowed").await;
    }
}
