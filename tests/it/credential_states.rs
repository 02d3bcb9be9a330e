//! Every state of a credential by every way to bring one, as `credential_states.md` says.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Idp, World};

use crate::own_tokens::{SECRET, claims, now, signed};
use crate::setting::{program, refused};

const TABLE: &str = include_str!("credential_states.md");

/// `{partner}` and `{central}` are further providers; the hashes are of the keys below.
const CONFIG: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
logging: { format: json, level: debug }
authenticators:
  corp: { oidc: { issuer: "{idp}" } }
  partner: { oidc: { issuer: "{partner}" } }
  central: { introspection: { endpoint: "{central}/introspect", client_id: svc, client_secret: svc-secret, issuer: "{central}" } }
  services: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: your-service, audiences: [mcp-api] } }
  others: { shared_secret: { secret: Zk3vQ9tLw5NxY7pRb2Hc8Md4Gf6Js1Ua, issuer: other-service, audiences: [other-api] } }
  machines:
    api_keys:
      keys:
        - { id: ci, hash: "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756", scopes: [mcp] }
        - { id: old, hash: "sha256:ebeaf10fb971197c28c1b614df70e8fb149ddae5a8a8dd5f220b5cba9e7e1f45", scopes: [mcp], expires: 2026-01-01 }
        - { id: deputy, hash: "sha256:150707df390469c9403d9fffa60954e42f31fbeff0dc2b078131c56dde2581e2", scopes: [mcp], acts_for: { issuer: "{idp}", subject: alice } }
  visitors:
    api_keys:
      keys: [ { id: visitor, hash: "sha256:073cd24a6a957edd0b6a72c02095d7bfef286a4104effee5e7e33af894d9dd56", scopes: [mcp] } ]
routes:
  - { path: /protected, upstream: "{upstream}", auth: { type: both, accept: [corp, central, services, machines], required_scopes: [mcp] } }
  - { path: /public, upstream: "{upstream}", auth: { type: none }, dangerous: [anonymous_access] }
  - { path: /elsewhere, upstream: "{upstream}", auth: { type: both, accept: [partner, others, visitors] } }
"#;

const CI: &str = "7f83b1657ff1fc53b92dc18148a1d65d";
const OLD: &str = "5aK2mWq8ZtR4vLx9NcB7";
const DEPUTY: &str = "2f1c0e9d8b7a69584736251403f2e1d0";
const VISITOR: &str = "9c8b7a6f5e4d3c2b1a0f9e8d7c6b5a49";
const NOBODYS: &str = "00000000000000000000000000000001";
const OTHER_SECRET: &str = "Zk3vQ9tLw5NxY7pRb2Hc8Md4Gf6Js1Ua";

/// The providers beside the one of the world.
struct Providers {
    world: World,
    partner: Idp,
    central: Idp,
}

impl Providers {
    async fn start() -> Self {
        let (partner, central) = (Idp::start().await, Idp::start().await);
        let config = CONFIG
            .replace("{partner}", partner.issuer())
            .replace("{central}", central.issuer());
        central.add_client("svc", "svc-secret");
        let world = World::start(program(), &config).await;
        Self {
            world,
            partner,
            central,
        }
    }

    /// The bearer token and the key of a row; either may be none.
    fn brought(
        &self,
        scheme: &str,
        state: &str,
        route: &str,
    ) -> (Option<String>, Option<&'static str>) {
        let resource = self.world.gateway.url(&format!("/{route}"));
        let jwt = || self.world.idp.token().audience(&resource).scope("mcp");
        let good = || Some(jwt().sign());
        let forged = || Some(jwt().sign_with_other_key());
        let late = || Some(jwt().expires_in(-60).sign());
        let partner = || Some(self.partner.token().audience(&resource).scope("mcp").sign());
        let opaque = || {
            self.central
                .token()
                .subject("olga")
                .audience(&resource)
                .scope("mcp")
        };
        let hs256 = |change: Value, secret: &str| {
            let mut all = claims(json!({ "sub": "service-7", "scopes": ["mcp"] }));
            for (name, value) in change.as_object().unwrap() {
                all[name] = value.clone();
            }
            Some(signed(
                &json!({ "alg": "HS256", "typ": "JWT" }),
                &all,
                secret,
            ))
        };
        match (scheme, state) {
            (_, "absent") => (None, None),
            ("jwt", "good") => (good(), None),
            ("jwt", "bad") => (forged(), None),
            ("jwt", "expired") => (late(), None),
            ("jwt", "foreign") => (partner(), None),
            ("jwt", "foreign: another resource's") => {
                let elsewhere = self.world.token_for("/elsewhere").scope("mcp");
                (Some(elsewhere.sign()), None)
            }
            ("opaque", "good") => (Some(opaque().opaque()), None),
            ("opaque", "bad") => (Some("nobody-made-this-one".to_owned()), None),
            ("opaque", "expired") => (Some(opaque().expires_in(-60).opaque()), None),
            ("opaque", "foreign") => {
                let elsewhere = self.world.gateway.url("/elsewhere");
                (Some(opaque().audience(&elsewhere).opaque()), None)
            }
            ("hs256", "good") => (hs256(json!({}), SECRET), None),
            ("hs256", "bad") => (hs256(json!({}), OTHER_SECRET), None),
            ("hs256", "expired") => {
                let times = json!({ "iat": now() - 3600, "exp": now() - 60 });
                (hs256(times, SECRET), None)
            }
            ("hs256", "foreign") => {
                let other = json!({ "iss": "other-service", "aud": "other-api" });
                (hs256(other, OTHER_SECRET), None)
            }
            ("key", "good") => (None, Some(CI)),
            ("key", "bad") => (None, Some(NOBODYS)),
            ("key", "expired") => (None, Some(OLD)),
            ("key", "foreign") => (None, Some(VISITOR)),
            ("two", "good") => (good(), Some(DEPUTY)),
            ("two", "bad: the key") => (good(), Some(NOBODYS)),
            ("two", "bad: the token") => (forged(), Some(DEPUTY)),
            ("two", "expired: the key") => (good(), Some(OLD)),
            ("two", "expired: the token") => (late(), Some(DEPUTY)),
            ("two", "foreign") => (good(), Some(CI)),
            ("two", "foreign: the key") => (good(), Some(VISITOR)),
            ("two", "foreign: the token") => (partner(), Some(DEPUTY)),
            other => panic!("nobody can bring this: {other:?}"),
        }
    }

