//! Protected resource metadata: the document of each route, found as clients look for it.

use serde_json::json;
use testbed::client::{Answer, Client};
use testbed::{Gateway, Idp, World};

use crate::setting::{program, refused};
use crate::support::{MCP, OPEN, WEB, config, world};

const DOCUMENT: &str = "/.well-known/oauth-protected-resource";

/// The document that the challenge for this URL leads to; clients of this gateway have its address for a host.
async fn found_by_challenge(client: &Client, path: &str) -> (String, Answer) {
    let refusal = client.post(path).send().await;
    let challenge = refusal.refused(401, None).challenge();
    let url = challenge.get("resource_metadata").unwrap();
    let target = format!("/{}", url.splitn(4, '/').nth(3).unwrap());
    (url.clone(), client.get(&target).send().await)
}

#[tokio::test]
async fn s3_6_s3_21_s4_21_prm_1_prm_2_prm_10_t_h9_t_p1_t_p6_t_p8_t_p10_t_p12_the_document_is_there_for_everybody()
 {
    let world = world("", &[MCP]).await;
    for path in [DOCUMENT, &format!("{DOCUMENT}/mcp")] {
        let answer = world
            .client()
            .get(path)
            .header("Origin", "https://anywhere.example")
            .send()
            .await;
        assert_eq!(
            answer.is(200).header("content-type"),
            Some("application/json")
        );
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let expected = json!({
            "resource": world.gateway.url("/mcp"),
            "authorization_servers": [world.idp.issuer()],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
            "dpop_bound_access_tokens_required": false,
        });
        assert_eq!(answer.json(), expected, "{path}");
    }
    let head = world.client().request("HEAD", DOCUMENT).send().await;
    assert_eq!(
        (head.is(200).body.len(), head.header("content-type")),
        (0, Some("application/json"))
    );
    let post = world.client().post(DOCUMENT);
    refused(&world, post, 405, "method_not_allowed").await;
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn prm_10_a_bad_token_does_not_keep_the_document_away() {
    let world = world("", &[MCP]).await;
    let request = world.client().get(DOCUMENT).bearer("rubbish");
    request.send().await.is(200);
}

#[tokio::test]
async fn prm_5_prm_7_trap_4_t_p15_t_p16_the_resource_is_what_was_typed_in_either_slash_form() {
    let world = world("", &[MCP]).await;
    for path in ["/mcp", "/mcp/"] {
        let (url, document) = found_by_challenge(&world.client(), path).await;
        assert_eq!(
            url,
            world.gateway.url(&format!("{DOCUMENT}{path}")),
            "PRM-3: between host and path"
        );
        assert_eq!(
            document.is(200).json()["resource"],
            json!(world.gateway.url(path))
        );
    }
    let upper = world
        .client()
        .with_host(&format!("LOCALHOST:{}", world.gateway.address().port()));
    let (url, document) = found_by_challenge(&upper, "/mcp").await;
    let lower = format!("http://localhost:{}", world.gateway.address().port());
    assert_eq!(url, format!("{lower}{DOCUMENT}/mcp"));
    assert_eq!(
        document.is(200).json()["resource"],
        json!(format!("{lower}/mcp")),
        "lower case, however it was asked"
    );
}

#[tokio::test]
async fn prm_3_prm_5_a_route_at_the_root_is_a_whole_origin() {
    let route = r#"{ path: /, upstream: "{upstream}", transport: http }"#;
    let world = world("", &[route, MCP]).await;
    let (url, document) = found_by_challenge(&world.client(), "/").await;
    assert_eq!(url, world.gateway.url(DOCUMENT));
    assert_eq!(
        document.is(200).json()["resource"],
        json!(world.gateway.url("/")),
        "with the slash of every URL type"
    );
    let (_, below) = found_by_challenge(&world.client(), "/app/page").await;
    assert_eq!(
        below.is(200).json()["resource"],
        json!(world.gateway.url("/"))
    );
    let (_, other) = found_by_challenge(&world.client(), "/mcp").await;
    assert_eq!(
        other.is(200).json()["resource"],
        json!(world.gateway.url("/mcp"))
    );
}

#[tokio::test]
async fn prm_3_prm_5_s4_21_among_several_routes_the_bare_document_would_be_a_guess() {
    let second =
        r#"{ path: /deep/er/mcp, upstream: "{upstream}/mcp", auth: { required_scopes: [deep] } }"#;
    let world = world("", &[MCP, second, WEB]).await;
    let bare = world.client().get(DOCUMENT);
    refused(&world, bare, 404, "not_found").await;
    let document = world
        .client()
        .get(&format!("{DOCUMENT}/deep/er/mcp"))
        .send()
        .await;
    assert_eq!(
        document.is(200).json()["resource"],
        json!(world.gateway.url("/deep/er/mcp"))
    );
    assert_eq!(
        document.json()["scopes_supported"],
        json!(["deep"]),
        "PRM-9: no more than is needed"
    );
    for path in ["/nowhere", "/deep", "/deep/er/mcp/x", "/MCP", "/mcp//"] {
        let answer = world
            .client()
            .get(&format!("{DOCUMENT}{path}"))
            .send()
            .await;
        assert!(
            matches!(answer.status, 404 | 400),
            "{path}: {}",
            answer.status
        );
    }
    let anonymous = world.client().get(&format!("{DOCUMENT}/"));
    refused(&world, anonymous, 404, "not_found").await;
}

#[tokio::test]
async fn prm_6_t_p13_trap_7_the_public_url_is_what_clients_are_told() {
    let world = world(r#"public_url: "https://mcp.example.com""#, &[MCP]).await;
    let local = world.client();
    for client in [local.clone().with_host("mcp.example.com"), local] {
        let (url, document) = found_by_challenge(&client, "/mcp").await;
        assert_eq!(url, format!("https://mcp.example.com{DOCUMENT}/mcp"));
        assert_eq!(
            document.is(200).json()["resource"],
            json!("https://mcp.example.com/mcp")
        );
    }
    for header in ["X-Forwarded-Host", "X-Original-Host", "X-Host"] {
        let request = world
            .client()
            .get(DOCUMENT)
            .header(header, "evil.example")
            .header("X-Forwarded-Proto", "http");
        let answer = request
            .header("Forwarded", "host=evil.example")
            .send()
            .await;
        assert_eq!(
            answer.json()["resource"],
            json!("https://mcp.example.com/mcp"),
            "{header}"
        );
    }
}

#[tokio::test]
async fn prm_5_sec_11_a_host_of_its_own_is_a_resource_of_its_own() {
    let routes = [
        MCP,
        r#"{ path: /mcp, name: named, host: named.example, upstream: "{upstream}/named" }"#,
        r#"{ path: /mcp, name: wild, host: "*.wild.example", resource: "https://wild.example/mcp", upstream: "{upstream}/wild" }"#,
    ];
    let world = world(r#"public_url: "https://mcp.example.com""#, &routes).await;
    for (host, resource, own_document) in [
        ("mcp.example.com", "https://mcp.example.com/mcp", true),
        ("named.example", "https://named.example/mcp", true),
        ("a.wild.example", "https://wild.example/mcp", false),
    ] {
        let client = world.client().with_host(host);
        let document = client.get(&format!("{DOCUMENT}/mcp")).send().await;
        assert_eq!(
            document.is(200).json()["resource"],
            json!(resource),
            "{host}"
        );
        let token = world.idp.token().audience(resource);
        client
            .post("/mcp")
            .bearer(token.clone())
            .send()
            .await
            .is(200);
        let (url, _) = found_by_challenge(&client, "/mcp").await;
        assert_eq!(
            url.starts_with(&format!("https://{host}/")),
            own_document,
            "{host}: {url}"
        );
        for other in ["mcp.example.com", "named.example", "a.wild.example"]
            .iter()
            .filter(|other| **other != host)
        {
            let elsewhere = world
                .client()
                .with_host(other)
                .post("/mcp")
                .bearer(token.clone());
            refused(&world, elsewhere, 401, "audience_mismatch").await;
        }
    }
}

#[tokio::test]
async fn prm_1_prm_11_t_p7_s3_26_several_servers_are_listed_in_their_order() {
    let (first, second) = (
        Idp::builder()
            .issuer_path("/realms/a")
            .start()
            .await
            .unwrap(),
        Idp::start().await,
    );
    let yaml = config(
        "",
        &[r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { accept: [zeta, corp] } }"#],
    );
    let yaml = yaml.replace(
        "authenticators: {",
        &format!(
            "authenticators: {{ zeta: {{ oidc: {{ issuer: \"{}\" }} }},",
            first.issuer()
        ),
    );
    let order = [first.issuer().to_owned(), second.issuer().to_owned()];
    let world = World::start_with(program(), second, &yaml).await;
    let document = world.client().get(DOCUMENT).send().await;
    assert_eq!(
        document.is(200).json()["authorization_servers"],
        json!(order)
    );
    for idp in [&first, &world.idp] {
        let token = idp.token().audience(&world.gateway.url("/mcp"));
        world
            .client()
            .post("/mcp")
            .bearer(token)
            .send()
            .await
            .is(200);
    }
}

#[tokio::test]
async fn prm_8_prm_9_err_4_offline_access_is_never_asked_for() {
    let route = r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { required_scopes: [b, a, offline_access] } }"#;
    let yaml = config("", &[route]).replace("{upstream}", "http://127.0.0.1:9");
    let idp = Idp::start().await;
    let gateway = Gateway::start(program(), &yaml.replace("{idp}", idp.issuer())).await;
    let document = gateway.client().get(DOCUMENT).send().await;
    let supported = document.is(200).json()["scopes_supported"].clone();
    let refusal = gateway.client().post("/mcp").send().await;
    let scope = refusal
        .refused(401, None)
        .challenge()
        .remove("scope")
        .unwrap();
    assert_eq!(
        supported,
        json!(scope.split(' ').collect::<Vec<_>>()),
        "both say the same"
    );
    let mut scopes: Vec<_> = scope.split(' ').collect();
    scopes.sort_unstable();
    assert_eq!(scopes, ["a", "b"]);
}

#[tokio::test]
async fn t_p9_t_p11_the_document_is_the_same_every_time() {
    let world = world("", &[MCP]).await;
    let first = world.client().get(DOCUMENT).send().await.is(200).text();
    let again = world.client().get(DOCUMENT).send().await.is(200).text();
    assert_eq!(first, again);
    let expected = format!(
        r#"{{"resource":"{}","authorization_servers":["{}"],"bearer_methods_supported":["header"],"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","ES384","PS256","PS384","PS512","RS256","RS384","RS512"],"dpop_bound_access_tokens_required":false}}"#,
        world.gateway.url("/mcp"),
        world.idp.issuer()
    );
    assert_eq!(first, expected);
}

#[tokio::test]
async fn prm_1_a_route_for_everybody_has_no_document_and_no_challenge() {
    let world = world("", &[&OPEN.replace("/mcp", "/open"), MCP]).await;
    let path = "/.well-known/oauth-protected-resource/open";
    world.client().get(path).send().await.is(404);
    let only = world.client().get(DOCUMENT).send().await;
    assert_eq!(only.is(200).json()["resource"], world.gateway.url("/mcp"));
    let two = world.client().post("/open").bearer("a").bearer("b");
    let answer = two.send().await;
    assert_eq!(answer.is(400).header("www-authenticate"), None);
}
