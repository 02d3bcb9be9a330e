//! What callers of a route may do there.

mod tools;

use std::collections::HashSet;

use crate::checked::{
    Access, Auth, Calls, Discovery, ListFilter, PolicyMode, ToolRule, Transport, Unlisted,
};
use crate::notes::{Listed, Notes};
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::tool::{ToolName, is_ruled};
use crate::written::Block;

/// What a route says of access, and which keys say it.
#[derive(Debug, Default)]
pub(super) struct Stated {
    pub(super) access: Access,
    /// Those that mean something only where callers are told apart, in the order of the file's sample.
    about_callers: Vec<&'static str>,
}

pub(super) fn check(
    place: &Place,
    raw: Option<Block<raw::Access>>,
    transport: Transport,
    notes: &mut Notes,
) -> Stated {
    match transport {
        Transport::Mcp | Transport::Sse => {}
        Transport::Http => {
            if raw.is_some() {
                notes.wrong(
                    place,
                    Flaw::new("has no effect with transport http")
                        .hint("tools and lists are MCP's; what passes an http route is not read"),
                );
            }
            return Stated::default();
        }
    }
    let raw = notes.block(place, raw);
    let discovery = notes.text(&place.key("discovery"), raw.discovery.as_ref());
    let calls = notes.text(&place.key("calls"), raw.calls.as_ref());
    let public_place = place.key("public_tools");
    let public_tools = notes.list(&public_place, raw.public_tools.as_ref());
    let require = raw.require_authentication.as_ref();
    let require_authentication = notes.text(&place.key("require_authentication"), require);
    let list_filter = notes.text(&place.key("list_filter"), raw.list_filter.as_ref());
    let tools_place = place.key("tools");
    let rules = tools::check(&tools_place, raw.tools, notes);
    let unlisted = notes.text(&place.key("unlisted"), raw.unlisted.as_ref());
    let mode = notes.text_or(&place.key("mode"), raw.mode.as_ref(), PolicyMode::Enforce);
    let tool_login = notes.text(&place.key("tool_login"), raw.tool_login.as_ref());

    if rules.whole && rules.items.is_empty() {
        if unlisted.is_some() {
            notes.wrong(
                &place.key("unlisted"),
                Flaw::new("has no effect without a rule under tools")
                    .hint("without rules nothing is told apart by its name"),
            );
        }
        if mode == PolicyMode::DryRun {
            notes.wrong(
                &place.key("mode"),
                Flaw::new("has no effect without a rule under tools")
                    .hint("a dry run is for these rules alone; everything else is always enforced"),
            );
        }
    }
    if mode == PolicyMode::DryRun && !rules.items.is_empty() {
        notes.warn(
            &place.key("mode"),
            Flaw::new("is dry_run: the rules under tools refuse nothing, and hide nothing from lists")
                .hint("what they would refuse is in the log as `let through: dry_run`; mode: enforce makes them count"),
        );
    }
    public_tools_are_callable(&public_place, &public_tools, &rules, notes);

    let about_callers = [
        ("discovery", discovery.is_some()),
        ("calls", calls.is_some()),
        ("public_tools", public_tools.present),
        ("require_authentication", require_authentication.is_some()),
        (
            "list_filter",
            list_filter.is_some_and(|filter| filter == ListFilter::Public),
        ),
        ("tool_login", tool_login.is_some()),
    ];
    let by_default = match (rules.whole, rules.items.is_empty()) {
        (true, true) => Unlisted::Allow,
        (false, _) | (true, false) => Unlisted::Deny,
    };
    let access = Access {
        discovery: discovery.unwrap_or(Discovery::Authenticated),
        calls: calls.unwrap_or(Calls::Authenticated),
        public_tools: public_tools
            .items
            .into_iter()
            .map(|ToolName(name)| name)
            .collect(),
        require_authentication: require_authentication.unwrap_or(false),
        list_filter: list_filter.unwrap_or(ListFilter::All),
        tools: rules.items,
        unlisted: unlisted.unwrap_or(by_default),
        mode,
        tool_login: tool_login.unwrap_or(false),
    };
    Stated {
        access,
        about_callers: about_callers
            .into_iter()
            .filter_map(|(key, stated)| stated.then_some(key))
            .collect(),
    }
}

