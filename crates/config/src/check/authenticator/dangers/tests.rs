use crate::testing::{Fixed, good, problems, warnings, wrong};
use crate::{Dangers, load};

/// One authenticator of each kind with these further fields, and this beside the kind.
fn each(fields: &str, beside: &str) -> [(&'static str, String); 3] {
    let secret = "'8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d'";
    let own = |audiences: &str| format!("secret: {secret}, issuer: s{audiences}");
    let has_any = fields.contains("audiences");
    let own = own(if has_any { "" } else { ", audiences: [x]" });
    [
        ("oidc", "issuer: 'https://a.example'".to_owned()),
        (
            "jwks",
            "issuer: 'https://a.example', jwks_uri: 'https://a.example/k'".to_owned(),
        ),
        ("shared_secret", own),
    ]
    .map(|(kind, usual)| {
        let text = format!(
            "authenticators: {{ a: {{ {kind}: {{ {usual}, {fields} }}{beside} }} }}\nroutes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000', auth: {{ type: both }} }} ]"
        );
        (kind, text)
    })
}

fn dangers(text: &str) -> Dangers {
    good(text).authenticators[0].dangers.clone()
}

#[test]
fn x2_x3_x21_each_is_said_by_its_name_and_by_its_bound() {
    for (name, bound, key) in [
        ("any_audience", "audiences: any", "audiences"),
        ("expired_tokens", "expiry_grace: 2h", "expiry_grace"),
        (
            "signature_checked_by_peer",
            "checked_by: [127.0.0.1, '::1']",
            "checked_by",
        ),
    ] {
        for (kind, both) in each(bound, &format!(", dangerous: [{name}]")) {
            assert_eq!(dangers(&both).names(), [name], "{kind}");
            let warned = warnings(&both);
            let place = format!("authenticators.a.dangerous: {name}: ");
            assert!(
                warned.iter().any(|one| one.starts_with(&place)),
                "{warned:?}"
            );
            // refused in production, with its place
            wrong(
                &format!("profile: production\n{both}"),
                &[&format!(
                    "authenticators.a.dangerous[0]: is {name}, and the profile is production"
                )],
            );
            // what is resolved means the same
            let resolved = crate::resolved(&good(&both));
            let resolved =
                resolved.replace("'***'", "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab91");
            let again = load(&resolved, &Fixed::default()).unwrap().config;
            assert_eq!(
                again.authenticators[0].dangers,
                dangers(&both),
                "{resolved}"
            );
        }
        for (kind, name_alone) in each("leeway: 1s", &format!(", dangerous: [{name}]")) {
            let place = format!("authenticators.a.{kind}.{key}: is missing");
            assert!(
                problems(&name_alone).contains(&place),
                "{:?}",
                problems(&name_alone)
            );
        }
        for (kind, bound_alone) in each(bound, "") {
            let place = format!("authenticators.a.{kind}.{key}: needs {name} under dangerous");
            assert_eq!(problems(&bound_alone), [place], "and nothing else is wrong");
        }
    }
    for (_, usual) in each("leeway: 1s", "") {
        assert_eq!(dangers(&usual), Dangers::default());
        assert_eq!(warnings(&usual), [""; 0]);
    }
}

#[test]
fn x3_the_grace_has_an_end() {
    for (kind, long) in each("expiry_grace: 25h", ", dangerous: [expired_tokens]") {
        let told = problems(&long);
        assert_eq!(told.len(), 1, "{kind}: {told:?}");
        assert!(told[0].contains("expiry_grace"), "{told:?}");
    }
    for (_, day) in each("expiry_grace: 24h", ", dangerous: [expired_tokens]") {
        assert_eq!(dangers(&day).expiry_grace.unwrap().as_secs(), 86_400);
    }
}

#[test]
fn x2_beyond_this_machine_an_address_proves_nothing() {
    let of = |peers: &str| {
        each(
            &format!("checked_by: {peers}"),
            ", dangerous: [signature_checked_by_peer]",
        )
    };
    for far in ["[10.0.0.0/8]", "[127.0.0.0/7]", "['::/1']", "[192.0.2.1]"] {
        for (kind, text) in of(far) {
            let place = format!("authenticators.a.{kind}.checked_by[0]: ");
            assert!(
                problems(&text)[0].starts_with(&place),
                "{:?}",
                problems(&text)
            );
        }
    }
    for (kind, nobody) in of("[]") {
        wrong(
            &nobody,
            &[&format!("authenticators.a.{kind}.checked_by: names nobody")],
        );
    }
    // with client certificates the peer may be elsewhere
    let tls = "server: { tls: { certificate: /c, private_key: /k, client_ca: /ca } }\n";
    let pem = |what: &str| format!("-----BEGIN {what}-----\n");
    let sources = Fixed::default()
        .file("/c", &pem("CERTIFICATE"))
        .file("/k", &pem("PRIVATE KEY"))
        .file("/ca", &pem("CERTIFICATE"));
    for (_, far) in of("[10.0.0.0/8]") {
        let loaded = load(&format!("{tls}{far}"), &sources).unwrap();
        let dangers = &loaded.config.authenticators[0].dangers;
        assert_eq!(dangers.checked_by, ["10.0.0.0/8".parse().unwrap()]);
    }
}

#[test]
fn x2_who_vouches() {
    let dangers = Dangers {
        checked_by: vec![
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ],
        ..Dangers::default()
    };
    let vouches =
        |peer: &str, certificate: bool| dangers.vouches(peer.parse().unwrap(), certificate);
    assert!(vouches("127.0.0.1", false));
    assert!(vouches("::ffff:127.0.0.1", false));
    assert!(
        !vouches("10.1.2.3", false),
        "an address proves nothing there"
    );
    assert!(vouches("10.1.2.3", true));
    assert!(
        !vouches("192.0.2.1", true),
        "a certificate of somebody else"
    );
    assert!(!vouches("::1", false), "not named");
    assert!(!Dangers::default().vouches("127.0.0.1".parse().unwrap(), true));
}

#[test]
fn x21_any_audience_is_shared_only_when_said() {
    let text = |more: &str| {
        format!(
            "authenticators: {{ a: {{ oidc: {{ issuer: 'https://a.example', audiences: any{more} }}, dangerous: [any_audience] }} }}\nroutes: [ {{ path: /a, upstream: 'http://127.0.0.1:1' }}, {{ path: /b, upstream: 'http://127.0.0.1:1' }} ]"
        )
    };
    assert_eq!(
        problems(&text("")),
        [
            "authenticators.a.oidc.audiences: would make a token for one of routes[0], routes[1] good for all of them"
        ]
    );
    assert_eq!(
        problems(&text(", shared_audience: true")).len(),
        2,
        "scopes have to tell them apart"
    );
}

#[test]
fn api_keys_have_nothing_of_it() {
    let hash = "0".repeat(64);
    wrong(
        &format!(
            "authenticators: {{ a: {{ api_keys: {{ keys: [ {{ id: a, hash: 'sha256:{hash}' }} ] }}, dangerous: [expired_tokens] }} }}\nroutes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:1', auth: {{ type: jwt }} }} ]"
        ),
        &["authenticators.a.dangerous: is about tokens, and API keys are none"],
    );
}