    /// What really becomes of a request, in the words of the table.
    async fn outcome(&self, request: Request, brought: &[&str]) -> [String; 6] {
        let before = self.world.server.requests();
        let answer = request.send().await;
        let hits = self.world.server.requests() - before;
        let none = || "-".to_owned();
        let (reason, told) = if answer.status == 200 {
            (none(), none())
        } else {
            let body = answer.json();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let line = self
                .world
                .gateway
                .wait_for_log(&text(&body["reference"]))
                .await;
            let line: Value = serde_json::from_str(&line).unwrap();
            (text(&line["reason"]), text(&body["error_description"]))
        };
        let seen = if hits == 0 {
            none()
        } else {
            self.seen(brought)
        };
        let status = answer.status.to_string();
        [
            status,
            reason,
            challenges(&answer),
            told,
            hits.to_string(),
            seen,
        ]
    }

    /// As whom the server saw the caller. What was brought it must never see.
    fn seen(&self, brought: &[&str]) -> String {
        let seen = self.world.server.last();
        let head = String::from_utf8_lossy(&seen.raw_head).into_owned();
        for secret in brought {
            assert!(!head.contains(secret), "{head}");
        }
        for gone in ["authorization", "x-api-key"] {
            assert_eq!(seen.header(gone), None);
        }
        if let Some(subject) = seen.header("x-auth-subject") {
            return subject.to_owned();
        }
        let told = seen.headers.iter();
        let told: Vec<_> = told
            .filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-auth-"))
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        seen.header("x-auth-method").unwrap().to_owned()
    }
}

/// The lines of `WWW-Authenticate`, by scheme and error.
fn challenges(answer: &Answer) -> String {
    let lines = answer.headers.all("www-authenticate");
    let named = lines.iter().map(|line| {
        let (scheme, attributes) = line.split_once(' ').unwrap();
        match attributes.strip_prefix("error=\"") {
            Some(rest) => format!("{scheme} {}", rest.split('"').next().unwrap()),
            None => scheme.to_owned(),
        }
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        "-".to_owned()
    } else {
        named.join(", ")
    }
}

/// The cells of every row.
fn rows() -> Vec<[&'static str; 9]> {
    let lines = TABLE.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells
            .try_into()
            .unwrap_or_else(|_| panic!("nine cells: {line}"))
    });
    cells.skip(2).collect()
}

#[test]
fn x7_sec_2_the_table_leaves_no_state_of_any_scheme_out() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    for [scheme, state, route, ..] in &rows {
        assert!(
            seen.insert((*scheme, *state, *route)),
            "{scheme} {state} {route} stands twice"
        );
    }
    for scheme in ["jwt", "opaque", "hs256", "key", "two"] {
        for state in ["absent", "good", "bad", "expired", "foreign"] {
            for route in ["protected", "public"] {
                let is_it = |row: &&[&str; 9]| {
                    row[0] == scheme && row[1].split(':').next() == Some(state) && row[2] == route
                };
                assert!(
                    rows.iter().any(|row| is_it(&row)),
                    "{scheme} {state} {route}"
                );
            }
        }
    }
    assert_eq!(rows.len(), 60);
}

#[tokio::test]
async fn x7_sec_2_s0_38_every_state_of_a_credential_becomes_what_the_table_says() {
    let providers = Providers::start().await;
    let mut wrong = Vec::new();
    for [scheme, state, route, expected @ ..] in rows() {
        let (token, key) = providers.brought(scheme, state, route);
        let mut request = providers
            .world
            .client()
            .post(&format!("/{route}"))
            .call("echo", &Value::Null);
        if let Some(token) = &token {
            request = request.bearer(token.as_str());
        }
        if let Some(key) = key {
            request = request.header("X-API-Key", key);
        }
        let brought: Vec<_> = token.as_deref().into_iter().chain(key).collect();
        for time in ["first", "remembered"] {
            let found = providers.outcome(request.clone(), &brought).await;
            if found != expected {
                wrong.push(format!(
                    "{scheme} {state} {route}, {time}: {expected:?}, found {found:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn x26_a_key_as_a_bearer_token_is_asked_of_no_provider() {
    let providers = Providers::start().await;
    let world = &providers.world;
    let call = || world.client().post("/protected").call("echo", &Value::Null);
    let key = "portcullis_00000000000000000000000000000000000000000002ObRJM";
    for key in [key, "portcullis_x"] {
        let refused = refused(world, call().bearer(key), 401, "not_a_jwt").await;
        assert!(
            refused.cause().contains("an API key"),
            "{}",
            refused.cause()
        );
    }
    assert_eq!(providers.central.introspected().len(), 0);
    call().bearer("some-other-token").send().await.is(401);
    assert_eq!(providers.central.introspected().len(), 1);
}