/// Each of them once, and none that a rule keeps from everybody.
fn public_tools_are_callable(
    place: &Place,
    public: &Listed<ToolName>,
    rules: &Listed<ToolRule>,
    notes: &mut Notes,
) {
    let mut seen = HashSet::new();
    let matcher = tools::First::new(rules);
    for (place, tool) in public.placed(place) {
        if !seen.insert(tool) {
            notes.wrong(&place, "is in the list already");
            continue;
        }
        let ToolName(name) = tool;
        if !rules.items.is_empty() && !is_ruled(name) {
            notes.wrong(
                &place,
                Flaw::new("has characters that no tool's name may have where rules stand")
                    .hint("names are of letters, digits and _ . / - there; others are refused"),
            );
        } else if let Some((index, rule)) = matcher.rule(name) {
            let asks = !rule.scopes.is_empty() || !rule.groups.is_empty();
            let mut names = rule.matches.iter();
            if rule.deny {
                notes.wrong(
                    &place,
                    Flaw::new(format!("is denied to everybody by tools[{index}]"))
                        .hint("take it out of one of the two"),
                );
            } else if asks && names.any(|it| it.eq_ignore_ascii_case(name)) {
                // a rule for many may well have exceptions, one for this tool is a contradiction
                notes.warn(
                    &place,
                    Flaw::new(format!(
                        "is public: what tools[{index}] asks for it, nobody needs"
                    ))
                    .hint("take it out of one of the two"),
                );
            }
        }
    }
}

/// Rules between access and who is asked for a credential.
pub(super) fn fits(
    place: &Place,
    stated: &Stated,
    auth: &Auth,
    transport: Transport,
    notes: &mut Notes,
) {
    match (auth, transport) {
        (Auth::Anonymous, _) => without_callers(place, stated, notes),
        (Auth::Required(_), Transport::Sse) => behind_a_stream(place, &stated.access, notes),
        (Auth::Required(_), Transport::Mcp | Transport::Http) => {
            with_callers(place, &stated.access, notes);
        }
    }
}

/// What can be asked without a credential is nothing where answers come on a stream that needs one (SEC-50).
fn behind_a_stream(place: &Place, access: &Access, notes: &mut Notes) {
    let exempt = [
        ("discovery", access.discovery != Discovery::Authenticated),
        ("calls", access.calls != Calls::Authenticated),
        ("public_tools", !access.public_tools.is_empty()),
        ("list_filter", access.list_filter == ListFilter::Public),
    ];
    for (key, stated) in exempt {
        if stated {
            notes.wrong(
                &place.key(key),
                Flaw::new("has no effect with transport sse: the stream itself needs a credential")
                    .hint("answers come on the stream alone; what is public needs a route of transport mcp"),
            );
        }
    }
}

/// Where nobody is asked, everybody may do what no rule denies.
fn without_callers(place: &Place, stated: &Stated, notes: &mut Notes) {
    for key in &stated.about_callers {
        notes.wrong(
            &place.key(key),
            Flaw::new("has no effect with type: none").hint(
                "nobody is asked for a token there: everybody may do whatever no rule under tools denies",
            ),
        );
    }
    let place = place.key("tools");
    for (index, rule) in stated.access.tools.iter().enumerate() {
        for (key, names) in [("scopes", &rule.scopes), ("groups", &rule.groups)] {
            if !names.is_empty() {
                notes.wrong(
                    &place.index(index).key(key),
                    Flaw::new("can be had by nobody with type: none")
                        .hint("nobody is asked for a token there; `deny: true` keeps a tool from everybody"),
                );
            }
        }
    }
}

fn with_callers(place: &Place, access: &Access, notes: &mut Notes) {
    if access.require_authentication && access.has_exemptions() {
        notes.warn(
            &place.key("require_authentication"),
            Flaw::new("overrides discovery, calls and public_tools: nothing is public here")
                .hint("false, or the key taken away, makes them count"),
        );
    }
    match access.list_filter {
        ListFilter::All | ListFilter::Callable => return,
        ListFilter::Public => {}
    }
    let place = place.key("list_filter");
    match access.discovery {
        Discovery::Authenticated | Discovery::Handshake => notes.wrong(
            &place,
            Flaw::new("has no effect where lists are for those alone who have logged in").hint(
                "discovery: public shows lists to everyone; list_filter: callable shows each caller what they may use",
            ),
        ),
        Discovery::Public => {
            if access.calls == Calls::Authenticated && access.public_tools.is_empty() {
                notes.warn(
                    &place,
                    Flaw::new("shows empty lists to whoever has not logged in: nothing may be called without a credential")
                        .hint("name public_tools, or let list_filter be all"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
