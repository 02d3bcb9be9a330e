//! Bad tokens: what each looks like from both sides of the gateway. Good ones are all over the other stories.

use serde_json::json;
use testbed::idp::Algorithm;

use crate::setting::{assert_challenged, bad_token, call, refused, world, world_of};

#[tokio::test]
async fn t_o2_t_o12_t_h1_without_a_token_even_initialize_is_refused_with_a_challenge() {
    let world = world().await;
    let request = world.client().post("/mcp");
    let initialize = request.rpc(1, "initialize", &json!({}));
    let refused = refused(&world, initialize, 401, "missing_credentials").await;
    let challenge = refused.answer.challenge();
    let names: Vec<_> = challenge.keys().map(String::as_str).collect();
    assert_eq!(names, ["resource_metadata", "scope"]);
}

#[tokio::test]
async fn s3_8_t_o1_t_h4_t_h5_with_a_good_token_the_server_answers() {
    let world = world().await;
    for method in ["initialize", "tools/list", "tools/call"] {
        let request = world.client().post("/mcp").rpc(1, method, &json!({}));
        let answer = request.bearer(world.token()).send().await;
        answer.is(200);
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.json(), json!({"recorded": true}));
    }
    assert_eq!(world.server.requests(), 3);
}

#[tokio::test]
async fn s3_10_s3_44_s4_10_what_the_provider_did_not_sign_is_refused() {
    let world = world().await;
    let token = world.token();
    let forged = bad_token(&world, token.sign_with_other_key(), "invalid_signature").await;
    assert_eq!(forged.cause(), "invalid token signature");
    bad_token(&world, token.tampered(), "invalid_signature").await;
    let confused = token.sign_with_secret(world.idp.rsa_public_pem().as_bytes());
    let confused = bad_token(&world, confused, "algorithm_not_allowed").await;
    assert!(
        confused.cause().contains("HS256"),
        "T-J10: {}",
        confused.cause()
    );
    let unsigned = call(&world).bearer(token.unsigned()).send().await;
    assert_challenged(&world, &unsigned, false);
    assert_eq!(world.server.requests(), 0);
    let good = call(&world)
        .bearer(token.clone().algorithm(Algorithm::Es256))
        .send();
    good.await.is(200);
    let unasked = token.algorithm(Algorithm::EdDsa);
    bad_token(&world, unasked, "algorithm_not_allowed").await;
}

#[tokio::test]
async fn s3_10_t_j10_an_algorithm_counts_where_it_is_configured() {
    let idp = testbed::Idp::start().await;
    let world = world_of(idp, ", algorithms: [EdDSA]", "").await;
    let ed = world.token().algorithm(Algorithm::EdDsa);
    call(&world).bearer(ed).send().await.is(200);
    let refused = bad_token(&world, world.token(), "algorithm_not_allowed").await;
    assert!(
        refused.cause().contains("RS256") && refused.cause().contains("EdDSA"),
        "{}",
        refused.cause()
    );
}

#[tokio::test]
async fn s3_46_s4_13_s4_28_t_o4_t_o13_t_o14_t_o17_t_h2_times_are_judged() {
    let world = world().await;
    let expired = bad_token(&world, world.token().expires_in(-40), "expired").await;
    assert!(
        expired.cause().contains("token has expired: 4"),
        "{}",
        expired.cause()
    );
    let within_leeway = world.token().expires_in(-20);
    call(&world).bearer(within_leeway).send().await.is(200);
    bad_token(&world, world.token().without("exp"), "missing_expiry").await;
    let tomorrow = world
        .token()
        .claim("nbf", testbed::clock::system()() + 86_400);
    bad_token(&world, tomorrow, "not_yet_valid").await;
}

#[tokio::test]
async fn s3_46_leeway_is_the_operators_word() {
    let idp = testbed::Idp::start().await;
    let world = world_of(idp, ", leeway: 0s", "").await;
    bad_token(&world, world.token().expires_in(-2), "expired").await;
}

#[tokio::test]
async fn s3_36_a_token_that_lives_longer_than_is_allowed_is_refused() {
    let idp = testbed::Idp::start().await;
    let world = world_of(idp, ", max_token_lifetime: 1h", "").await;
    call(&world).bearer(world.token()).send().await.is(200);
    bad_token(
        &world,
        world.token().expires_in(86_400),
        "lifetime_too_long",
    )
    .await;
}

