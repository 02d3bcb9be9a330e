//! Which hosts and paths are served, and that what was judged is what the upstream sees.

use crate::setting::refused;
use crate::support::{MCP, OPEN, WEB, call, world};

const NAMES: &str = r#"public_url: "https://mcp.example.com", allowed_hosts: [alt.example.com, "*.tunnel.example"]"#;

#[tokio::test]
async fn sec_30_our_names_are_answered_in_every_spelling_of_theirs() {
    let world = world(NAMES, &[OPEN]).await;
    let port = world.gateway.address().port();
    let own = [
        "mcp.example.com",
        "MCP.Example.COM",
        "mcp.example.com:443",
        "alt.example.com",
        "a.tunnel.example",
    ];
    let local =
        ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"].map(|name| format!("{name}:{port}"));
    let all: Vec<_> = own
        .iter()
        .map(|&name| name.to_owned())
        .chain(local)
        .collect();
    for host in &all {
        let answer = world.client().post("/mcp").host(host).send().await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
    assert_eq!(world.server.requests(), all.len());
    let tunnel = world.client().post("/mcp").host("a.tunnel.example");
    tunnel.send().await.is(200);
    assert_eq!(
        world.server.last().header("x-forwarded-host"),
        Some("a.tunnel.example")
    );
}

#[tokio::test]
async fn sec_30_prm_6_every_other_name_is_421_before_anything_else() {
    let world = world(NAMES, &[MCP]).await;
    let port = world.gateway.address().port();
    let foreign = [
        "evil.example",
        "mcp.example.com.evil.example",
        "evil-mcp.example.com",
        "mcp.example.com:8443",
        "mcp.example.com:80",
        "mcp.example.com.",
        "tunnel.example",
        "a.b.tunnel.example",
        ".tunnel.example",
        "a.tunnel.example:444",
        "localhost",
        "127.0.0.1",
        "localhost:1",
        "",
    ];
    let port_elsewhere = [
        format!("127.0.0.2:{port}"),
        format!("0.0.0.0:{port}"),
        format!("localhost.:{port}"),
        format!("127.1:{port}"),
    ];
    for host in foreign
        .iter()
        .copied()
        .chain(port_elsewhere.iter().map(String::as_str))
    {
        let request = call(&world)
            .host(host)
            .header("Origin", "https://mcp.example.com");
        let refused = refused(&world, request, 421, "misdirected").await;
        assert_eq!(refused.answer.header("www-authenticate"), None, "{host}");
        assert_eq!(
            refused.answer.header("access-control-allow-origin"),
            None,
            "{host}: before CORS"
        );
    }
    let document = world
        .client()
        .get("/.well-known/oauth-protected-resource/mcp")
        .host("evil.example");
    let refused = refused(&world, document, 421, "misdirected").await;
    assert_eq!(refused.entry["client"], "127.0.0.1");
    assert_eq!(
        refused.entry["path"],
        "/.well-known/oauth-protected-resource/mcp"
    );
    assert!(refused.cause().contains("evil.example"));
}

#[tokio::test]
async fn sec_30_prm_6_no_answer_repeats_a_host_that_is_not_ours() {
    let world = world(NAMES, &[MCP]).await;
    let answer = world
        .client()
        .post("/mcp")
        .host("a.tunnel.example")
        .send()
        .await;
    let challenge = answer.refused(401, None).challenge();
    let metadata = challenge.get("resource_metadata").map(String::as_str);
    assert_eq!(
        metadata,
        Some("https://mcp.example.com/.well-known/oauth-protected-resource/mcp"),
        "a wildcard borrows"
    );
    let answer = world
        .client()
        .post("/mcp")
        .host("ALT.example.com:443")
        .send()
        .await;
    let challenge = answer.refused(401, None).challenge();
    let metadata = challenge.get("resource_metadata").map(String::as_str);
    assert_eq!(
        metadata,
        Some("https://alt.example.com/.well-known/oauth-protected-resource/mcp"),
        "as it was configured"
    );
}

#[tokio::test]
async fn sec_31_paths_with_two_readings_are_refused() {
    let world = world("", &[MCP, WEB]).await;
    for target in [
        "/mcp%2fx",
        "/mcp%2Fx",
        "/mcp%5cx",
        "/mcp%5Cx",
        "/mcp\\x",
        "//mcp",
        "/mcp//",
        "/mcp/../mcp",
        "/mcp/..",
        "/mcp/./x",
        "/.",
        "/%2e%2e/mcp",
        "/mcp/%2E%2e",
        "/mcp/.%2e/x",
        "/mcp/..;/x",
        "/mcp/..;a=b/x",
        "/mcp/%2e;x/y",
        "/mcp%00",
        "/mcp%0d%0ax",
        "/mcp%7f",
        "/mcp%",
        "/mcp%2",
        "/mcp%zz",
    ] {
        let request = world.client().post(target).bearer(world.token());
        let refused = refused(&world, request, 400, "ambiguous_request").await;
        assert_eq!(refused.answer.header("www-authenticate"), None, "{target}");
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_31_a_fragment_is_neither_judged_nor_forwarded() {
    let world = world("", &[MCP, WEB]).await;
    for (target, forwarded) in [
        ("/mcp#/../x", "/mcp"),
        ("/mcp?a#b", "/mcp?a"),
        ("/x#?a=b", "/x"),
    ] {
        let answer = world
            .client()
            .post(target)
            .bearer(world.token())
            .send()
            .await;
        assert_eq!(answer.is(200).json(), serde_json::json!({"recorded": true}));
        assert_eq!(world.server.last().target, forwarded);
    }
}

#[tokio::test]
async fn sec_31_targets_that_are_no_path_are_refused() {
    let world = world("", &[MCP, WEB]).await;
    let port = world.gateway.address().port();
    for target in ["mcp", "*", &format!("127.0.0.1:{port}")] {
        let answer = world
            .client()
            .post(target)
            .bearer(world.token())
            .send()
            .await;
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_31_routes_match_whole_segments_longest_first_and_in_their_case() {
    let routes = [
        r#"{ path: /a, upstream: "{upstream}/first", auth: { type: none }, dangerous: [anonymous_access] }"#,
        r#"{ path: /a/b, upstream: "{upstream}/second", subpaths: true, auth: { type: none }, dangerous: [anonymous_access] }"#,
        r#"{ path: /web, upstream: "{upstream}/third", transport: http, auth: { type: none }, dangerous: [anonymous_access] }"#,
        r#"{ path: /a, name: named, host: named.example, upstream: "{upstream}/fourth", auth: { type: none }, dangerous: [anonymous_access] }"#,
    ];
    let world = world("", &routes).await;
    let own = world.gateway.address().to_string();
    for (host, target, expected) in [
        (&*own, "/a", "/first"),
        (&own, "/a/", "/first"),
        (&own, "/a?x=/b", "/first?x=/b"),
        (&own, "/a/b", "/second"),
        (&own, "/a/b/", "/second/"),
        (&own, "/a/b/c?d", "/second/c?d"),
        (&own, "/web", "/third"),
        (&own, "/web/", "/third/"),
        (&own, "/web/x/y.html", "/third/x/y.html"),
        ("named.example", "/a", "/fourth"),
        ("NAMED.example:443", "/a/", "/fourth"),
        ("named.example", "/a/b", "/second"),
    ] {
        world.client().post(target).host(host).send().await.is(200);
        assert_eq!(world.server.last().target, expected, "{host}{target}");
    }
    for target in [
        "/",
        "/ab",
        "/A",
        "/a/c",
        "/a/bc",
        "/a/b%63x/..x/%",
        "/webx",
        "/we",
    ] {
        let answer = world.client().post(target).send().await;
        assert!(
            matches!(answer.status, 404 | 400),
            "{target} → {}",
            answer.status
        );
    }
    let not_found = world.client().post("/a/c");
    refused(&world, not_found, 404, "not_found").await;
    assert_eq!(world.server.requests(), 12);
}

#[tokio::test]
async fn sec_31_what_was_judged_is_forwarded_byte_for_byte() {
    let world = world("", &[WEB]).await;
    for target in [
        "/",
        "/x",
        "/x/",
        "/%41b/c;v=1/~d",
        "/a%20b",
        "/...",
        "/a..b/.c",
        "/x?",
        "/x?a=%2f..//%00&b=\\",
        "/x?a=1&a=2;c",
        "/%E2%82%AC",
        "/x??/../y",
        "/a:b@c,d!$&'()*+=",
    ] {
        world.client().post(target).send().await.is(200);
        assert_eq!(world.server.last().target, target);
    }
}

#[tokio::test]
async fn sec_31_an_upstreams_path_takes_the_routes_place_with_one_slash_between() {
    let open = "transport: http, auth: { type: none }, dangerous: [anonymous_access]";
    let routes = [
        format!(r#"{{ path: /, name: root, upstream: "{{upstream}}/app", {open} }}"#),
        format!(r#"{{ path: /slash, upstream: "{{upstream}}/base/", {open} }}"#),
        format!(r#"{{ path: /bare, upstream: "{{upstream}}/base", {open} }}"#),
    ];
    let world = world("", &routes.each_ref().map(|route| &**route)).await;
    for (target, expected) in [
        ("/", "/app"),
        ("/x", "/app/x"),
        ("/x/y?z", "/app/x/y?z"),
        ("/slash", "/base/"),
        ("/slash/", "/base/"),
        ("/slash/x", "/base/x"),
        ("/bare", "/base"),
        ("/bare/", "/base/"),
        ("/bare/x?y", "/base/x?y"),
    ] {
        world.client().get(target).send().await.is(200);
        assert_eq!(world.server.last().target, expected, "{target}");
    }
}
