//! Upstreams that are gone, late, wrong or half: what clients are told, and that nothing is told twice.

use std::time::Duration;

use serde_json::json;
use testbed::{Gateway, Idp, Reply, World};

use crate::setting::{program, refused};
use crate::support::{MCP, OPEN, WEB, call, config, world};

/// A call that the upstream hears of and that still fails here.
async fn fails(world: &World, reply: Reply, status: u16, reason: &str) {
    world.server.answer_once(reply);
    let before = world.server.requests();
    let answer = call(world).send().await;
    assert_eq!(answer.status, status, "{reason}: {}", answer.text());
    let reference = answer.json()["reference"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-request-id"), Some(&*reference));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("www-authenticate"),
        None,
        "no login would help"
    );
    let line = world.gateway.wait_for_log(&reference).await;
    assert!(line.contains(&format!("\"{reason}\"")), "{line}");
    assert_eq!(
        world.server.requests(),
        before + 1,
        "R9110: never sent again"
    );
    assert!(!answer.text().contains("127.0.0.1"), "no address of ours");
}

#[tokio::test]
async fn r9110_an_upstream_that_is_gone_is_502() {
    let world_idp = Idp::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let yaml = config("", &[MCP])
        .replace("{upstream}", &format!("http://{free}"))
        .replace("{idp}", world_idp.issuer());
    let gateway = Gateway::start(program(), &yaml).await;
    let token = world_idp.token().audience(&gateway.url("/mcp"));
    let answer = gateway
        .client()
        .post("/mcp")
        .bearer(token)
        .body("{}")
        .send()
        .await;
    assert_eq!(answer.is(502).json()["error"], json!("Bad Gateway"));
    let line = gateway.wait_for_log("upstream_unreachable").await;
    assert!(line.contains(&free.to_string()), "which one: {line}");
    assert!(line.contains("Connection refused"), "and why: {line}");
}

#[tokio::test]
async fn r9110_upstreams_that_close_lie_or_break_off_are_502_and_not_asked_again() {
    let world = world("", &[MCP]).await;
    fails(&world, Reply::close(), 502, "upstream_unreachable").await;
    fails(
        &world,
        Reply::raw("SSH-2.0-x\r\n"),
        502,
        "upstream_unreachable",
    )
    .await;
    fails(
        &world,
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
            .then_close(),
        502,
        "upstream_unreachable",
    )
    .await;
    fails(
        &world,
        Reply::raw("HTTP/1.1 200 OK\r\nX Bad: 1\r\n\r\n").then_close(),
        502,
        "upstream_unreachable",
    )
    .await;
    call(&world).send().await.is(200);
}

#[tokio::test]
async fn r9110_tm_11_an_upstream_that_says_nothing_is_504_and_let_go() {
    let world = world("timeouts: { response_head: 300ms }", &[MCP]).await;
    fails(&world, Reply::silence(), 504, "upstream_timeout").await;
    world.server.closed(0).await;
    fails(
        &world,
        Reply::json(&json!({})).after(Duration::from_secs(30)),
        504,
        "upstream_timeout",
    )
    .await;
}

