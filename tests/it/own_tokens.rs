//! Tokens that the operator's own services sign: with a shared secret, or with a key of which the gateway has the public half.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testbed::World;

use crate::setting::{bad_token, call, program};

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

#[tokio::test]
async fn s0_32_t_jw1_t_jw4_a_token_of_ones_own_is_taken_and_nothing_else() {
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
