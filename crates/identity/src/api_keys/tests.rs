mod pairs;

use std::sync::Arc;

use config::{ActsFor, ApiKeys, AuthenticatorKind, Config, KeyHolder, KeySource};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::format::sha256;
use crate::testing::{self, ISSUER, NOW, RESOURCE, World, evidence};
use crate::{Authenticators, Caller, Failure, Presented, RouteAuthenticator, Timestamp};

const KEY: &str = "7f83b1657ff1fc53b92dc18148a1d65d";
const OTHER: &str = "3PpkjmzmyLbhYQ0LztUcKw==";

fn holder(id: &str, keys: &[&str]) -> KeyHolder {
    KeyHolder {
        id: id.into(),
        hashes: keys.iter().map(|key| sha256(key.as_bytes())).collect(),
        scopes: vec!["mcp".into(), "extra".into()],
        expires: None,
        acts_for: None,
        name: None,
        email: None,
        groups: Vec::new(),
    }
}

fn keys(header: &str, keys: Vec<KeyHolder>) -> AuthenticatorKind {
    AuthenticatorKind::ApiKeys(ApiKeys {
        header: header.into(),
        keys,
        scope_map: Vec::new(),
    })
}

/// A provider whose tokens are taken beside the keys of these authenticators.
struct Setting {
    world: World,
    config: Config,
    all: Arc<Authenticators>,
    route: RouteAuthenticator,
}

