//! API keys: who comes with one, who comes with a bad one, and what is told to whom.

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Reply, World};

use crate::reload::reloaded;
use crate::setting::{program, refused};

pub(crate) const KEY: &str = "7f83b1657ff1fc53b92dc18148a1d65d";
pub(crate) const HASH: &str =
    "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756";
/// Of `abc`, which `key hash` would refuse.
const WEAK: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// One provider, one authenticator of keys with one more field like `", acts_for: …"` for the good key, and a route of each kind.
pub(crate) fn config(field: &str) -> String {
    CONFIG
        .replace("{field}", field)
        .replace("{hash}", HASH)
        .replace("{weak}", WEAK)
}

const CONFIG: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  corp: { oidc: { issuer: "{idp}" } }
  machines:
    api_keys:
      keys:
        - { id: ci, hash: "{hash}", scopes: [mcp, build]{field} }
        - { id: old, hash: "{weak}", scopes: [mcp], expires: 2026-01-01 }
routes:
  - { path: /mcp, upstream: "{upstream}/mcp", auth: { type: oauth, required_scopes: [mcp] } }
  - { path: /ci, upstream: "{upstream}/ci", auth: { type: jwt, required_scopes: [mcp] } }
  - { path: /both, upstream: "{upstream}/both", auth: { type: both, accept: [corp, machines], required_scopes: [mcp] } }
  - { path: /more, upstream: "{upstream}/more", auth: { type: jwt, required_scopes: [mcp, deploy] } }
  - { path: /open, upstream: "{upstream}/open", auth: { type: none }, dangerous: [anonymous_access] }
"#;

async fn world(field: &str) -> World {
    World::start(program(), &config(field)).await
}

fn call(world: &World, path: &str) -> Request {
    world.client().post(path).call("echo", &Value::Null)
}

/// The `ApiKey` line of a route.
fn key_line(world: &World, path: &str) -> String {
    format!(
        "ApiKey realm=\"{}\", header=\"X-API-Key\"",
        world.gateway.url(path)
    )
}

/// The `Bearer` line of a route, with this in front.
fn bearer_line(world: &World, path: &str, error: &str) -> String {
    let metadata = format!("/.well-known/oauth-protected-resource{path}");
    let metadata = world.gateway.url(&metadata);
    format!("Bearer {error}scope=\"mcp\", resource_metadata=\"{metadata}\"")
}

