//! Attacks by algorithm and by key.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::Algorithm;
use serde_json::{Value, json};

use crate::testing::{ISSUER, NOW, RESOURCE, TestKey, World};

async fn check(world: &World, token: &str, expected: &str, about: &str) {
    assert_eq!(world.reason(token).await, expected, "{about}");
}

fn payload() -> String {
    let claims = json!({
        "iss": ISSUER, "sub": "root", "aud": RESOURCE, "client_id": "app", "exp": NOW.0 + 600,
    });
    claims.to_string()
}

/// A token whose signature is this.
fn token(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        text(header.to_string().as_bytes()),
        text(payload().as_bytes())
    );
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", text(&signature))
}

#[tokio::test]
async fn r7519_alg_none_is_refused_in_every_spelling() {
    let world = World::new().await;
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "no\u{200b}ne",
        "null",
        "",
    ] {
        let header = json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" });
        check(
            &world,
            &token(&header, |_| b"x".to_vec()),
            "algorithm_not_allowed",
            alg,
        )
        .await;
        // without a signature it is not even a JWT
        let bare = token(&header, |_| Vec::new());
        check(&world, &bare, "not_a_jwt", alg).await;
    }
}

#[tokio::test]
async fn s3_10_an_hs256_token_signed_with_the_public_key_is_refused() {
    let world = World::with(TestKey::rsa(), |_| {}).await;
    let jwk = world.key.jwk("k1");
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [
        jwk.to_string().into_bytes(),
        modulus,
        b"-----BEGIN PUBLIC KEY-----".to_vec(),
    ] {
        for alg in ["HS256", "HS384", "HS512", "hs256"] {
            let header = json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" });
            let forged = token(&header, |signed| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
                hmac::sign(&key, signed).as_ref().to_vec()
            });
            check(&world, &forged, "algorithm_not_allowed", alg).await;
        }
    }
}

#[tokio::test]
async fn s3_10_unknown_algorithms_are_refused_by_name() {
    let world = World::new().await;
    for alg in [
        "ES256K", "ES512", "RS1", "rs256", "RSA-OAEP", "dir", "A128KW", "ES256 ",
    ] {
        let forged = world.token().header("alg", alg).sign();
        let failure = world.ask(&forged).await.unwrap_err();
        assert_eq!(failure.reason(), "algorithm_not_allowed", "{alg}");
        assert!(failure.to_string().contains(alg), "{failure}");
    }
    for alg in [
        json!(null),
        json!(256),
        json!(["ES256"]),
        json!({ "ES256": 1 }),
    ] {
        let forged = world.token().header("alg", alg.clone()).sign();
        check(&world, &forged, "malformed_token", &alg.to_string()).await;
    }
    check(
        &world,
        &world.token().no_header("alg").sign(),
        "algorithm_not_allowed",
        "absent",
    )
    .await;
}

#[tokio::test]
async fn t_j9_s3_10_rs256_and_es256_are_taken_and_eddsa_only_if_configured() {
    let rsa = World::with(TestKey::rsa(), |_| {}).await;
    check(&rsa, &rsa.token().sign(), "ok", "RS256").await;
    let edwards = World::with(TestKey::ed25519(), |_| {}).await;
    check(
        &edwards,
        &edwards.token().sign(),
        "algorithm_not_allowed",
        "EdDSA",
    )
    .await;
    let edwards = World::with(TestKey::ed25519(), |jwt| {
        jwt.algorithms = vec![Algorithm::EdDsa];
    })
    .await;
    check(&edwards, &edwards.token().sign(), "ok", "EdDSA").await;
    let named = edwards.token().header("alg", "Ed25519").sign();
    check(&edwards, &named, "ok", "Ed25519 (RFC 9864)").await;
}

#[tokio::test]
async fn t_j10_the_log_names_the_algorithm_and_those_allowed() {
    let world = World::with(TestKey::rsa(), |jwt| {
        jwt.algorithms = vec![Algorithm::Es256];
    })
    .await;
    let text = world
        .ask(&world.token().sign())
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("RS256") && text.contains("ES256"), "{text}");
}

#[tokio::test]
async fn r8725_an_algorithm_that_is_not_the_keys_is_refused() {
    let all = vec![
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ];
    let world = World::with(TestKey::rsa(), |jwt| jwt.algorithms = all).await;
    check(
        &world,
        &world.token().header("alg", "PS256").sign(),
        "ok",
        "the key says nothing of an alg",
    )
    .await;
    for alg in ["ES256", "ES384", "EdDSA"] {
        let header = json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" });
        check(
            &world,
            &token(&header, |_| vec![1; 64]),
            "algorithm_not_allowed",
            alg,
        )
        .await;
    }
}

