use crate::check::route::tests::{field, read, route};
use crate::testing::{good, try_load, warnings, wrong};
use crate::{Auth, Families, Requirement};

const TWO: &str = "
authenticators:
  a: { oidc: { issuer: 'https://a.example' } }
  b: { oidc: { issuer: 'https://b.example' } }
";

#[track_caller]
fn requirement(text: &str) -> Requirement {
    match good(text).routes.remove(0).auth {
        Auth::Required(requirement) => requirement,
        Auth::Anonymous => panic!("open to everyone"),
    }
}

#[test]
fn s0_1_an_unknown_type_lists_the_four() {
    field(
        "auth: { type: basic }",
        "auth.type",
        "`basic` is not one of oauth, jwt, both, none",
    );
}

#[test]
fn s0_2_oauth_is_the_default_and_never_open() {
    assert!(matches!(read("").auth, Auth::Required(_)));
    assert!(matches!(read("auth: {}").auth, Auth::Required(_)));
    wrong(
        "authenticators: {}",
        &["routes[0].auth.type: oauth finds no authenticator"],
    );
    wrong(
        "authenticators:",
        &["routes[0].auth.type: oauth finds no authenticator"],
    );
}

#[test]
fn a_type_that_finds_nobody_is_refused() {
    field(
        "auth: { type: jwt }",
        "auth.type",
        "jwt finds no authenticator",
    );
    let services = "authenticators: { a: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: b, audiences: [c] } } }";
    wrong(
        services,
        &["routes[0].auth.type: oauth finds no authenticator"],
    );
    assert_eq!(requirement(&route("auth: { type: both }")).accept, [0]);
}

#[test]
fn x1_none_is_said_twice_and_for_loopback_only() {
    field(
        "auth: { type: none }",
        "auth.type",
        "opens this route to everyone",
    );
    assert_eq!(
        read("auth: { type: none }, dangerous: [anonymous_access]").auth,
        Auth::Anonymous
    );
    assert_eq!(
        warnings(&route(
            "auth: { type: none }, dangerous: [anonymous_access]"
        )),
        [
            "routes[0].dangerous: anonymous_access: everyone who reaches this machine may call this route",
            "authenticators.corp: is accepted by no route",
        ]
    );
    let open = "server: { listen: ['127.0.0.1:1', '0.0.0.0:2'], public_url: 'https://a.example', trusted_proxies: [10.0.0.0/8] }\n".to_owned();
    wrong(
        &(open + &route("auth: { type: none }, dangerous: [anonymous_access]")),
        &["routes[0].auth.type: is for loopback listeners only"],
    );
    field(
        "dangerous: [anonymous_access]",
        "dangerous",
        "anonymous_access does nothing without auth.type: none",
    );
    wrong(
        &route(
            "auth: { type: none, accept: [corp], audiences: [a], required_scopes: [s] }, dangerous: [anonymous_access]",
        ),
        &[
            "routes[0].auth.accept: has no effect with type: none",
            "routes[0].auth.audiences: has no effect with type: none",
            "routes[0].auth.required_scopes: has no effect with type: none",
        ],
    );
}

#[test]
fn sec_18_accept_is_needed_as_soon_as_there_is_a_choice() {
    let accept = |list: &str| format!("{TWO}{}", route(&format!("auth: {{ {list} }}")));
    wrong(&accept(""), &["routes[0].auth.accept: is missing"]);
    wrong(
        &accept("type: both"),
        &["routes[0].auth.accept: is missing"],
    );
    assert_eq!(requirement(&accept("accept: [b]")).accept, [1]);
    assert_eq!(requirement(&accept("accept: [b, a]")).accept, [1, 0]);
    wrong(
        &accept("accept: []"),
        &["routes[0].auth.accept: accepts nobody"],
    );
    wrong(
        &accept("accept: [a, a]"),
        &["routes[0].auth.accept[1]: is in the list already"],
    );
    wrong(
        &accept("accept: [a, nobody]"),
        &["routes[0].auth.accept[1]: names no authenticator"],
    );
}

#[test]
fn names_that_are_close_are_offered() {
    let problems = try_load(&route("auth: { accept: [google] }")).unwrap_err();
    assert_eq!(
        problems.iter().next().unwrap().hint.as_deref(),
        Some("there are corp")
    );
    let problems = try_load(&route("auth: { accept: [Corp] }")).unwrap_err();
    assert_eq!(
        problems.iter().next().unwrap().hint.as_deref(),
        Some("did you mean `corp`?")
    );
}

#[test]
fn one_route_does_not_take_two_of_one_issuer() {
    let two = |other: &str| {
        format!(
            "authenticators: {{ a: {{ oidc: {{ issuer: 'https://a.example/', issuers: ['https://x.example'] }} }}, b: {{ oidc: {{ issuer: '{other}' }} }} }}\n{}",
            route("auth: { accept: [a, b] }")
        )
    };
    for other in [
        "https://a.example/",
        "https://a.example",
        "https://x.example",
    ] {
        wrong(
            &two(other),
            &["routes[0].auth.accept: has two authenticators of one issuer: a and b"],
        );
    }
    good(&two("https://b.example"));
}

#[test]
fn client_ids_must_be_named() {
    let cognito = |fields: &str| {
        let authenticator = format!(
            "authenticators: {{ c: {{ oidc: {{ issuer: 'https://a.example', audience_claim: client_id, {fields} }} }} }}\n"
        );
        authenticator + &route("")
    };
    wrong(&cognito(""), &["routes[0].auth.audiences: is missing"]);
    good(&cognito("audiences: [client]"));
    let named = "authenticators: { c: { oidc: { issuer: 'https://a.example', audience_claim: client_id } } }\n".to_owned();
    good(&(named + &route("auth: { audiences: [client] }")));
}