fn challenges(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.all("www-authenticate");
    lines.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn s3_43_s3_4_t_ak5_t_ak8_t_ha_the_right_key_is_let_in_and_the_server_learns_who_it_is() {
    let world = world(", name: Build server, email: ci@example.com, groups: [a, b]").await;
    for path in ["/ci", "/both"] {
        for name in ["X-API-Key", "x-api-key", "X-API-KEY"] {
            call(&world, path).header(name, KEY).send().await.is(200);
            let seen = world.server.last();
            assert_eq!(seen.target, path);
            for (header, value) in [
                ("x-auth-subject", "ci"),
                ("x-auth-issuer", "urn:portcullis:key:machines"),
                ("x-auth-kind", "client"),
                ("x-auth-method", "api_keys"),
                ("x-auth-scopes", "build mcp"),
                ("x-auth-name", "Build server"),
                ("x-auth-email", "ci@example.com"),
                ("x-auth-groups", "a,b"),
            ] {
                assert_eq!(seen.header(header), Some(value), "{header}");
            }
            assert_eq!(seen.header("x-auth-client"), None);
            assert!(!String::from_utf8_lossy(&seen.raw_head).contains(KEY));
        }
    }
}

#[tokio::test]
async fn s3_43_t_ak6_t_ak7_t_ak9_t_ha_without_a_key_or_with_a_wrong_one_the_header_is_named() {
    let world = world("").await;
    let wrong = "7f83b1657ff1fc53b92dc18148a1d65e";
    let asks = |key: Option<&'static str>, path| {
        let request = call(&world, path);
        match key {
            Some(key) => request.header("X-API-Key", key),
            None => request,
        }
    };
    for (key, reason, told) in [
        (None, "missing_credentials", "authentication is required"),
        (
            Some(wrong),
            "unknown_api_key",
            "the credential was not accepted",
        ),
        (Some("abc"), "expired", "API key expired"),
        (
            Some(""),
            "malformed_credentials",
            "the credential was not accepted",
        ),
        (
            Some("a b"),
            "malformed_credentials",
            "the credential was not accepted",
        ),
    ] {
        let alone = refused(&world, asks(key, "/ci"), 401, reason).await;
        assert_eq!(challenges(&alone.answer), [key_line(&world, "/ci")]);
        assert_eq!(alone.answer.json()["error_description"], told);
        let both = refused(&world, asks(key, "/both"), 401, reason).await;
        let expected = [bearer_line(&world, "/both", ""), key_line(&world, "/both")];
        assert_eq!(challenges(&both.answer), expected, "{reason}");
        assert_eq!(both.answer.json()["error_description"], told);
    }
    let twice = asks(Some(KEY), "/ci").header("x-api-key", KEY);
    refused(&world, twice, 401, "malformed_credentials").await;
    let weak = asks(Some(KEY), "/more");
    let weak = refused(&world, weak, 403, "insufficient_scope").await;
    assert_eq!(challenges(&weak.answer), [""; 0], "nothing to log in for");
    for line in world.gateway.log() {
        assert!(!line.contains(wrong) && !line.contains(KEY), "{line}");
    }
    let warned = "warning: authenticators.machines.api_keys.keys[1].expires is over: the keys of this id are refused";
    assert!(world.gateway.log().iter().any(|line| line == warned));
}

#[tokio::test]
async fn s3_43_err_3_a_bad_token_is_told_beside_the_header_of_keys() {
    let world = world("").await;
    let bad = call(&world, "/both").bearer("a.b.c");
    let bad = refused(&world, bad, 401, "not_a_jwt").await;
    let error = "error=\"invalid_token\", error_description=\"the credential was not accepted\", ";
    let expected = [
        bearer_line(&world, "/both", error),
        key_line(&world, "/both"),
    ];
    assert_eq!(challenges(&bad.answer), expected);
    // where tokens are not taken at all, one is not taken for nothing either
    let token = call(&world, "/ci").bearer(world.token_for("/ci").scope("mcp"));
    let refused = refused(&world, token, 401, "issuer_mismatch").await;
    assert_eq!(challenges(&refused.answer), [key_line(&world, "/ci")]);
}

#[tokio::test]
async fn sec_34_a_key_reaches_no_server_in_any_spelling_on_any_route() {
    let world = world("").await;
    let token = |path| world.token_for(path).scope("mcp");
    for (path, request) in [
        ("/mcp", call(&world, "/mcp").bearer(token("/mcp"))),
        ("/open", call(&world, "/open")),
        ("/both", call(&world, "/both").bearer(token("/both"))),
    ] {
        for name in ["X_API_Key", "X.API.Key", "X~Api-KEY"] {
            let request = request.clone().header(name, KEY);
            request.send().await.is(200);
            let head = world.server.last().raw_head;
            assert!(
                !String::from_utf8_lossy(&head).contains(KEY),
                "{path} {name}"
            );
        }
    }
    // a route that takes no keys does not look at one, good or bad
    for key in [KEY, "wrong", ""] {
        let request = call(&world, "/mcp")
            .bearer(token("/mcp"))
            .header("X-API-Key", key);
        request.send().await.is(200);
        assert_eq!(world.server.last().header("x-api-key"), None);
        assert_eq!(world.server.last().header("x-auth-subject"), Some("alice"));
        call(&world, "/open")
            .header("X-API-Key", key)
            .send()
            .await
            .is(200);
        let seen = world.server.last();
        assert_eq!(
            (seen.header("x-api-key"), seen.header("x-auth-subject")),
            (None, None)
        );
        let request = call(&world, "/mcp").header("X-API-Key", key);
        refused(&world, request, 401, "missing_credentials").await;
    }
    let named = call(&world, "/ci")
        .header("X-API-Key", KEY)
        .header("Connection", "x-api-key");
    refused(&world, named, 400, "ambiguous_request").await;
}

