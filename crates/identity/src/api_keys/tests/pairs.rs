//! A key beside a token, and keys that are denied.

use config::{ClaimPath, Denied, Deny, DenyEntry, IdentityHeaders, KeyHolder};

use super::{KEY, Setting, acting, ask, holder, keys};
use crate::testing::{self, ISSUER, NOW, RESOURCE};
use crate::{Failure, Timestamp};

#[tokio::test]
async fn x7_sec_2_a_users_token_and_a_services_key_disagree() {
    let setting = Setting::new(vec![(
        "machines",
        keys("X-API-Key", vec![holder("ci", &[KEY])]),
    )])
    .await;
    let bearer = setting.bearer();
    for _ in ["verified now", "remembered"] {
        let failure = setting
            .failure(&[("authorization", &bearer), ("x-api-key", KEY)])
            .await;
        assert_eq!(failure.reason(), "identities_disagree");
        let told = failure.to_string();
        assert!(
            told.contains("ada") && told.contains("ci") && told.contains(ISSUER),
            "{told}"
        );
        assert_eq!(
            setting
                .caller(&[("authorization", &bearer)])
                .await
                .subject(),
            "ada"
        );
    }
}

#[tokio::test]
async fn x7_s0_37_each_credential_has_to_be_good() {
    let setting = Setting::new(vec![(
        "machines",
        keys("X-API-Key", vec![acting("ci", "ada")]),
    )])
    .await;
    let (good, bad) = (setting.bearer(), "Bearer bad");
    for (token, key, reason) in [
        (&*good, "wrong", "unknown_api_key"),
        (bad, KEY, "not_a_jwt"),
        (bad, "wrong", "unknown_api_key"),
        (&*good, "", "malformed_credentials"),
        ("Basic x", KEY, "malformed_credentials"),
    ] {
        let failure = setting
            .failure(&[("authorization", token), ("x-api-key", key)])
            .await;
        assert_eq!(failure.reason(), reason, "{token} {key}");
    }
    let both = setting
        .caller(&[("authorization", &good), ("x-api-key", KEY)])
        .await;
    assert_eq!(both.subject(), "ada");
}

#[tokio::test]
async fn sec_2_a_key_that_acts_for_the_tokens_subject_narrows_the_token() {
    let key = KeyHolder {
        expires: Some(NOW.0 + 60),
        ..acting("ci", "ada")
    };
    let setting = Setting::new(vec![("machines", keys("X-API-Key", vec![key]))]).await;
    let bearer = setting.bearer();
    for _ in ["verified now", "remembered"] {
        let caller = setting
            .caller(&[("authorization", &bearer), ("x-api-key", KEY)])
            .await;
        assert_eq!((caller.issuer(), caller.subject()), (ISSUER, "ada"));
        assert_eq!((caller.authenticator(), caller.method()), ("corp", "jwks"));
        assert_eq!(caller.with_key(), Some(("machines", "ci")));
        assert_eq!(caller.scopes().to_string(), "mcp");
        assert_eq!(caller.values().scopes.as_ref().unwrap(), "mcp");
        assert_eq!(caller.values().subject, "ada");
        assert_eq!(caller.expires(), Timestamp(NOW.0 + 60));
        // a stream has to have both
        assert!(
            setting
                .route
                .still_good(&caller, Some(Timestamp(NOW.0 + 59)))
        );
        assert!(
            !setting
                .route
                .still_good(&caller, Some(Timestamp(NOW.0 + 60)))
        );
        let corp_alone = setting.all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
        assert!(!corp_alone.still_good(&caller, Some(NOW)));
        // the token alone has kept what it had
        let alone = setting.caller(&[("authorization", &bearer)]).await;
        assert_eq!(alone.scopes().to_string(), "mcp other");
    }
}

#[tokio::test]
async fn sec_2_acting_is_for_one_subject_of_one_issuer() {
    for (issuer, subject) in [
        (ISSUER, "Ada"),
        ("https://issuer.example/", "ada"),
        (ISSUER, "app"),
    ] {
        let mut key = acting("ci", subject);
        key.acts_for.as_mut().unwrap().issuer = issuer.into();
        let setting = Setting::new(vec![("machines", keys("X-API-Key", vec![key]))]).await;
        let bearer = setting.bearer();
        let failure = setting
            .failure(&[("authorization", &bearer), ("x-api-key", KEY)])
            .await;
        assert_eq!(
            failure.reason(),
            "identities_disagree",
            "{issuer} {subject}"
        );
        // alone it is itself
        assert_eq!(setting.caller(&[("x-api-key", KEY)]).await.subject(), "ci");
    }
}

