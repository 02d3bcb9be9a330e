//! Whom a token names, and what it says about them.

use config::{ClaimPath, Config, IdentityHeaders};
use serde_json::{Value, json};

use crate::testing::{RESOURCE, TestKey, Token, World};
use crate::{Caller, Kind};

async fn caller(world: &World, token: Token<'_>) -> Caller {
    world.ask(&token.sign()).await.unwrap()
}

#[tokio::test]
async fn sec_1_a_caller_is_issuer_kind_and_subject() {
    let world = World::new().await;
    let ada = caller(&world, world.token()).await;
    assert_eq!(
        (ada.issuer(), ada.kind(), ada.subject()),
        ("https://issuer.example", Kind::User, "ada")
    );
    assert_eq!(ada.client_id(), Some("app"));
    let values = ada.values();
    assert_eq!(
        (&values.subject, &values.kind, &values.method),
        (
            &"ada".parse().unwrap(),
            &"user".parse().unwrap(),
            &"jwks".parse().unwrap()
        )
    );
    assert_eq!(values.client.as_ref().unwrap(), "app");
}

#[tokio::test]
async fn sec_1_a_token_without_sub_is_a_client() {
    let world = World::new().await;
    let machine = caller(&world, world.token().no_claim("sub")).await;
    assert_eq!((machine.kind(), machine.subject()), (Kind::Client, "app"));
    assert_eq!(machine.values().kind, "client");
    let by_azp = world
        .token()
        .no_claim("sub")
        .no_claim("client_id")
        .claim("azp", "svc");
    let machine = caller(&world, by_azp).await;
    assert_eq!(
        (machine.kind(), machine.subject(), machine.client_id()),
        (Kind::Client, "svc", Some("svc"))
    );
}

#[tokio::test]
async fn sec_1_a_client_never_looks_like_a_user() {
    let world = World::new().await;
    for (token, about) in [
        (
            world.token().claim("sub", "app"),
            "sub is the client (RFC 9068)",
        ),
        (
            world
                .token()
                .no_claim("client_id")
                .claim("azp", "svc")
                .claim("sub", "svc"),
            "sub is the azp",
        ),
        (
            world
                .token()
                .no_claim("client_id")
                .claim("cid", "svc")
                .claim("sub", "svc"),
            "Okta",
        ),
        (
            world
                .token()
                .claim("sub", "app@clients")
                .claim("gty", "client-credentials"),
            "Auth0",
        ),
        (
            world.token().claim("sub", "object").claim("idtyp", "app"),
            "Entra",
        ),
    ] {
        assert_eq!(caller(&world, token).await.kind(), Kind::Client, "{about}");
    }
    let user = world
        .token()
        .claim("gty", "password")
        .claim("idtyp", "user");
    assert_eq!(caller(&world, user).await.kind(), Kind::User);
}

#[tokio::test]
async fn sec_1_a_token_that_names_nobody_is_refused() {
    let world = World::new().await;
    let nobody = || world.token().no_claim("sub").no_claim("client_id");
    assert_eq!(world.reason(&nobody().sign()).await, "missing_subject");
    assert_eq!(
        world.reason(&nobody().claim("azp", "").sign()).await,
        "missing_subject"
    );
    assert_eq!(
        world.reason(&world.token().claim("sub", "").sign()).await,
        "missing_subject"
    );
    // Okta's cid names the client of a user's token, never a caller of its own
    assert_eq!(
        world.reason(&nobody().claim("cid", "x").sign()).await,
        "missing_subject"
    );
}

#[tokio::test]
async fn sec_1_an_empty_client_is_none() {
    let world = World::new().await;
    let ada = caller(&world, world.token().claim("client_id", "")).await;
    assert_eq!((ada.kind(), ada.client_id()), (Kind::User, None));
    assert_eq!(ada.values().client, None);
}

#[tokio::test]
async fn sec_1_a_name_that_is_no_string_is_refused() {
    let world = World::new().await;
    for claim in ["sub", "client_id"] {
        for value in [json!(1), json!(null), json!(["ada"]), json!({})] {
            let token = world.token().claim(claim, value.clone()).sign();
            assert_eq!(
                world.reason(&token).await,
                "malformed_token",
                "{claim} = {value}"
            );
        }
    }
}

