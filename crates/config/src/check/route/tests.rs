use crate::testing::{good, try_load, warnings, wrong};
use crate::{Auth, ClaimPath, IdentityHeaders, Requirement, Route, Transport};

/// One route with these further fields.
fn route(fields: &str) -> String {
    format!("routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', {fields} }} ]")
}

#[track_caller]
fn read(fields: &str) -> Route {
    good(&route(fields)).routes.remove(0)
}

/// The one problem of a route with this field.
#[track_caller]
fn field(written: &str, place: &str, reason: &str) {
    wrong(&route(written), &[&format!("routes[0].{place}: {reason}")]);
}

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
fn at_least_one_route() {
    wrong("routes: []", &["routes: has no route"]);
    wrong("routes:", &["routes: has no value"]);
    wrong(
        "routes: { path: /mcp }",
        &["routes: is a mapping where a list belongs"],
    );
    let problems = crate::load(
        crate::testing::AUTHENTICATORS,
        &crate::testing::Fixed::default(),
    )
    .unwrap_err();
    assert_eq!(
        problems.to_string().lines().nth(1),
        Some("  routes   is missing")
    );
    wrong(
        "routes: [ {} ]",
        &[
            "routes[0].path: is missing",
            "routes[0].upstream: is missing",
        ],
    );
    wrong(
        "routes: [ /mcp ]",
        &[
            "routes[0]: is a single value where a mapping belongs",
            "routes[0].path: is missing",
            "routes[0].upstream: is missing",
        ],
    );
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
    let problems = try_load(&route("auth: { accept: [crop] }")).unwrap_err();
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

#[test]
fn sec_31_paths() {
    assert_eq!(&*read("name: x").path, "/mcp");
    let path = |path: &str| {
        format!("routes: [ {{ path: \"{path}\", upstream: 'http://127.0.0.1:3000' }} ]")
    };
    assert_eq!(&*good(&path("/a/b/")).routes[0].path, "/a/b");
    wrong(
        &path("mcp"),
        &["routes[0].path: `mcp` does not start with `/`"],
    );
    wrong(
        &path("/a//b"),
        &["routes[0].path: `/a//b` has an empty segment (`//`)"],
    );
    wrong(
        &path("/a/../b"),
        &["routes[0].path: `/a/../b` has a dot segment"],
    );
    wrong(
        &path("/a%2Fb"),
        &["routes[0].path: `/a%2Fb` has an encoded slash or back-slash"],
    );
    wrong(
        &path("/a\\tb"),
        &["routes[0].path: `/a\\tb` has a control character"],
    );
}

#[test]
fn sec_39_own_paths_are_the_gateways() {
    let path = |path: &str, transport: &str| {
        format!(
            "routes: [ {{ path: '{path}', transport: {transport}, upstream: 'http://127.0.0.1:3000' }} ]"
        )
    };
    for own in [
        "/.well-known/oauth-protected-resource",
        "/oauth/x",
        "/auth/verify",
        "/authorize",
        "/token",
        "/register",
        "/health",
    ] {
        let parent = crate::scalar::path::own(own).unwrap();
        for transport in ["mcp", "http"] {
            wrong(
                &path(own, transport),
                &[&format!(
                    "routes[0].path: belongs to the gateway, which answers {parent} and all below it itself"
                )],
            );
        }
    }
    good(&path("/", "http"));
    good(&path("/tokens", "mcp"));
}

#[test]
fn sec_11_a_wildcard_host_names_its_resource() {
    field("host: '*.example.com'", "resource", "is missing");
    let route = read("host: '*.example.com', resource: 'https://a.example.com/mcp'");
    assert_eq!(
        (route.resource.as_deref(), &*route.name),
        (Some("https://a.example.com/mcp"), "*.example.com/mcp")
    );
}

#[test]
fn x19_a_resource_is_a_url_and_not_an_audience() {
    field(
        "resource: 'api://mcp-server'",
        "resource",
        "`api://mcp-server` is not an http or https URL",
    );
    field(
        "resource: 'https://a.example/mcp#x'",
        "resource",
        "`https://a.example/mcp#x` has a fragment",
    );
    field(
        "resource: 'http://a.example/mcp'",
        "resource",
        "is http and not on loopback",
    );
    let problems = try_load(&route("resource: 'api://mcp-server'")).unwrap_err();
    assert!(
        problems
            .iter()
            .next()
            .unwrap()
            .hint
            .as_deref()
            .unwrap()
            .contains("auth.audiences")
    );
    let route =
        read("resource: 'https://a.example/mcp', auth: { audiences: ['api://mcp-server'] }");
    assert_eq!(route.resource.as_deref(), Some("https://a.example/mcp"));
}

#[test]
fn t_p2_an_empty_resource_is_refused() {
    field("resource: ''", "resource", "`` is empty");
}

#[test]
fn transports() {
    assert!(!read("").subpaths);
    assert!(read("subpaths: true").subpaths);
    let route = read("transport: http");
    assert_eq!((route.transport, route.subpaths), (Transport::Http, true));
    field(
        "transport: http, subpaths: false",
        "subpaths",
        "is always true with transport http",
    );
    field("transport: sse", "transport", "`sse` is not supported yet");
}

#[test]
fn sec_34_identity_headers_and_what_is_stripped() {
    assert_eq!(
        read("identity: { headers: oauth2-proxy }").identity.headers,
        IdentityHeaders::Oauth2Proxy
    );
    let identity = read("identity: { headers: { X-User: sub, x-roles: realm_access.roles }, strip: [X-Secret, x_odd] }").identity;
    let claim = |path: &str| ClaimPath::parse(path).unwrap();
    assert_eq!(
        identity.headers,
        IdentityHeaders::Map(vec![
            ("x-roles".into(), claim("realm_access.roles")),
            ("x-user".into(), claim("sub"))
        ])
    );
    assert_eq!(identity.strip, ["x-secret".into(), "x_odd".into()]);
    field(
        "identity: { headers: {} }",
        "identity.headers",
        "maps nothing",
    );
    field(
        "identity: { headers: header }",
        "identity.headers",
        "`header` is not one of default, oauth2-proxy, authelia, none",
    );
    wrong(
        &route(
            "identity: { headers: { Authorization: sub, Host: sub, 'a b': sub, x_user: sub, X-User: sub, x-user: sub, X-A: '' } }",
        ),
        &[
            "routes[0].identity.headers.Authorization: is a header with a meaning of its own",
            "routes[0].identity.headers.Host: is a header with a meaning of its own",
            "routes[0].identity.headers.X-A: `` is empty",
            "routes[0].identity.headers.\"a b\": is not the name of a header",
            "routes[0].identity.headers.x-user: is there already in another letter case",
            "routes[0].identity.headers.x_user: has a `_`, which servers cannot tell from `-`",
        ],
    );
    wrong(
        &route("identity: { strip: [Host, 'a b', X-A, x-a] }"),
        &[
            "routes[0].identity.strip[1]: `a b` is not the name of a header",
            "routes[0].identity.strip[3]: is in the list already",
            "routes[0].identity.strip[0]: is a header that no request can do without",
        ],
    );
}

#[test]
fn upstreams() {
    let upstream = |url: &str| format!("routes: [ {{ path: /mcp, upstream: {url} }} ]");
    wrong(
        &upstream("['http://a', 'http://b']"),
        &["routes[0].upstream: is a list"],
    );
    wrong(
        &upstream("'https://user:hunter2@a.example'"),
        &["routes[0].upstream: `***` must not contain a user name or password"],
    );
    wrong(
        &upstream("'a.example:80'"),
        &["routes[0].upstream: `a.example:80` is not an absolute http or https URL"],
    );
}

#[test]
fn streams() {
    assert!(
        !read("streams: { end_at_expiry: false }")
            .streams
            .end_at_expiry
    );
    field(
        "streams: { max_age: 0 }",
        "streams.max_age",
        "must be at least 1s",
    );
}
