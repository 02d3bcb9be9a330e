//! What somebody means who writes a key that there is not: habits from other products, and a guess at how it may be called here.
//!
//! Only where the list of known keys alone would not lead on. What is close to a known key, or is one of another place, needs no entry.

use crate::place::Place;

/// The mapping (`*` is any name or index), keys that are written there, and what to do.
const KEYS: &[(&str, &[&str], &str)] = &[
    (
        "routes.*.access",
        &[
            "allow", "allowed", "deny", "block", "rules", "policy", "policies", "scopes", "groups",
            "roles", "match",
        ],
        "rules stand under tools, like tools: [{ match: \"delete_*\", scopes: [\"mcp:admin\"] }, { match: drop, deny: true }]",
    ),
    (
        "routes.*.access",
        &["default", "default_action", "fallback"],
        "what no rule names is said by unlisted: deny or allow",
    ),
    (
        "routes.*.access",
        &["dry_run", "audit", "log_only", "monitor"],
        "write mode: dry_run",
    ),
    (
        "routes.*.access",
        &["anonymous", "allow_anonymous", "public", "guest"],
        "discovery says which lists need no credential, calls and public_tools what may be called without one",
    ),
    (
        "routes.*.access",
        &["prompts", "resources", "methods"],
        "rules are for tools; prompts and resources are for whoever is let in, or for everybody with calls: public",
    ),
    (
        "routes.*.access.tools.*",
        &[
            "name", "names", "tool", "tools", "pattern", "matches", "path",
        ],
        "the tools that a rule is for are named by match",
    ),
    (
        "routes.*.access.tools.*",
        &["allow", "action", "effect", "permit"],
        "a rule lets in whoever has its scopes and one of its groups; deny: true is for nobody",
    ),
    (
        "routes.*.access.tools.*",
        &["role", "roles", "permissions", "claims"],
        "scopes are all needed, groups one of them; where groups stand in a token is said by claims.groups of the authenticator",
    ),
    (
        "routes.*.access.tools.*",
        &[
            "user", "users", "subject", "subjects", "email", "emails", "client", "clients",
        ],
        "rules are for scopes and groups, not for single callers; who is to be turned away goes into deny.entries",
    ),
    (
        "routes.*.auth",
        &["scope", "scopes", "required_scope"],
        "the scopes that all requests need are required_scopes",
    ),
    (
        "routes.*.auth",
        &[
            "authenticator",
            "authenticators",
            "provider",
            "providers",
            "name",
        ],
        "accept names authenticators, like accept: [corp]",
    ),
    (
        "routes.*.auth",
        &[
            "issuer",
            "jwks",
            "jwks_uri",
            "jwks_url",
            "oidc",
            "introspection",
            "shared_secret",
            "public_key",
            "api_keys",
            "secret",
            "client_id",
            "client_secret",
            "algorithms",
            "claims",
        ],
        "who may vouch for callers stands under authenticators, at the top of the file; accept names them here",
    ),
    (
        "routes.*.auth",
        &["required", "optional", "anonymous", "mode"],
        "every route needs a credential; what is open on it is said by its access, and type: none asks nobody at all",
    ),
    (
        "routes.*.auth.dpop",
        &["required", "mode"],
        "whether tokens have to be bound is said by sender_constrained: required",
    ),
    (
        "routes.*.rate_limit",
        &[
            "requests",
            "limit",
            "max",
            "rate",
            "rpm",
            "requests_per_minute",
            "requests_per_second",
            "requests_per_unit",
            "unit",
            "per",
            "period",
            "interval",
            "duration",
            "burst",
            "average",
            "tokens",
            "calls",
            "tool_calls",
        ],
        "so many in a window, like { window: 60s, max_requests: 100, max_tool_calls: 50 }",
    ),
    (
        "routes.*.rate_limit",
        &["key", "by", "scope", "per_user", "per_ip", "identifier"],
        "it always counts what one caller does, or one address where nobody has logged in",
    ),
    (
        "sessions",
        &[
            "secret",
            "secrets",
            "key",
            "keys",
            "signing_key",
            "session_secret",
        ],
        "encryption_keys is a list of what `portcullis key` makes",
    ),
    (
        "sessions",
        &["ttl", "timeout", "idle_timeout", "expiry", "max_sessions"],
        "how long an MCP session lasts is its server's business; only the keys that bind its id to a caller are said here",
    ),
    (
        "sessions",
        &["redis", "redis_url", "backend", "storage", "file"],
        "nothing is stored for sessions: gateways that are to know each other's share encryption_keys",
    ),
];

/// A block as it may be written, for whoever wrote something else in its place.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "routes.*.access",
        "{ tools: [{ match: \"delete_*\", scopes: [\"mcp:admin\"] }, { match: \"*\" }] }",
    ),
    (
        "routes.*.access.tools",
        "[{ match: \"delete_*\", scopes: [\"mcp:admin\"] }, { match: \"*\" }]",
    ),
    (
        "routes.*.access.tools.*",
        "{ match: \"delete_*\", scopes: [\"mcp:admin\"] }",
    ),
    ("routes.*.auth", "{ type: oauth, required_scopes: [mcp] }"),
    ("routes.*.rate_limit", "{ window: 60s, max_requests: 100 }"),
    ("sessions", "{ encryption_keys: [\"${ENCRYPTION_KEY}\"] }"),
];

/// What to do about a key that is not known in this mapping, where that is not to be seen from its name.
pub(crate) fn instead(parent: &Place, key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    KEYS.iter()
        .find(|(place, keys, _)| keys.contains(&&*key) && parent.fits(place))
        .map(|(_, _, hint)| *hint)
}

/// How the block at this place may be written.
pub(crate) fn example(place: &Place) -> Option<&'static str> {
    let mut examples = EXAMPLES.iter();
    let example = examples.find(|(pattern, _)| place.fits(pattern));
    example.map(|(_, example)| *example)
}

#[cfg(test)]
mod tests;