#[tokio::test]
async fn x26_a_key_in_the_query_is_refused_beside_a_good_one() {
    let world = world("").await;
    for name in ["api_key", "apiKey", "API_KEY", "%61pi_key"] {
        let target = format!("/ci?{name}={KEY}");
        let request = world.client().post(&target).header("X-API-Key", KEY);
        refused(&world, request, 400, "token_in_query").await;
    }
    let bearer = call(&world, "/both").bearer(KEY);
    refused(&world, bearer, 401, "not_a_jwt").await;
    for line in world.gateway.log() {
        assert!(!line.contains(KEY), "{line}");
    }
}

#[tokio::test]
async fn sec_2_x7_s0_37_s0_38_two_credentials_have_to_be_of_one_caller() {
    let world = world("").await;
    let both = |token: String, key: &str| {
        let request = call(&world, "/both").bearer(token);
        request.header("X-API-Key", key)
    };
    let good = || world.token_for("/both").scope("mcp").sign();
    let expired = world.token_for("/both").scope("mcp").expires_in(-60).sign();
    for (token, key, reason) in [
        (good(), KEY, "identities_disagree"),
        (good(), "wrong", "unknown_api_key"),
        (good(), "abc", "expired"),
        (expired, KEY, "expired"),
        ("a.b.c".to_owned(), KEY, "not_a_jwt"),
    ] {
        refused(&world, both(token, key), 401, reason).await;
    }
    let disagree = refused(&world, both(good(), KEY), 401, "identities_disagree").await;
    let error = "error=\"invalid_token\", error_description=\"the credential was not accepted\", ";
    assert_eq!(
        challenges(&disagree.answer),
        [
            bearer_line(&world, "/both", error),
            key_line(&world, "/both")
        ]
    );
    assert!(disagree.cause().contains("alice") && disagree.cause().contains("ci"));
    // on a route that takes one kind of them alone, the other one is nothing to agree with
    let one = call(&world, "/mcp").bearer(world.token().scope("mcp"));
    one.header("X-API-Key", KEY).send().await.is(200);
}

#[tokio::test]
async fn sec_2_a_key_that_acts_for_somebody_narrows_their_token_and_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let template = config(", acts_for: { issuer: \"{idp}\", subject: alice }");
    let template = template + &format!("audit: {{ file: \"{}\" }}\n", file.display());
    let mut world = World::start(program(), &template).await;
    let token = || world.token_for("/both").scope("mcp other");
    let both = |token: String| call(&world, "/both").bearer(token).header("X-API-Key", KEY);
    let known = token().sign();
    for token in [known.clone(), known] {
        both(token).send().await.is(200);
        let seen = world.server.last();
        for (header, value) in [
            ("x-auth-subject", "alice"),
            ("x-auth-issuer", world.idp.issuer()),
            ("x-auth-kind", "user"),
            ("x-auth-method", "oidc"),
            ("x-auth-scopes", "mcp"),
        ] {
            assert_eq!(seen.header(header), Some(value), "{header}");
        }
    }
    let bob = token().subject("bob").sign();
    refused(&world, both(bob), 401, "identities_disagree").await;
    // what the token allows and the key does not is not allowed
    let other = token().scope("other build").sign();
    refused(&world, both(other), 403, "insufficient_scope").await;
    let log = world.gateway.wait_for_log("key\":\"ci\"").await;
    assert!(log.contains("\"subject\":\"alice\""), "{log}");
    world.gateway.terminate().await;
    world.gateway.wait_exit().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|line: &Value| line["event"] == "request")
        .collect();
    for line in &lines[..2] {
        assert_eq!(line["subject"], "alice");
        assert_eq!(line["authenticator"], "corp");
        assert_eq!(
            (&line["key_authenticator"], &line["key"]),
            (&json!("machines"), &json!("ci"))
        );
        assert_eq!(line["scopes"], "mcp");
    }
    assert!(!text.contains(KEY));
}

