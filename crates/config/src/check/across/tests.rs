use crate::testing::{good, problems, try_load, warnings, wrong};

/// Routes with these fields each; an upstream is added.
fn routes(each: &[&str]) -> String {
    let each: Vec<String> = each
        .iter()
        .map(|fields| format!("  - {{ upstream: 'http://127.0.0.1:3000', {fields} }}\n"))
        .collect();
    format!("routes:\n{}", each.concat())
}

fn on(public_url: &str, each: &[&str]) -> String {
    format!("server: {{ public_url: '{public_url}' }}\n{}", routes(each))
}

#[test]
fn sec_11_one_place_one_route() {
    wrong(
        &routes(&["path: /a", "path: /a/"]),
        &["routes[1].path: is served by routes[0] already"],
    );
    wrong(
        &routes(&["path: /a, host: a.example", "path: /a, host: A.example"]),
        &["routes[1].path: is served by routes[0] already"],
    );
    good(&routes(&[
        "path: /a, host: a.example",
        "path: /a, host: b.example",
        "path: /a",
        "path: /A",
    ]));
}

#[test]
fn sec_11_one_resource_one_route() {
    let one = "makes one resource of this route and routes[0]";
    wrong(
        &on(
            "https://mcp.example.com",
            &["path: /a", "path: /a, host: mcp.example.com"],
        ),
        &[&format!("routes[1].path: {one}")],
    );
    wrong(
        &on(
            "https://mcp.example.com",
            &[
                "path: /a",
                "path: /b, resource: 'https://MCP.example.com:443/a/'",
            ],
        ),
        &[&format!("routes[1].resource: {one}")],
    );
    wrong(
        &routes(&[
            "path: /a, host: '*.a.example', resource: 'https://x.example/a'",
            "path: /b, resource: 'https://x.example/a'",
        ]),
        &[&format!("routes[1].resource: {one}")],
    );
    good(&on(
        "https://mcp.example.com",
        &["path: /a", "path: /a, host: other.example.com", "path: /b"],
    ));
}

#[test]
fn names_are_told_apart() {
    wrong(
        &routes(&["path: /a, name: x", "path: /b, name: x"]),
        &["routes[1].name: is the name of routes[0] too"],
    );
    wrong(
        &routes(&["path: /a", "path: /b, name: /a"]),
        &["routes[1].name: is the name of routes[0] too"],
    );
}

const OWN_AUDIENCE: &str =
    "authenticators: { corp: { oidc: { issuer: 'https://a.example', audiences: [api] } } }\n";
const SHARED: &str = "authenticators: { corp: { oidc: { issuer: 'https://a.example', audiences: [api], shared_audience: true } } }\n";

#[test]
fn sec_10_an_authenticators_audience_is_for_one_route() {
    good(&format!("{OWN_AUDIENCE}{}", routes(&["path: /a"])));
    wrong(
        &format!("{OWN_AUDIENCE}{}", routes(&["path: /a", "path: /b"])),
        &[
            "authenticators.corp.oidc.audiences: would make a token for one of routes[0], routes[1] good for all of them",
        ],
    );
}

/// The audiences of a secret cannot be moved to a route: the way out is another one.
#[test]
fn sec_10_the_way_out_fits_the_kind_of_authenticator() {
    let two = |auth: &str| {
        routes(&[
            &format!("path: /a, auth: {{ {auth} }}"),
            &format!("path: /b, auth: {{ {auth} }}"),
        ])
    };
    let own = "authenticators: { corp: { shared_secret: { secret: 'kJ8fj39dkfjE93kd0fJkd93jf02kdFj39fkdPq', issuer: me, audiences: [api] } } }\n";
    for (text, way_out) in [
        (
            format!("{OWN_AUDIENCE}{}", two("accept: [corp]")),
            "move them to auth.audiences of one route",
        ),
        (
            format!("{own}{}", two("type: jwt")),
            "let each route accept an authenticator with audiences of its own",
        ),
    ] {
        let told = try_load(&text).unwrap_err().to_string();
        assert!(told.contains(way_out), "{told}");
        assert_eq!(told.matches("hint: ").count(), 1, "{told}");
    }
}

#[test]
fn sec_10_a_shared_audience_is_said_and_told_apart_by_scopes() {
    wrong(
        &format!(
            "{SHARED}{}",
            routes(&["path: /a, auth: { required_scopes: [a] }", "path: /b"])
        ),
        &["routes[1].auth.required_scopes: is missing"],
    );
    let scoped = routes(&[
        "path: /a, auth: { required_scopes: [a] }",
        "path: /b, auth: { required_scopes: [b] }",
    ]);
    assert_eq!(
        warnings(&format!("{SHARED}{scoped}")),
        [
            "authenticators.corp.oidc.shared_audience: a token for one of routes[0], routes[1] is good for all of them",
        ]
    );
    assert_eq!(
        warnings(&format!("{SHARED}{}", routes(&["path: /a"]))),
        [""; 0]
    );
}

