//! What a body asks for, and who may ask for it: one model for refusals, challenges, the filtering of lists and `explain`.
//!
//! A message is first put into the words of the route ([`Wanted`]: whether nobody needs a credential for it, and which rule speaks of
//! it), and then judged with the caller ([`Verdict`]). Nothing else in the gateway decides about a tool.

mod told;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use config::{Calls, ChallengeAt, Discovery, ListFilter, PolicyMode};
use identity::Caller;
use mcp::message::{Message, Messages};
use mcp::operation::{Called, Operation};
use oauth::Scopes;

use super::Policy;
use super::tools::{InvalidRules, Never, Rule, Ruling, Tools};
use crate::stop::Refusal;

/// What depends on the body of a request; made when the plan is built.
pub(crate) struct Access {
    open: Open,
    tools: Tools,
    mode: PolicyMode,
    filter: ListFilter,
    /// Whether tools say in lists what it takes to call them.
    tool_login: bool,
    /// The scopes of the route and of all rules.
    scopes: Scopes,
}

/// What nobody needs a credential for (SEC-50).
struct Open {
    discovery: Discovery,
    /// Whether `initialize` and `server/discover` are no part of that: many clients decide by their answer whether to log in at all
    /// (I-12).
    challenge: ChallengeAt,
    calls: bool,
    tools: HashSet<Box<str>>,
}

/// An entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry<'e> {
    Tool(&'e str),
    /// Prompts, resources and templates of these have no rules of their own.
    Other,
}

/// Whether the rules for tools count (SEC-52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Count,
    /// As if there were none.
    AreSilent,
}

/// What a message asks for, in the words of the route.
#[derive(Clone, Copy)]
struct Wanted<'r> {
    /// Whether nobody needs a credential for it: never where a rule asks for something.
    is_open: bool,
    ruling: Ruling<'r>,
}

/// What becomes of a message. Of several the worst counts: in this order, what the caller would have to mend first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Granted,
    Scopes,
    /// Another login would not help.
    Never(Never),
    /// Seconds since the token's end: it counts in its grace, and not for this (X3).
    Expired(u64),
    Credential,
}

impl Access {
    /// Of a route that asks for credentials, or of one that does not, and the scopes that it needs for what is not open.
    pub(crate) fn of(
        access: &config::Access,
        challenge: Option<ChallengeAt>,
        required: &Scopes,
    ) -> Result<Self, InvalidRules> {
        let mut scopes = required.clone();
        for scope in access.tools.iter().flat_map(|rule| &rule.scopes) {
            scopes.insert(scope)?;
        }
        Ok(Self {
            open: challenge.map_or_else(Open::nothing, |challenge| Open::of(access, challenge)),
            tools: Tools::of(&access.tools, access.unlisted, required)?,
            mode: access.mode,
            filter: access.list_filter,
            tool_login: access.tool_login,
            scopes,
        })
    }

    /// Whether there is anything that nobody needs a credential for.
    pub(crate) fn is_open(&self) -> bool {
        let open = &self.open;
        open.shakes_hands() || open.calls || !open.tools.is_empty()
    }

    /// Whether clients come through their handshake without a credential, and are sent to log in by what they use then (I-12).
    pub(crate) fn waits(&self) -> bool {
        self.open.waits()
    }

    /// The scopes of the route and of all rules, for the route's metadata.
    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Which entries of lists this caller sees.
    pub(crate) fn filter(&self) -> ListFilter {
        self.filter
    }

    pub(crate) fn tool_login(&self) -> bool {
        self.tool_login
    }

    /// Whether there is a caller who does not see every entry of a list.
    pub(crate) fn hides(&self) -> bool {
        self.filter != ListFilter::All
    }

    /// Whether lists may look different from what the upstream made of them.
    pub(crate) fn changes_lists(&self) -> bool {
        self.tool_login || self.hides()
    }

    /// Whether rules for tools count.
    pub(super) fn has_rules(&self) -> bool {
        self.rules() == Rules::Count && !self.tools.is_empty()
    }