#[tokio::test]
async fn sec_2_claims_that_say_scopes_are_narrowed_too() {
    let claims = ["scope", "sub", "groups"].map(|name| ClaimPath::parse(name).unwrap());
    let map = claims
        .iter()
        .map(|claim| (format!("x-{}", claim.as_str()).into(), claim.clone()));
    let headers = IdentityHeaders::Map(map.collect());
    let ci = KeyHolder {
        groups: vec!["builders".into()],
        ..acting("ci", "ada")
    };
    let machines = vec![("machines", keys("X-API-Key", vec![ci]))];
    let setting = Setting::with(machines, |config| {
        config.routes.push(testing::route(headers));
    })
    .await;
    let route = setting
        .all
        .for_route(&[0, 1], &[], &[RESOURCE.into()], &claims);
    let bearer = setting.bearer();
    let extras = async |headers: &[(&str, &str)]| {
        let caller = ask(&route, headers, NOW).await.unwrap().unwrap();
        [0, 1, 2].map(|index| {
            caller
                .extra(index)
                .map(|value| value.to_str().unwrap().to_owned())
        })
    };
    let some = |text: &str| Some(text.to_owned());
    let both = extras(&[("authorization", &bearer), ("x-api-key", KEY)]).await;
    assert_eq!(both, [some("mcp"), some("ada"), None]);
    let token = extras(&[("authorization", &bearer)]).await;
    assert_eq!(token, [some("mcp other"), some("ada"), None]);
    let key = extras(&[("x-api-key", KEY)]).await;
    assert_eq!(key, [some("extra mcp"), some("ci"), some("builders")]);
}

#[tokio::test]
async fn sec_80_a_key_can_be_denied_by_its_id() {
    let machines = "urn:portcullis:key:machines";
    for (what, issuer, denied) in [
        (Denied::Key("ci".into()), None, true),
        (Denied::Key("ci".into()), Some(machines), true),
        (
            Denied::Key("ci".into()),
            Some("urn:portcullis:key:other"),
            false,
        ),
        (Denied::Key("CI".into()), None, false),
        (Denied::Key("ada".into()), None, false),
        (Denied::Subject("ci".into()), Some(machines), true),
        (Denied::Subject("ci".into()), Some(ISSUER), false),
    ] {
        let entry = DenyEntry {
            what: what.clone(),
            issuer: issuer.map(Box::from),
        };
        let deny = Deny {
            entries: vec![entry],
            ..Deny::default()
        };
        let kinds = vec![("machines", keys("X-API-Key", vec![acting("ci", "ada")]))];
        let setting = Setting::with(kinds, |config| config.deny = deny).await;
        let bearer = setting.bearer();
        for headers in [
            &[("x-api-key", KEY)][..],
            &[("authorization", &bearer), ("x-api-key", KEY)],
        ] {
            let reason = setting
                .ask(headers)
                .await
                .err()
                .map(|failure| failure.reason());
            assert_eq!(reason, denied.then_some("denied"), "{what:?} {issuer:?}");
        }
        // a token of a subject that is called like a key is another caller
        assert_eq!(
            setting
                .caller(&[("authorization", &bearer)])
                .await
                .subject(),
            "ada"
        );
    }
}

#[tokio::test]
async fn sec_80_a_denied_token_is_denied_beside_a_key_too() {
    let deny = Deny {
        entries: vec![DenyEntry {
            what: Denied::Client("app".into()),
            issuer: None,
        }],
        ..Deny::default()
    };
    let kinds = vec![("machines", keys("X-API-Key", vec![acting("ci", "ada")]))];
    let setting = Setting::with(kinds, |config| config.deny = deny).await;
    let failure = setting
        .failure(&[("authorization", &setting.bearer()), ("x-api-key", KEY)])
        .await;
    assert_eq!(failure, Failure::Denied("client"));
    assert_eq!(setting.caller(&[("x-api-key", KEY)]).await.subject(), "ci");
}
