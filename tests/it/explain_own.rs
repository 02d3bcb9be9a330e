//! `portcullis explain` of what the operator hands out, and of what its provider is asked about.

use serde_json::Value;

use crate::explain::{Desk, assert_secret, stages};

/// SHA-256 and secret of the configuration belong to these.
#[tokio::test]
async fn s0_71_credentials_of_ones_own_are_explained_too() {
    let desk = Desk::new().await;
    let key = "7f83b1657ff1fc53b92dc18148a1d65d";
    let own = ["--route", "/own"];
    let told = desk
        .explain(&[&own[..], &["--api-key", "-"]].concat(), key)
        .await;
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for line in [
        "+ route           \"/own\" at \"127.0.0.1:0\" is route \"/own\"; it believes services (shared_secret), keys (api_keys)",
        "+ credential      an API key of 32 bytes",
        "+ times           it does not expire; now ",
        "+ audience        an API key is for this gateway",
        "                  x-auth-subject: ci",
        "                  x-auth-scopes: all mcp",
    ] {
        assert!(
            told.stdout.lines().any(|told| told.starts_with(line)),
            "{line}\n{}",
            told.stdout
        );
    }
    let told = desk
        .explain(
            &[&own[..], &["--api-key", "-"]].concat(),
            "7f83b1657ff1fc53b92dc18148a1d65e",
        )
        .await;
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout.contains("- API key         unknown API key\n"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("portcullis key hash"),
        "{}",
        told.stdout
    );

    let secret = "a-secret-of-two-services-0123456789";
    let token = || {
        let token = desk.idp.token().claim("iss", "ours").audience("mcp-api");
        token.scope("mcp")
    };
    let good = token().sign_with_secret(secret.as_bytes());
    let told = desk
        .explain(&[&own[..], &["--token", "-"]].concat(), &good)
        .await;
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    assert!(
        told.stdout
            .contains("+ signature       made with the shared secret\n"),
        "{}",
        told.stdout
    );
    assert_secret(&told, &good);
    let bad = token().sign_with_secret(b"another-secret-of-two-services-012345");
    let told = desk
        .explain(&[&own[..], &["--token", "-", "--json"]].concat(), &bad)
        .await;
    let whole: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(stages(&whole).last(), Some(&("signature", "refused")));
    assert_eq!(whole["refusal"]["reason"], "invalid_signature");
    assert!(!told.stdout.contains(secret) && !told.stdout.contains(key));

    let file = desk.home.path().join("key");
    std::fs::write(&file, key).unwrap();
    let both = ["--token", "-", "--api-key", file.to_str().unwrap()];
    let told = desk.explain(&[&own[..], &both].concat(), &good).await;
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout
            .contains("- agreement       identities disagree: "),
        "{}",
        told.stdout
    );
}

#[tokio::test]
async fn s0_71_a_token_of_somebody_whom_the_route_does_not_accept_is_led_to_accept() {
    let desk = Desk::new().await;
    let token = desk.idp.token().claim("iss", "ours").audience("mcp-api");
    let token = token.sign_with_secret(b"a-secret-of-two-services-0123456789");
    let told = desk
        .explain(&["--route", "/mcp", "--token", "-"], &token)
        .await;
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    let hint = "  hint            this is the issuer of services, which the route does not accept: name it under `accept`, with a `type` that takes it\n";
    assert!(told.stdout.contains(hint), "{}", told.stdout);
    assert_eq!(told.stdout.matches("  hint ").count(), 1);
}

#[tokio::test]
async fn s0_71_an_api_key_in_the_wrong_place_is_led_to_the_right_one() {
    let desk = Desk::new().await;
    let elsewhere = ["--route", "/opaque", "--api-key", "-"];
    let told = desk
        .explain(&elsewhere, "7f83b1657ff1fc53b92dc18148a1d65d")
        .await;
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    let hint = "  hint            this route takes no API keys: name an authenticator of kind api_keys under its `accept`";
    assert!(told.stdout.contains(hint), "{}", told.stdout);
    let as_token = ["--route", "/own", "--token", "-"];
    let told = desk
        .explain(&as_token, "portcullis_of_whatever_length_it_may_be_0123")
        .await;
    assert_eq!(told.code, Some(1), "{}", told.stdout);
    let hint = "  hint            send it in the header of API keys, which is X-API-Key if nothing else is configured";
    assert!(told.stdout.contains(hint), "{}", told.stdout);
}

#[tokio::test]
async fn s0_71_the_provider_is_asked_about_an_opaque_token() {
    let desk = Desk::new().await;
    let words = ["--route", "/opaque", "--token", "-"];
    let token = desk
        .idp
        .token()
        .audience("https://opaque.example.com/mcp")
        .scope("mcp")
        .opaque();
    let told = desk.explain(&words, &token).await;
    assert_eq!(told.code, Some(0), "{}", told.stdout);
    for line in [
        "+ form            not read here: asked is asked about it",
        "+ introspection   asked says that it is active",
        "+ scopes          \"mcp\"",
    ] {
        assert!(
            told.stdout.lines().any(|told| told == line),
            "{line}\n{}",
            told.stdout
        );
    }
    assert_secret(&told, &token);
    let told = desk.explain(&words, "8xLOxBtZp8WPpqtLq").await;
    assert_eq!(told.code, Some(1));
    assert!(
        told.stdout.contains("- introspection   "),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout.contains("= refused         401 inactive: "),
        "{}",
        told.stdout
    );
}