    /// What it takes to call a tool, as a list of `securitySchemes` (SEP-1488).
    pub(crate) fn schemes(&self, policy: &Policy, tool: &str) -> Cow<'static, str> {
        if self.may_call(policy, None, Entry::Tool(tool)) {
            return Cow::Borrowed(r#"[{"type":"noauth"}]"#);
        }
        let scopes = self.tool(tool, self.rules()).needed(policy);
        if scopes.is_empty() {
            return Cow::Borrowed(r#"[{"type":"oauth2"}]"#);
        }
        let scopes: Vec<&str> = scopes.published().collect();
        let schemes = serde_json::json!([{ "type": "oauth2", "scopes": scopes }]);
        Cow::Owned(schemes.to_string())
    }

    /// Every message, or none of them. What is lacking is told for all of them at once (SCP-3).
    pub(super) fn judge(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        messages: &Messages<'_>,
    ) -> Result<(), Refusal> {
        self.judged(policy, caller, messages, self.rules())
    }

    /// What the rules would have refused of what was let in because they do not count yet (SEC-52).
    pub(super) fn rehearse(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        messages: &Messages<'_>,
    ) -> Option<Refusal> {
        match self.rules() {
            Rules::Count => None,
            Rules::AreSilent => self.judged(policy, caller, messages, Rules::Count).err(),
        }
    }

    /// All scopes that these need together. Nothing for what nobody needs a credential for.
    pub(super) fn needed(&self, policy: &Policy, messages: &Messages<'_>) -> Arc<Scopes> {
        self.needed_by(policy, messages, self.rules())
    }

    /// Whether a caller would be let through with a call of this entry.
    pub(crate) fn may_call(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        entry: Entry<'_>,
    ) -> bool {
        let wanted = match entry {
            Entry::Tool(name) => self.tool(name, self.rules()),
            Entry::Other => Wanted {
                is_open: self.open.calls,
                ruling: Ruling::Silent,
            },
        };
        wanted.verdict(policy, caller) == Verdict::Granted
    }

    fn rules(&self) -> Rules {
        match self.mode {
            PolicyMode::Enforce => Rules::Count,
            PolicyMode::DryRun => Rules::AreSilent,
        }
    }

    fn judged(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        messages: &Messages<'_>,
        rules: Rules,
    ) -> Result<(), Refusal> {
        let each = messages.messages.iter();
        let verdicts = each.map(|it| self.message(it, rules).verdict(policy, caller));
        let needed = || self.needed_by(policy, messages, rules);
        match verdicts.max().unwrap_or(Verdict::Credential) {
            Verdict::Granted => Ok(()),
            Verdict::Credential => Err(Refusal::CallerNeeded { needed: needed() }),
            Verdict::Expired(late) => Err(Refusal::ExpiredForThis {
                late,
                needed: needed(),
            }),
            Verdict::Never(why) => Err(Refusal::NotPermitted(why.words())),
            Verdict::Scopes => Err(Refusal::InsufficientScope {
                held: caller
                    .map(|caller| caller.scopes().to_string())
                    .unwrap_or_default(),
                needed: needed(),
            }),
        }
    }

    fn needed_by(&self, policy: &Policy, messages: &Messages<'_>, rules: Rules) -> Arc<Scopes> {
        let mut needed: Option<Arc<Scopes>> = None;
        for message in &messages.messages {
            let wanted = self.message(message, rules);
            if wanted.is_open {
                continue;
            }
            let more = wanted.needed(policy);
            needed = Some(match needed {
                None => Arc::clone(more),
                Some(needed) if more.is_subset(&needed) => needed,
                Some(needed) => Arc::new(needed.union(more)),
            });
        }
        needed.unwrap_or_default()
    }

    /// It depends on the method alone, and on the name: without an id, servers may act all the same.
    fn message(&self, message: &Message<'_>, rules: Rules) -> Wanted<'_> {
        let is_open = match message.operation() {
            Operation::Call(Called::Tool(name)) => return self.tool(name, rules),
            Operation::Handshake => match &*message.method {
                "ping" | "notifications/initialized" => self.open.shakes_hands(),
                _ => self.open.waits(),
            },
            Operation::List(_) => self.open.discovery == Discovery::Public,
            Operation::Call(Called::Prompt(_) | Called::Resource(_)) => self.open.calls,
            Operation::Response | Operation::Other => false,
        };
        Wanted {
            is_open,
            ruling: Ruling::Silent,
        }
    }

    /// No rule speaks of what is public by its name.
    fn tool(&self, name: &str, rules: Rules) -> Wanted<'_> {
        if self.open.tools.contains(name) {
            return Wanted {
                is_open: true,
                ruling: Ruling::Silent,
            };
        }
        let ruling = match rules {
            Rules::Count => self.tools.ruling(name),
            Rules::AreSilent => Ruling::Silent,
        };
        let asks = match ruling {
            Ruling::Rule(_, rule) => rule.asks(),
            Ruling::Silent | Ruling::Unlisted | Ruling::Unnameable => false,
        };
        Wanted {
            is_open: self.open.calls && !asks,
            ruling,
        }
    }
}

impl<'r> Wanted<'r> {
    fn rule(&self) -> Option<&'r Rule> {
        match self.ruling {
            Ruling::Rule(_, rule) => Some(rule),
            Ruling::Silent | Ruling::Unlisted | Ruling::Unnameable => None,
        }
    }