#[tokio::test]
async fn t_j2_the_subject_may_be_another_claim() {
    let world = World::with(TestKey::es256(), |jwt| {
        jwt.rules.claims.subject = ClaimPath::parse("https://acme.example/uid").unwrap();
    })
    .await;
    let ada = caller(
        &world,
        world.token().claim("https://acme.example/uid", "u-1"),
    )
    .await;
    assert_eq!((ada.kind(), ada.subject()), (Kind::User, "u-1"));
}

async fn scopes(world: &World, claims: &[(&str, Value)]) -> String {
    let mut token = world.token().no_claim("scope");
    for (name, value) in claims {
        token = token.claim(name, value.clone());
    }
    caller(world, token).await.scopes().to_string()
}

#[tokio::test]
async fn t_o6_scopes_are_a_text_or_a_list() {
    let world = World::new().await;
    assert_eq!(scopes(&world, &[("scope", json!("b a"))]).await, "a b");
    assert_eq!(scopes(&world, &[("scopes", json!("a b"))]).await, "a b");
    assert_eq!(scopes(&world, &[("scp", json!(["b", "a"]))]).await, "a b");
    assert_eq!(scopes(&world, &[("scp", json!("a"))]).await, "a");
    assert_eq!(scopes(&world, &[]).await, "");
    let values = caller(&world, world.token().claim("scope", "b a")).await;
    assert_eq!(values.values().scopes.as_ref().unwrap(), "a b");
}

#[tokio::test]
async fn sec_16_of_several_scope_claims_the_first_is_used() {
    let world = World::new().await;
    assert_eq!(
        scopes(&world, &[("scope", json!("a")), ("scp", json!(["admin"]))]).await,
        "a"
    );
    assert_eq!(
        scopes(&world, &[("scope", json!("")), ("scp", json!(["admin"]))]).await,
        ""
    );
    assert_eq!(
        scopes(&world, &[("scopes", json!([])), ("scp", json!(["admin"]))]).await,
        ""
    );
}

#[tokio::test]
async fn sec_16_a_scope_that_is_none_is_refused() {
    let world = World::new().await;
    for value in [
        json!(["a b"]),
        json!(["a", "b admin"]),
        json!(["a\tb"]),
        json!([""]),
        json!([1]),
        json!([["a"]]),
        json!("a\tb"),
        json!("a\"b"),
        json!("ä"),
        json!(1),
        json!(null),
        json!({ "a": true }),
    ] {
        let token = world.token().claim("scope", value.clone()).sign();
        assert_eq!(world.reason(&token).await, "malformed_token", "{value}");
    }
}

#[tokio::test]
async fn scp_5_a_scope_implies_what_the_map_says_however_many_steps_away() {
    let row = |scope: &str, implied: &[&str]| -> (Box<str>, Vec<Box<str>>) {
        (
            scope.into(),
            implied.iter().map(|scope| Box::from(*scope)).collect(),
        )
    };
    let world = World::with(TestKey::es256(), |jwt| {
        jwt.rules.scope_map = vec![
            row("admin", &["write"]),
            row("write", &["read", "admin"]),
            row("mcp", &["mcp:call", "mcp:list"]),
        ];
    })
    .await;
    assert_eq!(
        scopes(&world, &[("scope", json!("admin"))]).await,
        "admin read write"
    );
    assert_eq!(scopes(&world, &[("scope", json!("read"))]).await, "read");
    assert_eq!(
        scopes(&world, &[("scope", json!("mcp"))]).await,
        "mcp mcp:call mcp:list"
    );
}

#[tokio::test]
async fn s0_74_without_a_map_a_scope_is_literal() {
    let world = World::new().await;
    assert_eq!(scopes(&world, &[("scope", json!("mcp"))]).await, "mcp");
}

