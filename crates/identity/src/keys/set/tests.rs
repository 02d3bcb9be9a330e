use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::testing::{TestKey, Token};

fn read(keys: &[Value]) -> KeySet {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), None).unwrap()
}

/// Whether this one key is taken into a set.
#[track_caller]
fn check(jwk: &Value, expected: Result<(), &str>) {
    let found = match jwk {
        Value::Object(jwk) => Key::read(jwk).map(|_| ()),
        _ => panic!("a key is an object"),
    };
    assert_eq!(found, expected, "{jwk}");
    assert_eq!(
        read(std::slice::from_ref(jwk)).len(),
        usize::from(expected.is_ok())
    );
}

fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

fn number(bytes: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(bytes).into()
}

#[test]
fn s3_10_keys_that_are_not_for_signatures_are_left_out() {
    let jwk = || TestKey::es256().jwk("k1");
    check(&jwk(), Ok(()));
    check(&with(jwk(), "use", "sig"), Ok(()));
    check(&with(jwk(), "use", "enc"), Err("use is not sig"));
    check(&with(jwk(), "use", json!(["sig"])), Err("use is not sig"));
    check(&with(jwk(), "key_ops", json!(["verify"])), Ok(()));
    check(
        &with(jwk(), "key_ops", json!(["encrypt", "wrapKey"])),
        Err("key_ops lacks verify"),
    );
    check(
        &with(jwk(), "key_ops", json!([])),
        Err("key_ops lacks verify"),
    );
    check(
        &with(jwk(), "key_ops", "verify"),
        Err("key_ops lacks verify"),
    );
    check(&with(jwk(), "alg", "ES256"), Ok(()));
    for alg in ["ES384", "RS256", "HS256", "none", "ECDH-ES"] {
        check(
            &with(jwk(), "alg", alg),
            Err("alg is not a signature of this kty"),
        );
    }
    check(&with(jwk(), "alg", 1), Err("alg is not a string"));
    check(&with(jwk(), "kid", 1), Err("kid is not a string"));
}

#[test]
fn trap_6_a_shared_secret_is_never_a_key() {
    let oct = json!({ "kty": "oct", "kid": "k1", "k": number(&[7; 32]), "alg": "HS256" });
    check(&oct, Err("kty is not one of RSA, EC, OKP"));
    check(
        &json!({ "kid": "k1" }),
        Err("a member of its kty is missing or not a string"),
    );
    check(
        &json!({ "kty": ["RSA"] }),
        Err("a member of its kty is missing or not a string"),
    );
}

#[test]
fn s3_10_rsa_keys_have_2048_to_8192_bits() {
    let rsa = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        json!({ "kty": "RSA", "kid": "k", "n": number(&n), "e": "AQAB" })
    };
    for bits in [2048, 3072, 4096, 8192] {
        check(&rsa(bits), Ok(()));
    }
    for bits in [512, 1024, 2040, 8200, 16384] {
        check(&rsa(bits), Err("RSA key outside 2048 to 8192 bits"));
    }
    check(&with(rsa(2048), "n", ""), Err("n is zero"));
    check(&with(rsa(2048), "n", number(&[0; 256])), Err("n is zero"));
    // 2047 bits and a zero in front do not make 2048
    let mut short = vec![0xff; 257];
    (short[0], short[1]) = (0, 0x7f);
    check(
        &with(rsa(2048), "n", number(&short)),
        Err("RSA key outside 2048 to 8192 bits"),
    );
    for e in [&[1][..], &[2], &[1, 0, 0], &[], &[0], &[1, 0, 0, 0, 1]] {
        check(
            &with(rsa(2048), "e", number(e)),
            Err("e is not an odd number from 3 to 32 bits"),
        );
    }
    check(&with(rsa(2048), "e", "Aw"), Ok(()));
    check(
        &with(rsa(2048), "n", "not base64!"),
        Err("a number is not base64url"),
    );
    check(
        &with(rsa(2048), "n", 5),
        Err("a member of its kty is missing or not a string"),
    );
}

#[test]
fn s3_10_a_point_must_lie_on_its_curve() {
    let jwk = || TestKey::es256().jwk("k1");
    check(
        &with(jwk(), "x", number(&[1; 32])),
        Err("x and y are no point of the curve"),
    );
    check(
        &with(jwk(), "x", number(&[1; 31])),
        Err("x or y has not the length of the curve"),
    );
    check(
        &with(jwk(), "crv", "P-384"),
        Err("x or y has not the length of the curve"),
    );
    check(
        &with(jwk(), "crv", "P-521"),
        Err("crv is not one of P-256, P-384"),
    );
    check(
        &with(jwk(), "crv", "secp256k1"),
        Err("crv is not one of P-256, P-384"),
    );
    let edwards = || TestKey::ed25519().jwk("k1");
    check(&edwards(), Ok(()));
    check(&with(edwards(), "crv", "Ed448"), Err("crv is not Ed25519"));
    check(&with(edwards(), "crv", "X25519"), Err("crv is not Ed25519"));
    check(
        &with(edwards(), "x", number(&[1; 31])),
        Err("x has not the length of the curve"),
    );
}