#[tokio::test]
async fn err_9_a_login_of_the_upstream_is_not_our_clients_business() {
    let world = world("", &[MCP]).await;
    let unauthorized = Reply::status(401).header(
        "WWW-Authenticate",
        "Bearer resource_metadata=\"https://evil.example/\"",
    );
    fails(
        &world,
        unauthorized
            .header("Content-Type", "application/json")
            .body("{}"),
        502,
        "upstream_unauthorized",
    )
    .await;
    fails(
        &world,
        Reply::status(407).header("Proxy-Authenticate", "Basic"),
        502,
        "upstream_unauthorized",
    )
    .await;
    let forbidden = Reply::status(403)
        .header("Content-Type", "application/json")
        .header("WWW-Authenticate", "Bearer error=\"insufficient_scope\"");
    world.server.answer_once(forbidden.body("{\"a\":1}"));
    let answer = call(&world).send().await;
    assert_eq!(
        answer.is(403).json(),
        json!({"a": 1}),
        "a 403 is the server's own word"
    );
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn sec_36_an_mcp_route_passes_json_streams_and_nothing() {
    let world = world("", &[MCP]).await;
    let page = |status: u16| {
        Reply::status(status)
            .header("Content-Type", "text/html")
            .body("<script>")
    };
    fails(&world, page(200), 502, "upstream_answer").await;
    fails(
        &world,
        Reply::status(200).body("no type at all"),
        502,
        "upstream_answer",
    )
    .await;
    fails(
        &world,
        Reply::status(200).body("no type at all").chunked(),
        502,
        "upstream_answer",
    )
    .await;
    fails(
        &world,
        Reply::status(200)
            .header("Content-Type", "application/jsonx")
            .body("{}"),
        502,
        "upstream_answer",
    )
    .await;
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::status(status)
            .header("Location", "https://evil.example/")
            .header("Content-Type", "application/json")
            .body("{}");
        fails(&world, reply, 502, "upstream_answer").await;
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/problem+json",
    ] {
        world
            .server
            .answer_once(Reply::status(200).header("Content-Type", kind).body("{}"));
        let answer = call(&world).send().await;
        assert_eq!(answer.is(200).header("content-type"), Some(kind));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("content-security-policy"),
            Some("sandbox; default-src 'none'")
        );
    }
    for status in [400, 404, 405, 500, 503] {
        world.server.answer_once(
            page(status)
                .header("Content-Encoding", "identity")
                .header("Retry-After", "3"),
        );
        let answer = call(&world).send().await;
        assert_eq!(
            (answer.is(status).text(), answer.header("content-type")),
            (String::new(), None),
            "the status tells enough"
        );
        assert_eq!(
            (answer.header("retry-after"), answer.complete),
            (Some("3"), true),
            "TL-4"
        );
    }
}

#[tokio::test]
async fn tm_3_tl_2_an_accepted_notification_has_no_body_in_whatever_framing() {
    let world = world("", &[MCP]).await;
    for (status, reply) in [
        (202, Reply::status(202)),
        (202, Reply::status(202).chunked()),
        (
            202,
            Reply::status(202)
                .header("Content-Type", "text/plain")
                .chunked(),
        ),
        (204, Reply::status(204)),
        (200, Reply::status(200).chunked()),
        (
            202,
            Reply::raw("HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n").then_close(),
        ),
    ] {
        world.server.answer_once(reply);
        let answer = call(&world).send().await;
        assert_eq!((answer.is(status).body.len(), answer.complete), (0, true));
    }
}

#[tokio::test]
async fn sec_36_headers_an_upstream_has_no_say_in_do_not_pass() {
    let world = world("", &[MCP, WEB]).await;
    let doomed = [
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Proxy-Anything",
        "Access-Control-Allow-Origin",
        "Access-Control-Anything",
        "Alt-Svc",
        "Strict-Transport-Security",
        "Clear-Site-Data",
        "Service-Worker-Allowed",
        "NEL",
        "Report-To",
        "Reporting-Endpoints",
        "X-Auth-Subject",
        "Keep-Alive",
        "Upgrade",
        "X-Request-Id",
        "X-Hop",
    ];
    for path in ["/mcp", "/x"] {
        let mut reply = Reply::json(&json!({}))
            .header("X-Kept", "1")
            .header("Connection", "X-Hop, keep-alive, Content-Type")
            .header("Cache-Control", "private")
            .header("ETag", "\"1\"")
            .header("Mcp-Session-Id", "s1");
        for name in doomed {
            reply = reply.header(name, "upstream's");
        }
        let wide = ["wide=1; Domain=example.com", "odd=1;domain =.example.com"];
        for cookie in ["own=1; Path=/", wide[0], wide[1], "last=domain"] {
            reply = reply.header("Set-Cookie", cookie);
        }
        world.server.answer(reply);
        let answer = world.client().post(path).bearer(world.token()).send().await;
        let passed: Vec<_> = answer
            .is(200)
            .headers
            .iter()
            .filter(|(_, value)| *value == "upstream's")
            .collect();
        assert_eq!(passed, [], "{path}");
        assert_eq!(
            answer.headers.all("set-cookie"),
            ["own=1; Path=/", "last=domain"]
        );
        for (name, value) in [
            ("x-kept", "1"),
            ("cache-control", "private"),
            ("etag", "\"1\""),
        ] {
            assert_eq!(
                answer.header(name),
                Some(value),
                "{path}: TL-3 and the rest"
            );
        }
        let id = answer.header("mcp-session-id").unwrap(); // TL-3
        assert!(id.ends_with("s1"), "{path}: {id}");
        assert_eq!(answer.headers.all("x-request-id").len(), 1);
    }
}

