//! From http to https, and staying there (R6797).

use serde_json::Value;
use testbed::client::{Client, h2};
use testbed::{Reply, World};

use crate::api_keys::{HASH, KEY};
use crate::https::{Authority, GOOD, How, call, send, world};
use crate::setting::program;
use crate::support::{MCP, WEB, config};

fn authority() -> Authority {
    let authority = Authority::new();
    authority.write("main", &["localhost", "127.0.0.1"], GOOD);
    authority
}

#[tokio::test]
async fn r6797_hsts_is_on_every_answer_over_https_and_on_no_other() {
    let authority = authority();
    let server = format!(
        "hsts: {{ max_age: 1h, include_subdomains: true }}, trusted_proxies: [127.0.0.1], {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    let told = "max-age=3600; includeSubDomains";
    let answers = || Reply::json(&Value::Null).header("Strict-Transport-Security", "max-age=1");
    world.server.answer_with(move |_| answers());
    let good = call(&world, "localhost");
    for (request, status) in [
        (good.clone(), 200),
        (good.clone().host("evil.example"), 421),
        (world.client().get("/health"), 200),
    ] {
        let stream = authority.open(&world, "localhost").await;
        let answer = send(stream, &request).await;
        answer.is(status);
        assert_eq!(answer.headers.all("strict-transport-security"), [told]);
    }
    let how = How {
        alpn: &["h2"],
        ..How::default()
    };
    let stream = authority.connect(&world, "localhost", how).await.unwrap();
    let connection = h2::Connection::over(stream).await;
    let answer = connection.send(good.clone()).await.unwrap();
    assert_eq!(answer.headers.all("strict-transport-security"), [told]);
    // a proxy that has it over http
    let stream = authority.open(&world, "localhost").await;
    let answer = send(stream, &good.header("X-Forwarded-Proto", "http")).await;
    answer.is(200);
    assert_eq!(answer.headers.all("strict-transport-security"), [""; 0]);
}

/// The listener for plain HTTP.
pub(crate) async fn plain(world: &World) -> Client {
    let line = world.gateway.wait_for_log("redirecting to https").await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    let address = entry.get("address").or(entry["fields"].get("address"));
    Client::new(address.unwrap().as_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn r6797_pages_are_redirected_and_credentials_are_not() {
    let authority = authority();
    let server = format!(
        "public_url: \"https://mcp.example.com:8443\", allowed_hosts: [\"*.b.example\"], redirect_http: \"127.0.0.1:0\", {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP, WEB]).await;
    let client = plain(&world).await;
    let port = world.gateway.address().port();
    for (host, location) in [
        ("mcp.example.com", "https://mcp.example.com:8443".to_owned()),
        (
            "MCP.example.com:80",
            "https://mcp.example.com:8443".to_owned(),
        ),
        ("x.b.example", "https://x.b.example".to_owned()),
        ("localhost:1", format!("https://localhost:{port}")),
    ] {
        for method in ["GET", "HEAD"] {
            let request = client.request(method, "/a//b?c=%2f&d").host(host);
            let answer = if method == "HEAD" {
                let mut connection = client.connect().await;
                connection.write(&request.to_bytes()).await;
                connection.into_stream(true).await.unwrap().finish().await
            } else {
                request.send().await
            };
            answer.is(308);
            assert_eq!(
                answer.header("location"),
                Some(&*format!("{location}/a//b?c=%2f&d"))
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("strict-transport-security"), None);
        }
    }
    let page = || client.get("/").host("mcp.example.com");
    for request in [
        page().bearer(world.token()),
        page().header("Authorization", "Basic x"),
        page().header("Cookie", "a=b"),
        page().header("DPoP", "x"),
        client.get("/?a=1&access%5ftoken=x").host("mcp.example.com"),
        client.post("/mcp").host("mcp.example.com").body("{}"),
        client.options("/mcp").host("mcp.example.com"),
    ] {
        let answer = request.send().await;
        answer.is(403);
        assert_eq!(answer.header("location"), None);
        let reference = answer.header("x-request-id").unwrap();
        let line = world.gateway.wait_for_log(reference).await;
        let entry: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(entry["reason"], "insecure_transport");
    }
    for host in ["evil.example", "mcp.example.com.evil.example", "b.example"] {
        let answer = client.get("/").host(host).send().await;
        answer.is(421);
        assert_eq!(answer.header("location"), None);
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn r6797_s3_43_an_api_key_in_the_clear_is_not_redirected_whatever_its_header() {
    let authority = authority();
    let server = format!(
        "public_url: \"https://mcp.example.com\", redirect_http: \"127.0.0.1:0\", {}",
        authority.keys("main", "")
    );
    let keys = format!(
        "authenticators: {{ machines: {{ api_keys: {{ header: X-My-Key, keys: [{{ id: ci, hash: \"{HASH}\" }}] }} }},"
    );
    let config = config(&server, &[MCP]).replace("authenticators: {", &keys);
    let world = World::start(program(), &config).await;
    let client = plain(&world).await;
    let page = || client.get("/").host("mcp.example.com");
    page().send().await.is(308);
    for name in ["X-My-Key", "x-my-key", "X-API-Key"] {
        let answer = page().header(name, KEY).send().await;
        assert_eq!(answer.is(403).header("location"), None, "{name}");
    }
}
