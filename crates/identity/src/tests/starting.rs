//! From an issuer to its keys, at start and afterwards, with a real provider on the wire.

use std::sync::Arc;
use std::time::Duration;

use config::{KeySource, Start};
use testbed::Idp;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::testing::{NOW, RESOURCE, Settings, ask, clock, config, settings};
use crate::{Authenticators, RouteAuthenticator, StartError, Timestamp};

pub(super) const DOCUMENT: &str = "/.well-known/openid-configuration";

pub(super) async fn idp() -> Idp {
    builder().start().await.unwrap()
}

pub(super) fn builder() -> testbed::idp::Builder {
    Idp::builder().clock(Arc::new(|| NOW.0))
}

pub(super) async fn start(issuer: &str) -> Result<Arc<Authenticators>, StartError> {
    start_with(issuer, |_| {}).await
}

async fn start_with(
    issuer: &str,
    change: impl FnOnce(&mut Settings),
) -> Result<Arc<Authenticators>, StartError> {
    let mut jwt = settings();
    jwt.rules.issuer = issuer.into();
    change(&mut jwt);
    Authenticators::start(&config(vec![("corp", jwt.oidc())]), clock()).await
}

pub(super) async fn refused(issuer: &str) -> String {
    let error = start(issuer).await.map(|_| ()).unwrap_err();
    assert!(!error.hints.is_empty());
    error.to_string()
}

pub(super) fn route(all: &Arc<Authenticators>) -> RouteAuthenticator {
    all.for_route(&[0], &[], &[RESOURCE.into()], &[])
}

pub(super) async fn reason(route: &RouteAuthenticator, token: &str) -> &'static str {
    ask(route, token, NOW)
        .await
        .map_or_else(|failure| failure.reason(), |_| "ok")
}

#[tokio::test]
async fn s4_4_s4_6_discovery_is_one_get_and_leads_to_the_keys() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    assert_eq!((idp.fetches(DOCUMENT), idp.fetches("/jwks")), (1, 1));
    assert!(all.is_ready());
    let token = idp.token().audience(RESOURCE).sign();
    let caller = ask(&route(&all), &token, NOW).await.unwrap();
    assert_eq!(
        (caller.subject(), caller.method(), caller.issuer()),
        ("alice", "oidc", idp.issuer())
    );
    let (name, age) = all.key_ages().remove(0);
    assert_eq!(&*name, "corp");
    assert!(age.unwrap() < Duration::from_mins(1));
}

#[tokio::test]
async fn s3_9_a_hundred_requests_cost_one_fetch_of_the_keys() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    let route = route(&all);
    for _ in 0..100 {
        let token = idp.token().audience(RESOURCE).fresh().sign();
        assert_eq!(reason(&route, &token).await, "ok");
    }
    assert_eq!((idp.fetches(DOCUMENT), idp.fetches("/jwks")), (1, 1));
}

#[tokio::test]
async fn s4_4_an_issuer_may_have_a_path() {
    let idp = builder().issuer_path("/realms/x").start().await.unwrap();
    let all = start(idp.issuer()).await.unwrap();
    let token = idp.token().audience(RESOURCE).sign();
    assert_eq!(reason(&route(&all), &token).await, "ok");
}

#[tokio::test]
async fn s4_4_the_forms_of_rfc_8414_are_tried_too() {
    let idp = builder().issuer_path("/realms/x").start().await.unwrap();
    idp.answer(DOCUMENT, 404, &[], "<html>");
    start(idp.issuer()).await.unwrap();
    assert_eq!(
        idp.fetches("/.well-known/oauth-authorization-server/realms/x"),
        1
    );
    // an application that answers everything with its start page
    idp.answer(DOCUMENT, 200, &[("content-type", "text/html")], "<html>");
    start(idp.issuer()).await.unwrap();
}

#[tokio::test]
async fn s4_5_a_document_that_lacks_a_member_is_named() {
    for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let idp = idp().await;
        idp.omit_from_document(member);
        let text = refused(idp.issuer()).await;
        assert!(text.contains(&format!("{member} is missing")), "{text}");
        assert!(text.contains("unusable OIDC discovery document"), "{text}");
        assert_eq!(idp.fetches("/jwks"), 0);
    }
}

