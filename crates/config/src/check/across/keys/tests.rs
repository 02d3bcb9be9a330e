use crate::testing::{warnings, wrong};

const ONE: &str = "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756";

fn config(first: &str, second: &str, identity: &str) -> String {
    format!(
        "authenticators:\n  a: {{ api_keys: {{ keys: [{{ id: one, hash: '{ONE}'{first} }}] }} }}\n  \
         b: {{ api_keys: {{ header: X-Other, keys: [{{ id: two, hash: '{second}' }}] }} }}\n  \
         corp: {{ oidc: {{ issuer: 'https://login.example.com' }} }}\n\
         routes:\n  - {{ path: /mcp, upstream: 'http://127.0.0.1:3000', auth: {{ type: both, accept: [a, b, corp] }}{identity} }}\n  \
         - {{ path: /a, upstream: 'http://127.0.0.1:3000', auth: {{ type: jwt, accept: [a] }} }}\n"
    )
}

const TWO: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn t_ak_one_key_is_one_caller_on_a_route() {
    wrong(
        &config("", ONE, ""),
        &["routes[0].auth.accept: has the same key twice: keys[0] of b is one of a too"],
    );
    wrong(&config("", TWO, ""), &[]);
    let apart = config("", ONE, "").replace("[a, b, corp]", "[b, corp]");
    wrong(&apart, &[]);
}

#[test]
fn sec_2_acting_for_an_issuer_that_nobody_knows_is_warned_of() {
    let acts = |issuer: &str| {
        let acts_for = format!(", acts_for: {{ issuer: '{issuer}', subject: ada }}");
        warnings(&config(&acts_for, TWO, ""))
    };
    assert_eq!(
        acts("https://login.example.org"),
        [
            "authenticators.a.api_keys.keys[0].acts_for.issuer: is the issuer of no authenticator: the key can come with no token"
        ]
    );
    assert_eq!(acts("https://login.example.com"), [""; 0]);
    assert_eq!(acts("https://login.example.com/"), [""; 0]);
}

#[test]
fn t_ak_a_header_that_tells_servers_who_calls_is_not_one_that_callers_write() {
    wrong(
        &config("", TWO, ", identity: { headers: { x-OTHER: sub } }"),
        &["authenticators.b.api_keys.header: is written to by routes[0].identity.headers"],
    );
}
