use std::path::PathBuf;
use std::time::Duration;

use crate::testing::{Fixed, good, try_load, with, wrong};
use crate::{
    Algorithm, AudienceClaim, AuthenticatorKind, Fetch, Jwt, KeySource, Rules, Start, TokenType,
    load,
};

/// One oidc authenticator with these further fields.
fn oidc(fields: &str) -> String {
    format!(
        "authenticators: {{ corp: {{ oidc: {{ issuer: 'https://login.example.com/', {fields} }} }} }}"
    )
}

/// One jwks authenticator with these further fields.
fn jwks(fields: &str) -> String {
    format!(
        "authenticators: {{ corp: {{ jwks: {{ issuer: 'https://login.example.com/', {fields} }} }} }}"
    )
}

#[track_caller]
fn jwt(fields: &str) -> Jwt {
    provider(fields).0
}

fn rules(fields: &str) -> Rules {
    jwt(fields).rules
}

fn fetch(fields: &str) -> Fetch {
    provider(fields).2
}

fn algorithms(fields: &str) -> Vec<Algorithm> {
    provider(fields).1
}

fn provider(fields: &str) -> (Jwt, Vec<Algorithm>, Fetch) {
    match good(&oidc(fields)).authenticators.remove(0).kind {
        AuthenticatorKind::Oidc {
            jwt,
            algorithms,
            fetch,
        }
        | AuthenticatorKind::Jwks {
            jwt,
            algorithms,
            fetch,
            ..
        } => (jwt, algorithms, fetch),
        _ => panic!("not oidc"),
    }
}

/// The one problem of an oidc authenticator with this field.
#[track_caller]
fn field(written: &str, place: &str, reason: &str) {
    wrong(
        &oidc(written),
        &[&format!("authenticators.corp.oidc.{place}: {reason}")],
    );
}

#[test]
fn each_has_exactly_one_kind() {
    wrong(
        "authenticators: { corp: {} }",
        &["authenticators.corp: has no kind"],
    );
    wrong(
        "authenticators: { corp: }",
        &["authenticators.corp: has no kind"],
    );
    wrong(
        "authenticators: { corp: { oidc: { issuer: 'https://a.example' }, jwks: { issuer: 'https://a.example', jwks_uri: 'https://a.example/k' } } }",
        &["authenticators.corp: has more than one kind"],
    );
    wrong(
        "authenticators: { corp: { odic: { issuer: 'https://a.example' } } }",
        &["authenticators.corp.odic: is not a known key"],
    );
    wrong(
        "authenticators: { corp: { login: {} } }",
        &["authenticators.corp.login: is not supported yet"],
    );
    wrong(
        "authenticators: { 'c.orp': { oidc: { issuer: 'https://a.example' } } }",
        &["authenticators.\"c.orp\": is not a name of 1 to 64 letters, digits, `-` and `_`"],
    );
}

#[test]
fn s4_2_the_issuer_is_required() {
    wrong(
        "authenticators: { corp: { oidc: {} } }",
        &["authenticators.corp.oidc.issuer: is missing"],
    );
    wrong(
        "authenticators: { corp: { oidc: } }",
        &["authenticators.corp.oidc.issuer: is missing"],
    );
    wrong(
        "authenticators: { corp: { oidc: { issuer: } } }",
        &["authenticators.corp.oidc.issuer: has no value"],
    );
}

#[test]
fn t_p5_an_empty_issuer_is_refused() {
    wrong(
        "authenticators: { corp: { oidc: { issuer: '' } } }",
        &["authenticators.corp.oidc.issuer: `` is empty"],
    );
}

#[test]
fn t_p4_an_issuer_that_is_no_url_is_refused() {
    wrong(
        "authenticators: { corp: { oidc: { issuer: login } } }",
        &["authenticators.corp.oidc.issuer: `login` is not an absolute http or https URL"],
    );
    wrong(
        "authenticators: { corp: { oidc: { issuer: 'https://u:p@login.example' } } }",
        &["authenticators.corp.oidc.issuer: `***` must not contain a user name or password"],
    );
}

