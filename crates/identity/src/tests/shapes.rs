//! What is no token at all, told without a key and without the network.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::testing::{TestKey, World};

async fn check(world: &World, token: &str, expected: &str) {
    assert_eq!(world.reason(token).await, expected, "{token}");
}

#[tokio::test]
async fn s4_9_what_has_not_three_parts_of_base64url_is_no_jwt() {
    let world = World::new().await;
    let good = world.token().sign();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    for token in [
        "opaque",
        "a.b",
        "a.b.c.d",
        "...",
        "..",
        ".",
        &format!(".{payload}.{signature}"),
        &format!("{header}..{signature}"),
        &format!("{header}.{payload}."),
        &format!("{good}."),
        &format!(".{good}"),
        &format!("{good}="),
        &format!("{good}=="),
        &format!("{header}.{payload}.{}+", &signature[1..]),
        &format!("{header}.{payload}.{}/", &signature[1..]),
        &format!("{header}.{payload}.{}~", &signature[1..]),
    ] {
        check(&world, token, "not_a_jwt").await;
    }
    check(&world, &good, "ok").await;
}

#[tokio::test]
async fn s4_9_a_part_has_one_spelling() {
    let world = World::new().await;
    let good = world.token().sign();
    // 64 bytes of signature leave four unused bits in the last character
    let (rest, last) = good.split_at(good.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let other = alphabet.as_bytes()[place + 1] as char;
    check(&world, &format!("{rest}{other}"), "not_a_jwt").await;
}

#[tokio::test]
async fn t_j7_five_parts_are_named_as_encrypted() {
    let world = World::new().await;
    let failure = world.ask("a.b.c.d.e").await.unwrap_err();
    assert_eq!(failure.reason(), "not_a_jwt");
    assert!(failure.to_string().contains("JWE"), "{failure}");
}

#[tokio::test]
async fn s4_16_s4_23_an_opaque_token_is_told_with_a_way_out() {
    let world = World::new().await;
    let text = world.ask("opaque").await.unwrap_err().to_string();
    assert!(
        text.starts_with("token is not a valid JWT format"),
        "{text}"
    );
    assert!(text.contains("audience"), "{text}");
}

#[tokio::test]
async fn r7519_header_and_payload_are_one_strict_object_each() {
    let world = World::new().await;
    let header = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    let claims = r#"{"iss":"https://issuer.example","sub":"ada","aud":"https://mcp.example/mcp","exp":1800000600}"#;
    let sign = |header: &str, claims: &str| world.key.sign_text("ES256", header, claims);
    check(&world, &sign(header, claims), "ok").await;
    for bad in [
        "[]",
        "null",
        "\"x\"",
        "1",
        "{",
        "{}{}",
        "",
        "{\"a\":1,}",
        "\u{feff}{}",
    ] {
        let wanted = if bad.is_empty() {
            "not_a_jwt"
        } else {
            "malformed_token"
        };
        check(&world, &sign(bad, claims), wanted).await;
        check(&world, &sign(header, bad), wanted).await;
    }
    let not_utf8 = URL_SAFE_NO_PAD.encode(b"{\"alg\":\"\xff\"}");
    check(&world, &format!("{not_utf8}.e30.AAAA"), "malformed_token").await;
}

#[tokio::test]
async fn r7519_duplicate_claims_are_refused_though_the_signature_is_good() {
    let world = World::new().await;
    let header = r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    for extra in [
        r#""sub":"root""#,
        r#""exp":1900000000"#,
        r#""iss":"https://issuer.example""#,
        r#""aud":"https://mcp.example/mcp""#,
        r#""\u0073ub":"root""#,
        r#""act":{"sub":"a","sub":"b"}"#,
    ] {
        let claims = format!(
            r#"{{"iss":"https://issuer.example","sub":"ada","aud":"https://mcp.example/mcp","exp":1800000600,{extra}}}"#
        );
        let token = world.key.sign_text("ES256", header, &claims);
        check(&world, &token, "malformed_token").await;
    }
    let twice = r#"{"alg":"none","alg":"ES256","kid":"k1","typ":"at+jwt"}"#;
    let claims = r#"{"iss":"https://issuer.example","sub":"ada","aud":"https://mcp.example/mcp","exp":1800000600}"#;
    check(
        &world,
        &world.key.sign_text("ES256", twice, claims),
        "malformed_token",
    )
    .await;
}

#[tokio::test]
async fn s4_10_s3_44_a_changed_byte_breaks_the_signature() {
    for key in [TestKey::es256(), TestKey::ed25519(), TestKey::rsa()] {
        let world = World::with(key, |jwt| jwt.algorithms.push(config::Algorithm::EdDsa)).await;
        let good = world.token().sign();
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let other = world.token().claim("sub", "root").sign();
        let payload = other.split('.').nth(1).unwrap();
        check(
            &world,
            &format!("{header}.{payload}.{signature}"),
            "invalid_signature",
        )
        .await;
        let zero = URL_SAFE_NO_PAD.encode([0; 64]);
        check(&world, &format!("{signed}.{zero}"), "invalid_signature").await;
        let short = URL_SAFE_NO_PAD.encode([1; 8]);
        check(&world, &format!("{signed}.{short}"), "invalid_signature").await;
        check(&world, &good, "ok").await;
    }
}
