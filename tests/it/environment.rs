//! Which variable a preset puts where: each of them changes what the configuration means, and no other variable does.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testbed::Idp;

use crate::presets::{PRESETS, SECRET, Stage, check, of_service, preset};

/// Variable, another value for it, and what the complete configuration says then.
type Change = (&'static str, &'static str, &'static str);

/// What presets have in common.
const EVERYWHERE: &[Change] = &[
    ("PORT", "8088", "- 127.0.0.1:8088\n"),
    (
        "UPSTREAM_URL",
        "http://127.0.0.1:3999/other",
        "- http://127.0.0.1:3999/other\n",
    ),
];
const PUBLIC: &[Change] = &[(
    "PUBLIC_URL",
    "https://mcp.example.org",
    "public_url: https://mcp.example.org\n",
)];
const TRUST_PROXY: &[Change] = &[
    ("TRUST_PROXY", "true", "- 192.168.0.0/16\n"),
    ("TRUST_PROXY", "private", "- fc00::/7\n"),
];
const LOG_LEVEL: &[Change] = &[("LOG_LEVEL", "debug", "level: debug\n")];
const NODE_ENV: &[Change] = &[("NODE_ENV", "production", "profile: production\n")];

/// For each preset what it has of the above, and what is its own.
#[expect(clippy::too_many_lines, reason = "a table")]
fn changes(name: &str) -> Vec<Change> {
    let (shared, own): (&[&[Change]], &[Change]) = match name {
        "oauth" => (
            &[PUBLIC, TRUST_PROXY, LOG_LEVEL, NODE_ENV],
            &[
                (
                    "OAUTH_ISSUER_URL",
                    "https://id.example.org",
                    "issuer: https://id.example.org\n",
                ),
                ("OAUTH_AUDIENCE", "api://x", "- api://x\n"),
            ],
        ),
        "jwt" | "both" => {
            let jwt: &[Change] = &[
                ("JWT_ISSUER", "other-service", "issuer: other-service\n"),
                ("JWT_AUDIENCE", "other-api", "- other-api\n"),
            ];
            let people: &[Change] = &[
                (
                    "OAUTH_ISSUER_URL",
                    "https://id.example.org",
                    "issuer: https://id.example.org\n",
                ),
                ("OAUTH_AUDIENCE", "api://x", "- api://x\n"),
            ];
            let both: &[&[Change]] = &[PUBLIC, TRUST_PROXY, LOG_LEVEL, NODE_ENV, jwt];
            let all = [EVERYWHERE].into_iter().chain(both.iter().copied());
            let all = all.chain((name == "both").then_some(people));
            return all.flatten().copied().collect();
        }
        // NODE_ENV has a test of its own
        "none" => (&[LOG_LEVEL], &[]),
        "oidc" => (
            &[PUBLIC, TRUST_PROXY],
            &[(
                "OIDC_ISSUER",
                "https://id.example.org",
                "issuer: https://id.example.org\n",
            )],
        ),
        "auth0" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "AUTH0_DOMAIN",
                    "other.auth0.com",
                    "issuer: https://other.auth0.com/\n",
                ),
                ("AUTH0_AUDIENCE", "api://x", "- api://x\n"),
            ],
        ),
        "okta" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "OKTA_ISSUER",
                    "https://other.okta.com/oauth2/a",
                    "issuer: https://other.okta.com/oauth2/a\n",
                ),
                ("OKTA_AUDIENCE", "api://x", "- api://x\n"),
            ],
        ),
        "entra" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "AZURE_TENANT_ID",
                    "t",
                    "issuer: https://login.microsoftonline.com/t/v2.0\n",
                ),
                ("AZURE_TENANT_ID", "t", "- https://sts.windows.net/t/\n"),
                ("AZURE_CLIENT_ID", "c", "- api://c\n"),
                (
                    "AZURE_AUDIENCE",
                    "https://api.example.org",
                    "- https://api.example.org\n",
                ),
            ],
        ),
        "cognito" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "COGNITO_ISSUER",
                    "https://pool.example.org",
                    "issuer: https://pool.example.org\n",
                ),
                ("COGNITO_AUDIENCE", "client-2", "- client-2\n"),
            ],
        ),
        "keycloak" => (
            &[PUBLIC, TRUST_PROXY],
            &[(
                "KEYCLOAK_ISSUER",
                "https://id.example.org/realms/x",
                "issuer: https://id.example.org/realms/x\n",
            )],
        ),
        "google" | "github" => (&[PUBLIC, TRUST_PROXY], &[]),
        "mcp-framework" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "OAUTH_AUTHORIZATION_SERVER",
                    "https://as.example.org",
                    "issuer: https://as.example.org\n",
                ),
                (
                    "OAUTH_ISSUER",
                    "https://id.example.org",
                    "- https://id.example.org\n",
                ),
                (
                    "OAUTH_JWKS_URI",
                    "https://id.example.org/jwks",
                    "jwks_uri: https://id.example.org/jwks\n",
                ),
                ("OAUTH_AUDIENCE", "api://x", "- api://x\n"),
                (
                    "OAUTH_RESOURCE",
                    "https://mcp.example.org/mcp",
                    "resource: https://mcp.example.org/mcp\n",
                ),
                ("MCP_DEBUG_CONSOLE", "true", "level: debug\n"),
                ("MCP_ENABLE_FILE_LOGGING", "true", "file: ./audit.jsonl\n"),
                ("MCP_LOG_DIRECTORY", "..", "file: ../audit.jsonl\n"),
            ],
        ),
        "mcp-framework-introspection" => (
            &[PUBLIC, TRUST_PROXY],
            &[
                (
                    "OAUTH_AUTHORIZATION_SERVER",
                    "https://as.example.org",
                    "issuer: https://as.example.org\n",
                ),
                (
                    "OAUTH_ISSUER",
                    "https://id.example.org",
                    "issuer: https://id.example.org\n",
                ),
                (
                    "OAUTH_INTROSPECTION_ENDPOINT",
                    "https://as.example.org/ask",
                    "endpoint: https://as.example.org/ask\n",
                ),
                ("OAUTH_CLIENT_ID", "other", "client_id: other\n"),
                ("OAUTH_AUDIENCE", "api://x", "- api://x\n"),
                (
                    "OAUTH_RESOURCE",
                    "https://mcp.example.org/mcp",
                    "resource: https://mcp.example.org/mcp\n",
                ),
                ("MCP_DEBUG_CONSOLE", "true", "level: debug\n"),
                ("MCP_ENABLE_FILE_LOGGING", "true", "file: ./audit.jsonl\n"),
                ("MCP_LOG_DIRECTORY", "..", "file: ../audit.jsonl\n"),
            ],
        ),
        "sidecar" => (
            &[PUBLIC, LOG_LEVEL],
            &[
                (
                    "OAUTH_ISSUER_URL",
                    "https://id.example.org",
                    "issuer: https://id.example.org\n",
                ),
                ("OAUTH_AUDIENCE", "api://x", "- api://x\n"),
            ],
        ),
        other => panic!("the variables of {other} are not known here"),
    };
    let all = [EVERYWHERE, own].into_iter().chain(shared.iter().copied());
    all.flatten().copied().collect()
}

