//! Which signed tokens are access tokens.

use config::TokenType;
use serde_json::{Value, json};

use crate::testing::{ISSUER, NOW, RESOURCE, TestKey, Token, World};

/// A token that does not call itself an access token, without any mark.
fn unmarked(world: &World) -> Token<'_> {
    world.token().header("typ", "JWT").only(json!({
        "iss": ISSUER, "sub": "ada", "aud": RESOURCE, "exp": NOW.0 + 600,
    }))
}

async fn check(world: &World, token: Token<'_>, expected: &str, about: &str) {
    assert_eq!(world.reason(&token.sign()).await, expected, "{about}");
}

#[tokio::test]
async fn r9068_typ_at_jwt_is_an_access_token() {
    let world = World::new().await;
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        check(&world, unmarked(&world).header("typ", typ), "ok", typ).await;
    }
}

#[tokio::test]
async fn r9068_any_other_typ_is_refused() {
    let world = World::new().await;
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "id-jag+jwt",
        "rt+jwt",
        "JWE",
        "",
        " JWT",
        "application/jwt",
    ] {
        check(
            &world,
            world.token().header("typ", typ),
            "token_type_not_allowed",
            typ,
        )
        .await;
    }
}

#[tokio::test]
async fn r9068_a_typ_that_is_no_text_is_refused() {
    let world = World::new().await;
    for typ in [json!(1), json!(null), json!(["at+jwt"])] {
        check(
            &world,
            world.token().header("typ", typ.clone()),
            "malformed_token",
            &typ.to_string(),
        )
        .await;
    }
}

#[tokio::test]
async fn sec_13_only_the_configured_types_are_taken() {
    let world = World::with(TestKey::es256(), |jwt| {
        jwt.token_types = vec![TokenType::AtJwt];
    })
    .await;
    check(&world, world.token(), "ok", "at+jwt").await;
    check(
        &world,
        world.token().header("typ", "JWT"),
        "token_type_not_allowed",
        "JWT",
    )
    .await;
    check(
        &world,
        world.token().no_header("typ"),
        "token_type_not_allowed",
        "absent",
    )
    .await;
}

#[tokio::test]
async fn sec_13_an_ordinary_token_needs_a_mark() {
    let world = World::new().await;
    check(&world, unmarked(&world), "token_type_not_allowed", "JWT").await;
    check(
        &world,
        unmarked(&world).no_header("typ"),
        "token_type_not_allowed",
        "absent",
    )
    .await;
    for (claim, value) in [
        ("scope", json!("mcp")),
        ("scp", json!(["mcp"])),
        ("scopes", json!(["mcp"])),
        ("client_id", json!("app")),
        ("cid", json!("app")),
        ("token_use", json!("access")),
        ("typ", json!("Bearer")),
    ] {
        check(
            &world,
            unmarked(&world).claim(claim, value.clone()),
            "ok",
            claim,
        )
        .await;
        check(
            &world,
            unmarked(&world).no_header("typ").claim(claim, value),
            "ok",
            claim,
        )
        .await;
    }
    for (claim, value) in [
        ("azp", json!("app")),
        ("roles", json!(["a"])),
        ("token_use", json!("x")),
    ] {
        check(
            &world,
            unmarked(&world).claim(claim, value),
            "token_type_not_allowed",
            claim,
        )
        .await;
    }
}

#[tokio::test]
async fn sec_13_id_token_is_refused() {
    let world = World::new().await;
    // as a provider makes it for a client whose id is our audience
    let id_token = unmarked(&world)
        .claim("azp", "app")
        .claim("nonce", "n")
        .claim("at_hash", "h")
        .claim("email", "a@b");
    check(&world, id_token, "token_type_not_allowed", "ID token").await;
}

#[tokio::test]
async fn sec_13_a_mark_does_not_outweigh_a_sign_of_another_kind() {
    let world = World::new().await;
    let marked =
        |claim: &str, value: Value| unmarked(&world).claim("scope", "mcp").claim(claim, value);
    for (claim, value) in [
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        ("s_hash", json!("h")),
        ("nonce", json!("n")),
        (
            "events",
            json!({ "http://schemas.openid.net/event/backchannel-logout": {} }),
        ),
        ("token_use", json!("id")),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
    ] {
        check(
            &world,
            marked(claim, value.clone()),
            "token_type_not_allowed",
            claim,
        )
        .await;
        check(
            &world,
            marked(claim, value).no_header("typ"),
            "token_type_not_allowed",
            claim,
        )
        .await;
    }
}

#[tokio::test]
async fn sec_13_nonce_only_where_it_is_allowed() {
    let world = World::with(TestKey::es256(), |jwt| jwt.nonce_allowed = true).await;
    let token = unmarked(&world).claim("scope", "mcp").claim("nonce", "n");
    check(&world, token, "ok", "nonce").await;
}

#[tokio::test]
async fn sec_13_further_marks_are_the_operators_word() {
    let world = World::with(TestKey::es256(), |jwt| {
        let marks = ["gty", "google.compute_engine"].map(config::ClaimPath::parse);
        jwt.access_token_marks = marks.into_iter().map(Result::unwrap).collect();
    })
    .await;
    let (marked, unmarked) = ("ok", "token_type_not_allowed");
    let nested = json!({ "compute_engine": { "zone": "b" } });
    for (claim, value, expected) in [
        ("gty", json!("client-credentials"), marked),
        ("gty", json!([]), marked),
        ("google", nested, marked),
        ("gty", json!(null), unmarked),
        ("google", json!({}), unmarked),
        ("roles", json!(["x"]), unmarked),
    ] {
        let token = self::unmarked(&world).claim(claim, value.clone());
        check(&world, token, expected, &format!("{claim} {value}")).await;
        // what marks another kind of token counts all the same
        let id = self::unmarked(&world)
            .claim(claim, value)
            .claim("at_hash", "x");
        check(&world, id, unmarked, claim).await;
    }
}

#[tokio::test]
async fn sec_15_a_token_bound_to_a_key_is_refused() {
    let world = World::new().await;
    let hash = "A".repeat(43);
    for (cnf, reason) in [
        (json!({ "jkt": hash }), "proof_required"),
        (json!({ "x5t#S256": hash }), "proof_required"),
        (json!({ "jwk": {} }), "proof_required"),
        (json!({}), "proof_required"),
        (json!({ "jkt": "x" }), "malformed_token"),
        (json!(null), "malformed_token"),
    ] {
        let token = world.token().claim("cnf", cnf.clone());
        check(&world, token, reason, &cnf.to_string()).await;
    }
}

#[tokio::test]
async fn trap_4_a_header_that_demands_extensions_is_refused() {
    let world = World::new().await;
    for crit in [
        json!(["b64"]),
        json!(["exp"]),
        json!([]),
        json!("b64"),
        json!(null),
    ] {
        check(
            &world,
            world.token().header("crit", crit.clone()),
            "critical_header",
            &crit.to_string(),
        )
        .await;
    }
    let unencoded = world
        .token()
        .header("crit", json!(["b64"]))
        .header("b64", false);
    check(&world, unencoded, "critical_header", "b64").await;
}