#[tokio::test]
async fn sec_36_an_http_route_passes_pages_and_redirects() {
    let world = world("", &[WEB]).await;
    world.server.answer_once(
        Reply::status(200)
            .header("Content-Type", "text/html")
            .body("<p>"),
    );
    assert_eq!(world.client().get("/").send().await.is(200).text(), "<p>");
    world
        .server
        .answer_once(Reply::status(302).header("Location", "/next"));
    let redirect = world.client().get("/").send().await;
    assert_eq!(redirect.is(302).header("location"), Some("/next"));
    world
        .server
        .answer_once(Reply::status(401).header("WWW-Authenticate", "Basic"));
    let refused = world.client().get("/").send().await;
    assert_eq!(refused.is(502).header("www-authenticate"), None);
    let head = world.client().request("HEAD", "/").send().await;
    assert_eq!(
        (head.is(200).body.len(), head.header("content-length")),
        (0, Some("17"))
    );
}

#[tokio::test]
async fn r9112_half_an_answer_is_never_a_whole_one() {
    let world = world("", &[OPEN, WEB]).await;
    for path in ["/mcp", "/x"] {
        world.server.answer_once(Reply::half(1000, "{\"half\":"));
        let answer = world.client().post(path).send().await;
        assert!(!answer.is(200).complete, "{path}");
        world.server.answer_once(Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n").then_close());
        let answer = world.client().post(path).send().await;
        assert!(!answer.is(200).complete, "{path}: chunked");
        world.gateway.wait_for_log("upstream_broke_off").await;
    }
}

#[tokio::test]
async fn r9112_an_old_upstream_does_not_make_us_old() {
    let world = world("", &[OPEN]).await;
    let mut connection = world.client().connect().await;
    for _ in 0..2 {
        world.server.answer_once(
            Reply::raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}")
                .then_close(),
        );
        connection
            .write(&world.client().post("/mcp").to_bytes())
            .await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.is(200).json(), json!({"a": 1}));
        assert!(!answer.closed, "our connection is not the upstream's");
    }
}

#[tokio::test]
async fn r9110_hints_before_an_answer_do_no_harm() {
    let world = world("", &[MCP]).await;
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    world
        .server
        .answer_once(Reply::raw(format!("{hints}{answer}")));
    let answer = call(&world).send().await;
    assert_eq!(
        (answer.is(200).text(), answer.header("link")),
        ("{}".to_owned(), None)
    );
    call(&world).send().await.is(200);
}

#[tokio::test]
async fn tm_9_a_server_without_get_says_so_itself() {
    let world = world("", &[MCP]).await;
    world
        .server
        .answer(Reply::status(405).header("Allow", "POST"));
    for method in ["GET", "DELETE"] {
        let answer = world
            .client()
            .request(method, "/mcp")
            .bearer(world.token())
            .send()
            .await;
        assert_eq!(answer.is(405).header("allow"), Some("POST"));
    }
    let unknown = world.client().request("PUT", "/mcp").bearer(world.token());
    refused(&world, unknown, 405, "method_not_allowed").await;
    assert_eq!(world.server.requests(), 2);
}