#[test]
fn t_o15_s3_5_jwks_needs_keys_from_one_place() {
    wrong(
        &jwks(""),
        &["authenticators.corp.jwks: jwks validation requires jwks_uri or jwks_file"],
    );
    wrong(
        &jwks("jwks_uri: 'https://a.example/k', jwks_file: /k"),
        &["authenticators.corp.jwks: has both jwks_uri and jwks_file"],
    );
    wrong(
        &oidc("jwks_uri: 'https://a.example/k'"),
        &["authenticators.corp.oidc.jwks_uri: is not for oidc"],
    );
    let config = good(&jwks("jwks_uri: 'https://a.example/k'"));
    let AuthenticatorKind::Jwks { keys, .. } = &config.authenticators[0].kind else {
        panic!("not jwks")
    };
    assert_eq!(*keys, KeySource::Url("https://a.example/k".into()));
}

#[test]
fn sec_19_keys_come_over_https_or_loopback() {
    good(&jwks("jwks_uri: 'http://127.0.0.1:9400/jwks'"));
    wrong(
        &jwks("jwks_uri: 'http://login.example.com/keys'"),
        &[
            "authenticators.corp.jwks.jwks_uri: `http://login.example.com/keys` is neither https nor on loopback",
        ],
    );
}

#[test]
fn sec_20_key_files_and_certificates_are_looked_at() {
    let text = with(&jwks("jwks_file: /keys.json, ca: /ca.pem"));
    let files = |keys: &str, ca: &str| {
        Fixed::default()
            .file("/keys.json", keys)
            .file("/ca.pem", ca)
    };
    let good_ca = "-----BEGIN CERTIFICATE-----\n…";
    let config = load(&text, &files(r#"{"keys":[]}"#, good_ca))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config;
    let AuthenticatorKind::Jwks { fetch, keys, .. } = &config.authenticators[0].kind else {
        panic!("not jwks")
    };
    assert_eq!(
        (keys, &fetch.ca),
        (
            &KeySource::File("/keys.json".into()),
            &Some(PathBuf::from("/ca.pem"))
        )
    );

    let said = |sources: &Fixed| {
        let problems = load(&text, sources).unwrap_err();
        problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(&Fixed::default()),
        [
            "authenticators.corp.jwks.jwks_file: the file \"/keys.json\" does not exist",
            "authenticators.corp.jwks.ca: the file \"/ca.pem\" does not exist",
        ]
    );
    assert_eq!(
        said(&files("{}", "key")),
        [
            "authenticators.corp.jwks.jwks_file: is not a key set",
            "authenticators.corp.jwks.ca: is not a PEM certificate",
        ]
    );
}

#[test]
fn s3_10_algorithms() {
    assert_eq!(algorithms(""), [Algorithm::Rs256, Algorithm::Es256]);
    assert_eq!(algorithms("algorithms: [EdDSA]"), [Algorithm::EdDsa]);
    field("algorithms: []", "algorithms", "names no algorithm");
    field(
        "algorithms: [RS256, RS256]",
        "algorithms[1]",
        "is in the list already",
    );
    field(
        "algorithms: [RS256, none]",
        "algorithms[1]",
        "`none` is refused: a token without a signature can be made by anyone",
    );
    field(
        "algorithms: [HS256]",
        "algorithms[0]",
        "`HS256` is refused: with a shared secret, whoever can check a token can also make one, and a published key would be the secret",
    );
}

#[test]
fn s3_14_a_key_set_is_kept_for_fifteen_minutes_or_as_said() {
    assert_eq!(fetch("").cache, Duration::from_mins(15));
    assert_eq!(fetch("cache: 600s").cache, Duration::from_mins(10));
    field("cache: 0s", "cache", "must be at least 1s");
    field("cache: 0", "cache", "must be at least 1s");
    field("cache: 600", "cache", "`600` has no unit");
}

#[test]
fn s3_35_s4_3_an_audience_is_never_unchecked() {
    assert!(rules("audiences: []").audiences.is_empty());
    field("audiences: ['']", "audiences[0]", "`` is empty");
    field(
        "audiences: [any]",
        "audiences[0]",
        "`any` is not an audience: it is compared as a whole, and never left unchecked",
    );
    field(
        "audiences: [a, a]",
        "audiences[1]",
        "is in the list already",
    );
    assert_eq!(rules("audiences: [12345]").audiences, ["12345".into()]);
    field(
        "audiences: [1.10]",
        "audiences[0]",
        "is a number with a fraction where an audience like https://mcp.example.com/mcp belongs",
    );
}

#[test]
fn s3_36_tokens_may_be_bounded_in_lifetime() {
    assert_eq!(jwt("").max_token_lifetime, None);
    assert_eq!(
        jwt("max_token_lifetime: 1h").max_token_lifetime,
        Some(Duration::from_hours(1))
    );
    field(
        "max_token_lifetime: 0s",
        "max_token_lifetime",
        "must be at least 1s",
    );
}

#[test]
fn leeway_is_at_most_a_minute() {
    assert_eq!(rules("leeway: 0s").leeway, Duration::ZERO);
    assert_eq!(rules("leeway: 60s").leeway, Duration::from_mins(1));
    field("leeway: 61s", "leeway", "must be at most 1m");
}

#[test]
fn sec_13_token_types() {
    assert_eq!(
        jwt("").token_types,
        [TokenType::AtJwt, TokenType::Jwt, TokenType::Absent]
    );
    assert_eq!(
        jwt("token_types: [at+jwt, application/at+jwt]").token_types,
        [TokenType::AtJwt]
    );
    field("token_types: []", "token_types", "names no token type");
}

#[test]
fn s3_42_two_variables_may_name_the_same_issuer() {
    let issuers = |further: &str| {
        let text = format!("issuers: [{further}]");
        jwt(&text).issuers
    };
    assert_eq!(issuers("'${B:-https://login.example.com/}'"), []);
    assert_eq!(
        issuers("'${B:-https://login.example.com/}', 'https://sts.example.com'"),
        ["https://sts.example.com".into()]
    );
}

#[test]
fn sec_13_further_marks_are_claims_that_only_access_tokens_have() {
    assert_eq!(jwt("").access_token_marks, []);
    let marks = jwt("access_token_marks: [gty, realm_access.roles]").access_token_marks;
    let marks: Vec<&str> = marks.iter().map(crate::ClaimPath::as_str).collect();
    assert_eq!(marks, ["gty", "realm_access.roles"]);
    for no_mark in ["sub", "aud", "exp", "nonce", "at_hash"] {
        field(
            &format!("access_token_marks: [gty, {no_mark}]"),
            "access_token_marks[1]",
            "is in other tokens, too",
        );
    }
}

#[test]
fn sec_4_email_is_trusted_only_when_said() {
    assert!(!rules("").trust_email);
    assert!(rules("trust_email: true").trust_email);
    field(
        "trust_email: yes",
        "trust_email",
        "`yes` is neither true nor false",
    );
}

#[test]
fn further_fields() {
    let (jwt, _, fetch) = provider(
        "issuers: ['https://old.example'], audience_claim: client_id, audiences: [c], start: lazy, trust_email: true, max_stale: 0s",
    );
    assert_eq!(jwt.issuers, ["https://old.example".into()]);
    assert_eq!(
        (jwt.audience_claim, fetch.start, jwt.rules.trust_email),
        (AudienceClaim::ClientId, Start::Lazy, true)
    );
    assert_eq!(fetch.max_stale, Duration::ZERO);
    field(
        "issuers: ['https://login.example.com/']",
        "issuers",
        "names the issuer itself",
    );
    field("claims: { scopes: [] }", "claims.scopes", "names no claim");
    field("claims: { subject: '' }", "claims.subject", "`` is empty");
    field(
        "scope_map: { 'a b': [c] }",
        "scope_map.\"a b\"",
        "has a blank in it",
    );
    field(
        "proxy: 'http://u:hunter2@pro xy'",
        "proxy",
        "`***` has a host that is not a name or an address",
    );
    let claims = rules("claims: { scopes: realm_access.roles }").claims;
    assert_eq!(claims.scopes.len(), 1);
}

#[test]
fn t_p3_a_route_without_any_authenticator_is_refused() {
    let problems = try_load("authenticators: {}").unwrap_err();
    assert_eq!(
        problems.iter().next().unwrap().reason,
        "oauth finds no authenticator"
    );
}
