//! `access` and `rate_limit` of a route.

use serde_yaml::Value;

use super::{block, duration, list, texts, word};
use crate::checked::{Access, Auth, RateLimit, Route, ToolRule, Transport};

/// Null where the key would be refused.
pub(super) fn access(route: &Route) -> Value {
    match route.transport {
        Transport::Mcp | Transport::Sse => {}
        Transport::Http => return Value::Null,
    }
    let Access {
        discovery,
        calls,
        public_tools,
        require_authentication,
        list_filter,
        tools,
        unlisted,
        mode,
        tool_login,
    } = &route.access;
    let of_callers = |value| match route.auth {
        Auth::Required(_) => value,
        Auth::Anonymous => Value::Null,
    };
    // An empty list looks like "no tools" and means all of them, which `check` warns of; whoever wrote none wrote no such thing.
    let (rules, unlisted) = if tools.is_empty() {
        (Value::Null, Value::Null)
    } else {
        (list(tools.iter().map(rule)), word(unlisted))
    };
    block([
        ("discovery", of_callers(word(discovery))),
        ("calls", of_callers(word(calls))),
        ("public_tools", of_callers(texts(public_tools))),
        (
            "require_authentication",
            of_callers(Value::Bool(*require_authentication)),
        ),
        ("list_filter", word(list_filter)),
        ("tools", rules),
        ("unlisted", unlisted),
        ("mode", word(mode)),
        ("tool_login", of_callers(Value::Bool(*tool_login))),
    ])
}

fn rule(rule: &ToolRule) -> Value {
    let ToolRule {
        matches,
        scopes,
        groups,
        deny,
    } = rule;
    let names = |names: &[Box<str>]| match names {
        [] => Value::Null,
        names => texts(names),
    };
    block([
        ("match", texts(matches)),
        ("scopes", names(scopes)),
        ("groups", names(groups)),
        (
            "deny",
            deny.then_some(true).map_or(Value::Null, Value::Bool),
        ),
    ])
}

pub(super) fn rate_limit(limit: &RateLimit) -> Value {
    let RateLimit {
        window,
        max_requests,
        max_tool_calls,
    } = *limit;
    let most = |most: Option<u32>| most.map_or(Value::Null, Value::from);
    block([
        ("window", duration(window)),
        ("max_requests", most(max_requests)),
        ("max_tool_calls", most(max_tool_calls)),
    ])
}