#[test]
fn sec_10_audiences_shared_by_hand_are_warned_of() {
    let shared = "routes[1].auth.audiences: has an audience of routes[0] too: a token for one is good for the other";
    assert_eq!(
        warnings(&routes(&[
            "path: /a, auth: { audiences: [x, y] }",
            "path: /b, auth: { audiences: [y] }"
        ])),
        [shared]
    );
    let url = "https://mcp.example.com";
    assert_eq!(
        warnings(&on(
            url,
            &[
                "path: /a",
                "path: /b, auth: { audiences: ['https://mcp.example.com/a/'] }"
            ]
        )),
        [shared]
    );
    assert_eq!(
        warnings(&on(
            url,
            &[
                "path: /a, auth: { audiences: [x] }",
                "path: /b, auth: { audiences: [y] }"
            ]
        )),
        [""; 0]
    );
}

#[test]
fn an_upstream_is_not_the_gateway_itself() {
    let loops = |listen: &str, upstream: &str| {
        format!(
            "server: {{ listen: '{listen}', public_url: 'https://mcp.example.com', trusted_proxies: [10.0.0.0/8] }}\nroutes: [ {{ path: /mcp, upstream: '{upstream}' }} ]"
        )
    };
    for (listen, upstream) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/mcp"),
        ("127.0.0.1:8080", "http://localhost:8080/mcp"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://localhost:8080"),
        ("[::]:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:80", "http://127.0.0.1"),
    ] {
        wrong(
            &loops(listen, upstream),
            &["routes[0].upstream: is a listener of the gateway itself"],
        );
    }
    wrong(
        &loops("127.0.0.1:8080", "http://127.0.0.1:9090/metrics"),
        &["routes[0].upstream: is the admin listener of the gateway itself"],
    );
    for (listen, upstream) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8081"),
        ("127.0.0.1:8080", "http://127.0.0.2:8080"),
        ("127.0.0.1:0", "http://127.0.0.1:3000"),
        ("0.0.0.0:8080", "http://tools.internal:8080"),
    ] {
        good(&loops(listen, upstream));
    }
}

#[test]
fn s0_42_s0_43_a_wildcard_without_a_public_url_is_warned_of() {
    let told = "server.allowed_hosts[1]: is a wildcard, and there is no public_url: clients from elsewhere cannot log in by such a name";
    let hosts = "allowed_hosts: [a.ngrok-free.app, '*.ngrok-free.app']";
    let open = "path: /a, auth: { type: none }, dangerous: [anonymous_access]";
    for (server, route, expected) in [
        (hosts.to_owned(), "path: /a", &[told][..]),
        (
            format!("public_url: 'https://a.example', {hosts}"),
            "path: /a",
            &[],
        ),
        (
            "allowed_hosts: [a.ngrok-free.app]".to_owned(),
            "path: /a",
            &[],
        ),
    ] {
        let text = format!("server: {{ {server} }}\n{}", routes(&[route]));
        assert_eq!(warnings(&text), expected, "{server}");
    }
    let text = format!("server: {{ {hosts} }}\n{}", routes(&[open]));
    let about_hosts = |warning: &String| warning.contains("allowed_hosts");
    assert!(!warnings(&text).iter().any(about_hosts), "nobody logs in");
}

#[test]
fn sec_57_the_largest_body_can_be_held_where_bodies_are_read() {
    let with = |limits: &str, more: &str, route: &str| {
        let limits = format!("server: {{ limits: {{ {limits} }} }}");
        problems(&format!("{limits}\n{more}\n{}", routes(&[route])))
    };
    let large = "body_bytes: 257MiB";
    let told = [
        "server.limits.inspect_memory: is less than body_bytes (257MiB), and routes[0] reads bodies",
    ];
    assert_eq!(with(large, "", "path: /a"), [""; 0]);
    assert_eq!(
        with(large, "", "path: /a, rate_limit: { max_requests: 9 }"),
        [""; 0]
    );
    assert_eq!(
        with(
            large,
            "audit: { stdout: true, level: refusals }",
            "path: /a"
        ),
        [""; 0]
    );
    let web = "path: /a, transport: http";
    assert_eq!(with(large, "audit: { stdout: true }", web), [""; 0]);
    assert_eq!(with(large, "audit: { stdout: true }", "path: /a"), told);
    for reading in [
        "access: { discovery: public }",
        "rate_limit: { max_tool_calls: 9 }",
    ] {
        let route = format!("path: /a, {reading}");
        assert_eq!(with(large, "", &route), told);
        let enough = format!("{large}, inspect_memory: 257MiB");
        assert_eq!(with(&enough, "", &route), [""; 0]);
    }
}

#[test]
fn sec_31_the_path_of_messages_is_no_other_routes() {
    let wants = "routes[0].path: needs /sse/message for the messages of its clients, which is the path of routes[1]";
    wrong(
        &routes(&["path: /sse, transport: sse", "path: /sse/message"]),
        &[wants],
    );
    wrong(
        &routes(&[
            "path: /sse, transport: sse, host: a.example",
            "path: /sse/message/",
        ]),
        &[wants],
    );
    good(&routes(&[
        "path: /sse, transport: sse, host: a.example",
        "path: /sse/message, host: b.example",
        "path: /other, transport: sse",
        "path: /sse/messages",
    ]));
    let second =
        "path: /mcp, access: { discovery: public }, auth: { challenge_path: /sse/message }";
    wrong(&routes(&["path: /sse, transport: sse", second]), &[wants]);
    good(&routes(&["path: /mcp", "path: /mcp/message"]));
    wrong(
        &routes(&["path: /, transport: sse", "path: /message"]),
        &[
            "routes[0].path: needs /message for the messages of its clients, which is the path of routes[1]",
        ],
    );
}