#[tokio::test]
async fn sec_80_a_key_is_denied_by_its_id_with_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deny.yaml");
    let write = |text: &str| {
        let new = file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    write("- { key: ci, authenticator: other }");
    let template = config("") + &format!("deny: {{ file: \"{}\" }}\n", file.display());
    let world = World::start(program(), &template).await;
    let good = call(&world, "/ci").header("X-API-Key", KEY);
    good.clone().send().await.is(200);
    world.server.answer_once(Reply::events());
    let stream = good.clone().open().await;
    let _upstream = world.server.stream().await;
    write("- { key: ci, authenticator: machines }");
    world.gateway.wait_for_log("deny list taken").await;
    let denied = refused(&world, good, 401, "denied").await;
    assert_eq!(challenges(&denied.answer), [key_line(&world, "/ci")]);
    assert!(stream.finish().await.complete);
}

#[tokio::test]
async fn sec_12_sec_55_a_key_that_is_taken_out_by_a_reload_ends_with_its_streams() {
    let world = world("").await;
    let good = call(&world, "/ci").header("X-API-Key", KEY);
    world.server.answer_once(Reply::events());
    let stream = good.clone().open().await;
    let _upstream = world.server.stream().await;
    let other = HASH.replace("bd693b", "000000");
    reloaded(&world, &config("").replace(HASH, &other), 1).await;
    refused(&world, good, 401, "unknown_api_key").await;
    assert!(stream.finish().await.complete);
}

#[tokio::test]
async fn s3_43_pages_may_send_the_header_and_read_the_challenge() {
    let world = world("").await;
    let origin = world.gateway.url("");
    let preflight = world.client().options("/ci").header("Origin", &origin);
    let preflight = preflight.header("Access-Control-Request-Method", "POST");
    for asked in ["", "content-type,x-api-key", "X-API-Key"] {
        let request = preflight.clone();
        let request = request.header("Access-Control-Request-Headers", asked);
        let answer = request.send().await;
        let allowed = answer.is(204).header("access-control-allow-headers");
        let names = allowed.unwrap().split(", ");
        let keys = names.filter(|name| name.eq_ignore_ascii_case("x-api-key"));
        assert_eq!(keys.count(), 1, "{allowed:?}");
    }
    let page = call(&world, "/ci").header("Origin", &origin);
    let answer = page.send().await;
    let exposed = answer
        .is(401)
        .header("access-control-expose-headers")
        .unwrap();
    assert!(exposed.contains("WWW-Authenticate"), "{exposed}");
}

#[tokio::test]
async fn prm_1_s3_43_where_only_keys_are_taken_there_is_nothing_to_log_in_at() {
    let world = world("").await;
    let document = |path: &str| {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        world.client().get(&path)
    };
    refused(&world, document("/ci"), 404, "not_found").await;
    let both = document("/both").send().await;
    assert_eq!(
        both.is(200).json()["authorization_servers"],
        json!([world.idp.issuer()])
    );
}

#[tokio::test]
async fn sec_70_guessing_keys_costs_and_the_right_one_passes() {
    let template = config("").replace(
        "listen: \"127.0.0.1:0\" }\nadmin",
        "listen: \"127.0.0.1:0\", limits: { failures_per_address: 3/h } }\nadmin",
    );
    let world = World::start(program(), &template).await;
    let with = |key: &str| call(&world, "/ci").header("X-API-Key", key);
    for _ in 0..3 {
        refused(&world, with("wrong"), 401, "unknown_api_key").await;
    }
    refused(&world, with("wrong"), 429, "rate_limited").await;
    with(KEY).send().await.is(200);
}
