//! API keys, as YAML: their hashes are no secrets.

use serde_yaml::Value;

use super::authenticator::scope_map;
use super::{block, list, text, texts};
use crate::checked::{ActsFor, ApiKeys, KeyHolder};
use crate::scalar::key::{show_hash, show_moment};

pub(super) fn shown(keys: &ApiKeys) -> Value {
    block([
        ("header", text(&keys.header)),
        ("keys", list(keys.keys.iter().map(holder))),
        ("scope_map", scope_map(&keys.scope_map)),
    ])
}

fn holder(holder: &KeyHolder) -> Value {
    let or_null = |value: &Option<Box<str>>| value.as_deref().map_or(Value::Null, text);
    let expires = holder.expires.map(show_moment);
    let acts_for = |acts_for: &ActsFor| {
        block([
            ("issuer", text(&acts_for.issuer)),
            ("subject", text(&acts_for.subject)),
        ])
    };
    block([
        ("id", text(&holder.id)),
        (
            "hash",
            list(holder.hashes.iter().map(|hash| text(&show_hash(hash)))),
        ),
        ("scopes", texts(&holder.scopes)),
        ("expires", expires.as_deref().map_or(Value::Null, text)),
        (
            "acts_for",
            holder.acts_for.as_ref().map_or(Value::Null, acts_for),
        ),
        ("name", or_null(&holder.name)),
        ("email", or_null(&holder.email)),
        ("groups", texts(&holder.groups)),
    ])
}
