use std::time::Duration;

use crate::checked::{AuthenticatorKind, Introspection, IntrospectionAuth};
use crate::testing::{good, problems, warnings, wrong};

const NEEDED: &str = "endpoint: https://login.example.com/introspect, client_id: gw, client_secret: hunter2, issuer: https://login.example.com";

fn file(fields: &str) -> String {
    format!("authenticators: {{ central: {{ introspection: {{ {fields} }} }} }}")
}

fn read(more: &str) -> Introspection {
    let kind = good(&file(&format!("{NEEDED}{more}")));
    match kind.authenticators.into_iter().next().unwrap().kind {
        AuthenticatorKind::Introspection(introspection) => introspection,
        other => panic!("{other:?}"),
    }
}

/// The one problem of an authenticator with this further field.
#[track_caller]
fn field(written: &str, told: &str) {
    wrong(
        &file(&format!("{NEEDED}, {written}")),
        &[&format!("authenticators.central.introspection.{told}")],
    );
}

#[test]
fn s3_3_s3_15_s3_37_a_provider_that_is_asked() {
    let plain = read("");
    assert_eq!(&*plain.endpoint, "https://login.example.com/introspect");
    assert_eq!(&*plain.client_id, "gw");
    assert_eq!(plain.client_secret.expose(), "hunter2");
    assert_eq!(plain.client_auth, IntrospectionAuth::Basic);
    assert_eq!(&*plain.rules.issuer, "https://login.example.com");
    assert_eq!(plain.rules.leeway, Duration::from_secs(30));
    assert_eq!(plain.cache, Duration::from_mins(5));
    assert_eq!(plain.token_prefix, None);
    assert!(!format!("{plain:?}").contains("hunter2"));
    let other = read(", client_auth: post, cache: 0s, token_prefix: corp_");
    assert_eq!(other.client_auth, IntrospectionAuth::Post);
    assert_eq!(other.cache, Duration::ZERO);
    assert_eq!(other.token_prefix.as_deref(), Some("corp_"));
}

#[test]
fn t_o16_what_is_needed_is_asked_for_at_once() {
    let place = "authenticators.central.introspection";
    let missing = ["endpoint", "client_id", "client_secret", "issuer"];
    let told: Vec<_> = missing
        .iter()
        .map(|key| format!("{place}.{key}: is missing"))
        .collect();
    assert_eq!(problems(&file("")), told);
    wrong(
        &file(&NEEDED.replace(
            "endpoint: https://login.example.com",
            "endpoint: http://login.example.com",
        )),
        &[&format!(
            "{place}.endpoint: `http://login.example.com/introspect` is neither https nor on loopback"
        )],
    );
    good(&file(&NEEDED.replace(
        "https://login.example.com/i",
        "http://127.0.0.1:1/i",
    )));
    wrong(
        &file(&NEEDED.replace("hunter2", "''")),
        &[&format!("{place}.client_secret: `***` is empty")],
    );
    wrong(
        &file(&NEEDED.replace("hunter2", "\"a\\n\"")),
        &[&format!(
            "{place}.client_secret: `***` has control characters"
        )],
    );
}

#[test]
fn values_that_mean_nothing_are_refused() {
    field(
        "client_auth: client_secret_basic",
        "client_auth: `client_secret_basic` is called basic here",
    );
    field("cache: 500ms", "cache: is shorter than 1s");
    field("cache: 2h", "cache: must be at most 1h");
    field("token_prefix: ''", "token_prefix: `` is empty");
    field(
        "token_prefix: 'a b'",
        "token_prefix: `a b` has characters that a bearer token cannot hold",
    );
    field("algorithms: [RS256]", "algorithms: is not a known key");
}

/// Two of them on one route, with these further fields.
fn two(one: &str, other: &str) -> String {
    format!(
        "authenticators: {{ a: {{ introspection: {{ {NEEDED}{one} }} }}, b: {{ introspection: {{ {NEEDED}{other} }} }} }}
routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', auth: {{ accept: [a, b] }} }} ]"
    )
}

#[test]
fn sec_17_two_on_one_route_are_told_apart_by_how_their_tokens_begin() {
    let accept = "routes[0].auth.accept";
    for (one, other) in [("", ""), (", token_prefix: a_", "")] {
        let told =
            format!("{accept}: has more than one authenticator of kind introspection: a and b");
        wrong(&two(one, other), &[&told]);
    }
    let told = format!("{accept}: has two authenticators with one token_prefix: a and b");
    wrong(&two(", token_prefix: a_", ", token_prefix: a_"), &[&told]);
    assert!(warnings(&two(", token_prefix: a_", ", token_prefix: a_b")).is_empty());
}

#[test]
fn one_issuer_may_sign_some_tokens_and_be_asked_about_others() {
    good(&format!(
        "authenticators: {{ a: {{ introspection: {{ {NEEDED} }} }}, b: {{ oidc: {{ issuer: https://login.example.com }} }} }}
routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', auth: {{ accept: [a, b] }} }} ]"
    ));
}
