use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::testing::{NOW, TestKey};

/// RFC 9449, figure 12.
const EXAMPLE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const EXAMPLE_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const EXAMPLE_JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const TOKEN: &str = "a.b.c";
const TARGET: Target<'static> = Target {
    secure: true,
    authority: "mcp.example",
    path: "/mcp",
};

fn hash_of(text: &str) -> [u8; 32] {
    URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
}

/// A proof in the making: good in every way until something is changed.
struct Made {
    key: TestKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

fn good() -> Made {
    made(TestKey::es256(), "ES256")
}

fn made(key: TestKey, alg: &str) -> Made {
    let Value::Object(header) = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": key.bare_jwk() })
    else {
        unreachable!()
    };
    let ath = URL_SAFE_NO_PAD.encode(sha256(TOKEN.as_bytes()));
    let Value::Object(claims) = json!({
        "jti": "1", "htm": "POST", "htu": "https://mcp.example/mcp", "iat": NOW.0, "ath": ath,
    }) else {
        unreachable!()
    };
    Made {
        key,
        header,
        claims,
    }
}

impl Made {
    fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    fn jwk(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header["jwk"][name] = value.into();
        self
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Without this member of header or claims.
    fn without(mut self, name: &str) -> Self {
        self.header.remove(name);
        self.claims.remove(name);
        self
    }

    fn sign(&self) -> String {
        self.sign_text(
            &Value::Object(self.header.clone()).to_string(),
            &Value::Object(self.claims.clone()).to_string(),
        )
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let alg = self.header["alg"].as_str().unwrap_or_default();
        self.key.sign_text(alg, header, claims)
    }

    fn jkt(&self) -> [u8; 32] {
        let Value::Object(jwk) = self.key.bare_jwk() else {
            unreachable!()
        };
        thumbprint(&jwk).unwrap()
    }

    fn judge(&self, proof: &str) -> Result<Proof, Failure> {
        check(
            proof,
            &Wanted {
                method: "POST",
                target: TARGET,
                token: &sha256(TOKEN.as_bytes()),
                jkt: &self.jkt(),
                max_age: 60,
                now: NOW,
            },
        )
    }

    #[track_caller]
    fn taken(self) {
        let judged = self.judge(&self.sign());
        assert!(judged.is_ok(), "{judged:?}");
    }

    #[track_caller]
    fn refused(self, why: &str) {
        refused(self.judge(&self.sign()), why);
    }
}

#[track_caller]
fn refused(judged: Result<Proof, Failure>, why: &str) {
    let failure = judged.expect_err(why);
    assert_eq!(failure.reason(), "invalid_proof");
    assert!(failure.to_string().contains(why), "{failure}");
}

fn example(change: impl FnOnce(&mut Wanted<'_>)) -> Result<Proof, Failure> {
    let (token, jkt) = (sha256(EXAMPLE_TOKEN.as_bytes()), hash_of(EXAMPLE_JKT));
    let mut wanted = Wanted {
        method: "GET",
        target: Target {
            secure: true,
            authority: "resource.example.org",
            path: "/protectedresource",
        },
        token: &token,
        jkt: &jkt,
        max_age: 60,
        now: Timestamp(1_562_262_620),
    };
    change(&mut wanted);
    check(EXAMPLE, &wanted)
}

#[test]
fn r9449_the_example_of_the_rfc_is_good_for_its_request_and_for_no_other() {
    let proof = example(|_| {}).unwrap();
    assert_eq!(proof.jti, "e1j3V_bKic8-LAEB");
    assert_eq!(proof.issued_at, Timestamp(1_562_262_618));
    assert_eq!(proof.nonce, None);
    refused(example(|wanted| wanted.method = "POST"), "htm");
    refused(example(|wanted| wanted.method = "get"), "htm");
    refused(example(|wanted| wanted.target.path = "/other"), "htu");
    refused(example(|wanted| wanted.target.secure = false), "htu");
    refused(example(|wanted| wanted.token = &[0; 32]), "ath");
    refused(example(|wanted| wanted.jkt = &[0; 32]), "another key");
    refused(example(|wanted| wanted.now.0 += 59), "iat");
    refused(example(|wanted| wanted.now.0 -= 33), "iat");
    refused(example(|wanted| wanted.max_age = 1), "2 s ago");
}

#[test]
fn r9449_every_algorithm_of_ours_and_its_keys() {
    good().taken();
    made(TestKey::ed25519(), "EdDSA").taken();
    made(TestKey::ed25519(), "Ed25519").taken();
    made(TestKey::rsa(), "RS256").taken();
    made(TestKey::rsa(), "PS256").taken();
    // what a key set would have beside the key changes nothing
    good()
        .jwk("kid", "k1")
        .jwk("alg", "ES256")
        .jwk("use", "sig")
        .taken();
}

#[test]
fn r9449_alg_is_asymmetric_and_the_keys() {
    for alg in [
        "none", "None", "HS256", "HS512", "dir", "ES256K", "ES512", "es256", "",
    ] {
        good().header("alg", alg).refused("alg is no asymmetric");
    }
    good().header("alg", 7).refused("alg is missing");
    good()
        .without("alg")
        .header("alg", Value::Null)
        .refused("alg");
    good().header("alg", "RS256").refused("alg does not fit");
    good().header("alg", "ES384").refused("alg does not fit");
    good().jwk("alg", "ES384").refused("jwk is of no use");
    good().jwk("use", "enc").refused("jwk is of no use");
    let secret = json!({ "kty": "oct", "k": "AAAA" });
    good().header("jwk", secret).refused("private");
    let secret = json!({ "kty": "oct" });
    good().header("jwk", secret).refused("kty");
}

#[test]
fn r9449_jwk_is_a_public_key_and_strong() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        good().jwk(member, "AAAA").refused("private key");
        good().jwk(member, Value::Null).refused("private key");
    }
    good().without("jwk").refused("jwk is missing");
    good().header("jwk", "AAAA").refused("jwk is missing");
    good().header("jwk", json!([])).refused("jwk is missing");
    good().header("jwk", json!({})).refused("lacks a member");
    good().jwk("x", r#"AA","y":""#).refused("not base64url");
    good().jwk("crv", "P-521").refused("another key");
    let other = TestKey::es256().bare_jwk();
    good().header("jwk", other).refused("another key");
    // a key that is too weak is refused although the token is bound to it
    let weak = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    let Value::Object(members) = weak.clone() else {
        unreachable!()
    };
    let made = made(TestKey::rsa(), "RS256").header("jwk", weak);
    let bound = thumbprint(&members).unwrap();
    let wanted = Wanted {
        method: "POST",
        target: TARGET,
        token: &sha256(TOKEN.as_bytes()),
        jkt: &bound,
        max_age: 60,
        now: NOW,
    };
    refused(check(&made.sign(), &wanted), "RSA key outside");
}

#[test]
fn r9449_typ_and_crit() {
    for typ in [
        "JWT",
        "jwt",
        "at+jwt",
        "DPOP+JWT",
        "application/dpop+jwt",
        "",
    ] {
        good().header("typ", typ).refused("typ");
    }
    good().without("typ").refused("typ");
    good().header("typ", 1).refused("typ");
    good().header("crit", json!(["b64"])).refused("crit");
    good().header("crit", json!([])).refused("crit");
}

#[test]
fn r9449_the_claims() {
    good().without("jti").refused("jti");
    good().claim("jti", "").refused("jti");
    good().claim("jti", 1).refused("jti");
    good().claim("jti", "x".repeat(256)).taken();
    good().claim("jti", "x".repeat(257)).refused("jti");
    good().without("htm").refused("htm");
    good().claim("htm", "post").refused("htm");
    good().claim("htm", "GET").refused("htm");
    good().claim("htm", json!(["POST"])).refused("htm");
    good().without("htu").refused("htu");
    good()
        .claim("htu", "https://mcp.example/other")
        .refused("htu");
    good()
        .claim("htu", "http://127.0.0.1:3000/mcp")
        .refused("htu");
    good()
        .claim("htu", "HTTPS://MCP.example:443/mcp?x#y")
        .taken();
    good().without("ath").refused("ath");
    good().claim("ath", "").refused("ath");
    let other = URL_SAFE_NO_PAD.encode(sha256(b"other"));
    good().claim("ath", other).refused("ath");
    good().claim("nonce", "n").taken();
    good().claim("nonce", 1).refused("nonce");
    good().claim("more", json!({ "b": 1 })).taken();
}

#[test]
fn ext_dp_1_r9449_iat_is_now_or_a_little_before() {
    good().claim("iat", NOW.0 - 60).taken();
    good().claim("iat", NOW.0 - 61).refused("61 s ago");
    good().claim("iat", NOW.0 + 30).taken();
    good().claim("iat", NOW.0 + 31).refused("31 s ahead");
    #[expect(clippy::cast_precision_loss, reason = "it is small enough")]
    let fraction = NOW.0 as f64 - 60.0 + 0.9;
    good().claim("iat", fraction).taken();
    good().without("iat").refused("iat is missing");
    good()
        .claim("iat", NOW.0.to_string())
        .refused("iat is not a time");
    good().claim("iat", -1).refused("iat is not a time");
    good().claim("iat", u64::MAX).refused("ahead");
    good().claim("iat", 1e300).refused("iat is not a time");
    good().claim("exp", NOW.0 + 1).taken();
    good().claim("exp", NOW.0).refused("nbf and exp");
    good().claim("nbf", NOW.0 + 31).refused("nbf and exp");
}

#[test]
fn r9449_the_signature_is_that_of_jwk() {
    let made = good();
    let proof = made.sign();
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let other = made.key.sign_text("ES256", "{}", "{}");
    let foreign = other.rsplit_once('.').unwrap().1;
    refused(made.judge(&format!("{signed}.{foreign}")), "signature");
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    refused(made.judge(&format!("{signed}.{zeros}")), "signature");
    let mut stranger = good();
    stranger.header["jwk"] = made.key.bare_jwk();
    refused(made.judge(&stranger.sign()), "signature");
    // one proof has one spelling
    for odd in [
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}.x"),
        format!(" {proof}"),
        format!("{proof} "),
        format!(".{proof}"),
        "..".into(),
        String::new(),
        "this-is-not-a-jwt".into(),
    ] {
        refused(made.judge(&odd), "three parts");
    }
}

#[test]
fn r9449_strict_json_without_duplicates() {
    let made = good();
    let header = Value::Object(made.header.clone()).to_string();
    let claims = Value::Object(made.claims.clone()).to_string();
    let twice = claims.replacen('{', r#"{"jti":"0","#, 1);
    refused(made.judge(&made.sign_text(&header, &twice)), "twice");
    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    refused(made.judge(&made.sign_text(&twice, &claims)), "twice");
    let twice = header.replace(r#""kty":"#, r#""kty":"oct","kty":"#);
    refused(made.judge(&made.sign_text(&twice, &claims)), "twice");
    refused(made.judge(&made.sign_text(&header, "[]")), "object");
    let longer = format!("{claims} {{}}");
    refused(made.judge(&made.sign_text(&header, &longer)), "trailing");
}

#[test]
fn r9449_one_header_of_bounded_size() {
    let lines = |lines: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("DPoP", HeaderValue::from_bytes(line).unwrap());
        }
        header(&headers)
            .map(str::to_owned)
            .map_err(|failure| failure.to_string())
    };
    assert_eq!(lines(&[b"a.b.c"]), Ok("a.b.c".into()));
    assert!(lines(&[]).unwrap_err().contains("no DPoP header"));
    assert!(lines(&[b"a", b"a"]).unwrap_err().contains("more than one"));
    assert!(lines(&[&[b'a'; 8 * 1024]]).is_ok());
    assert!(
        lines(&[&[b'a'; 8 * 1024 + 1]])
            .unwrap_err()
            .contains("8 KiB")
    );
    assert!(lines(&[b"a\xff"]).unwrap_err().contains("ASCII"));
}

#[test]
fn r7638_the_thumbprint_of_the_rfc() {
    let Value::Object(jwk) = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }) else {
        unreachable!()
    };
    let expected = hash_of("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(thumbprint(&jwk), Ok(expected));
}
