use std::net::SocketAddr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::client::{Answer, Client, browser};
use crate::recorder::{Recorder, Reply};

fn client(idp: &Idp) -> Client {
    let address: SocketAddr = idp
        .shared
        .base
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    Client::new(address)
}

async fn get(idp: &Idp, path: &str) -> Answer {
    client(idp).get(path).send().await
}

fn decoded(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

/// Checks a token as a stranger would, with nothing but the published key set.
fn verifies(token: &str, jwks: &Value) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let header = input.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    let rsa = || RsaPublicKeyComponents {
        n: decoded(&key["n"]),
        e: decoded(&key["e"]),
    };
    let message = input.as_bytes();
    let outcome = match header["alg"].as_str().unwrap() {
        "RS256" => rsa().verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature),
        "PS256" => rsa().verify(&RSA_PSS_2048_8192_SHA256, message, &signature),
        "ES256" => {
            let point = [vec![4], decoded(&key["x"]), decoded(&key["y"])].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, decoded(&key["x"])).verify(message, &signature),
        other => panic!("{other}"),
    };
    outcome.is_ok()
}

#[tokio::test]
async fn tokens_of_every_algorithm_verify_with_the_published_keys() {
    let idp = Idp::start().await;
    let jwks = get(&idp, "/jwks").await.json();
    assert_eq!(jwks, idp.jwks());
    for algorithm in Algorithm::ALL {
        let token = idp.token().algorithm(algorithm);
        assert!(verifies(&token.sign(), &jwks), "{algorithm}");
        assert!(
            !verifies(&token.sign_with_other_key(), &jwks),
            "{algorithm}"
        );
        assert!(!verifies(&token.tampered(), &jwks), "{algorithm}");
    }
    assert_eq!(idp.fetches("/jwks"), 1);
}

#[tokio::test]
async fn rotated_keys_leave_nothing_of_the_old() {
    let idp = Idp::start().await;
    let old = idp.token().sign();
    idp.rotate_keys();
    assert!(!verifies(&old, &idp.jwks()));
    assert!(verifies(&idp.token().sign(), &idp.jwks()));
}

#[tokio::test]
async fn a_token_says_what_the_builder_was_told() {
    let idp = Idp::start().await;
    let token = idp
        .token()
        .audience("https://h/mcp")
        .without("client_id")
        .claim("groups", vec!["a", "b"])
        .expires_in(-5);
    let claims: Value = serde_json::from_str(&token.claims_text()).unwrap();
    assert_eq!(claims["aud"], "https://h/mcp");
    assert_eq!(claims["iss"], idp.issuer());
    assert_eq!(claims["groups"], json!(["a", "b"]));
    assert_eq!(claims.get("client_id"), None);
    assert_eq!(
        claims["exp"].as_u64().unwrap() + 5,
        claims["iat"].as_u64().unwrap()
    );
    let header: Value = serde_json::from_str(
        &token
            .header("typ", Value::Null)
            .header("crit", vec!["x"])
            .header_text(),
    )
    .unwrap();
    assert_eq!(
        header,
        json!({"alg": "RS256", "kid": "rs256-1", "crit": ["x"]})
    );
}

#[tokio::test]
async fn asm_2_the_document_lies_wherever_the_issuer_says() {
    let idp = Idp::builder()
        .issuer_path("/realms/x")
        .closing_slash()
        .start()
        .await
        .unwrap();
    assert!(idp.issuer().ends_with("/realms/x/"));
    for path in [
        "/realms/x/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/realms/x",
        "/.well-known/openid-configuration/realms/x",
    ] {
        let answer = get(&idp, path).await;
        assert_eq!(answer.is(200).json()["issuer"], idp.issuer());
        assert_eq!(answer.json()["jwks_uri"], idp.url("/jwks"));
    }
    get(&idp, "/.well-known/openid-configuration").await.is(404);
    assert_eq!(
        idp.fetches("/.well-known/openid-configuration"),
        2,
        "with and without the path of the issuer"
    );
    get(&idp, "/realms/x/jwks").await.is(200);
    assert_eq!(idp.fetches("/jwks"), 1);
}