impl Setting {
    async fn new(kinds: Vec<(&'static str, AuthenticatorKind)>) -> Self {
        Self::with(kinds, |_| {}).await
    }

    async fn with(
        kinds: Vec<(&'static str, AuthenticatorKind)>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let world = World::new().await;
        let corp = testing::settings().jwks(KeySource::File(world.file.clone()));
        let all = [("corp", corp)].into_iter().chain(kinds);
        let mut config = testing::config(all.collect());
        change(&mut config);
        let all = world.all.restart(&config).await.unwrap();
        let accept: Vec<usize> = (0..config.authenticators.len()).collect();
        let route = all.for_route(&accept, &[], &[RESOURCE.into()], &[]);
        Self {
            world,
            config,
            all,
            route,
        }
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> Result<Option<Caller>, Failure> {
        ask(&self.route, headers, NOW).await
    }

    async fn caller(&self, headers: &[(&str, &str)]) -> Caller {
        self.ask(headers).await.unwrap().unwrap()
    }

    async fn failure(&self, headers: &[(&str, &str)]) -> Failure {
        self.ask(headers).await.unwrap_err()
    }

    /// The value of `Authorization` for a token of ada with scopes `mcp other`.
    fn bearer(&self) -> String {
        let token = self.world.token().claim("scope", "mcp other");
        format!("Bearer {}", token.sign())
    }
}

async fn ask(
    route: &RouteAuthenticator,
    headers: &[(&str, &str)],
    now: Timestamp,
) -> Result<Option<Caller>, Failure> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    match route.look(&evidence(&map), now)? {
        Presented::Nothing => Ok(None),
        Presented::Known(caller) => Ok(Some(caller)),
        Presented::Unknown(unverified) => route.caller(unverified, now).await.map(Some),
    }
}

fn acting(id: &str, subject: &str) -> KeyHolder {
    KeyHolder {
        acts_for: Some(ActsFor {
            issuer: ISSUER.into(),
            subject: subject.into(),
        }),
        ..holder(id, &[KEY])
    }
}

#[tokio::test]
async fn t_ak_sec_1_a_key_is_a_client_of_its_authenticator() {
    let ci = KeyHolder {
        name: Some("Build, server".into()),
        email: Some("ci@example.com".into()),
        groups: vec!["a".into(), "b,c".into()],
        ..holder("ci", &[KEY])
    };
    let setting = Setting::new(vec![("machines", keys("X-API-Key", vec![ci]))]).await;
    for name in ["X-API-Key", "x-api-key", "X-API-KEY"] {
        let caller = setting.caller(&[(name, KEY)]).await;
        assert_eq!(caller.issuer(), "urn:portcullis:key:machines");
        assert_eq!((caller.kind().as_str(), caller.subject()), ("client", "ci"));
        assert_eq!(
            (caller.authenticator(), caller.method()),
            ("machines", "api_keys")
        );
        assert_eq!(caller.scopes().to_string(), "extra mcp");
        assert_eq!((caller.client_id(), caller.with_key()), (None, None));
        let values = caller.values();
        assert_eq!(values.subject, "ci");
        assert_eq!(values.issuer, "urn:portcullis:key:machines");
        assert_eq!(values.kind, "client");
        assert_eq!(values.method, "api_keys");
        assert_eq!(values.scopes.as_ref().unwrap(), "extra mcp");
        assert_eq!(values.name.as_ref().unwrap(), "Build%2C server");
        assert_eq!(values.email.as_ref().unwrap(), "ci@example.com");
        assert_eq!(values.groups.as_ref().unwrap(), "a,b%2Cc");
        assert!(values.client.is_none());
    }
    assert!(setting.ask(&[]).await.unwrap().is_none());
    assert!(setting.ask(&[("X-Other", KEY)]).await.unwrap().is_none());
}

#[tokio::test]
async fn t_ak3_t_ak10_any_of_several_keys_counts_and_no_other() {
    let holders = vec![
        holder("ci", &[KEY, OTHER]),
        holder("cd", &["0123456789abcdefghijklmnop"]),
    ];
    let setting = Setting::new(vec![("machines", keys("X-My-Key", holders))]).await;
    for (key, id) in [
        (KEY, "ci"),
        (OTHER, "ci"),
        ("0123456789abcdefghijklmnop", "cd"),
    ] {
        assert_eq!(setting.caller(&[("x-my-key", key)]).await.subject(), id);
    }
    let stored = format!("sha256:{}", "0".repeat(64));
    for (key, hint) in [
        ("7f83b1657ff1fc53b92dc18148a1d65e", ""),
        ("7F83B1657FF1FC53B92DC18148A1D65D", ""),
        (
            "portcullis_0000000000000000000000000000000000000000000000000",
            "; its checksum is wrong: it was not copied whole",
        ),
        (&*stored, "; it is the stored form of one"),
        (
            "eyJhbGciOiJub25lIn0.e30.",
            "; it looks like a token, and tokens belong in Authorization: Bearer",
        ),
    ] {
        let failure = setting.failure(&[("x-my-key", key)]).await;
        assert_eq!(failure, Failure::UnknownApiKey(hint), "{key}");
        assert_eq!(failure.reason(), "unknown_api_key");
        assert!(!failure.to_string().contains(key));
    }
}

#[tokio::test]
async fn t_ak_what_is_no_key_is_malformed_and_never_absent() {
    let setting = Setting::new(vec![
        ("machines", keys("X-API-Key", vec![holder("ci", &[KEY])])),
        ("others", keys("X-Other", vec![holder("cd", &[OTHER])])),
    ])
    .await;
    let long = "a".repeat(513);
    for (headers, why) in [
        (
            &[("x-api-key", KEY), ("x-api-key", KEY)][..],
            "more than one line of it",
        ),
        (
            &[("x-api-key", KEY), ("x-other", OTHER)],
            "more than one key",
        ),
        (&[("x-api-key", "")], "empty"),
        (&[("x-api-key", "a b")], "not one word of visible ASCII"),
        (&[("x-api-key", "a\tb")], "not one word of visible ASCII"),
        (
            &[("x-api-key", "schlüssel")],
            "not one word of visible ASCII",
        ),
        (&[("x-api-key", &long)], "over 512 bytes"),
    ] {
        let failure = setting.failure(headers).await;
        assert_eq!(failure, Failure::MalformedApiKey(why));
        assert_eq!(failure.reason(), "malformed_credentials");
    }
    let failure = setting.failure(&[("x-api-key", &long[..512])]).await;
    assert_eq!(failure, Failure::UnknownApiKey(""));
}

#[tokio::test]
async fn t_ak_a_shared_header_is_looked_up_in_every_authenticator_of_it() {
    let setting = Setting::new(vec![
        ("a", keys("X-API-Key", vec![holder("one", &[KEY])])),
        ("b", keys("x-api-key", vec![holder("two", &[OTHER])])),
    ])
    .await;
    for (key, name) in [(KEY, "a"), (OTHER, "b")] {
        assert_eq!(
            setting.caller(&[("x-api-key", key)]).await.authenticator(),
            name
        );
    }
    let failure = setting.failure(&[("x-api-key", "neither")]).await;
    assert_eq!(failure, Failure::UnknownApiKey(""));
    // where only one of them is accepted, the other's keys are unknown
    let route = setting.all.for_route(&[2], &[], &[], &[]);
    let refused = ask(&route, &[("x-api-key", KEY)], NOW).await.unwrap_err();
    assert_eq!(refused, Failure::UnknownApiKey(""));
    // and where none is, nobody looks
    let route = setting.all.for_route(&[0], &[], &[], &[]);
    assert!(
        ask(&route, &[("x-api-key", KEY)], NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!setting.all.for_route(&[1, 2], &[], &[], &[]).takes_tokens());
    assert_eq!(setting.route.issuers(), [ISSUER.into()]);
}

#[tokio::test]
async fn t_ak_a_key_ends_at_its_moment_without_leeway() {
    let ci = KeyHolder {
        expires: Some(NOW.0),
        ..holder("ci", &[KEY])
    };
    let setting = Setting::new(vec![("machines", keys("X-API-Key", vec![ci]))]).await;
    let at = |now| ask(&setting.route, &[("x-api-key", KEY)], Timestamp(now));
    let caller = at(NOW.0 - 1).await.unwrap().unwrap();
    assert_eq!(caller.expires(), NOW);
    let failure = at(NOW.0).await.unwrap_err();
    assert_eq!(failure, Failure::ApiKeyExpired { late: 0 });
    assert_eq!(failure.reason(), "expired");
    // and so do the streams that it opened
    assert!(
        setting
            .route
            .still_good(&caller, Some(Timestamp(NOW.0 - 1)))
    );
    assert!(!setting.route.still_good(&caller, Some(NOW)));
}

#[tokio::test]
async fn x26_a_key_of_ours_as_a_bearer_token_is_told_apart_and_asked_of_nobody() {
    let setting = Setting::new(vec![(
        "machines",
        keys("X-API-Key", vec![holder("ci", &[KEY])]),
    )])
    .await;
    let key = crate::ApiKey::generate().unwrap();
    let failure = setting
        .failure(&[("authorization", &format!("Bearer {}", key.expose()))])
        .await;
    assert_eq!(
        failure,
        Failure::NotAJwt("an API key, which has a header of its own")
    );
    // a key of another form is no token either
    let failure = setting
        .failure(&[("authorization", &format!("Bearer {KEY}"))])
        .await;
    assert_eq!(failure.reason(), "not_a_jwt");
}

#[tokio::test]
async fn sec_1_no_token_can_say_that_it_is_a_key() {
    let setting = Setting::new(vec![(
        "machines",
        keys("X-API-Key", vec![holder("ci", &[KEY])]),
    )])
    .await;
    let token = setting
        .world
        .token()
        .claim("iss", "urn:portcullis:key:machines")
        .claim("sub", "ci");
    let failure = setting
        .failure(&[("authorization", &format!("Bearer {}", token.sign()))])
        .await;
    assert_eq!(failure.reason(), "issuer_mismatch");
    let told = failure.to_string();
    assert!(
        told.contains("expected [\"https://issuer.example\"], got"),
        "{told}"
    );
}

#[tokio::test]
async fn sec_12_a_key_that_is_taken_out_is_unknown_after_the_reload_and_its_streams_end() {
    let both = vec![(
        "machines",
        keys(
            "X-API-Key",
            vec![holder("ci", &[KEY]), holder("cd", &[OTHER])],
        ),
    )];
    let setting = Setting::new(both).await;
    let caller = setting.caller(&[("x-api-key", KEY)]).await;
    let same = setting.all.restart(&setting.config).await.unwrap();
    let same = same.for_route(&[0, 1], &[], &[RESOURCE.into()], &[]);
    assert!(same.still_good(&caller, Some(NOW)));
    let mut config = setting.config.clone();
    config.authenticators[1].kind = keys("X-API-Key", vec![holder("cd", &[OTHER])]);
    let all = setting.all.restart(&config).await.unwrap();
    let route = all.for_route(&[0, 1], &[], &[RESOURCE.into()], &[]);
    assert!(!route.still_good(&caller, Some(NOW)));
    let failure = ask(&route, &[("x-api-key", KEY)], NOW).await.unwrap_err();
    assert_eq!(failure, Failure::UnknownApiKey(""));
    assert!(
        ask(&route, &[("x-api-key", OTHER)], NOW)
            .await
            .unwrap()
            .is_some()
    );
}
