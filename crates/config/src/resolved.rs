//! The complete configuration as YAML: every default written out, ready to be read again.

mod access;
mod api_keys;
mod authenticator;
mod proof;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use crate::checked::{
    API_KEY_ISSUER, Audit, AuditSink, Auth, Authenticator, Config, Denied, Deny, Identity,
    IdentityHeaders, Member, Route, Sessions, Streams, Upstream,
};
use crate::scalar::unit::{show_duration, show_size};
use crate::scalar::word::{AuthType, Word};

/// What `check --resolved` prints. Secrets are `***`.
pub fn resolved(config: &Config) -> String {
    let authenticators = config
        .authenticators
        .iter()
        .map(|one| (&*one.name, authenticator::shown(one)));
    let whole = block([
        ("profile", word(&config.profile)),
        ("server", server::server(&config.server)),
        (
            "admin",
            block([
                ("listen", shown(&config.admin.listen)),
                (
                    "token",
                    config
                        .admin
                        .token
                        .as_ref()
                        .map_or(Value::Null, |_| text("***")),
                ),
            ]),
        ),
        (
            "logging",
            block([
                ("level", word(&config.logging.level)),
                ("format", word(&config.logging.format)),
            ]),
        ),
        ("audit", config.audit.as_ref().map_or(Value::Null, audit)),
        ("credential_cache", size(config.credential_cache)),
        ("deny", deny(&config.deny)),
        ("sessions", sessions(&config.sessions)),
        ("authenticators", block(authenticators)),
        (
            "routes",
            list(
                config
                    .routes
                    .iter()
                    .map(|one| route(one, &config.authenticators)),
            ),
        ),
    ]);
    // A tree of mappings with text keys, lists and scalars is always YAML.
    serde_yaml::to_string(&whole).unwrap_or_default()
}

fn audit(audit: &Audit) -> Value {
    let file = match &audit.sink {
        AuditSink::File(path) => shown(path.display()),
        AuditSink::Stdout => Value::Null,
    };
    block([
        ("stdout", Value::Bool(file.is_null())),
        ("file", file),
        ("level", word(&audit.level)),
        ("on_full", word(&audit.on_full)),
        ("queue", Value::from(audit.queue)),
    ])
}

fn deny(deny: &Deny) -> Value {
    let file = deny
        .file
        .as_ref()
        .map_or(Value::Null, |file| shown(file.display()));
    let entries = deny.entries.iter().map(|entry| {
        let (key, name) = match &entry.what {
            Denied::Subject(name) => ("subject", name),
            Denied::Client(name) => ("client", name),
            Denied::Jti(name) => ("jti", name),
            Denied::Key(name) => ("key", name),
        };
        let issuer = entry.issuer.as_deref();
        let (whose, issuer) = match entry.what {
            Denied::Key(_) => {
                let name = issuer.and_then(|issuer| issuer.strip_prefix(API_KEY_ISSUER));
                ("authenticator", name)
            }
            Denied::Subject(_) | Denied::Client(_) | Denied::Jti(_) => ("issuer", issuer),
        };
        block([(whose, issuer.map_or(Value::Null, text)), (key, text(name))])
    });
    block([("file", file), ("entries", list(entries))])
}

/// Whether there are keys, and how many.
fn sessions(sessions: &Sessions) -> Value {
    let keys = sessions.encryption_keys.iter();
    let keys: Vec<_> = keys.map(|_| text("***")).collect();
    let keys = if keys.is_empty() {
        Value::Null
    } else {
        list(keys)
    };
    block([("encryption_keys", keys)])
}

fn route(route: &Route, authenticators: &[Authenticator]) -> Value {
    let danger = match route.auth {
        Auth::Anonymous => Some("anonymous_access"),
        Auth::Required(_) => None,
    };
    block([
        ("name", text(&route.name)),
        ("host", route.host.as_ref().map_or(Value::Null, shown)),
        ("path", text(&route.path)),
        ("subpaths", Value::Bool(route.subpaths)),
        (
            "resource",
            route.resource.as_deref().map_or(Value::Null, text),
        ),
        ("upstream", upstream(&route.upstream)),
        ("transport", word(&route.transport)),
        ("auth", auth(&route.auth, authenticators)),
        ("access", access::access(route)),
        (
            "rate_limit",
            route
                .rate_limit
                .as_ref()
                .map_or(Value::Null, access::rate_limit),
        ),
        ("identity", identity(&route.identity)),
        ("streams", streams(&route.streams)),
        ("dangerous", list(danger.map(text))),
    ])
}

