use super::*;
use crate::public_key::P256;
use crate::testing::{good, problems, try_load, wrong};

const SECRET: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";

fn services(fields: &str) -> String {
    written("shared_secret", fields)
}

fn opensaas(fields: &str) -> String {
    let pem = P256.replace('\n', "\\n");
    written("public_key", &format!("pem: \"{pem}\"{fields}"))
}

/// An authenticator of this kind, and a route that takes it.
fn written(kind: &str, fields: &str) -> String {
    format!(
        "authenticators: {{ a: {{ {kind}: {{ {fields} }} }} }}\n\
         routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', auth: {{ type: jwt }} }} ]\n"
    )
}

const REST: &str = ", issuer: your-service, audiences: [mcp-api]";

#[test]
fn s0_32_a_secret_an_issuer_and_an_audience_are_enough() {
    let config = good(&services(&format!("secret: {SECRET}{REST}")));
    let AuthenticatorKind::SharedSecret(settings) = &config.authenticators[0].kind else {
        panic!("a shared secret was written")
    };
    assert_eq!(settings.secret.expose(), SECRET);
    assert_eq!(settings.algorithm, Hmac::Hs256);
    assert_eq!(&*settings.jwt.rules.issuer, "your-service");
    assert_eq!(settings.jwt.rules.audiences, [Box::from("mcp-api")]);
    assert_eq!(settings.jwt.audience_claim, AudienceClaim::Aud);
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn s0_32_secret_issuer_and_audience_are_required() {
    let place = "authenticators.a.shared_secret";
    let missing = |key: &str| format!("{place}.{key}: is missing");
    wrong(
        &services(""),
        &[
            &missing("secret"),
            &missing("issuer"),
            &missing("audiences"),
        ],
    );
    wrong(
        &services(&format!("secret: {SECRET}, issuer: a, audiences: []")),
        &[&missing("audiences")],
    );
    wrong(
        &written("public_key", "issuer: a, audiences: [b]"),
        &["authenticators.a.public_key.pem: is missing"],
    );
    for unchecked in ["any", "'*'"] {
        let text = services(&format!(
            "secret: {SECRET}, issuer: a, audiences: [{unchecked}]"
        ));
        assert_ne!(problems(&text), [""; 0], "{unchecked}");
    }
}

#[test]
fn x4_a_weak_secret_is_refused_and_never_shown() {
    let place = "authenticators.a.shared_secret.secret";
    for (secret, reason) in [
        (
            "dev-key-min-32-chars-required!!",
            "is a published example, which everybody knows",
        ),
        (
            "your-secure-session-secret",
            "is a published example, which everybody knows",
        ),
        ("qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1", "has fewer than 32 bytes"),
        (
            "abababababababababababababababababab",
            "repeats a short pattern",
        ),
    ] {
        let text = services(&format!("secret: '{secret}'{REST}"));
        wrong(&text, &[&format!("{place}: `***` {reason}")]);
    }
}

#[test]
fn s0_32_a_secret_has_as_many_bytes_as_the_hash() {
    let with = |algorithm: &str, length: usize| {
        let secret: String = SECRET
            .chars()
            .chain(SECRET.chars().rev())
            .take(length)
            .collect();
        services(&format!("secret: {secret}, algorithm: {algorithm}{REST}"))
    };
    for (algorithm, length) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        good(&with(algorithm, length));
        let told = if length == 32 {
            "has fewer than 32 bytes".to_owned()
        } else {
            format!("has fewer than {length} bytes, which {algorithm} needs (RFC 7518 §3.2)")
        };
        let place = "authenticators.a.shared_secret.secret";
        wrong(
            &with(algorithm, length - 1),
            &[&format!("{place}: `***` {told}")],
        );
    }
}

#[test]
fn s0_32_keys_of_a_pair_and_secrets_have_places_of_their_own() {
    let pem = P256.replace('\n', "\\n");
    let refused = try_load(&services(&format!("secret: \"{pem}\"{REST}"))).unwrap_err();
    let problem = refused.iter().next().unwrap();
    assert_eq!(problem.path, "authenticators.a.shared_secret.secret");
    assert!(
        problem.hint.as_ref().unwrap().contains("public_key"),
        "{problem:?}"
    );
    wrong(
        &services(&format!("secret: {SECRET}, algorithm: RS256{REST}")),
        &["authenticators.a.shared_secret.algorithm: `RS256` is no algorithm of a shared secret"],
    );
    let place = "authenticators.a.public_key";
    wrong(
        &written("public_key", &format!("pem: {SECRET}{REST}")),
        &[&format!("{place}.pem: `***` is not a PEM text")],
    );
    let text = opensaas(&format!("{REST}, algorithms: [HS256]"));
    let found = problems(&text);
    let [problem] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(
        problem.starts_with(&format!("{place}.algorithms[0]: `HS256` is refused")),
        "{problem}"
    );
}

#[test]
fn s0_32_the_algorithms_are_those_of_the_key() {
    let algorithms = |fields: &str| {
        let config = good(&opensaas(&format!("{REST}{fields}")));
        match config.authenticators.into_iter().next().unwrap().kind {
            AuthenticatorKind::PublicKey(settings) => settings.algorithms,
            _ => panic!("a public key was written"),
        }
    };
    assert_eq!(algorithms(""), [Algorithm::Es256]);
    assert_eq!(algorithms(", algorithms: [ES256]"), [Algorithm::Es256]);
    let place = "authenticators.a.public_key.algorithms";
    wrong(
        &opensaas(&format!("{REST}, algorithms: [ES256, RS256]")),
        &[&format!(
            "{place}[1]: is nothing that a P-256 key can check"
        )],
    );
    wrong(
        &opensaas(&format!("{REST}, algorithms: []")),
        &[&format!("{place}: names no algorithm")],
    );
}

#[test]
fn s0_32_what_a_published_key_set_needs_is_not_said_of_a_key() {
    for key in [
        "jwks_uri",
        "cache",
        "start",
        "ca",
        "audience_claim",
        "issuers",
    ] {
        let text = services(&format!("secret: {SECRET}{REST}, {key}: x"));
        wrong(
            &text,
            &[&format!(
                "authenticators.a.shared_secret.{key}: is not a known key"
            )],
        );
    }
}

#[test]
fn s0_32_an_issuer_is_any_name_but_the_gateways_own() {
    for (issuer, told) in [
        ("''", "`` is empty"),
        (
            "' a'",
            "` a` has blanks around it or control characters in it",
        ),
        (
            "'urn:portcullis:key:ci'",
            "`urn:portcullis:key:ci` is a name of the gateway's own",
        ),
    ] {
        wrong(
            &services(&format!(
                "secret: {SECRET}, issuer: {issuer}, audiences: [b]"
            )),
            &[&format!("authenticators.a.shared_secret.issuer: {told}")],
        );
    }
}