#[test]
fn scopes_and_audiences_of_a_route() {
    let requirement = requirement(&route(
        "auth: { audiences: ['api://mcp'], required_scopes: [mcp, 'mcp:call'] }",
    ));
    assert_eq!(requirement.audiences, ["api://mcp".into()]);
    assert_eq!(
        requirement.required_scopes,
        ["mcp".into(), "mcp:call".into()]
    );
    field(
        "auth: { required_scopes: [a b] }",
        "auth.required_scopes[0]",
        "`a b` has a blank in it",
    );
    field(
        "auth: { required_scopes: mcp }",
        "auth.required_scopes",
        "is a single value where a list belongs",
    );
    field(
        "auth: { required_scopes: }",
        "auth.required_scopes",
        "has no value",
    );
    field(
        "auth: { audiences: ['*'] }",
        "auth.audiences[0]",
        "`*` is not an audience: it is compared as a whole, and never left unchecked",
    );
}

/// One of each kind that is made without asking anybody, and an authorization server.
const FAMILIES: &str = "
authenticators:
  corp: { oidc: { issuer: 'https://a.example' } }
  services: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: your-service, audiences: [mcp-api] } }
";

#[test]
fn s0_16_a_type_takes_its_families() {
    let with = |auth: &str| requirement(&format!("{FAMILIES}{}", route(&format!("auth: {auth}"))));
    assert_eq!(with("{}").accept, [0]);
    assert_eq!(with("{}").families, Families::Oauth);
    assert_eq!(with("{ type: jwt }").accept, [1]);
    assert_eq!(with("{ type: jwt }").families, Families::Jwt);
    // one of each family: nothing has to be said (SEC-18)
    assert_eq!(with("{ type: both }").accept, [0, 1]);
    assert_eq!(with("{ type: both, accept: [services] }").accept, [1]);
    for (auth, told) in [
        (
            "{ type: jwt, accept: [corp] }",
            "is an authenticator that type: jwt does not take",
        ),
        (
            "{ accept: [services] }",
            "is an authenticator that type: oauth does not take",
        ),
    ] {
        wrong(
            &format!("{FAMILIES}{}", route(&format!("auth: {auth}"))),
            &[&format!("routes[0].auth.accept[0]: {told}")],
        );
    }
}

#[test]
fn an_authenticator_that_counts_nowhere_is_told_of() {
    let text = |auth: &str| format!("{FAMILIES}{}", route(&format!("auth: {auth}")));
    assert!(warnings(&text("{ type: both }")).is_empty());
    let forgotten = ["authenticators.services: is accepted by no route"];
    assert_eq!(warnings(&text("{ accept: [corp] }")), forgotten);
    // one mistake is told once
    wrong(
        &text("{ accept: [corp, services] }"),
        &["routes[0].auth.accept[1]: is an authenticator that type: oauth does not take"],
    );
}

#[test]
fn sec_18_two_of_one_family_have_to_be_named() {
    let second = "  partner: { oidc: { issuer: 'https://b.example' } }\n";
    let text = |auth: &str| format!("{FAMILIES}{second}{}", route(&format!("auth: {auth}")));
    wrong(
        &text("{ type: both }"),
        &["routes[0].auth.accept: is missing"],
    );
    wrong(&text("{}"), &["routes[0].auth.accept: is missing"]);
    assert_eq!(requirement(&text("{ type: jwt }")).accept, [2]);
    let named = text("{ type: both, accept: [services, corp] }");
    assert_eq!(requirement(&named).accept, [2, 0]);
}

#[test]
fn s3_40_x20_two_signers_of_one_issuer_are_not_taken_by_one_route() {
    let issuer = "https://a.example";
    let text = format!(
        "
authenticators:
  corp: {{ oidc: {{ issuer: '{issuer}' }} }}
  services: {{ shared_secret: {{ secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: '{issuer}/', audiences: [mcp-api] }} }}
{}",
        route("auth: { type: both }")
    );
    wrong(
        &text,
        &["routes[0].auth.accept: has two authenticators of one issuer: corp and services"],
    );
}

#[test]
fn s0_6_s0_12_s1_5_nothing_can_be_switched_off_by_a_word() {
    let told = "is not a known key: what is written is on";
    let off =
        "authenticators: { corp: { enabled: false, oidc: { issuer: 'https://a.example' } } }\n";
    wrong(off, &[&format!("authenticators.corp.enabled: {told}")]);
    for (auth, place) in [
        ("{ type: oauth, enabled: false }", "routes[0].auth.enabled"),
        ("{ type: jwt, enabled: false }", "routes[0].auth.enabled"),
    ] {
        let text = format!("{FAMILIES}{}", route(&format!("auth: {auth}")));
        wrong(&text, &[&format!("{place}: {told}")]);
        let hint = try_load(&text)
            .unwrap_err()
            .iter()
            .next()
            .unwrap()
            .hint
            .clone();
        assert!(hint.unwrap().contains("take its block away"));
    }
    wrong("oauth: { enabled: false }", &["oauth: is not a known key"]);
}

#[test]
fn sec_10_audiences_that_nobody_compares_are_refused() {
    let text = |auth: &str| format!("{FAMILIES}{}", route(&format!("auth: {auth}")));
    let told = "routes[0].auth.audiences: has no effect: what is accepted here has audiences of its own, or none at all";
    wrong(&text("{ type: jwt, audiences: [x] }"), &[told]);
    // somebody's tokens are compared with them
    let both = requirement(&text("{ type: both, audiences: [x] }"));
    assert_eq!(both.audiences, [Box::from("x")]);
}