#[test]
fn r8725_a_point_of_small_order_is_no_key() {
    let small = Err("x is a point of small order: one signature would fit many messages");
    let with_ends = |first: u8, middle: u8, last: u8| {
        let mut point = [middle; 32];
        (point[0], point[31]) = (first, last);
        point
    };
    for (first, middle, last) in [
        (0, 0, 0),
        (0, 0, 0x80),
        (1, 0, 0),
        (1, 0, 0x80),
        (0xec, 0xff, 0x7f),
        (0xec, 0xff, 0xff),
        (0xed, 0xff, 0x7f),
        (0xed, 0xff, 0xff),
        (0xee, 0xff, 0x7f),
        (0xee, 0xff, 0xff),
    ] {
        let point = with_ends(first, middle, last);
        check(
            &with(TestKey::ed25519().jwk("k1"), "x", number(&point)),
            small,
        );
    }
    for text in [
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
    ] {
        check(&with(TestKey::ed25519().jwk("k1"), "x", text), small);
    }
    // the base point is not one of them
    let base = with_ends(0x58, 0x66, 0x66);
    check(
        &with(TestKey::ed25519().jwk("k1"), "x", number(&base)),
        Ok(()),
    );
}

#[test]
fn one_odd_key_never_spoils_the_set() {
    let good = TestKey::es256().jwk("good");
    let odd = format!(
        r#"{{"keys":[null,1,"key",[],{{}},{{"kty":"RSA"}},{{"kty":"EC","kty":"RSA"}},{{"kty":"AKP","alg":"ML-DSA-44"}},
            {{"kty":"RSA","n":null,"e":1}},{good},{{"kty":"oct","k":"AA"}},{{"kty":"RSA","x5c":["MIIB"]}}],"other":{{}}}}"#
    );
    assert_eq!(KeySet::read(odd.as_bytes(), None).unwrap().len(), 1);
}

#[test]
fn what_is_no_key_set_is_refused() {
    for document in [
        "",
        "null",
        "[]",
        "[[]]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
        "<html>",
        r#"{"keys":[]} x"#,
    ] {
        assert!(
            KeySet::read(document.as_bytes(), None).is_err(),
            "{document}"
        );
    }
    assert_eq!(KeySet::read(br#"{"keys":[]}"#, None).unwrap().len(), 0);
}

#[test]
fn the_number_of_keys_is_bounded() {
    let many = |count| json!({ "keys": vec![json!({}); count] }).to_string();
    assert!(KeySet::read(many(MAX_KEYS).as_bytes(), None).is_ok());
    assert!(KeySet::read(many(MAX_KEYS + 1).as_bytes(), None).is_err());
}

#[test]
fn a_number_may_be_padded_and_may_have_a_sign_byte() {
    let key = TestKey::rsa();
    let jwk = key.jwk("k1");
    let mut n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    n.insert(0, 0);
    let odd = with(with(jwk, "n", number(&n)), "e", "AQAB==");
    let token = Token::new(&key).sign();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let Choice::Keys(keys) = read(&[odd]).choose(Some("k1"), Algorithm::Rs256) else {
        panic!("the key fits")
    };
    assert!(keys[0].verifies(Algorithm::Rs256, signed, signature));
    assert!(!keys[0].verifies(Algorithm::Ps256, signed, signature));
    assert!(!keys[0].verifies(Algorithm::Es256, signed, signature));
}

#[test]
fn s4_10_an_rsa_key_made_ready_and_one_that_is_not_judge_alike() {
    let key = TestKey::rsa();
    for (name, algorithm) in [("RS256", Algorithm::Rs256), ("PS256", Algorithm::Ps256)] {
        let token = Token::new(&key).header("alg", name).sign();
        let foreign = Token::new(&TestKey::rsa()).header("alg", name).sign();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let foreign = foreign.rsplit_once('.').unwrap().1;
        // meant for this algorithm, and meant for any
        for jwk in [with(key.jwk("k1"), "alg", name), key.jwk("k1")] {
            let Choice::Keys(keys) = read(&[jwk]).choose(Some("k1"), algorithm) else {
                panic!("the key fits")
            };
            assert!(keys[0].verifies(algorithm, signed, signature), "{name}");
            assert!(!keys[0].verifies(algorithm, signed, foreign));
            assert!(!keys[0].verifies(algorithm, &signed[1..], signature));
            assert!(!keys[0].verifies(algorithm, signed, "AA"));
            assert!(!keys[0].verifies(algorithm, signed, "not base64url!"));
        }
    }
}

#[test]
fn sec_12_a_key_that_stays_is_the_same_key() {
    let [stays, goes, narrowed] = [(); 3].map(|()| TestKey::es256());
    let first = read(&[stays.jwk("a"), goes.jwk("b"), narrowed.jwk("c")]);
    let next = json!({ "keys": [with(narrowed.jwk("c"), "alg", "ES256"), stays.jwk("a")] });
    let next = KeySet::read(next.to_string().as_bytes(), Some(&first)).unwrap();
    first.retire_unless_in(&next);
    let live: Vec<bool> = first.keys.iter().map(|key| key.is_live()).collect();
    assert_eq!(live, [true, false, false]);
    assert!(Arc::ptr_eq(&first.keys[0], &next.keys[1]));
    assert!(next.keys.iter().all(|key| key.is_live()));
}

#[test]
fn the_same_key_twice_is_one_key() {
    let key = TestKey::es256();
    assert_eq!(read(&[key.jwk("a"), key.jwk("a")]).len(), 1);
    assert_eq!(read(&[key.jwk("a"), key.jwk("b")]).len(), 2);
}
