use super::*;
use crate::schema;
use crate::testing::{good, try_load};

/// What a newcomer is told, the first problem alone: `place: reason (hint)`.
#[track_caller]
fn told(text: &str) -> String {
    let problems = try_load(text).unwrap_err();
    let first = problems.iter().next().unwrap();
    let hint = first.hint.as_deref().unwrap_or("-");
    format!("{}: {} ({hint})", first.path, first.reason)
}

fn route(fields: &str) -> String {
    format!("routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', {fields} }} ]")
}

#[track_caller]
fn leads_to(fields: &str, place: &str, words: &str) {
    let said = told(&route(fields));
    assert!(said.starts_with(&format!("routes[0].{place}: ")), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn mistakes_in_access_lead_to_the_fix() {
    let like = r#"written like [{ match: "delete_*", scopes: ["mcp:admin"] }, { match: "*" }]"#;
    leads_to(
        "access: { tools: { delete_x: { scopes: [a] } } }",
        "access.tools",
        like,
    );
    leads_to(
        "access: { tools: [ read_file ] }",
        "access.tools[0]",
        r#"written like { match: "delete_*", scopes: ["mcp:admin"] }"#,
    );
    leads_to("access: public", "access", "written like { tools: [{ match");
    leads_to(
        "tools: [ { match: '*' } ]",
        "tools",
        "it is a key of routes[0].access",
    );
    leads_to(
        "access: { allow: [a] }",
        "access.allow",
        "rules stand under tools",
    );
    leads_to(
        "access: { deny: [a] }",
        "access.deny",
        "rules stand under tools",
    );
    leads_to(
        "access: { default: deny }",
        "access.default",
        "unlisted: deny or allow",
    );
    leads_to(
        "access: { dry-run: true }",
        "access.dry-run",
        "write mode: dry_run",
    );
    leads_to(
        "access: { mode: log, tools: [ { match: a } ] }",
        "access.mode",
        "with dry_run what the rules would refuse",
    );
    leads_to(
        "access: { anonymous: true }",
        "access.anonymous",
        "discovery says",
    );
    leads_to(
        "access: { Allow-Anonymous: true }",
        "access.Allow-Anonymous",
        "discovery says",
    );
    leads_to(
        "access: { prompts: [ { match: a } ] }",
        "access.prompts",
        "rules are for tools",
    );
    let rule = |fields: &str, key: &str, words: &str| {
        leads_to(
            &format!("access: {{ tools: [ {{ {fields} }} ] }}"),
            &format!("access.tools[0].{key}"),
            words,
        );
    };
    rule("name: a, scopes: [b]", "name", "named by match");
    rule("match: a, scope: b", "scope", "did you mean `scopes`?");
    rule("match: a, scopes: b", "scopes", "put it in brackets");
    rule("match: a, allow: true", "allow", "deny: true is for nobody");
    rule("match: a, roles: [b]", "roles", "claims.groups");
    rule("match: a, users: [ada]", "users", "deny.entries");
}

#[test]
fn mistakes_in_auth_lead_to_the_fix() {
    leads_to("auth: none", "auth", "written like { type: oauth");
    leads_to(
        "auth: { type: oidc }",
        "auth.type",
        "which type: oauth takes",
    );
    leads_to(
        "auth: { type: api_key }",
        "auth.type",
        "which type: jwt takes",
    );
    leads_to(
        "auth: { type: bearer }",
        "auth.type",
        "tokens of an authorization server",
    );
    leads_to("auth: { scopes: [a] }", "auth.scopes", "required_scopes");
    leads_to(
        "required_scopes: [a]",
        "required_scopes",
        "it is a key of routes[0].auth",
    );
    leads_to(
        "auth: { audience: a }",
        "auth.audience",
        "did you mean `audiences`?",
    );
    leads_to(
        "auth: { issuer: a }",
        "auth.issuer",
        "under authenticators, at the top",
    );
    leads_to(
        "auth: { provider: corp }",
        "auth.provider",
        "like accept: [corp]",
    );
    leads_to(
        "auth: { required: true }",
        "auth.required",
        "every route needs a credential",
    );
    leads_to(
        "auth: { dpop: { required: true } }",
        "auth.dpop.required",
        "sender_constrained: required",
    );
    leads_to(
        "auth: { sender_constrained: dpop }",
        "auth.sender_constrained",
        "required takes bound tokens alone",
    );
    assert!(told("required_scopes: [a]").contains("it is a key of auth of a route"));
}

#[test]
fn mistakes_in_rate_limit_lead_to_the_fix() {
    let like = "like { window: 60s, max_requests: 100";
    leads_to("rate_limit: 100/m", "rate_limit", like);
    for key in [
        "requests_per_minute",
        "requests",
        "limit",
        "burst",
        "tool_calls",
    ] {
        leads_to(
            &format!("rate_limit: {{ {key}: 100 }}"),
            &format!("rate_limit.{key}"),
            like,
        );
    }
    leads_to(
        "rate_limit: { max_requests: 100/m }",
        "rate_limit.max_requests",
        "the number alone",
    );
    leads_to(
        "rate_limit: { window: 60, max_requests: 1 }",
        "rate_limit.window",
        "as in 90s",
    );
    leads_to(
        "rate_limit: { max_requests: 1, per_ip: true }",
        "rate_limit.per_ip",
        "what one caller does",
    );
}

#[test]
fn mistakes_in_sessions_lead_to_the_fix() {
    for (written, words) in [
        ("{ secret: a }", "what `portcullis key` makes"),
        ("{ encryption_key: a }", "did you mean `encryption_keys`?"),
        ("{ encryption_keys: a }", "put it in brackets"),
        ("{ ttl: 1h }", "its server's business"),
        ("{ redis: a }", "share encryption_keys"),
        (
            "true",
            r#"written like { encryption_keys: ["${ENCRYPTION_KEY}"] }"#,
        ),
    ] {
        let said = told(&format!("sessions: {written}"));
        assert!(
            said.starts_with("sessions") && said.contains(words),
            "{said}"
        );
    }
}

#[test]
fn a_key_of_several_blocks_is_led_to_none_of_them() {
    let said = told("file: a");
    assert!(said.starts_with("file: is not a known key"), "{said}");
    assert!(!said.contains("it is a key of"), "{said}");
}

/// An example that is copied is good, but for the variable that it asks for.
#[test]
fn examples_are_good() {
    for (place, example) in EXAMPLES {
        let text = match *place {
            "routes.*.access.tools" => route(&format!("access: {{ tools: {example} }}")),
            "routes.*.access.tools.*" => route(&format!("access: {{ tools: [ {example} ] }}")),
            "sessions" => format!(
                "sessions: {}",
                example.replace(
                    "${ENCRYPTION_KEY}",
                    "base64:mFqWl6yvqA7yZlJm2mM3r2r2pC0sZ0dQw1sQGkY9H4E="
                )
            ),
            of_route => route(&format!(
                "{}: {example}",
                of_route.trim_start_matches("routes.*.")
            )),
        };
        good(&text);
    }
}

#[test]
fn no_mistake_is_a_key() {
    for (pattern, keys, _) in KEYS {
        let place = pattern
            .split('.')
            .fold(Place::root(), |place, word| match word {
                "*" => place.index(0),
                word => place.key(word),
            });
        let known = schema::keys_at(&place);
        assert!(!known.is_empty(), "{pattern}");
        for key in *keys {
            assert!(!known.iter().any(|known| known == key), "{pattern}.{key}");
        }
    }
}
