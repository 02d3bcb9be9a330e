//! The gateway's own requests to providers: by which way they go (SEC-20).

use serde_json::Value;
use testbed::{Gateway, Idp, Recorder, Reply};

use crate::setting::{program, usual};

/// A proxy that does not know the provider: it gives the answers that the provider would.
async fn proxy_for(idp: &Idp) -> Recorder {
    let proxy = Recorder::start().await;
    let document = serde_json::json!({
        "issuer": idp.issuer(),
        "authorization_endpoint": idp.url("/authorize"),
        "token_endpoint": idp.url("/token"),
        "jwks_uri": idp.url("/jwks"),
    });
    let keys = idp.jwks();
    proxy.answer_with(move |request| {
        let is_keys = request.target.ends_with("/jwks");
        Reply::json(if is_keys { &keys } else { &document })
    });
    proxy
}

async fn asks_with_a_good_token(gateway: &Gateway, idp: &Idp) -> u16 {
    let token = idp.token().audience(&gateway.url("/mcp"));
    let request = gateway.client().post("/mcp").call("echo", &Value::Null);
    request.bearer(token).send().await.status
}

#[tokio::test]
async fn sec_20_a_configured_proxy_is_used_with_its_credentials() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let proxy = proxy_for(&idp).await;
    let with_proxy = format!(", proxy: \"http://gate:s3cret@{}\"", proxy.address());
    let yaml = usual(&with_proxy, "")
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let gateway = Gateway::start(program(), &yaml).await;
    assert_eq!(asks_with_a_good_token(&gateway, &idp).await, 200);
    let targets: Vec<_> = proxy.recorded().into_iter().map(|r| r.target).collect();
    let document = idp.url("/.well-known/openid-configuration");
    assert_eq!(targets, [document, idp.url("/jwks")]);
    // gate:s3cret
    let credentials = proxy
        .last()
        .header("proxy-authorization")
        .map(str::to_owned);
    assert_eq!(credentials.as_deref(), Some("Basic Z2F0ZTpzM2NyZXQ="));
    assert_eq!(idp.fetches("/jwks"), 0, "nothing went past the proxy");
    assert!(!gateway.log().join("\n").contains("s3cret"));
}

#[tokio::test]
async fn sec_20_proxies_of_the_environment_are_not_looked_at() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let elsewhere = Recorder::start().await;
    let yaml = usual("", "")
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let names = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let launch = Gateway::launch(program()).config(&yaml);
    let launch = names
        .iter()
        .fold(launch, |launch, name| launch.env(name, &elsewhere.url()));
    let gateway = launch.start().await;
    assert_eq!(asks_with_a_good_token(&gateway, &idp).await, 200);
    assert_eq!(elsewhere.requests(), 0);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn sec_20_what_is_fetched_carries_nothing_of_anybody() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let proxy = proxy_for(&idp).await;
    let yaml = usual(&format!(", proxy: \"{}\"", proxy.url()), "")
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let gateway = Gateway::start(program(), &yaml).await;
    let token = idp
        .token()
        .header("kid", "../../new?x")
        .audience(&gateway.url("/mcp"));
    let request = gateway.client().post("/mcp").bearer(token);
    request
        .header("Cookie", "a=b")
        .send()
        .await
        .refused(401, "invalid_token");
    let fetched = proxy.recorded();
    assert_eq!(fetched.len(), 3, "the unknown key forced one");
    for request in fetched {
        assert_eq!(request.method, "GET");
        assert!(
            request.target == idp.url("/jwks") || request.target.ends_with("/openid-configuration")
        );
        for name in ["authorization", "proxy-authorization", "cookie", "referer"] {
            assert!(!request.headers.has(name), "{name}");
        }
    }
}