#[tokio::test]
async fn s4_8_s4_24_nobody_there_is_told_with_url_cause_and_hints() {
    // a port that was free a moment ago
    let issuer = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = start(&issuer).await.map(|_| ()).unwrap_err();
    assert_eq!(&*error.authenticator, "corp");
    assert_eq!(error.url, format!("{issuer}{DOCUMENT}"));
    assert!(error.cause.contains("refused"), "{}", error.cause);
    assert!(error.hints.len() >= 4);
    let text = error.to_string();
    assert!(
        text.contains("failed to fetch OIDC discovery document"),
        "{text}"
    );
    assert!(text.contains(&error.url), "{text}");
}

#[tokio::test]
async fn s4_8_a_provider_that_hangs_up_is_told_after_one_attempt() {
    let idp = idp().await;
    idp.go_down();
    let text = refused(idp.issuer()).await;
    assert!(
        text.contains("failed to fetch OIDC discovery document"),
        "{text}"
    );
}

#[tokio::test]
async fn s4_24_every_place_that_answered_is_told() {
    let idp = idp().await;
    idp.answer(DOCUMENT, 500, &[], "");
    idp.answer("/.well-known/oauth-authorization-server", 404, &[], "");
    let text = refused(idp.issuer()).await;
    assert!(text.contains("500") && text.contains("404"), "{text}");
}

#[tokio::test]
async fn s4_25_keys_out_of_reach_are_told_with_their_url() {
    let idp = idp().await;
    idp.answer("/jwks", 500, &[], "");
    let text = refused(idp.issuer()).await;
    assert!(text.contains("failed to fetch JWKS"), "{text}");
    assert!(
        text.contains(&idp.url("/jwks")) && text.contains("500"),
        "{text}"
    );
}

#[tokio::test]
async fn s4_25_a_key_set_without_a_usable_key_is_told() {
    let idp = idp().await;
    for document in [
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
        "[]",
        "<html>",
    ] {
        idp.answer("/jwks", 200, &[], document);
        let text = refused(idp.issuer()).await;
        assert!(
            text.contains("unusable JWKS") && text.contains(&idp.url("/jwks")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn one_odd_key_of_a_provider_does_not_keep_anybody_out() {
    let idp = idp().await;
    idp.extra_jwks_keys(vec![
        serde_json::json!({ "kty": "AKP", "alg": "ML-DSA-65" }),
        serde_json::json!(null),
    ]);
    let all = start(idp.issuer()).await.unwrap();
    let token = idp.token().audience(RESOURCE).sign();
    assert_eq!(reason(&route(&all), &token).await, "ok");
}

#[tokio::test]
async fn s3_5_keys_by_url_need_no_discovery() {
    let idp = idp().await;
    let mut jwt = settings();
    jwt.rules.issuer = idp.issuer().into();
    let kind = jwt.jwks(KeySource::Url(idp.url("/jwks").into()));
    let all = Authenticators::start(&config(vec![("corp", kind)]), clock())
        .await
        .unwrap();
    let token = idp.token().audience(RESOURCE).sign();
    assert_eq!(reason(&route(&all), &token).await, "ok");
    assert_eq!((idp.fetches(DOCUMENT), idp.fetches("/jwks")), (0, 1));
}

#[tokio::test]
async fn s3_5_keys_in_a_file_that_is_not_there_are_told() {
    let file = tempfile::tempdir().unwrap().path().join("none.json");
    let kind = settings().jwks(KeySource::File(file.clone()));
    let started = Authenticators::start(&config(vec![("corp", kind)]), clock()).await;
    let text = started.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("failed to fetch JWKS"), "{text}");
    assert!(text.contains(&*file.to_string_lossy()), "{text}");
}

#[tokio::test]
async fn keys_in_a_file_have_a_largest_size() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jwks.json");
    let started = async || {
        let kind = settings().jwks(KeySource::File(file.clone()));
        let started = Authenticators::start(&config(vec![("corp", kind)]), clock()).await;
        started.map(|_| ()).map_err(|error| error.to_string())
    };
    let key = crate::testing::TestKey::es256().jwk("k1");
    let document = serde_json::json!({ "keys": [key] }).to_string();
    let room = 1024 * 1024 - document.len();
    std::fs::write(&file, format!("{document}{}", " ".repeat(room))).unwrap();
    assert_eq!(started().await, Ok(()));
    std::fs::write(&file, format!("{document}{}", " ".repeat(room + 1))).unwrap();
    let text = started().await.unwrap_err();
    assert!(text.contains("larger than 1048576 bytes"), "{text}");
}

#[tokio::test]
async fn s4_9_garbage_costs_no_fetch() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    let route = route(&all);
    for garbage in ["opaque", "a.b.c", "a.b.c.d.e"] {
        assert_ne!(reason(&route, garbage).await, "ok");
    }
    let foreign = idp
        .token()
        .audience(RESOURCE)
        .claim("iss", "https://evil.example");
    let foreign = foreign.header("kid", "unknown").sign();
    assert_eq!(reason(&route, &foreign).await, "issuer_mismatch");
    assert_eq!(idp.fetches("/jwks"), 1);
}

#[tokio::test]
async fn s4_17_unknown_kids_on_the_wire_cost_one_fetch() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    let route = route(&all);
    for at in 0..1000 {
        let token = idp
            .token()
            .audience(RESOURCE)
            .header("kid", format!("random-{at}"));
        assert_eq!(reason(&route, &token.sign()).await, "unknown_key");
    }
    assert_eq!((idp.fetches(DOCUMENT), idp.fetches("/jwks")), (1, 2));
}

