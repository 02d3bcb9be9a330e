//! Browsers: which pages may call, and what a preflight is told. All of it stands before authentication.

use testbed::client::{Answer, Request};
use testbed::{Reply, World};

use crate::setting::refused;
use crate::support::{MCP, OPEN, WEB, world};

const LISTED: &str = r#"public_url: "https://mcp.example.com", cors: { allowed_origins: ["https://app.example:8443", "http://plain.example"] }"#;

fn list(answer: &Answer, header: &str) -> Vec<String> {
    let value = answer.header(header).unwrap_or_default();
    value
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

fn call(world: &World) -> Request {
    let token = world.idp.token().audience("https://mcp.example.com/mcp");
    world.client().post("/mcp").bearer(token)
}

fn preflight(world: &World, origin: &str) -> Request {
    let request = world.client().options("/mcp").header("Origin", origin);
    request.header("Access-Control-Request-Method", "POST")
}

#[tokio::test]
async fn tm_4_tl_11_listed_and_own_origins_may_call() {
    let world = world(LISTED, &[MCP]).await;
    let own = world.gateway.url("");
    let port = world.gateway.address().port();
    let pages = [
        ("mcp.example.com", "https://mcp.example.com".to_owned()),
        ("mcp.example.com", "https://MCP.example.com:443".to_owned()),
        ("mcp.example.com", "https://app.example:8443".to_owned()),
        ("mcp.example.com", "http://plain.example".to_owned()),
        ("mcp.example.com", "http://PLAIN.example:80".to_owned()),
        (own.strip_prefix("http://").unwrap(), own.clone()),
        (
            own.strip_prefix("http://").unwrap(),
            format!("http://localhost:{port}"),
        ),
    ];
    for (host, origin) in &pages {
        let answer = call(&world)
            .host(host)
            .header("Origin", origin)
            .send()
            .await;
        assert_eq!(
            answer.is(200).header("access-control-allow-origin"),
            Some(&**origin),
            "{host} {origin}"
        );
        assert_eq!(answer.header("vary"), Some("Origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let exposed = list(&answer, "access-control-expose-headers");
        for name in [
            "www-authenticate",
            "mcp-session-id",
            "mcp-protocol-version",
            "x-request-id",
            "retry-after",
        ] {
            assert!(exposed.iter().any(|exposed| exposed == name), "I-5: {name}");
        }
        assert!(
            !world.server.last().headers.has("origin"),
            "it was judged here"
        );
    }
    let absent = call(&world).send().await;
    assert_eq!(absent.is(200).header("access-control-allow-origin"), None);
    assert_eq!(
        absent.header("vary"),
        Some("Origin"),
        "a cache must not give this to a page"
    );
    assert_eq!(world.server.requests(), pages.len() + 1);
}

#[tokio::test]
async fn tm_4_tl_11_sec_30_other_origins_are_403_before_authentication() {
    let world = world(LISTED, &[MCP]).await;
    let host = "mcp.example.com";
    for origin in [
        "null",
        "https://evil.example",
        "http://mcp.example.com",
        "https://mcp.example.com:8443",
        "https://mcp.example.com.evil.example",
        "https://app.example",
        "https://plain.example",
        "https://sub.app.example:8443",
        "http://plain.example.evil.example",
        "http://plain.example:8080",
        "",
        "*",
        "https://app.example:8443 https://evil.example",
        "file://",
        "https://user@mcp.example.com",
        "http://localhost:1",
    ] {
        for request in [
            call(&world).header("Origin", origin),
            preflight(&world, origin),
        ] {
            let refused = refused(&world, request.host(host), 403, "origin_not_allowed").await;
            assert_eq!(
                refused.answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
            assert_eq!(refused.answer.header("www-authenticate"), None, "{origin}");
        }
    }
    let two = call(&world)
        .host(host)
        .header("Origin", "https://mcp.example.com")
        .header("Origin", "https://evil.example");
    refused(&world, two, 400, "ambiguous_request").await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn tm_4_dns_rebinding_neither_name_nor_page_of_a_rebound_host_gets_in() {
    let world = world("", &[OPEN]).await;
    let port = world.gateway.address().port();
    let rebound = format!("evil.example:{port}");
    let by_name = world
        .client()
        .post("/mcp")
        .host(&rebound)
        .header("Origin", &format!("http://{rebound}"));
    refused(&world, by_name, 421, "misdirected").await;
    let by_page = world
        .client()
        .post("/mcp")
        .header("Origin", &format!("http://{rebound}"));
    refused(&world, by_page, 403, "origin_not_allowed").await;
    let own = world
        .client()
        .post("/mcp")
        .header("Origin", &world.gateway.url(""));
    own.send().await.is(200);
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn i_5_a_preflight_is_answered_without_credentials() {
    let world = world(LISTED, &[MCP]).await;
    let origin = "https://app.example:8443";
    let asked = "authorization, content-type, Mcp-Param-Region, x-custom";
    let answer = preflight(&world, origin)
        .header("Access-Control-Request-Headers", asked)
        .send()
        .await;
    assert_eq!(
        answer.is(204).header("access-control-allow-origin"),
        Some(origin)
    );
    assert_eq!(answer.body, b"");
    let allowed = list(&answer, "access-control-allow-headers");
    for name in [
        "authorization",
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-session-id",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
        "x-custom",
    ] {
        assert!(allowed.iter().any(|allowed| allowed == name), "{name}");
    }
    let methods = list(&answer, "access-control-allow-methods");
    assert_eq!(methods, ["get", "post", "delete", "options"]);
    assert!(answer.header("access-control-max-age").is_some());
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn prm_10_every_page_may_read_the_document() {
    let world = world(LISTED, &[MCP]).await;
    let path = "/.well-known/oauth-protected-resource/mcp";
    for origin in ["https://evil.example", "null"] {
        let answer = world
            .client()
            .get(path)
            .header("Origin", origin)
            .send()
            .await;
        assert_eq!(
            answer.is(200).header("access-control-allow-origin"),
            Some("*")
        );
        let asked = world.client().options(path).header("Origin", origin);
        let answer = asked
            .header("Access-Control-Request-Method", "GET")
            .send()
            .await;
        assert_eq!(
            answer.is(204).header("access-control-allow-origin"),
            Some("*")
        );
    }
}

#[tokio::test]
async fn i_5_refusals_and_streams_can_be_read_by_the_page() {
    let world = world(LISTED, &[MCP, WEB]).await;
    let origin = "https://app.example:8443";
    let from_page = |request: Request| request.header("Origin", origin);
    let put = world.client().request("PUT", "/mcp");
    let missing = world.client().post("/mcp");
    let bad = world.client().post("/mcp").bearer("rubbish");
    let query = world.client().post("/mcp?token=x");
    for (request, status) in [(missing, 401), (bad, 401), (put, 405), (query, 400)] {
        let answer = from_page(request).send().await;
        assert_eq!(
            answer.is(status).header("access-control-allow-origin"),
            Some(origin)
        );
        let exposed = list(&answer, "access-control-expose-headers");
        assert!(exposed.contains(&"www-authenticate".to_owned()), "{status}");
    }
    world.server.answer(Reply::events());
    let stream = from_page(call(&world)).open().await;
    assert_eq!(
        stream.headers.get("access-control-allow-origin"),
        Some(origin)
    );
    world.server.answer(Reply::close());
    let answer = from_page(call(&world)).send().await;
    assert_eq!(
        answer.is(502).header("access-control-allow-origin"),
        Some(origin)
    );
}

#[tokio::test]
async fn tm_4_every_origin_is_still_not_the_null_origin() {
    let world = world(
        r#"public_url: "https://mcp.example.com", cors: { allowed_origins: ["*"] }"#,
        &[MCP],
    )
    .await;
    let answer = call(&world)
        .header("Origin", "https://anywhere.example")
        .send()
        .await;
    assert_eq!(
        answer.is(200).header("access-control-allow-origin"),
        Some("*")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let null = call(&world).header("Origin", "null");
    refused(&world, null, 403, "origin_not_allowed").await;
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test]
async fn sec_36_what_the_server_says_about_cors_is_not_passed_on() {
    let world = world(LISTED, &[MCP]).await;
    let open = Reply::json(&serde_json::json!({})).header("Access-Control-Allow-Origin", "*");
    world.server.answer(
        open.header("Access-Control-Allow-Credentials", "true")
            .header("Vary", "Accept"),
    );
    let answer = call(&world).send().await;
    assert_eq!(answer.is(200).header("access-control-allow-origin"), None);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.headers.all("vary"), ["Accept", "Origin"]);
    let answer = call(&world)
        .header("Origin", "http://plain.example")
        .send()
        .await;
    assert_eq!(
        answer.headers.all("access-control-allow-origin"),
        ["http://plain.example"]
    );
}

#[tokio::test]
async fn sec_37_service_worker_scripts_are_not_served() {
    let world = world("", &[MCP, WEB]).await;
    for target in ["/mcp", "/worker.js"] {
        let request = world.client().get(target).bearer(world.token());
        let request = request.header("Service-Worker", "script");
        refused(&world, request, 403, "service_worker").await;
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn tm_4_a_page_of_one_name_of_a_pattern_is_a_stranger_to_the_others() {
    let server = r#"public_url: "https://mcp.example.com", allowed_hosts: ["*.tunnel.example"]"#;
    let world = world(server, &[OPEN]).await;
    let page = |origin: &str| {
        let request = world.client().post("/mcp").host("a.tunnel.example");
        request.header("Origin", origin)
    };
    page("https://a.tunnel.example").send().await.is(200);
    for stranger in ["https://b.tunnel.example", "http://a.tunnel.example"] {
        refused(&world, page(stranger), 403, "origin_not_allowed").await;
    }
}

#[tokio::test]
async fn tm_4_a_page_of_another_port_of_this_machine_is_a_stranger() {
    let world = world(r#"public_url: "http://localhost:9""#, &[OPEN]).await;
    let page = |origin: &str| world.client().post("/mcp").header("Origin", origin);
    page(&world.gateway.url("")).send().await.is(200);
    refused(
        &world,
        page("http://localhost:9"),
        403,
        "origin_not_allowed",
    )
    .await;
}