async fn email(world: &World, claims: &[(&str, Value)]) -> Option<String> {
    let mut token = world.token().claim("email", "ada@acme.example");
    for (name, value) in claims {
        token = token.claim(name, value.clone());
    }
    let caller = caller(world, token).await;
    caller
        .values()
        .email
        .as_ref()
        .map(|email| email.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn sec_4_an_address_is_sent_only_if_it_is_verified() {
    let world = World::new().await;
    assert_eq!(email(&world, &[]).await, None);
    for unsure in [json!(false), json!("true"), json!(1), json!(null)] {
        assert_eq!(email(&world, &[("email_verified", unsure)]).await, None);
    }
    assert_eq!(
        email(&world, &[("email_verified", json!(true))])
            .await
            .as_deref(),
        Some("ada@acme.example")
    );
}

#[tokio::test]
async fn sec_4_trust_email_takes_the_providers_word() {
    let world = World::with(TestKey::es256(), |jwt| jwt.rules.trust_email = true).await;
    assert_eq!(
        email(&world, &[]).await.as_deref(),
        Some("ada@acme.example")
    );
    assert_eq!(
        email(&world, &[("email", json!(["ada@acme.example"]))]).await,
        None
    );
}

#[tokio::test]
async fn sec_35_the_identity_is_encoded_in_one_way() {
    let world = World::new().await;
    let token = world
        .token()
        .claim("sub", "a,b%\r\nX: 1")
        .claim("name", " Zoë ")
        .claim("groups", json!(["dev,ops", "über", 7, "qa"]));
    let caller = caller(&world, token).await;
    assert_eq!(caller.subject(), "a,b%\r\nX: 1");
    let values = caller.values();
    assert_eq!(values.subject, "a%2Cb%25%0D%0AX: 1");
    assert_eq!(values.name.as_ref().unwrap(), "%20Zo%C3%AB%20");
    assert_eq!(values.groups.as_ref().unwrap(), "dev%2Cops,%C3%BCber,qa");
}

#[tokio::test]
async fn sec_35_past_8_kib_the_identity_is_marked_and_not_cut() {
    let world = World::new().await;
    let groups: Vec<String> = (0..800).map(|at| format!("group-{at:04}")).collect();
    let caller = caller(&world, world.token().claim("groups", groups.clone())).await;
    assert!(caller.values().too_large);
    assert_eq!(caller.values().groups.as_ref().unwrap(), &groups.join(","));
    let few = world
        .ask(&world.token().claim("groups", &groups[..600]).sign())
        .await
        .unwrap();
    assert!(!few.values().too_large);
}

#[tokio::test]
async fn t_o6_a_route_may_ask_for_further_claims() {
    let directory = tempfile::tempdir().unwrap();
    let (key, file) = (TestKey::es256(), directory.path().join("jwks"));
    crate::testing::publish(&file, &[key.jwk("k1")]);
    let kind = crate::testing::settings().jwks(config::KeySource::File(file));
    let claims: Vec<ClaimPath> = ["tenant", "org.id", "level", "roles", "absent", "deep"]
        .map(|path| ClaimPath::parse(path).unwrap())
        .into();
    let config = Config {
        routes: vec![crate::testing::route(IdentityHeaders::Map(
            claims
                .iter()
                .map(|claim| ("x".into(), claim.clone()))
                .collect(),
        ))],
        ..crate::testing::config(vec![("corp", kind)])
    };
    let all = crate::Authenticators::start(&config, crate::testing::clock())
        .await
        .unwrap();
    let reversed: Vec<ClaimPath> = claims.iter().rev().cloned().collect();
    let token = Token::new(&key)
        .claim("tenant", "acme, inc")
        .claim("org", json!({ "id": "o-1" }))
        .claim("level", 3)
        .claim("roles", json!(["a", "b"]))
        .claim("deep", json!({ "a": 1 }))
        .sign();
    let text = |caller: &Caller, at| {
        caller
            .extra(at)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let route = all.for_route(&[0], &[], &[RESOURCE.into()], &claims);
    let caller = crate::testing::ask(&route, &token, crate::testing::NOW)
        .await
        .unwrap();
    let found: Vec<_> = (0..7).map(|at| text(&caller, at)).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [
            some("acme%2C inc"),
            some("o-1"),
            some("3"),
            some("a,b"),
            None,
            None,
            None
        ]
    );
    // another route, another order, the same remembered credential
    let route = all.for_route(&[0], &[], &[RESOURCE.into()], &reversed);
    let caller = crate::testing::ask(&route, &token, crate::testing::NOW)
        .await
        .unwrap();
    assert_eq!(text(&caller, 5), some("acme%2C inc"));
    assert!(!caller.extras_too_large());
    let long = Token::new(&key).claim("tenant", "x".repeat(5000));
    let long = long.claim("level", "y".repeat(3300)).sign();
    let caller = crate::testing::ask(&route, &long, crate::testing::NOW)
        .await
        .unwrap();
    assert!(caller.extras_too_large() && !caller.values().too_large);
}