fn upstream(upstream: &Upstream) -> Value {
    let path = upstream.path.as_deref().unwrap_or_default();
    let colon = |member: &Member| match member {
        Member::Unix(_) if !path.is_empty() => ":",
        Member::Unix(_) | Member::Http(_) => "",
    };
    let urls = upstream.members.iter();
    let urls = urls.map(|member| shown(format_args!("{member}{}{path}", colon(member))));
    let file = |path: Option<&PathBuf>| path.map_or(Value::Null, |path| shown(path.display()));
    let (tls, own) = (&upstream.tls, upstream.tls.own.as_ref());
    block([
        ("urls", list(urls)),
        ("ca", file(tls.ca.as_ref())),
        ("certificate", file(own.map(|pair| &pair.certificate))),
        ("private_key", file(own.map(|pair| &pair.private_key))),
        (
            "server_name",
            tls.server_name.as_deref().map_or(Value::Null, text),
        ),
        ("host", upstream.host.as_deref().map_or(Value::Null, text)),
    ])
}

fn auth(auth: &Auth, authenticators: &[Authenticator]) -> Value {
    match auth {
        Auth::Anonymous => block([("type", word(&AuthType::None))]),
        Auth::Required(requirement) => {
            let accepted = requirement
                .accept
                .iter()
                .filter_map(|index| authenticators.get(*index));
            block([
                ("type", word(&AuthType::from(requirement.families))),
                ("accept", list(accepted.map(|one| text(&one.name)))),
                ("audiences", texts(&requirement.audiences)),
                ("required_scopes", texts(&requirement.required_scopes)),
                ("sender_constrained", word(&requirement.sender_constrained)),
                ("dpop", proof::dpop(&requirement.dpop)),
                ("challenge", word(&requirement.challenge)),
                (
                    "challenge_path",
                    requirement
                        .challenge_path
                        .as_deref()
                        .map_or(Value::Null, text),
                ),
            ])
        }
    }
}

fn identity(identity: &Identity) -> Value {
    let headers = match &identity.headers {
        IdentityHeaders::Map(map) => block(
            map.iter()
                .map(|(header, claim)| (&**header, text(claim.as_str()))),
        ),
        preset @ (IdentityHeaders::Default
        | IdentityHeaders::Oauth2Proxy
        | IdentityHeaders::Authelia
        | IdentityHeaders::None) => word(preset),
    };
    block([("headers", headers), ("strip", texts(&identity.strip))])
}

fn streams(streams: &Streams) -> Value {
    block([
        ("end_at_expiry", Value::Bool(streams.end_at_expiry)),
        ("max_age", duration(streams.max_age)),
        ("per_caller", Value::from(streams.per_caller)),
    ])
}

/// A mapping in this order. What is null is left out: there, absence has a meaning of its own.
fn block<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Mapping(
        entries
            .map(|(key, value)| (Value::String(key.to_owned()), value))
            .collect::<Mapping>(),
    )
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Sequence(values.into_iter().collect())
}

/// Text that reads as itself: its dollars are doubled, or they would be filled in.
fn text(text: &str) -> Value {
    Value::String(text.replace('$', "$$"))
}

fn texts(values: &[Box<str>]) -> Value {
    list(values.iter().map(|value| text(value)))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what is shown is mostly made for it"
)]
fn shown(value: impl ToString) -> Value {
    text(&value.to_string())
}

fn word<W: Word>(value: &W) -> Value {
    text(value.word())
}

fn size(bytes: u64) -> Value {
    let shown = show_size(bytes);
    if shown == bytes.to_string() {
        Value::from(bytes)
    } else {
        text(&shown)
    }
}

fn duration(duration: Duration) -> Value {
    text(&show_duration(duration))
}

#[cfg(test)]
mod tests;