/// The names in `${NAME` and `${NAME:-…`.
fn named(yaml: &str) -> BTreeSet<&str> {
    let lines = yaml.lines().filter(|line| !line.starts_with('#'));
    let after = lines.flat_map(|line| line.split("${").skip(1));
    after
        .filter_map(|rest| rest.split([':', '}']).next())
        .collect()
}

/// What the preset means with these variables.
async fn resolved(yaml: &str, variables: &[(&str, &str)]) -> String {
    let checked = check(yaml, variables).await;
    assert_eq!(checked.code, Some(0), "{variables:?}: {}", checked.stderr);
    checked.stdout
}

#[tokio::test]
async fn s0_66_s3_12_s3_49_s4_2_x14_every_variable_of_a_preset_changes_what_it_means() {
    for (name, needed) in PRESETS {
        let yaml = preset(name).await;
        let before = resolved(&yaml, needed).await;
        let changes = changes(name);
        for (variable, value, expected) in &changes {
            let mut variables = needed.to_vec();
            variables.retain(|(other, _)| other != variable);
            variables.push((variable, value));
            // a record has to be wanted, and a folder to be there
            let record = [
                ("MCP_ENABLE_FILE_LOGGING", "true"),
                ("MCP_LOG_DIRECTORY", "."),
            ];
            if record.iter().any(|(one, _)| one == variable) {
                variables.extend(record.iter().filter(|(one, _)| one != variable));
            }
            assert!(!before.contains(expected), "{name} has {expected} anyway");
            let after = resolved(&yaml, &variables).await;
            assert!(after.contains(expected), "{name}, {variable}: {after}");
        }
        let mut tried: BTreeSet<&str> = changes.iter().map(|(variable, ..)| *variable).collect();
        tried.extend((*name == "none").then_some("NODE_ENV"));
        // what it does is seen elsewhere: a secret is not shown
        for secret in ["JWT_SECRET", "OAUTH_CLIENT_SECRET"] {
            tried.extend(yaml.contains(&format!("${{{secret}}}")).then_some(secret));
        }
        assert_eq!(named(&yaml), tried, "{name}: all of them are tried");
    }
}

