//! From one configuration to the next: what is carried over, and what is believed no more.

use std::sync::Arc;
use std::time::Duration;

use config::{AuthenticatorKind, ClaimPath, Config, IdentityHeaders, Jwt, KeySource};

use super::starting::{DOCUMENT, builder, idp};
use crate::testing::{NOW, RESOURCE, TestKey, Token, ask, clock, config, publish, route, settings};
use crate::{Authenticators, Gone, RouteAuthenticator};

/// One provider whose keys lie in a file, and its configuration.
struct World {
    key: TestKey,
    file: std::path::PathBuf,
    config: Config,
    all: Arc<Authenticators>,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (key, file) = (TestKey::es256(), directory.path().join("jwks.json"));
        publish(&file, &[key.jwk("k1")]);
        let kind = settings().jwks(KeySource::File(file.clone()));
        let config = config(vec![("corp", kind)]);
        let all = Authenticators::start(&config, clock()).await.unwrap();
        Self {
            key,
            file,
            config,
            all,
            _directory: directory,
        }
    }

    async fn restarted(&self) -> Arc<Authenticators> {
        self.all.restart(&self.config).await.unwrap()
    }

    fn change(&mut self, change: impl FnOnce(&mut Jwt)) {
        let AuthenticatorKind::Jwks { jwt, .. } = &mut self.config.authenticators[0].kind else {
            panic!("the provider has a file")
        };
        change(jwt);
    }

    fn claim_in_a_header(&mut self, claim: &str) {
        let claim = ClaimPath::parse(claim).unwrap();
        self.config.routes = vec![route(IdentityHeaders::Map(vec![("x-it".into(), claim)]))];
    }
}

fn mcp(all: &Authenticators) -> RouteAuthenticator {
    all.for_route(&[0], &[], &[RESOURCE.into()], &[])
}

#[tokio::test]
async fn sec_12_an_unchanged_authenticator_keeps_its_keys_and_what_it_verified() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    world.config.server.timeouts.idle = Duration::from_secs(7);
    let next = world.restarted().await;
    let after = ask(&mcp(&next), &token, NOW).await.unwrap();
    assert!(Arc::ptr_eq(&before.credential, &after.credential));
    world.all = next; // the last one that the first configuration had is gone
    tokio::task::yield_now().await;
    assert!(mcp(&world.all).still_good(&before, Some(NOW)));
}

#[tokio::test]
async fn sec_12_of_a_changed_authenticator_nothing_is_believed_any_more() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    world.change(|jwt| jwt.rules.leeway = Duration::ZERO);
    let next = world.restarted().await;
    let judged = mcp(&next).judge_again(&before, Some(NOW));
    assert_eq!(judged, Err(Gone::AuthenticatorChanged));
    let after = ask(&mcp(&next), &token, NOW).await.unwrap();
    assert!(
        !Arc::ptr_eq(&before.credential, &after.credential),
        "verified anew"
    );
    assert!(
        mcp(&world.all).still_good(&before, Some(NOW)),
        "who began earlier goes on"
    );
}

#[tokio::test]
async fn sec_12_another_name_or_another_file_is_another_authenticator() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    world.config.authenticators[0].name = "other".into();
    let next = world.restarted().await;
    assert!(!mcp(&next).still_good(&before, None));
}

#[tokio::test]
async fn sec_12_an_authenticator_that_changed_places_is_the_same() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    let mut other = settings();
    other.rules.issuer = "https://another.example".into();
    let kind = other.jwks(KeySource::File(world.file.clone()));
    let first = config(vec![("a-new-one", kind)]).authenticators.remove(0);
    world.config.authenticators.insert(0, first);
    let next = world.restarted().await;
    let route = next.for_route(&[1], &[], &[RESOURCE.into()], &[]);
    let after = ask(&route, &token, NOW).await.unwrap();
    assert!(Arc::ptr_eq(&before.credential, &after.credential));
    let other = next.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    assert!(!other.still_good(&before, None));
    assert_eq!(
        ask(&other, &token, NOW).await.unwrap_err().reason(),
        "issuer_mismatch"
    );
}

#[tokio::test]
async fn sec_12_a_claim_nobody_asked_for_before_is_read_from_every_token_anew() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).claim("team", "red").sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    world.claim_in_a_header("team");
    let next = world.restarted().await;
    let team = [ClaimPath::parse("team").unwrap()];
    let with = |all: &Authenticators| all.for_route(&[0], &[], &[RESOURCE.into()], &team);
    let after = ask(&with(&next), &token, NOW).await.unwrap();
    assert_eq!(after.extra(0).unwrap(), "red");
    assert!(!Arc::ptr_eq(&before.credential, &after.credential));
    world.config.routes.clear();
    let last = next.restart(&world.config).await.unwrap();
    let same = ask(&mcp(&last), &token, NOW).await.unwrap();
    assert!(
        Arc::ptr_eq(&after.credential, &same.credential),
        "one claim fewer changes nothing"
    );
}

#[tokio::test]
async fn a_removed_authenticator_ends_with_the_last_configuration_that_had_it() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    let route = mcp(&world.all);
    world.config.authenticators.clear();
    world.all = world.restarted().await;
    while route.still_good(&before, None) {
        tokio::task::yield_now().await; // an aborted task is dropped when its turn comes
    }
}

#[tokio::test]
async fn another_size_of_the_memory_is_another_memory() {
    let mut world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    world.config.credential_cache *= 2;
    let next = world.restarted().await;
    let after = ask(&mcp(&next), &token, NOW).await.unwrap();
    assert!(!Arc::ptr_eq(&before.credential, &after.credential));
    assert!(
        mcp(&next).still_good(&before, Some(NOW)),
        "it is no less true"
    );
}

#[tokio::test]
async fn a_key_file_is_read_again_at_once() {
    let world = World::new().await;
    let token = Token::new(&world.key).sign();
    let before = ask(&mcp(&world.all), &token, NOW).await.unwrap();
    publish(&world.file, &[TestKey::es256().jwk("k2")]);
    let next = world.restarted().await;
    while mcp(&next).still_good(&before, None) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn keys_at_a_url_are_not_fetched_again() {
    let idp = idp().await;
    let config = |leeway| {
        let mut jwt = settings();
        jwt.rules.issuer = idp.issuer().into();
        jwt.rules.leeway = Duration::from_secs(leeway);
        config(vec![("corp", jwt.oidc())])
    };
    let first = Authenticators::start(&config(30), clock()).await.unwrap();
    let fetched = || idp.fetches(DOCUMENT);
    let second = first.restart(&config(30)).await.unwrap();
    drop(first);
    assert_eq!(fetched(), 1);
    assert!(second.is_ready());
    let third = second.restart(&config(29)).await.unwrap();
    assert_eq!(fetched(), 2);
    assert!(third.is_ready());
}

#[tokio::test]
async fn s4_8_a_new_one_that_cannot_be_reached_changes_nothing() {
    let mut world = World::new().await;
    let gone = builder().start().await.unwrap();
    let issuer = gone.issuer().to_owned();
    drop(gone);
    let mut jwt = settings();
    jwt.rules.issuer = issuer.into();
    let new = config(vec![("new", jwt.oidc())]).authenticators;
    world.config.authenticators.extend(new);
    let error = world
        .all
        .restart(&world.config)
        .await
        .map(|_| ())
        .unwrap_err();
    assert_eq!(&*error.authenticator, "new");
    let token = Token::new(&world.key).sign();
    assert!(ask(&mcp(&world.all), &token, NOW).await.is_ok());
}