    /// The scopes of the route, and of the rule with them.
    fn needed<'a>(&self, policy: &'a Policy) -> &'a Arc<Scopes>
    where
        'r: 'a,
    {
        self.rule().map_or(&policy.required, |rule| &rule.needed)
    }

    /// Whoever calls.
    fn never(&self, policy: &Policy) -> Option<Never> {
        match self.ruling {
            Ruling::Unnameable => Some(Never::Unnameable),
            Ruling::Unlisted => Some(Never::Unlisted),
            Ruling::Rule(_, rule) if rule.denies() => Some(Never::Denied),
            Ruling::Rule(_, rule) if rule.asks() && !policy.asks => Some(Never::Nobody),
            Ruling::Rule(..) | Ruling::Silent => None,
        }
    }

    fn verdict(&self, policy: &Policy, caller: Option<&Caller>) -> Verdict {
        let never = self.never(policy);
        let is_open = self.is_open || !policy.asks;
        let Some(caller) = caller else {
            // who has to log in learns that first, and nothing of the rules
            return match never {
                _ if !is_open => Verdict::Credential,
                Some(why) => Verdict::Never(why),
                None => Verdict::Granted,
            };
        };
        let asking = self.rule().filter(|rule| rule.asks());
        if asking.is_some()
            && let Some(late) = caller.late()
        {
            return Verdict::Expired(late);
        }
        if let Some(why) = never {
            return Verdict::Never(why);
        }
        if asking.is_some_and(|rule| !rule.takes_group(caller)) {
            return Verdict::Never(Never::Groups);
        }
        if is_open || self.needed(policy).is_subset(caller.scopes()) {
            Verdict::Granted
        } else {
            Verdict::Scopes
        }
    }
}

impl Open {
    fn nothing() -> Self {
        Self {
            discovery: Discovery::Authenticated,
            challenge: ChallengeAt::Connect,
            calls: false,
            tools: HashSet::new(),
        }
    }

    /// Whether there is anything to be asked before a login: `ping` and `notifications/initialized`.
    fn shakes_hands(&self) -> bool {
        match self.discovery {
            Discovery::Authenticated => false,
            Discovery::Handshake | Discovery::Public => true,
        }
    }

    /// Whether `initialize` and `server/discover` are among it.
    fn waits(&self) -> bool {
        self.shakes_hands() && self.challenge == ChallengeAt::Call
    }

    fn of(access: &config::Access, challenge: ChallengeAt) -> Self {
        if access.require_authentication {
            return Self::nothing(); // S0-63
        }
        Self {
            discovery: access.discovery,
            challenge,
            calls: access.calls == Calls::Public,
            tools: access.public_tools.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