#[tokio::test]
async fn r8725_a_key_that_names_its_algorithm_is_for_that_alone() {
    let key = TestKey::rsa();
    let mut jwk = key.jwk("k1");
    jwk["alg"] = "RS256".into();
    let both = vec![Algorithm::Rs256, Algorithm::Ps256];
    let world = World::publishing(key, &[jwk], |jwt| jwt.algorithms = both).await;
    check(&world, &world.token().sign(), "ok", "RS256").await;
    let other = world.token().header("alg", "PS256").sign();
    check(&world, &other, "algorithm_not_allowed", "PS256").await;
}

#[tokio::test]
async fn r8725_keys_that_the_token_brings_along_are_ignored() {
    let world = World::new().await;
    let foreign = TestKey::es256();
    let forged = |name: &str, value: Value| {
        crate::testing::Token::new(&foreign)
            .header(name, value)
            .sign()
    };
    for (name, value) in [
        ("jwk", foreign.jwk("k1")),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        check(
            &world,
            &forged(name, value.clone()),
            "invalid_signature",
            name,
        )
        .await;
        let good = world.token().header(name, value).sign();
        check(&world, &good, "ok", name).await;
    }
}

#[tokio::test]
async fn s3_44_another_key_under_the_same_kid_is_an_invalid_signature() {
    let world = World::new().await;
    let foreign = TestKey::es256();
    let failure = world
        .ask(&crate::testing::Token::new(&foreign).sign())
        .await
        .unwrap_err();
    assert_eq!(failure.reason(), "invalid_signature");
    assert_eq!(failure.to_string(), "invalid token signature");
    let graph = crate::testing::Token::new(&foreign)
        .header("nonce", "n")
        .sign();
    let text = world.ask(&graph).await.unwrap_err().to_string();
    assert!(text.contains("Microsoft Graph"), "{text}");
}

#[tokio::test]
async fn r8725_a_kid_is_nothing_but_a_name() {
    let world = World::new().await;
    for kid in [
        "../../../../etc/passwd",
        "/dev/null",
        "k1\0",
        "k1' OR '1'='1",
        "https://evil.example/keys#k1",
        "K1",
        "",
        " k1",
    ] {
        let forged = world.token().header("kid", kid).sign();
        check(&world, &forged, "unknown_key", kid).await;
    }
    for kid in [json!(1), json!(null), json!(["k1"]), json!({ "k1": 1 })] {
        let forged = world.token().header("kid", kid.clone()).sign();
        check(&world, &forged, "malformed_token", &kid.to_string()).await;
    }
}

#[tokio::test]
async fn r6750_a_kid_of_64_kib_is_too_much_of_a_token() {
    let world = World::new().await;
    let forged = world.token().header("kid", "k".repeat(64 * 1024)).sign();
    check(&world, &forged, "malformed_credentials", "64 KiB").await;
    let forged = world.token().header("kid", "k".repeat(8 * 1024)).sign();
    let text = world.ask(&forged).await.unwrap_err().to_string();
    assert!(
        text.starts_with("unknown key") && text.len() < 200,
        "{text}"
    );
}

#[tokio::test]
async fn t_j8_no_kid_is_taken_only_if_exactly_one_key_fits() {
    let world = World::new().await;
    let nameless = world.token().no_header("kid").sign();
    check(&world, &nameless, "ok", "one key").await;

    let key = TestKey::es256();
    let mut for_encryption = TestKey::es256().jwk("enc");
    for_encryption["use"] = "enc".into();
    let others = [key.jwk("k1"), TestKey::rsa().jwk("k2"), for_encryption];
    let world = World::publishing(key, &others, |_| {}).await;
    let nameless = world.token().no_header("kid").sign();
    check(&world, &nameless, "ok", "one key that fits").await;

    let key = TestKey::es256();
    let two = [key.jwk("k1"), TestKey::es256().jwk("k2")];
    let world = World::publishing(key, &two, |_| {}).await;
    let nameless = world.token().no_header("kid").sign();
    check(&world, &nameless, "unknown_key", "two keys that fit").await;
    check(&world, &world.token().sign(), "ok", "named").await;
}

#[tokio::test]
async fn t_j8_a_key_without_kid_is_found_by_tokens_without_kid_alone() {
    let key = TestKey::es256();
    let bare = [key.bare_jwk()];
    let world = World::publishing(key, &bare, |_| {}).await;
    check(
        &world,
        &world.token().no_header("kid").sign(),
        "ok",
        "no kid",
    )
    .await;
    check(&world, &world.token().sign(), "unknown_key", "kid").await;
}

#[tokio::test]
async fn trap_6_of_several_keys_with_one_kid_each_that_fits_is_tried() {
    let key = TestKey::es256();
    let same = [
        TestKey::es256().jwk("k1"),
        TestKey::rsa().jwk("k1"),
        key.jwk("k1"),
    ];
    let world = World::publishing(key, &same, |_| {}).await;
    check(&world, &world.token().sign(), "ok", "the last of three").await;
    let foreign = TestKey::es256();
    let forged = crate::testing::Token::new(&foreign).sign();
    check(&world, &forged, "invalid_signature", "none of them").await;
}
