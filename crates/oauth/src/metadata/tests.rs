use serde_json::{Value, json};

use super::*;

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

#[track_caller]
fn written(resource: &str, servers: &[&str], scopes: &Scopes) -> Result<Value, MetadataError> {
    let document = ProtectedResource {
        resource,
        authorization_servers: servers.to_vec(),
        scopes_supported: scopes,
        resource_name: None,
        dpop_algorithms: &["ES256"],
        dpop_required: false,
        certificate_bound: false,
    };
    document
        .to_json()
        .map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn refused(resource: &str, servers: &[&str]) -> String {
    written(resource, servers, &Scopes::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn t_p1_t_p9_the_document_is_the_same_bytes_every_time() {
    let scopes = scopes("mcp:read mcp:call");
    let document = ProtectedResource {
        resource: "https://mcp.example.com/mcp",
        authorization_servers: vec!["https://id.example.com"],
        scopes_supported: &scopes,
        resource_name: Some("Tools of \"Example\""),
        dpop_algorithms: &["ES256", "EdDSA"],
        dpop_required: true,
        certificate_bound: true,
    };
    let expected = concat!(
        r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://id.example.com"],"#,
        r#""scopes_supported":["mcp:call","mcp:read"],"bearer_methods_supported":["header"],"#,
        r#""resource_name":"Tools of \"Example\"","tls_client_certificate_bound_access_tokens":true,"#,
        r#""dpop_signing_alg_values_supported":["ES256","EdDSA"],"dpop_bound_access_tokens_required":true}"#
    );
    for _ in 0..2 {
        assert_eq!(
            String::from_utf8(document.to_json().unwrap()).unwrap(),
            expected
        );
    }
}

#[test]
fn t_p2_a_resource_must_have_a_name() {
    assert_eq!(
        refused("", &["https://a"]),
        r#"resource is not an http(s) URL without fragment: """#
    );
    assert!(refused("https://h/mcp#part", &["https://a"]).starts_with("resource "));
    assert!(refused("https://h/m cp", &["https://a"]).starts_with("resource "));
}

#[test]
fn s0_33_where_there_is_no_authorization_server_none_is_listed() {
    let document = ProtectedResource {
        resource: "https://mcp.example.com/mcp",
        authorization_servers: Vec::new(),
        scopes_supported: &scopes("mcp"),
        resource_name: None,
        dpop_algorithms: &["ES256"],
        dpop_required: false,
        certificate_bound: false,
    };
    let expected = concat!(
        r#"{"resource":"https://mcp.example.com/mcp","scopes_supported":["mcp"],"bearer_methods_supported":["header"],"#,
        r#""dpop_signing_alg_values_supported":["ES256"],"dpop_bound_access_tokens_required":false}"#
    );
    assert_eq!(document.to_json().unwrap(), expected.as_bytes());
}

#[test]
fn t_p3_t_p4_t_p5_prm_1_each_issuer_is_a_url() {
    assert!(refused("https://h/mcp", &["id.example.com"]).starts_with("authorization_servers "));
    assert!(refused("https://h/mcp", &["https://a", ""]).starts_with("authorization_servers "));
}

#[test]
fn t_p6_t_p8_without_scopes_the_other_members_are_left() {
    assert_eq!(
        written("https://h/mcp", &["https://a"], &Scopes::default()),
        Ok(json!({
            "resource": "https://h/mcp",
            "authorization_servers": ["https://a"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "dpop_bound_access_tokens_required": false,
        }))
    );
}

#[test]
fn t_p7_prm_11_several_issuers_keep_their_order() {
    let document = written(
        "https://h/mcp",
        &["https://z", "https://a", "https://m"],
        &Scopes::default(),
    )
    .unwrap();
    assert_eq!(
        document["authorization_servers"],
        json!(["https://z", "https://a", "https://m"])
    );
}

#[test]
fn prm_8_offline_access_is_not_supported_by_any_resource() {
    let document = |text| written("https://h/mcp", &["https://a"], &scopes(text)).unwrap();
    assert_eq!(
        document("mcp offline_access")["scopes_supported"],
        json!(["mcp"])
    );
    assert_eq!(document("offline_access").get("scopes_supported"), None);
}

#[test]
fn t_p13_t_p14_t_p15_t_p16_trap_1_identifiers_come_out_as_they_went_in() {
    for url in [
        "https://h",
        "https://h/",
        "http://localhost:8080/a/b",
        "https://H:443/a/",
        "https://[::1]:9/x",
        "HTTPS://h/%7Ea",
    ] {
        let document = written(url, &[url], &Scopes::default()).unwrap();
        assert_eq!(document["resource"], url);
        assert_eq!(document["authorization_servers"][0], url);
    }
}

#[test]
fn a_server_document_is_read() {
    let document = json!({
        "issuer": "https://tenant.example.com/",
        "authorization_endpoint": "https://tenant.example.com/authorize",
        "token_endpoint": "https://tenant.example.com/token",
        "jwks_uri": "https://tenant.example.com/keys?v=2",
        "registration_endpoint": null,
        "code_challenge_methods_supported": ["S256"],
        "something_new": {"a": [1, 2]},
    });
    let metadata = ServerMetadata::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(
        metadata.issuer, "https://tenant.example.com/",
        "TRAP-1: the slash stays"
    );
    assert_eq!(
        metadata.jwks_uri.as_deref(),
        Some("https://tenant.example.com/keys?v=2")
    );
    assert_eq!(metadata.registration_endpoint, None);
    assert_eq!(metadata.code_challenge_methods_supported, ["S256"]);
}

#[test]
fn a_server_document_needs_only_its_issuer() {
    let metadata = ServerMetadata::parse(br#"{"issuer":"http://127.0.0.1:9400"}"#).unwrap();
    assert_eq!(metadata.issuer, "http://127.0.0.1:9400");
    assert_eq!(metadata.jwks_uri, None);
    assert!(metadata.code_challenge_methods_supported.is_empty());
}

#[test]
fn a_broken_server_document_is_refused() {
    #[track_caller]
    fn check(document: &str, words: &str) {
        let problem = ServerMetadata::parse(document.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(problem.contains(words), "{document} gave {problem}");
    }
    check("<html>", "not a metadata document");
    check("{}", "missing field `issuer`");
    check(r#"["https://h",null,null,null,null,[]]"#, "not an object");
    check(r#"{"issuer":7}"#, "invalid type");
    check(
        r#"{"issuer":"https://a","issuer":"https://b"}"#,
        "duplicate field `issuer`",
    );
    check(r#"{"issuer":"https://a"} x"#, "trailing");
    check(r#"{"issuer":"a"}"#, "issuer is not an http(s) URL");
    check(
        r#"{"issuer":"https://a","jwks_uri":"file:///keys"}"#,
        "jwks_uri is not an http(s) URL",
    );
    check(
        r#"{"issuer":"https://a","token_endpoint":"/token"}"#,
        "token_endpoint is not an http(s) URL",
    );
}
