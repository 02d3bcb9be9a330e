//! The deny list: who is turned away although everything about the credential is good.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use config::{Config, Denied, Deny, DenyEntry, KeySource};

use crate::deny::Look;
use crate::testing::{self, ISSUER, NOW, RESOURCE, TestKey, Token, World, ask};
use crate::{Authenticators, Failure, Gone};

fn entry(what: Denied, issuer: Option<&str>) -> DenyEntry {
    DenyEntry {
        what,
        issuer: issuer.map(Box::from),
    }
}

fn config(world: &World, deny: Deny) -> Config {
    let keys = KeySource::File(world.file.clone());
    let mut config = testing::config(vec![("corp", testing::settings().jwks(keys))]);
    config.deny = deny;
    config
}

async fn world(deny: Deny) -> World {
    let mut world = World::new().await;
    let config = config(&world, deny);
    world.all = world.all.restart(&config).await.unwrap();
    world.route = world.all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    world
}

async fn world_of(entries: Vec<DenyEntry>) -> World {
    let deny = Deny {
        entries,
        ..Deny::default()
    };
    world(deny).await
}

#[tokio::test]
async fn sec_80_a_listed_caller_is_denied_and_nobody_else() {
    let subject = || Denied::Subject("ada".into());
    let client = || Denied::Client("app".into());
    let id = || Denied::Jti("1".into());
    for (what, issuer, denied) in [
        (subject(), Some(ISSUER), true),
        (subject(), Some("https://other.example"), false),
        (Denied::Subject("Ada".into()), Some(ISSUER), false),
        (Denied::Subject("app".into()), Some(ISSUER), false),
        (client(), None, true),
        (client(), Some(ISSUER), true),
        (client(), Some("https://other.example"), false),
        (Denied::Client("ada".into()), None, false),
        (id(), None, true),
        (id(), Some(ISSUER), true),
        (id(), Some("https://other.example"), false),
        (Denied::Jti("11".into()), None, false),
    ] {
        let world = world_of(vec![entry(what.clone(), issuer)]).await;
        let expected = if denied { "denied" } else { "ok" };
        let said = world.reason(&world.token().sign()).await;
        assert_eq!(said, expected, "{what:?} {issuer:?}");
    }
}

#[tokio::test]
async fn sec_80_several_issuers_may_have_one_name_listed() {
    let ada = |issuer| entry(Denied::Subject("ada".into()), Some(issuer));
    let world = world_of(vec![ada("https://other.example"), ada(ISSUER)]).await;
    assert_eq!(world.reason(&world.token().sign()).await, "denied");
}

#[tokio::test]
async fn sec_80_an_id_that_is_a_number_is_its_digits_and_none_is_none() {
    let world = world_of(vec![entry(Denied::Jti("7".into()), None)]).await;
    let with = |token: Token<'_>| token.sign();
    assert_eq!(
        world.reason(&with(world.token().claim("jti", 7))).await,
        "denied"
    );
    assert_eq!(
        world.reason(&with(world.token().no_claim("jti"))).await,
        "ok"
    );
}

#[tokio::test]
async fn sec_80_only_who_is_proven_is_told_so() {
    let world = world_of(vec![entry(Denied::Client("app".into()), None)]).await;
    let token = world.token().claim("exp", NOW.0 - 100).sign();
    assert_eq!(world.reason(&token).await, "expired");
    let forged = Token::new(&TestKey::es256()).sign();
    assert_eq!(world.reason(&forged).await, "invalid_signature");
    let Err(failure) = world.ask(&world.token().sign()).await else {
        panic!("it is listed");
    };
    assert_eq!(failure, Failure::Denied("client"));
    assert_eq!(failure.retry_after(), None);
}

/// A list of so many entries, all of which mean somebody.
fn taken(entries: usize) -> Look {
    let warnings = Vec::new();
    Look::Taken { entries, warnings }
}

/// A world with a list in a file.
async fn listed(text: &str) -> (World, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deny.yaml");
    fs::write(&file, text).unwrap();
    let deny = Deny {
        file: Some(file.clone()),
        entries: vec![entry(Denied::Jti("always".into()), None)],
        listed: config::deny_list(text).unwrap(),
    };
    (world(deny).await, file, folder)
}

#[tokio::test]
async fn sec_80_a_change_of_the_file_concerns_what_was_verified_before() {
    let (world, file, _folder) = listed("[]").await;
    let (token, other) = (
        world.token().sign(),
        world.token().claim("sub", "bob").sign(),
    );
    let ada = world.ask(&token).await.unwrap();
    let bob = world.ask(&other).await.unwrap();
    assert_eq!(
        world.all.deny().look(),
        Look::Same,
        "as it was at the start"
    );
    fs::write(&file, format!("- {{ issuer: {ISSUER}, subject: ada }}")).unwrap();
    assert_eq!(world.all.deny().look(), taken(2));
    assert_eq!(world.all.deny().look(), Look::Same);
    assert_eq!(world.reason(&token).await, "denied");
    let denied = Err(Gone::Failed(Failure::Denied("subject")));
    assert_eq!(world.route.judge_again(&ada, Some(NOW)), denied);
    assert_eq!(
        world.route.judge_again(&ada, None),
        denied,
        "where tokens may end, too"
    );
    assert!(world.route.still_good(&bob, Some(NOW)));
    assert_eq!(world.reason(&other).await, "ok");
    let always = world.token().claim("jti", "always").sign();
    assert_eq!(world.reason(&always).await, "denied");
    fs::write(&file, "[]").unwrap();
    assert_eq!(world.all.deny().look(), taken(1));
    assert_eq!(world.reason(&token).await, "ok");
    assert_eq!(world.reason(&always).await, "denied");
}

#[tokio::test]
async fn sec_80_a_file_that_cannot_be_used_changes_nothing_and_is_told_once() {
    let (world, file, _folder) = listed("- client: app").await;
    let token = world.token().sign();
    let large = format!("- client: {}", "x".repeat(1 << 20));
    for broken in ["", "- subject: ada", "- [", "{}", "- client: \u{0}", &large] {
        fs::write(&file, broken).unwrap();
        assert!(
            matches!(world.all.deny().look(), Look::Refused(_)),
            "{broken:.20}"
        );
        assert_eq!(world.all.deny().look(), Look::Same);
        assert_eq!(world.reason(&token).await, "denied");
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(matches!(world.all.deny().look(), Look::Refused(_)));
    fs::remove_file(&file).unwrap();
    assert!(matches!(world.all.deny().look(), Look::Refused(_)));
    assert_eq!(world.all.deny().look(), Look::Same);
    assert_eq!(world.reason(&token).await, "denied");
    fs::write(&file, "- client: other").unwrap();
    assert_eq!(world.all.deny().look(), taken(2));
    assert_eq!(world.reason(&token).await, "ok");
}

#[tokio::test]
async fn sec_80_a_new_configuration_has_its_own_list_and_leaves_the_old_one() {
    let world = world_of(Vec::new()).await;
    let token = world.token().sign();
    assert_eq!(world.reason(&token).await, "ok");
    let deny = Deny {
        entries: vec![entry(Denied::Client("app".into()), None)],
        ..Deny::default()
    };
    let config = config(&world, deny);
    let new: Arc<Authenticators> = world.all.restart(&config).await.unwrap();
    let route = new.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    let Err(failure) = ask(&route, &token, NOW).await else {
        panic!("it is listed now");
    };
    assert_eq!(failure.reason(), "denied");
    assert_eq!(world.reason(&token).await, "ok");
}
