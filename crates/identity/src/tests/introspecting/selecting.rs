//! Which tokens go to the provider, and which never do (SEC-17).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use config::{AuthenticatorKind, IntrospectionAuth};
use serde_json::json;
use testbed::Idp;

use super::{Asked, PATH, provider, settings};
use crate::testing::{self, ISSUER, NOW, RESOURCE, TestKey, World, ask, clock, config};
use crate::{Authenticators, RouteAuthenticator};

async fn reason(route: &RouteAuthenticator, token: &str) -> &'static str {
    match ask(route, token, NOW).await {
        Ok(caller) => caller.method(),
        Err(failure) => failure.reason(),
    }
}

#[tokio::test]
async fn s3_15_the_provider_is_asked_by_post_with_the_clients_name_and_secret() {
    let world = Asked::new().await;
    world
        .ask(&world.token().opaque_as("a+b/c~d=="))
        .await
        .unwrap();
    let asked = world.idp.introspected().pop().unwrap();
    assert_eq!(asked.method, "POST");
    assert_eq!(
        asked.header("authorization"),
        Some("Basic c3ZjOnN2Yy1zZWNyZXQ=")
    );
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(
        asked.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        asked.body,
        "token=a%2Bb%2Fc%7Ed%3D%3D&token_type_hint=access_token"
    );
}

#[tokio::test]
async fn s3_15_name_and_secret_may_have_any_characters_and_go_into_the_form_if_that_is_said() {
    for auth in [IntrospectionAuth::Basic, IntrospectionAuth::Post] {
        let world = Asked::with(|settings| {
            settings.client_id = "a:b c".into();
            settings.client_secret = config::Secret::new("p+%&=é");
            settings.client_auth = auth;
        })
        .await;
        world.idp.add_client("a:b c", "p+%&=é");
        assert_eq!(
            world.reason(&world.token().opaque()).await,
            "ok",
            "{auth:?}"
        );
        let asked = world.idp.introspected().pop().unwrap();
        let form = asked.form();
        match auth {
            IntrospectionAuth::Basic => assert_eq!(form.len(), 2),
            IntrospectionAuth::Post => {
                assert_eq!(asked.header("authorization"), None);
                assert_eq!(form[2], ("client_id".into(), "a:b c".into()));
                assert_eq!(form[3], ("client_secret".into(), "p+%&=é".into()));
            }
        }
    }
}

#[tokio::test]
async fn x26_an_api_key_of_ours_in_the_wrong_header_is_shown_to_no_provider() {
    let world = Asked::new().await;
    let key = crate::ApiKey::generate().unwrap();
    assert_eq!(world.reason(key.expose()).await, "not_a_jwt");
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn sec_17_a_jwt_goes_to_the_provider_only_if_it_names_it() {
    let world = Asked::new().await;
    assert_eq!(world.reason(&world.token().sign()).await, "ok");
    assert_eq!(world.calls(), 1);
    for (token, expected) in [
        (
            world
                .token()
                .claim("iss", format!("{}/", world.idp.issuer()))
                .sign(),
            "issuer_mismatch",
        ),
        (
            world.token().claim("iss", "https://other.example").sign(),
            "issuer_mismatch",
        ),
        (world.token().claim("iss", 1).sign(), "malformed_token"),
        (world.token().without("iss").sign(), "issuer_mismatch"),
        (
            world
                .token()
                .sign_raw("{\"alg\":\"RS256\"}", "{\"iss\":\"a\",\"iss\":\"b\"}"),
            "malformed_token",
        ),
    ] {
        assert_eq!(world.reason(&token).await, expected);
    }
    assert_eq!(world.calls(), 1);
}

/// A route that takes signed tokens of [`ISSUER`] and asks this provider about others, whatever its issuer.
async fn mixed(
    world: &World,
    idp: &Idp,
    issuer: &str,
) -> (Arc<Authenticators>, RouteAuthenticator) {
    let mut settings = settings(idp);
    settings.rules.issuer = issuer.into();
    let signed = testing::settings().jwks(config::KeySource::File(world.file.clone()));
    let config = config(vec![
        ("central", AuthenticatorKind::Introspection(settings)),
        ("corp", signed),
    ]);
    let all = Authenticators::start(&config, clock()).await.unwrap();
    let route = all.for_route(&[0, 1], &[], &[RESOURCE.into()], &[]);
    (all, route)
}

#[tokio::test]
async fn sec_17_x20_a_token_that_failed_here_is_never_asked_about() {
    let world = World::new().await;
    let now = Arc::new(AtomicU64::new(NOW.0));
    let idp = provider(&now).await;
    // the provider would say yes to anything
    let yes = json!({"active": true, "iss": ISSUER, "sub": "eve", "aud": RESOURCE, "scope": "mcp", "exp": NOW.0 + 60});
    idp.answer(PATH, 200, &[], yes.to_string());
    let (_all, route) = mixed(&world, &idp, ISSUER).await;
    let stranger = TestKey::es256();
    for (token, expected) in [
        (world.token().sign(), "jwks"),
        (
            crate::testing::Token::new(&stranger).sign(),
            "invalid_signature",
        ),
        (world.token().claim("exp", NOW.0 - 100).sign(), "expired"),
        (
            world.token().header("alg", "none").sign(),
            "algorithm_not_allowed",
        ),
        (world.token().header("kid", "k9").sign(), "unknown_key"),
    ] {
        assert_eq!(reason(&route, &token).await, expected);
    }
    assert_eq!(idp.fetches(PATH), 0);
    assert_eq!(reason(&route, "opaque").await, "introspection");
    assert_eq!(route.issuers(), [ISSUER.into()], "named once");
}

#[tokio::test]
async fn sec_17_the_prefix_of_a_token_says_who_is_asked_the_longest_first() {
    let now = Arc::new(AtomicU64::new(NOW.0));
    let (short, long) = (provider(&now).await, provider(&now).await);
    let kind = |idp: &Idp, prefix: &str| {
        let mut settings = settings(idp);
        settings.token_prefix = Some(prefix.into());
        AuthenticatorKind::Introspection(settings)
    };
    let config = config(vec![("a", kind(&short, "a_")), ("ab", kind(&long, "a_b_"))]);
    let all = Authenticators::start(&config, clock()).await.unwrap();
    let route = all.for_route(&[0, 1], &[], &[RESOURCE.into()], &[]);
    for idp in [&short, &long] {
        idp.token().audience(RESOURCE).opaque_as("a_1");
        idp.token().audience(RESOURCE).opaque_as("a_b_1");
    }
    let one = ask(&route, "a_1", NOW).await.unwrap();
    let other = ask(&route, "a_b_1", NOW).await.unwrap();
    assert_eq!((one.authenticator(), other.authenticator()), ("a", "ab"));
    assert_eq!(reason(&route, "b_1").await, "not_a_jwt");
    // its issuer is right, and it does not begin like tokens that the provider is asked about
    let jwt = short.token().audience(RESOURCE).sign();
    assert_eq!(reason(&route, &jwt).await, "issuer_mismatch");
    assert_eq!((short.fetches(PATH), long.fetches(PATH)), (1, 1));
}

#[tokio::test]
async fn s4_16_without_a_provider_to_ask_an_opaque_token_is_told_with_a_way_out() {
    let world = World::new().await;
    let failure = world.ask("opaque").await.unwrap_err();
    assert_eq!(failure.reason(), "not_a_jwt");
    assert!(failure.to_string().contains("introspection"), "{failure}");
}