#[tokio::test]
async fn x1_s0_4_node_env_production_refuses_a_route_that_asks_nobody() {
    let yaml = preset("none").await;
    for harmless in [None, Some("development")] {
        let variables: Vec<_> = harmless
            .map(|value| ("NODE_ENV", value))
            .into_iter()
            .collect();
        assert_eq!(check(&yaml, &variables).await.code, Some(0));
    }
    let refused = check(&yaml, &[("NODE_ENV", "production")]).await;
    assert_eq!(refused.code, Some(2));
    let told = "routes[0].dangerous[0]   is anonymous_access, and the profile is production";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    // a word that nobody knows is no permission either
    assert_eq!(check(&yaml, &[("NODE_ENV", "staging")]).await.code, Some(2));
}

/// As `JWT_SECRET` is seen by the tokens that count, this one is seen by what the provider is told.
#[tokio::test]
async fn s3_16_x14_oauth_client_id_and_secret_are_those_of_the_gateway_that_asks() {
    let idp = Idp::start().await;
    idp.add_client("gateway", SECRET);
    let (issuer, endpoint) = (idp.issuer().to_owned(), idp.url("/introspect"));
    let variables = [
        ("OAUTH_ISSUER", &*issuer),
        ("OAUTH_INTROSPECTION_ENDPOINT", &*endpoint),
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", SECRET),
        ("OAUTH_AUDIENCE", "api://mcp-server"),
        ("OAUTH_RESOURCE", "http://127.0.0.1:1/mcp"),
    ];
    let name = "mcp-framework-introspection";
    let stage = Stage::start(name, idp, ("", ""), &variables).await;
    let opaque = stage.idp.token().audience("api://mcp-server").opaque();
    stage.accepts(opaque).await;
    let asked = stage.idp.introspected();
    let basic = STANDARD.encode(format!("gateway:{SECRET}"));
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].header("authorization"),
        Some(&*format!("Basic {basic}"))
    );
    let foreign = stage.idp.token().audience("api://other").opaque();
    stage.refuses(foreign, 401, "audience_mismatch").await;
    stage.refuses("unknown", 401, "inactive").await;
}

/// `check --resolved` shows no secret, so that another one is seen by what it does.
#[tokio::test]
async fn s0_66_x14_jwt_secret_is_the_secret() {
    let other = SECRET.replace('f', "1");
    for secret in [SECRET, &other] {
        let idp = Idp::start().await;
        let stage = Stage::start("jwt", idp, ("", ""), &[("JWT_SECRET", secret)]).await;
        for tried in [SECRET, &other] {
            let token = of_service(&stage, tried);
            if tried == secret {
                stage.accepts(token).await;
            } else {
                stage.refuses(token, 401, "invalid_signature").await;
            }
        }
    }
    let yaml = preset("jwt").await;
    let shown = check(&yaml, &[("JWT_SECRET", SECRET)]).await;
    assert!(
        !shown.stdout.contains(SECRET) && shown.stdout.contains("secret: '***'"),
        "{}",
        shown.stdout
    );
    for weak in ["too short", "your-secret-key", &"ab".repeat(20)] {
        let refused = check(&yaml, &[("JWT_SECRET", weak)]).await;
        assert_eq!(refused.code, Some(2), "{weak}");
        assert!(!refused.stderr.contains(weak), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn s0_64_in_production_lists_are_public_and_calls_are_not() {
    let variables = [
        ("OAUTH_ISSUER_URL", "https://login.example.com/"),
        ("PUBLIC_URL", "https://mcp.example.com"),
        ("NODE_ENV", "production"),
    ];
    let printed = resolved(&preset("oauth").await, &variables).await;
    let access =
        "  access:\n    discovery: public\n    calls: authenticated\n    public_tools: []\n";
    assert!(
        printed.contains("profile: production\n") && printed.contains(access),
        "{printed}"
    );
}
