//! A gateway that cannot judge anybody does not start (S4-8), and says why.

use std::net::TcpListener;

use serde_json::json;
use testbed::gateway::Finished;
use testbed::{Gateway, Idp};

use crate::setting::program;

const FILE: &str = r#"
server: { listen: "{listen}" }
admin: { listen: "127.0.0.1:0" }
authenticators: { corp: { oidc: { issuer: "{issuer}" } } }
routes: [{ path: /mcp, upstream: "http://127.0.0.1:9/mcp" }]
"#;

/// Starts with this issuer on an address that is taken: whoever tried to bind it would have to complain about that.
async fn fails(issuer: &str) -> Finished {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let yaml = FILE
        .replace("{listen}", &taken.local_addr().unwrap().to_string())
        .replace("{issuer}", issuer);
    let finished = Gateway::launch(program()).config(&yaml).finish().await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(!finished.stderr.contains("listen"), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    finished
}

#[track_caller]
fn says(finished: &Finished, words: &[&str]) {
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "{word:?} is not in\n{}",
            finished.stderr
        );
    }
}

#[tokio::test]
async fn s4_8_s4_24_a_provider_that_is_away_is_told_with_url_cause_and_hints() {
    let idp = Idp::start().await;
    idp.go_down();
    let finished = fails(idp.issuer()).await;
    let url = idp.url("/.well-known/openid-configuration");
    says(
        &finished,
        &[
            "failed to fetch OIDC discovery document",
            &url,
            "authenticator corp",
            "hint: is the issuer spelled as the provider spells it",
            "hint: can this machine reach the provider",
            "start: lazy",
        ],
    );
}

#[tokio::test]
async fn s4_24_a_place_without_a_document_is_told() {
    let idp = Idp::start().await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        idp.answer(path, 404, &[], "not here");
    }
    says(
        &fails(idp.issuer()).await,
        &["failed to fetch OIDC discovery document", "404"],
    );
}

#[tokio::test]
async fn s4_5_a_document_without_an_endpoint_is_told_by_name() {
    for member in ["jwks_uri", "token_endpoint", "authorization_endpoint"] {
        let idp = Idp::start().await;
        idp.omit_from_document(member);
        let missing = format!("{member} is missing");
        says(&fails(idp.issuer()).await, &["unusable", &missing, "hint:"]);
    }
    let idp = Idp::start().await;
    idp.change_document("jwks_uri", "http://keys.example/jwks");
    says(&fails(idp.issuer()).await, &["http://keys.example/jwks"]);
}

#[tokio::test]
async fn s4_11_a_document_of_another_issuer_is_refused() {
    let idp = Idp::start().await;
    idp.change_document("issuer", "https://evil.example");
    let finished = fails(idp.issuer()).await;
    says(
        &finished,
        &["issuer mismatch", "https://evil.example", idp.issuer()],
    );
}

#[tokio::test]
async fn s4_25_keys_that_cannot_be_fetched_or_used_are_told() {
    let idp = Idp::start().await;
    idp.answer("/jwks", 500, &[], "");
    let url = idp.url("/jwks");
    let finished = fails(idp.issuer()).await;
    says(&finished, &["failed to fetch JWKS", &url, "500", "hint:"]);
    idp.answer("/jwks", 200, &[], json!({"keys": []}).to_string());
    says(&fails(idp.issuer()).await, &["unusable JWKS", &url]);
    idp.answer("/jwks", 200, &[], "<html>");
    says(&fails(idp.issuer()).await, &["unusable JWKS", &url]);
}

#[tokio::test]
async fn sec_20_redirects_and_endless_answers_are_not_followed() {
    let idp = Idp::start().await;
    let elsewhere = idp.url("/elsewhere");
    idp.answer(
        "/.well-known/openid-configuration",
        302,
        &[("Location", &elsewhere)],
        "",
    );
    idp.answer("/.well-known/oauth-authorization-server", 404, &[], "");
    says(&fails(idp.issuer()).await, &["302"]);
    assert_eq!(idp.fetches("/elsewhere"), 0);
    idp.answer_normally("/.well-known/openid-configuration");
    idp.answer("/jwks", 200, &[], vec![b' '; 8 << 20]);
    says(&fails(idp.issuer()).await, &["failed to fetch JWKS"]);
}

#[tokio::test]
async fn s4_4_a_provider_that_never_answers_does_not_hold_the_start_for_ever() {
    let idp = Idp::start().await;
    idp.slow_down(std::time::Duration::from_mins(1));
    says(
        &fails(idp.issuer()).await,
        &["failed to fetch OIDC discovery document"],
    );
}

#[tokio::test]
async fn s4_8_a_port_that_is_taken_ends_the_start_with_a_hint() {
    let idp = Idp::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let yaml = FILE
        .replace("{listen}", &address)
        .replace("{issuer}", idp.issuer());
    let (code, stderr) = Gateway::fails(program(), &yaml).await;
    assert_eq!(code, Some(1));
    let told = format!("error: cannot listen on {address}");
    assert!(
        stderr.contains(&told) && stderr.contains("hint:"),
        "{stderr}"
    );
}
