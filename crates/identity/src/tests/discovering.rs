//! What of a provider's document is believed, and where it may lead (SEC-20).

use config::{Auth, Families, IdentityHeaders, Requirement};

use super::starting::{DOCUMENT, builder, idp, reason, refused, route, start};
use crate::Authenticators;
use crate::testing::{RESOURCE, clock};

#[tokio::test]
async fn s4_11_x22_the_documents_spelling_is_what_tokens_and_clients_get() {
    let idp = builder().closing_slash().start().await.unwrap();
    let slashed = idp.issuer();
    let bare = slashed.strip_suffix('/').unwrap();
    for configured in [bare, slashed] {
        let all = start(configured).await.unwrap();
        let route = route(&all);
        assert_eq!(route.issuers(), [Box::from(slashed)]);
        let token = idp.token().audience(RESOURCE);
        assert_eq!(reason(&route, &token.clone().sign()).await, "ok");
        assert_eq!(
            reason(&route, &token.claim("iss", bare).sign()).await,
            "issuer_mismatch"
        );
    }
}

#[tokio::test]
async fn s4_11_x22_the_other_way_round() {
    let idp = idp().await;
    let all = start(&format!("{}/", idp.issuer())).await.unwrap();
    assert_eq!(route(&all).issuers(), [Box::from(idp.issuer())]);
    let token = idp.token().audience(RESOURCE);
    assert_eq!(reason(&route(&all), &token.clone().sign()).await, "ok");
    let slashed = token.claim("iss", format!("{}/", idp.issuer())).sign();
    assert_eq!(reason(&route(&all), &slashed).await, "issuer_mismatch");
}

#[tokio::test]
async fn s4_11_a_document_of_somebody_else_is_refused() {
    let idp = idp().await;
    for other in [
        "https://evil.example".to_owned(),
        format!("{}//", idp.issuer()),
        format!("{}/x", idp.issuer()),
    ] {
        idp.change_document("issuer", other.as_str());
        let text = refused(idp.issuer()).await;
        assert!(text.contains("issuer mismatch"), "{text}");
        assert!(
            text.contains(&other) && text.contains(idp.issuer()),
            "{text}"
        );
    }
    assert_eq!(idp.fetches("/jwks"), 0);
}

#[tokio::test]
async fn sec_20_redirects_are_not_followed() {
    let idp = idp().await;
    idp.answer("/moved", 200, &[], idp.jwks().to_string());
    idp.answer("/jwks", 302, &[("location", &idp.url("/moved"))], "");
    let text = refused(idp.issuer()).await;
    assert!(text.contains("302") && text.contains("redirect"), "{text}");
    assert_eq!(idp.fetches("/moved"), 0);
}

#[tokio::test]
async fn sec_20_an_answer_has_a_largest_size() {
    let idp = idp().await;
    idp.answer("/jwks", 200, &[], " ".repeat(1024 * 1024 + 1));
    let text = refused(idp.issuer()).await;
    assert!(text.contains("more than 1048576 bytes"), "{text}");
    idp.answer(DOCUMENT, 200, &[], " ".repeat(256 * 1024 + 1));
    let text = refused(idp.issuer()).await;
    assert!(text.contains("more than 262144 bytes"), "{text}");
}

#[tokio::test]
async fn sec_20_keys_in_somebody_elses_network_are_not_fetched() {
    let idp = idp().await;
    for (uri, why) in [
        ("https://10.0.0.1/jwks", "not a public address"),
        ("https://169.254.169.254/jwks", "not a public address"),
        ("https://[fd00::1]/jwks", "not a public address"),
        ("https://[::ffff:10.0.0.1]/jwks", "not a public address"),
        ("https://[64:ff9b::10.0.0.1]/jwks", "not a public address"),
        ("https://[2002:a00:1::]/jwks", "not a public address"),
        ("https://0x0a000001/jwks", "not a public address"),
        ("http://10.0.0.1/jwks", "neither https nor http on loopback"),
        (
            "http://issuer.example/jwks",
            "neither https nor http on loopback",
        ),
        (
            "https://user:secret@issuer.example/jwks",
            "credentials in the URL",
        ),
    ] {
        idp.change_document("jwks_uri", uri);
        let text = refused(idp.issuer()).await;
        assert!(text.contains(why), "{uri}: {text}");
    }
}

#[tokio::test]
async fn sec_20_the_issuers_own_host_may_be_private() {
    let idp = idp().await;
    // another port of this machine, by another of its names
    let other = idp.url("/jwks").replace("127.0.0.1", "localhost");
    idp.change_document("jwks_uri", other);
    start(idp.issuer()).await.unwrap();
}

#[tokio::test]
async fn sec_19_an_issuer_is_asked_over_https_or_on_loopback() {
    let text = refused("http://issuer.example").await;
    assert!(
        text.contains("neither https nor http on loopback"),
        "{text}"
    );
    let text = refused("https://issuer.example?x=1").await;
    assert!(text.contains("not an http(s) URL"), "{text}");
}

#[tokio::test]
async fn x20_two_names_for_one_provider_on_one_route_do_not_start() {
    let idp = idp().await;
    let kind = |issuer: String| {
        let mut jwt = crate::testing::settings();
        jwt.rules.issuer = issuer.into();
        jwt.oidc()
    };
    let kinds = || {
        let slashed = format!("{}/", idp.issuer());
        vec![("a", kind(idp.issuer().into())), ("b", kind(slashed))]
    };
    let started = async |accept: &[usize]| {
        let mut config = crate::testing::config(kinds());
        let mut route = crate::testing::route(IdentityHeaders::None);
        route.auth = Auth::Required(Requirement {
            families: Families::Oauth,
            accept: accept.to_vec(),
            audiences: Vec::new(),
            required_scopes: Vec::new(),
            sender_constrained: config::SenderConstrained::Optional,
            dpop: config::Dpop::default(),
            challenge: config::ChallengeAt::default(),
            challenge_path: None,
        });
        config.routes.push(route);
        Authenticators::start(&config, clock()).await.map(|_| ())
    };
    assert!(started(&[0]).await.is_ok());
    let text = started(&[0, 1]).await.unwrap_err().to_string();
    assert!(text.contains("cannot be told apart"), "{text}");
}
