use crate::testing::{good, try_load, wrong};
use crate::{Route, Transport};

/// One route with these further fields.
pub(super) fn route(fields: &str) -> String {
    format!("routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', {fields} }} ]")
}

#[track_caller]
pub(super) fn read(fields: &str) -> Route {
    good(&route(fields)).routes.remove(0)
}

/// The one problem of a route with this field.
#[track_caller]
pub(super) fn field(written: &str, place: &str, reason: &str) {
    wrong(&route(written), &[&format!("routes[0].{place}: {reason}")]);
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
        &["routes[0]: is a single value where a mapping belongs"],
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
    let route = read("transport: sse");
    assert_eq!((route.transport, route.subpaths), (Transport::Sse, false));
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
