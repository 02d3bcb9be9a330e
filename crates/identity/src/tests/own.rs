//! Tokens that the operator's own services sign.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{AuthenticatorKind, KeySource};
use serde_json::{Value, json};

use super::attacks::{der, pem};
use crate::testing::{
    ISSUER, NOW, RESOURCE, TestKey, Token, ask, clock, config, publish, settings,
};
use crate::{Authenticators, MintError, Order, RouteAuthenticator, Timestamp, mint};

const SECRET: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
const LONG: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1EzR2yVw8Xn5tQm1JcKd7hLg4PfSb9Ue3A";

/// An authenticator as the configuration reads it.
pub(super) fn written(kind: &str) -> AuthenticatorKind {
    struct Nothing;
    impl config::Sources for Nothing {
        fn var(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
        fn has_folder(&self, _: &std::path::Path) -> bool {
            false
        }
    }
    let text = format!(
        "authenticators: {{ a: {{ {kind} }} }}\n\
         routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:1/mcp', auth: {{ type: both, accept: [a] }} }} ]"
    );
    let loaded = config::load(&text, &Nothing).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.config.authenticators[0].kind.clone()
}

/// Tokens of `your-service` for `mcp-api`; with further fields.
fn shared(secret: &str, more: &str) -> AuthenticatorKind {
    written(&format!(
        "shared_secret: {{ secret: {secret}, issuer: your-service, audiences: [mcp-api]{more} }}"
    ))
}

async fn start(kinds: Vec<(&str, AuthenticatorKind)>) -> (Arc<Authenticators>, RouteAuthenticator) {
    let accept: Vec<usize> = (0..kinds.len()).collect();
    let all = Authenticators::start(&config(kinds), clock())
        .await
        .unwrap();
    let route = all.for_route(&accept, &[], &[RESOURCE.into()], &[]);
    (all, route)
}

fn claims() -> Value {
    json!({
        "sub": "test-user", "scopes": ["mcp", "mcp:call"], "iss": "your-service", "aud": "mcp-api",
        "iat": NOW.0, "exp": NOW.0 + 3600,
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn signed(alg: &str, secret: &str, claims: &Value) -> String {
    let algorithm = match alg {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let text = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!(
        "{}.{}",
        text(&json!({ "alg": alg, "typ": "JWT" })),
        text(claims)
    );
    let tag = hmac::sign(
        &hmac::Key::new(algorithm, secret.as_bytes()),
        signed.as_bytes(),
    );
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn reason(route: &RouteAuthenticator, token: &str) -> &'static str {
    let outcome = ask(route, token, NOW).await;
    outcome.map_or_else(|failure| failure.reason(), |_| "ok")
}

#[tokio::test]
async fn s0_32_each_algorithm_takes_its_own_tokens_alone() {
    for alg in ["HS256", "HS384", "HS512"] {
        let kind = shared(LONG, &format!(", algorithm: {alg}"));
        let (_all, route) = start(vec![("services", kind)]).await;
        for other in ["HS256", "HS384", "HS512"] {
            let expected = if other == alg {
                "ok"
            } else {
                "algorithm_not_allowed"
            };
            let token = signed(other, LONG, &claims());
            assert_eq!(
                reason(&route, &token).await,
                expected,
                "{other} where {alg} is taken"
            );
        }
    }
}

#[tokio::test]
async fn s0_35_scopes_are_read_in_three_shapes() {
    let (_all, route) = start(vec![("services", shared(SECRET, ""))]).await;
    for (name, value) in [
        ("scopes", json!(["mcp", "mcp:call"])),
        ("scope", json!("mcp mcp:call")),
        ("scp", json!(["mcp", "mcp:call"])),
        ("scp", json!("mcp mcp:call")),
    ] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("scopes");
        claims[name] = value;
        let caller = ask(&route, &signed("HS256", SECRET, &claims), NOW)
            .await
            .unwrap();
        let scopes: Vec<&str> = caller.scopes().iter().collect();
        assert_eq!(scopes, ["mcp", "mcp:call"], "{claims}");
    }
}

#[tokio::test]
async fn s0_69_four_troubles_have_four_reasons() {
    let (_all, route) = start(vec![("services", shared(SECRET, ""))]).await;
    for (token, expected) in [
        (signed("HS256", LONG, &claims()), "invalid_signature"),
        (
            signed("HS256", SECRET, &with("iss", "other")),
            "issuer_mismatch",
        ),
        (
            signed("HS256", SECRET, &with("aud", "other")),
            "audience_mismatch",
        ),
        (signed("HS256", SECRET, &with("exp", NOW.0 - 60)), "expired"),
        (
            signed("HS256", SECRET, &with("exp", Value::Null)),
            "malformed_token",
        ),
    ] {
        assert_eq!(reason(&route, &token).await, expected);
    }
}

#[tokio::test]
async fn sec_13_shared_secrets_need_no_mark_and_foreign_ones_are_refused() {
    let mut bare = claims();
    bare.as_object_mut().unwrap().remove("scopes");
    let (_all, route) = start(vec![("services", shared(SECRET, ""))]).await;
    assert_eq!(reason(&route, &signed("HS256", SECRET, &bare)).await, "ok");
    for (mark, value) in [
        ("at_hash", "x"),
        ("nonce", "x"),
        ("events", "x"),
        ("token_use", "id"),
        ("typ", "Refresh"),
    ] {
        let mut foreign = bare.clone();
        foreign[mark] = value.into();
        let token = signed("HS256", SECRET, &foreign);
        assert_eq!(
            reason(&route, &token).await,
            "token_type_not_allowed",
            "{mark}"
        );
    }
}

/// A `public_key` authenticator for the key.
fn public(key: &TestKey, more: &str) -> AuthenticatorKind {
    let pem = Value::from(pem(&der(key)));
    written(&format!(
        "public_key: {{ pem: {pem}, issuer: '{ISSUER}', audiences: ['{RESOURCE}']{more} }}"
    ))
}

#[tokio::test]
async fn s0_32_sec_13_tokens_of_a_public_key_need_a_mark() {
    let key = TestKey::es256();
    let (_all, route) = start(vec![("opensaas", public(&key, ""))]).await;
    let token = || {
        Token::new(&key)
            .header("typ", "JWT")
            .no_header("kid")
            .no_claim("client_id")
    };
    assert_eq!(reason(&route, &token().sign()).await, "ok");
    let bare = token().no_claim("scope").claim("act", "x");
    assert_eq!(reason(&route, &bare.sign()).await, "token_type_not_allowed");
    let (_all, route) = start(vec![(
        "opensaas",
        public(&key, ", access_token_marks: [act]"),
    )])
    .await;
    let marked = token().no_claim("scope").claim("act", "x");
    assert_eq!(reason(&route, &marked.sign()).await, "ok");
}

#[tokio::test]
async fn s0_32_a_public_key_that_is_no_point_of_its_curve_ends_the_start() {
    let mut der = der(&TestKey::es256());
    *der.last_mut().unwrap() ^= 1;
    let pem = Value::from(pem(&der));
    let kind = written(&format!(
        "public_key: {{ pem: {pem}, issuer: a, audiences: [b] }}"
    ));
    let refused = Authenticators::start(&config(vec![("opensaas", kind)]), clock()).await;
    let told = refused.err().unwrap().to_string();
    let expected =
        "authenticator opensaas: cannot use the public key of a: x and y are no point of the curve";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn s3_32_x20_s3_40_the_issuer_selects_the_key_whatever_its_kind() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jwks.json");
    let (published, own) = (TestKey::es256(), TestKey::es256());
    publish(&file, &[published.jwk("k1")]);
    let partner = "https://partner.example";
    let mut of_partner = settings();
    of_partner.rules.issuer = partner.into();
    let kinds = vec![
        ("opensaas", public(&own, "")),
        ("partner", of_partner.jwks(KeySource::File(file))),
        ("services", shared(SECRET, "")),
    ];
    let (_all, route) = start(kinds).await;
    let by_own = |issuer: &str| Token::new(&own).claim("iss", issuer).sign();
    let by_partner = |issuer: &str| Token::new(&published).claim("iss", issuer).sign();
    let by_secret = |issuer: &str| signed("HS256", SECRET, &with("iss", issuer));
    for (token, expected) in [
        (by_own(ISSUER), "ok"),
        (by_partner(partner), "ok"),
        (by_secret("your-service"), "ok"),
        // a key of one with the issuer of another
        (by_own(partner), "invalid_signature"),
        (by_own("your-service"), "algorithm_not_allowed"),
        (by_partner(ISSUER), "invalid_signature"),
        (by_partner("your-service"), "algorithm_not_allowed"),
        (by_secret(ISSUER), "algorithm_not_allowed"),
        (by_secret(partner), "algorithm_not_allowed"),
        (by_secret("your-service/"), "issuer_mismatch"),
    ] {
        assert_eq!(reason(&route, &token).await, expected, "{token}");
    }
    // and of them only one is an authorization server
    assert_eq!(route.issuers(), [Box::from(partner)]);
}

#[tokio::test]
async fn sec_12_another_secret_ends_what_the_old_one_signed() {
    let (all, route) = start(vec![("services", shared(SECRET, ""))]).await;
    let token = signed("HS256", SECRET, &claims());
    let caller = ask(&route, &token, NOW).await.unwrap();
    let again = |kind| async {
        let all = all
            .restart(&config(vec![("services", kind)]))
            .await
            .unwrap();
        let route = all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
        (all, route)
    };
    let (_same, route) = again(shared(SECRET, "")).await;
    assert!(route.still_good(&caller, Some(NOW)));
    assert_eq!(reason(&route, &token).await, "ok");
    let (_other, route) = again(shared(LONG, "")).await;
    assert!(!route.still_good(&caller, Some(NOW)));
    assert_eq!(reason(&route, &token).await, "invalid_signature");
    assert_eq!(
        reason(&route, &signed("HS256", LONG, &claims())).await,
        "ok"
    );
}

fn order() -> Order {
    Order {
        subject: "test-user".into(),
        scopes: vec!["mcp".into(), "mcp:call".into()],
        audience: None,
        ttl: Duration::from_hours(1),
        claims: Vec::new(),
    }
}

fn minted(kind: &AuthenticatorKind, order: &Order) -> Result<String, MintError> {
    let AuthenticatorKind::SharedSecret(settings) = kind else {
        panic!("a shared secret was written")
    };
    mint(settings, order, NOW)
}

#[tokio::test]
async fn s0_49_a_minted_token_is_good_for_its_hour() {
    for more in [
        "",
        ", algorithm: HS512",
        ", token_types: [at+jwt]",
        ", token_types: [absent]",
        ", claims: { subject: user.id, scopes: realm.roles }",
        ", max_token_lifetime: 1h",
    ] {
        let kind = shared(LONG, more);
        let token = minted(&kind, &order()).unwrap();
        let (_all, route) = start(vec![("services", kind)]).await;
        let caller = ask(&route, &token, NOW).await.unwrap();
        assert_eq!(caller.subject(), "test-user", "{more}");
        assert_eq!(
            caller.scopes().iter().collect::<Vec<_>>(),
            ["mcp", "mcp:call"]
        );
        let later = |minutes: u64| Timestamp(NOW.0 + 60 * minutes);
        assert!(ask(&route, &token, later(59)).await.is_ok());
        let failure = ask(&route, &token, later(61)).await.unwrap_err();
        assert_eq!(failure.reason(), "expired");
    }
}

#[tokio::test]
async fn s0_49_an_order_is_kept_or_refused() {
    let kind = shared(SECRET, ", max_token_lifetime: 1h");
    let refused = |order: Order| minted(&kind, &order).unwrap_err();
    let longer = Duration::from_hours(2);
    let refusals = [
        (
            refused(Order {
                subject: String::new(),
                ..order()
            }),
            MintError::Subject,
        ),
        (
            refused(Order {
                scopes: vec!["a b".into()],
                ..order()
            }),
            MintError::Scope("a b".into()),
        ),
        (
            refused(Order {
                ttl: Duration::ZERO,
                ..order()
            }),
            MintError::TooShort,
        ),
        (
            refused(Order {
                ttl: longer,
                ..order()
            }),
            MintError::TooLong(Duration::from_hours(1)),
        ),
    ];
    for (found, expected) in refusals {
        assert_eq!(found, expected);
    }
    let (_all, route) = start(vec![("services", kind.clone())]).await;
    let other = Order {
        audience: Some("other".into()),
        ..order()
    };
    assert_eq!(
        reason(&route, &minted(&kind, &other).unwrap()).await,
        "audience_mismatch"
    );
    let claims = vec![("iss".to_owned(), json!("other"))];
    let token = minted(&kind, &Order { claims, ..order() }).unwrap();
    assert_eq!(reason(&route, &token).await, "issuer_mismatch");
    let (one, two) = (
        minted(&kind, &order()).unwrap(),
        minted(&kind, &order()).unwrap(),
    );
    assert_ne!(one, two, "each has an id of its own");
}
