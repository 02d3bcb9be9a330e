//! `/status`: what is configured, what state it is in. No secret, nothing of any caller.

use serde_json::{Value, json};

use crate::plan::{Plan, Site};
use crate::stage::limit::Rate;
use crate::upstream::Standing;

const DAY_SECONDS: i64 = 24 * 60 * 60;

pub(super) fn of(plan: &Plan) -> Value {
    let shared = &plan.shared;
    let routes: Vec<_> = plan.sites.iter().map(|site| route(site)).collect();
    let authenticators: Vec<_> = plan
        .authenticators
        .key_ages()
        .into_iter()
        .map(
            |(name, age)| json!({ "name": name, "keys_age_seconds": age.map(|age| age.as_secs()) }),
        )
        .collect();
    let certificates: Vec<_> = shared
        .tls
        .iter()
        .flat_map(|tls| {
            let set = tls.set();
            let days = |expires| tls.seconds_left(expires).div_euclid(DAY_SECONDS);
            set.expiries()
                .map(|(place, expires)| json!({ "certificate": place, "days_left": days(expires) }))
                .collect::<Vec<_>>()
        })
        .collect();
    let last_reload = shared.reloads.last().map(|last| {
        let result = if last.refused.is_some() {
            "refused"
        } else {
            "ok"
        };
        json!({ "at": last.at.0, "result": result, "cause": last.refused })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "profile": plan.profile.as_str(),
        "uptime_seconds": shared.started.elapsed().as_secs(),
        "ready": plan.is_ready(),
        "draining": !shared.drain.is_serving(),
        "routes": routes,
        "authenticators": authenticators,
        "certificates": certificates,
        "last_reload": last_reload,
    })
}

fn route(site: &Site) -> Value {
    let transport = match site.transport {
        config::Transport::Mcp => "mcp",
        config::Transport::Sse => "sse",
        config::Transport::Http => "http",
    };
    let upstream: Vec<_> = site
        .upstream
        .members()
        .map(|(server, standing, open)| json!({ "server": server, "standing": word(standing), "requests": open }))
        .collect();
    json!({
        "name": site.name,
        "host": site.host.as_ref().map(ToString::to_string),
        "path": site.path,
        "challenge_path": site.challenging.as_ref().map(|site| &site.path),
        "transport": transport,
        "protected": site.is_protected(),
        "rate_limit": site.rate.map(rate),
        "upstream": upstream,
    })
}

/// As configured: how much of it somebody has used is of a caller.
fn rate(rate: Rate) -> Value {
    json!({
        "window_seconds": rate.window.as_secs_f64(),
        "max_requests": rate.requests,
        "max_tool_calls": rate.calls,
    })
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Serving => "serving",
        Standing::Returning(_) => "returning",
        Standing::Ejected => "ejected",
    }
}