#[tokio::test]
async fn s3_45_s4_26_s4_27_mismatches_are_told_to_the_operator_alone() {
    let world = world().await;
    let foreign = world.token().claim("iss", "https://other.example");
    let refused = bad_token(&world, foreign, "issuer_mismatch").await;
    assert!(
        refused.cause().contains("https://other.example"),
        "{}",
        refused.cause()
    );
    assert!(
        refused.cause().contains(world.idp.issuer()),
        "{}",
        refused.cause()
    );
    let slash = format!("{}/", world.idp.issuer());
    bad_token(&world, world.token().claim("iss", slash), "issuer_mismatch").await;

    let elsewhere = world.token().audience("https://elsewhere.example/mcp");
    let refused = bad_token(&world, elsewhere, "audience_mismatch").await;
    for side in ["https://elsewhere.example/mcp", &world.gateway.url("/mcp")] {
        assert!(refused.cause().contains(side), "{}", refused.cause());
    }
    assert!(
        !refused.answer.text().contains("elsewhere"),
        "X23: {}",
        refused.answer.text()
    );
}

#[tokio::test]
async fn s4_9_s4_16_s4_23_what_is_no_jwt_is_refused_without_asking_anybody() {
    let world = world().await;
    let fetches = world.idp.fetches("/jwks");
    for opaque in ["opaque", "a.b", "a.b.c.d.e", "....", "n0t.a!b.c"] {
        let answer = call(&world).bearer(opaque).send().await;
        assert_challenged(&world, &answer, false);
    }
    let refused = bad_token(&world, "8xLOxBtZp8", "not_a_jwt").await;
    assert!(
        refused.cause().contains("token is not a valid JWT format"),
        "{}",
        refused.cause()
    );
    assert_eq!(world.idp.fetches("/jwks"), fetches);
}

#[tokio::test]
async fn sec_13_sec_15_trap_4_tokens_that_are_no_bearer_access_tokens_are_refused() {
    let world = world().await;
    let id_token = world
        .token()
        .header("typ", "JWT")
        .claim("at_hash", "x")
        .claim("nonce", "n");
    bad_token(&world, id_token, "token_type_not_allowed").await;
    let unmarked = world
        .token()
        .header("typ", "JWT")
        .without("scope")
        .without("client_id");
    bad_token(&world, unmarked, "token_type_not_allowed").await;
    let logout = world.token().header("typ", "logout+jwt");
    bad_token(&world, logout, "token_type_not_allowed").await;
    let bound = world.token().claim("cnf", json!({"jkt": "A".repeat(43)}));
    bad_token(&world, bound, "proof_required").await;
    let critical = world.token().header("crit", json!(["b64"]));
    bad_token(&world, critical, "critical_header").await;
    let nobody = world.token().without("sub").without("client_id");
    bad_token(&world, nobody, "missing_subject").await;
}

#[tokio::test]
async fn r7519_a_claim_named_twice_is_refused_though_the_signature_is_good() {
    let world = world().await;
    let token = world.token();
    let claims = token.claims_text();
    let twice = format!(
        "{},\"sub\":\"mallory\"}}",
        claims.strip_suffix('}').unwrap()
    );
    let twice = token.sign_raw(&token.header_text(), &twice);
    bad_token(&world, twice, "malformed_token").await;
}

#[tokio::test]
async fn s4_17_a_key_nobody_has_is_unknown() {
    let world = world().await;
    bad_token(&world, world.token().header("kid", "nobody"), "unknown_key").await;
}

#[tokio::test]
async fn t_o3_t_o18_t_o19_sec_2_a_credential_in_another_form_is_not_taken_for_none() {
    let world = world().await;
    let token = world.token().sign();
    let good = format!("Bearer {token}");
    for line in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        &format!("DPoP{token}"),
        &format!("Bearer {token} {token}"),
        &format!("{good}, {good}"),
        &token,
    ] {
        let request = call(&world).header("Authorization", line);
        let refused = refused(&world, request, 401, "malformed_credentials").await;
        assert_challenged(&world, &refused.answer, false);
    }
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let request = call(&world).header("aUTHORIZATION", &format!("{scheme} {token}"));
        request.send().await.is(200); // ERR-8, T-O20, T-O21
    }
}

#[tokio::test]
async fn aud_4_aud_5_tm_10_every_request_is_judged_whatever_its_connection_has_seen() {
    let world = world().await;
    let mut connection = world.client().connect().await;
    for _ in 0..2 {
        let good = call(&world).bearer(world.token()).to_bytes();
        connection.write(&good).await;
        connection.answer().await.unwrap().is(200);
    }
    let anonymous = world.client().get("/mcp").to_bytes();
    connection.write(&anonymous).await;
    connection.answer().await.unwrap().refused(401, None);
    let expired = world.client().delete("/mcp");
    let expired = expired.bearer(world.token().expires_in(-60)).to_bytes();
    connection.write(&expired).await;
    connection
        .answer()
        .await
        .unwrap()
        .refused(401, "invalid_token");
    assert_eq!(world.server.requests(), 2);
}