#[tokio::test]
async fn the_document_and_the_answers_can_be_scripted() {
    let idp = Idp::start().await;
    idp.change_document("issuer", "https://elsewhere.example");
    idp.omit_from_document("jwks_uri");
    let document = get(&idp, "/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], "https://elsewhere.example");
    assert_eq!(document.get("jwks_uri"), None);

    idp.answer(
        "/jwks",
        302,
        &[("Location", "https://elsewhere.example/jwks")],
        "",
    );
    assert_eq!(
        get(&idp, "/jwks").await.is(302).header("location"),
        Some("https://elsewhere.example/jwks")
    );
    idp.answer_normally("/jwks");
    idp.extra_jwks_keys(vec![json!({"kty": "odd"})]);
    assert_eq!(
        get(&idp, "/jwks").await.is(200).json()["keys"][0],
        json!({"kty": "odd"})
    );
}

#[tokio::test]
async fn while_down_nothing_answers_and_open_connections_end() {
    let idp = Idp::start().await;
    let client = client(&idp);
    let mut open = client.connect().await;
    open.write(&client.get("/jwks").to_bytes()).await;
    assert_eq!(open.answer().await.unwrap().status, 200);
    idp.go_down();
    assert!(open.closes_within(crate::client::PATIENCE).await);
    let mut refused = client.connect().await;
    refused.write(&client.get("/jwks").to_bytes()).await;
    assert!(refused.answer().await.is_none());
    idp.come_back();
    get(&idp, "/jwks").await.is(200);
}

#[tokio::test]
async fn a_slow_provider_answers_after_its_delay() {
    let idp = Idp::start().await;
    idp.slow_down(Duration::from_millis(300));
    let started = tokio::time::Instant::now();
    get(&idp, "/jwks").await.is(200);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

async fn form(idp: &Idp, form: &str) -> Answer {
    let request = client(idp)
        .post("/token")
        .header("Content-Type", "application/x-www-form-urlencoded");
    request.body(form).send().await
}

#[tokio::test]
async fn a_machine_gets_a_token_for_what_it_names() {
    let idp = Idp::start().await;
    let good = "grant_type=client_credentials&client_id=svc&client_secret=svc-secret&resource=https://h/mcp";
    let answer = form(&idp, good).await.is(200).json();
    let token = answer["access_token"].as_str().unwrap();
    assert!(verifies(token, &idp.jwks()));
    let claims = token
        .split('.')
        .nth(1)
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!("https://h/mcp"), &json!("svc"))
    );
    form(&idp, &good.replace("svc-secret", "guess"))
        .await
        .is(401);
    form(&idp, "grant_type=client_credentials&client_id=pub")
        .await
        .is(400);
    form(&idp, "grant_type=password&client_id=pub")
        .await
        .is(400);
}

async fn code(idp: &Idp, redirect: &str) -> Answer {
    let query = form_urlencoded(&[
        ("response_type", "code"),
        ("client_id", "pub"),
        ("redirect_uri", redirect),
        ("state", "s t"),
        // the challenge of the verifier in RFC 7636 appendix B
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
    ]);
    get(idp, &format!("/authorize?{query}")).await
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_verifier() {
    let idp = Idp::start().await;
    let redirect = "http://127.0.0.1:4711/callback";
    let mut codes = Vec::new();
    for _ in 0..2 {
        let answer = code(&idp, redirect).await;
        let location = url::Url::parse(answer.is(302).header("location").unwrap()).unwrap();
        let pairs: BTreeMap<_, _> = location.query_pairs().into_owned().collect();
        assert_eq!(
            (pairs["state"].as_str(), pairs["iss"].as_str()),
            ("s t", idp.issuer())
        );
        codes.push(pairs["code"].clone());
    }
    let exchange = |code: &str, verifier: &str| {
        let code = [
            ("grant_type", "authorization_code"),
            ("client_id", "pub"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        form_urlencoded(&code)
    };
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    form(&idp, &exchange(&codes[0], "wrong")).await.is(400);
    form(&idp, &exchange(&codes[0], verifier)).await.is(400);
    let tokens = form(&idp, &exchange(&codes[1], verifier))
        .await
        .is(200)
        .json();
    form(&idp, &exchange(&codes[1], verifier)).await.is(400);

    let refresh = form_urlencoded(&[
        ("grant_type", "refresh_token"),
        ("client_id", "pub"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ]);
    form(&idp, &refresh).await.is(200);
    form(&idp, &refresh).await.is(400);
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_the_clients() {
    let idp = Idp::start().await;
    for redirect in [
        "https://evil.example/callback",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1.evil.example/callback",
    ] {
        assert_eq!(code(&idp, redirect).await.is(400).header("location"), None);
    }
}

#[tokio::test]
async fn the_browser_needs_a_challenge_first() {
    let idp = Idp::start().await;
    let error = browser::log_in(&idp.url("/mcp")).await.unwrap_err();
    assert!(
        error.starts_with("the first request gave 404 instead of 401"),
        "{error}"
    );
}

#[tokio::test]
async fn the_browser_walks_from_a_challenge_to_a_token() {
    let idp = Idp::builder()
        .issuer_path("/realms/x")
        .start()
        .await
        .unwrap();
    let server = Recorder::start().await;
    let (origin, issuer) = (server.url(), idp.issuer().to_owned());
    server.answer_with(move |request| {
        if request.target == "/.well-known/oauth-protected-resource/mcp" {
            return Reply::json(&json!({"resource": format!("{origin}/mcp"), "authorization_servers": [issuer]}));
        }
        let challenge = format!("Bearer scope=\"a b\", resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\"");
        Reply::status(401).header("WWW-Authenticate", &challenge)
    });
    let endpoint = format!("{}/mcp", server.url());
    let login = browser::log_in(&endpoint).await.unwrap();
    assert!(verifies(&login.access_token, &idp.jwks()));
    assert_eq!(
        (login.issuer.as_str(), login.scope.as_deref()),
        (idp.issuer(), Some("a b"))
    );
    assert!(login.refresh_token.is_some());
    let claims = login
        .access_token
        .split('.')
        .nth(1)
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(endpoint), &json!("alice"))
    );

    idp.change_document("issuer", format!("{}/", idp.issuer()));
    let error = browser::log_in(&endpoint).await.unwrap_err();
    assert!(error.contains("/realms/x/, not of "), "TRAP-1: {error}");
}