#[tokio::test]
async fn s3_47_keys_that_are_there_serve_while_the_provider_is_away() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    let route = route(&all);
    idp.go_down();
    let token = idp.token().audience(RESOURCE).sign();
    assert_eq!(reason(&route, &token).await, "ok");
    // whether there is such a key nobody can tell now
    let unknown = idp.token().audience(RESOURCE).header("kid", "new").sign();
    assert_eq!(reason(&route, &unknown).await, "jwks_unreachable");
}

#[tokio::test]
async fn s4_8_start_lazy_answers_503_until_the_provider_is_reached() {
    let idp = idp().await;
    idp.go_down();
    let all = start_with(idp.issuer(), |jwt| jwt.fetch.start = Start::Lazy)
        .await
        .unwrap();
    assert!(all.is_ready(), "a lazy one does not hold up readiness");
    let route = route(&all);
    let token = idp.token().audience(RESOURCE).sign();
    let failure = ask(&route, &token, NOW).await.unwrap_err();
    assert_eq!(failure.reason(), "jwks_unreachable");
    assert!(failure.retry_after().is_some());
    // the other spelling may turn out to be the right one
    let slashed = idp
        .token()
        .claim("iss", format!("{}/", idp.issuer()))
        .sign();
    assert_eq!(reason(&route, &slashed).await, "jwks_unreachable");
    let foreign = idp.token().claim("iss", "https://evil.example").sign();
    assert_eq!(reason(&route, &foreign).await, "issuer_mismatch");
    assert_eq!(route.issuers(), [Box::from(idp.issuer())]);

    idp.come_back();
    let reached = async {
        while reason(&route, &token).await != "ok" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), reached).await.unwrap();
    assert_eq!(reason(&route, &slashed).await, "issuer_mismatch");
}

#[tokio::test]
async fn start_asks_all_providers_at_the_same_time() {
    // accepts connections and never says a word
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let idp = idp().await;
    let kind = |issuer: &str| {
        let mut jwt = settings();
        jwt.rules.issuer = issuer.into();
        jwt.oidc()
    };
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let config = config(vec![
        ("a-silent", kind(&issuer)),
        ("b-talking", kind(idp.issuer())),
    ]);
    let starting =
        tokio::spawn(async move { Authenticators::start(&config, clock()).await.map(|_| ()) });
    let second_is_asked = async {
        while idp.fetches("/jwks") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // the first one's deadline is 5 s
    timeout(Duration::from_secs(4), second_is_asked)
        .await
        .unwrap();
    starting.abort();
}

#[tokio::test]
async fn r7519_time_is_the_askers() {
    let idp = idp().await;
    let all = start(idp.issuer()).await.unwrap();
    let token = idp.token().audience(RESOURCE).expires_in(10).sign();
    let later = Timestamp(NOW.0 + 100);
    assert_eq!(
        ask(&route(&all), &token, later).await.unwrap_err().reason(),
        "expired"
    );
    assert_eq!(ask(&route(&all), &token, NOW).await.map(|_| ()), Ok(()));
}
