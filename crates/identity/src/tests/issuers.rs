//! The issuer selects whose keys and rules count, before any key is tried.

use std::sync::Arc;

use config::KeySource;
use serde_json::json;

use crate::testing::{
    ISSUER, NOW, RESOURCE, TestKey, Token, World, ask, clock, config, publish, settings,
};
use crate::{Authenticators, RouteAuthenticator};

const PARTNER: &str = "https://partner.example";

/// Two providers with a key each, both named `k1`.
struct Two {
    keys: [TestKey; 2],
    all: Arc<Authenticators>,
    _directory: tempfile::TempDir,
}

impl Two {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = [TestKey::es256(), TestKey::es256()];
        let kinds = [("corp", ISSUER), ("partner", PARTNER)]
            .into_iter()
            .zip(&keys)
            .map(|((name, issuer), key)| {
                let file = directory.path().join(name);
                publish(&file, &[key.jwk("k1")]);
                let mut jwt = settings();
                jwt.rules.issuer = issuer.into();
                (name, jwt.jwks(KeySource::File(file)))
            });
        let all = Authenticators::start(&config(kinds.collect()), clock())
            .await
            .unwrap();
        Self {
            keys,
            all,
            _directory: directory,
        }
    }

    fn route(&self, accept: &[usize]) -> RouteAuthenticator {
        self.all.for_route(accept, &[], &[RESOURCE.into()], &[])
    }

    fn token(&self, key: usize, issuer: &str) -> String {
        Token::new(&self.keys[key]).claim("iss", issuer).sign()
    }
}

async fn reason(route: &RouteAuthenticator, token: &str) -> &'static str {
    ask(route, token, NOW)
        .await
        .map_or_else(|failure| failure.reason(), |_| "ok")
}

#[tokio::test]
async fn s3_32_a_partners_token_counts_only_where_the_partner_is_accepted() {
    let two = Two::new().await;
    let both = two.route(&[0, 1]);
    let corp = two.route(&[0]);
    assert_eq!(reason(&both, &two.token(1, PARTNER)).await, "ok");
    assert_eq!(reason(&both, &two.token(0, ISSUER)).await, "ok");
    assert_eq!(
        reason(&corp, &two.token(1, PARTNER)).await,
        "issuer_mismatch"
    );
}

#[tokio::test]
async fn s3_32_x20_the_key_of_one_with_the_issuer_of_another_is_refused() {
    let two = Two::new().await;
    let both = two.route(&[0, 1]);
    assert_eq!(
        reason(&both, &two.token(0, PARTNER)).await,
        "invalid_signature"
    );
    assert_eq!(
        reason(&both, &two.token(1, ISSUER)).await,
        "invalid_signature"
    );
}

#[tokio::test]
async fn sec_12_what_one_route_remembers_another_does_not_accept() {
    let two = Two::new().await;
    let (both, corp) = (two.route(&[0, 1]), two.route(&[0]));
    let token = two.token(1, PARTNER);
    for _ in 0..2 {
        assert_eq!(reason(&both, &token).await, "ok");
        assert_eq!(reason(&corp, &token).await, "issuer_mismatch");
    }
}

#[tokio::test]
async fn sec_12_one_provider_under_two_sets_of_rules_is_judged_by_the_routes_own() {
    let directory = tempfile::tempdir().unwrap();
    let (key, file) = (TestKey::es256(), directory.path().join("jwks"));
    publish(&file, &[key.jwk("k1")]);
    let kind = |trust: bool| {
        let mut jwt = settings();
        jwt.rules.trust_email = trust;
        jwt.jwks(KeySource::File(file.clone()))
    };
    let named = vec![("careful", kind(false)), ("trusting", kind(true))];
    let all = Authenticators::start(&config(named), clock())
        .await
        .unwrap();
    let route = |accept: usize| all.for_route(&[accept], &[], &[RESOURCE.into()], &[]);
    let token = Token::new(&key).claim("email", "ada@acme.example").sign();
    for _ in 0..2 {
        let careful = ask(&route(0), &token, NOW).await.unwrap();
        assert_eq!(
            (careful.authenticator(), &careful.values().email),
            ("careful", &None)
        );
        let trusting = ask(&route(1), &token, NOW).await.unwrap();
        assert_eq!(trusting.authenticator(), "trusting");
        assert!(trusting.values().email.is_some());
    }
}

#[tokio::test]
async fn sec_18_clients_are_told_exactly_the_issuers_accepted_in_the_routes_order() {
    let two = Two::new().await;
    let partner_first = [Box::from(PARTNER), Box::from(ISSUER)];
    assert_eq!(two.route(&[1, 0]).issuers(), partner_first);
    assert_eq!(two.route(&[1]).issuers(), [Box::from(PARTNER)]);
    assert_eq!(two.route(&[0]).issuers(), [Box::from(ISSUER)]);
}

#[tokio::test]
async fn t_j6_s4_26_a_foreign_issuer_is_refused_and_the_log_has_both() {
    let world = World::new().await;
    let token = world.token().claim("iss", "https://evil.example").sign();
    let failure = world.ask(&token).await.unwrap_err();
    assert_eq!(failure.reason(), "issuer_mismatch");
    let text = failure.to_string();
    assert!(
        text.contains(ISSUER) && text.contains("https://evil.example"),
        "{text}"
    );
}

#[tokio::test]
async fn s4_11_the_issuer_is_compared_byte_for_byte() {
    let world = World::new().await;
    for iss in [
        "https://issuer.example/",
        "https://issuer.example:443",
        "https://ISSUER.example",
        "HTTPS://issuer.example",
        "http://issuer.example",
        "https://issuer.example.evil.example",
        " https://issuer.example",
        "https://issuer.example\0",
        "",
    ] {
        let token = world.token().claim("iss", iss).sign();
        assert_eq!(world.reason(&token).await, "issuer_mismatch", "{iss:?}");
    }
    let token = world.token().no_claim("iss").sign();
    assert_eq!(world.reason(&token).await, "issuer_mismatch", "absent");
}

#[tokio::test]
async fn trap_4_an_issuer_that_is_no_string_is_refused() {
    let world = World::new().await;
    for iss in [
        json!(["https://evil.example", ISSUER]),
        json!([ISSUER]),
        json!(1),
        json!(null),
        json!({ "a": ISSUER }),
    ] {
        let token = world.token().claim("iss", iss.clone()).sign();
        assert_eq!(world.reason(&token).await, "malformed_token", "{iss}");
    }
}

#[tokio::test]
async fn s3_27_auth0_issuer_with_slash_counts_only_with_slash() {
    let slash = "https://tenant.auth0.example/";
    let world = World::with(TestKey::es256(), |jwt| jwt.rules.issuer = slash.into()).await;
    let token = |iss: &str| world.token().claim("iss", iss).sign();
    assert_eq!(world.reason(&token(slash)).await, "ok");
    assert_eq!(
        world.reason(&token("https://tenant.auth0.example")).await,
        "issuer_mismatch"
    );
    assert_eq!(world.route.issuers(), [Box::from(slash)]);
}

#[tokio::test]
async fn s3_1_who_calls_is_told_with_the_issuer() {
    let two = Two::new().await;
    let both = two.route(&[0, 1]);
    let caller = ask(&both, &two.token(1, PARTNER), NOW).await.unwrap();
    assert_eq!(
        (caller.issuer(), caller.authenticator(), caller.method()),
        (PARTNER, "partner", "jwks")
    );
    assert_eq!(caller.values().issuer, PARTNER);
}
