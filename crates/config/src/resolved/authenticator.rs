//! Who may vouch for a caller, as YAML.

use std::path::Path;

use serde_yaml::Value;

use super::{api_keys, block, duration, list, shown as display, text, texts, word};
use crate::checked::{
    Algorithm, Authenticator, AuthenticatorKind, Claims, Dangers, Fetch, Introspection, Jwt,
    KeySource, Rules,
};
use crate::secret::ProxyUrl;

type Fields = Vec<(&'static str, Value)>;

pub(super) fn shown(authenticator: &Authenticator) -> Value {
    let dangers = &authenticator.dangers;
    let mut kind = kind(&authenticator.kind);
    if let Value::Mapping(kinds) = &mut kind {
        for fields in kinds.values_mut().filter_map(Value::as_mapping_mut) {
            for (key, value) in bounds(dangers) {
                fields.insert(text(key), value);
            }
        }
        kinds.insert(
            text("dangerous"),
            list(dangers.names().into_iter().map(text)),
        );
    }
    kind
}

/// Where the kind says how far something dangerous goes.
fn bounds(dangers: &Dangers) -> Fields {
    let peers = &dangers.checked_by;
    let checked_by = (!peers.is_empty()).then(|| list(peers.iter().map(display)));
    let grace = dangers.expiry_grace.map(duration);
    let any = dangers.any_audience.then(|| text("any"));
    let all = [
        ("checked_by", checked_by),
        ("expiry_grace", grace),
        ("audiences", any),
    ];
    all.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

fn kind(kind: &AuthenticatorKind) -> Value {
    match kind {
        AuthenticatorKind::Oidc {
            jwt,
            algorithms,
            fetch,
        } => block([("oidc", provider(jwt, algorithms, fetch, None))]),
        AuthenticatorKind::Jwks {
            jwt,
            algorithms,
            fetch,
            keys,
        } => block([("jwks", provider(jwt, algorithms, fetch, Some(keys)))]),
        AuthenticatorKind::Introspection(settings) => {
            block([("introspection", introspection(settings))])
        }
        AuthenticatorKind::SharedSecret(settings) => {
            let own = vec![
                ("secret", text("***")),
                ("algorithm", word(&settings.algorithm)),
            ];
            block([("shared_secret", handmade(own, &settings.jwt, &OF_ALL))])
        }
        AuthenticatorKind::PublicKey(settings) => {
            let own = vec![
                ("pem", text(settings.key.pem())),
                ("algorithms", list(settings.algorithms.iter().map(word))),
            ];
            let keys = [&OF_ALL[..], &["access_token_marks"]].concat();
            block([("public_key", handmade(own, &settings.jwt, &keys))])
        }
        AuthenticatorKind::ApiKeys(keys) => block([("api_keys", api_keys::shown(keys))]),
    }
}

fn provider(jwt: &Jwt, algorithms: &[Algorithm], fetch: &Fetch, keys: Option<&KeySource>) -> Value {
    let (uri, file) = match keys {
        None => (Value::Null, Value::Null),
        Some(KeySource::Url(url)) => (text(url), Value::Null),
        Some(KeySource::File(path)) => (Value::Null, display(path.display())),
    };
    let sources = vec![("jwks_uri", uri), ("jwks_file", file)];
    let algorithms = vec![("algorithms", list(algorithms.iter().map(word)))];
    block(
        [
            rules(&jwt.rules),
            sources,
            self::jwt(jwt),
            algorithms,
            self::fetch(fetch),
        ]
        .concat(),
    )
}

/// Of the operator's own tokens less can be said.
const OF_ALL: [&str; 2] = ["token_types", "max_token_lifetime"];

fn handmade(own: Fields, jwt: &Jwt, keys: &[&str]) -> Value {
    let further = self::jwt(jwt).into_iter();
    let further = further.filter(|(key, _)| keys.contains(key));
    block([own, rules(&jwt.rules), further.collect()].concat())
}

fn introspection(introspection: &Introspection) -> Value {
    let Introspection {
        rules,
        endpoint,
        client_id,
        client_secret: _,
        client_auth,
        cache,
        token_prefix,
        ca,
        proxy,
    } = introspection;
    let own = vec![
        ("endpoint", text(endpoint)),
        ("client_id", text(client_id)),
        ("client_secret", text("***")),
        ("client_auth", word(client_auth)),
        ("cache", duration(*cache)),
        (
            "token_prefix",
            token_prefix.as_deref().map_or(Value::Null, text),
        ),
    ];
    let way = way(ca.as_deref(), proxy.as_ref());
    block([own, self::rules(rules), way].concat())
}

fn rules(rules: &Rules) -> Fields {
    vec![
        ("issuer", text(&rules.issuer)),
        ("audiences", texts(&rules.audiences)),
        ("shared_audience", Value::Bool(rules.shared_audience)),
        ("leeway", duration(rules.leeway)),
        ("claims", claims(&rules.claims)),
        ("scope_map", scope_map(&rules.scope_map)),
        ("trust_email", Value::Bool(rules.trust_email)),
    ]
}

pub(super) fn scope_map(map: &[(Box<str>, Vec<Box<str>>)]) -> Value {
    block(
        map.iter()
            .map(|(scope, implied)| (&**scope, texts(implied))),
    )
}

fn jwt(jwt: &Jwt) -> Fields {
    vec![
        ("issuers", texts(&jwt.issuers)),
        ("audience_claim", word(&jwt.audience_claim)),
        ("token_types", list(jwt.token_types.iter().map(word))),
        ("nonce_allowed", Value::Bool(jwt.nonce_allowed)),
        (
            "access_token_marks",
            list(
                jwt.access_token_marks
                    .iter()
                    .map(|path| text(path.as_str())),
            ),
        ),
        (
            "max_token_lifetime",
            jwt.max_token_lifetime.map_or(Value::Null, duration),
        ),
    ]
}

fn fetch(fetch: &Fetch) -> Fields {
    let own = vec![
        ("cache", duration(fetch.cache)),
        ("max_stale", duration(fetch.max_stale)),
        ("start", word(&fetch.start)),
    ];
    [own, way(fetch.ca.as_deref(), fetch.proxy.as_ref())].concat()
}

/// How a provider is reached.
fn way(ca: Option<&Path>, proxy: Option<&ProxyUrl>) -> Fields {
    vec![
        ("ca", ca.map_or(Value::Null, |path| display(path.display()))),
        (
            "proxy",
            proxy.map_or(Value::Null, |proxy| text(proxy.shown())),
        ),
    ]
}

fn claims(claims: &Claims) -> Value {
    block([
        ("subject", text(claims.subject.as_str())),
        (
            "scopes",
            list(claims.scopes.iter().map(|path| text(path.as_str()))),
        ),
        ("email", text(claims.email.as_str())),
        ("name", text(claims.name.as_str())),
        ("groups", text(claims.groups.as_str())),
    ])
}
