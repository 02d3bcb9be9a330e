//! What a body asks for, and who may ask for it: one model for refusals, challenges and the filtering of lists.

use std::borrow::Cow;
use std::collections::HashSet;

use config::{Calls, ChallengeAt, Discovery, ListFilter, PolicyMode};
use identity::Caller;
use mcp::message::{Message, Messages};
use mcp::operation::{Called, Operation};
use oauth::Scopes;
use oauth::scope::InvalidScope;

use super::Policy;
use super::tools::{Rule, Ruling, Tools};
use crate::stop::Refusal;

/// What depends on the body of a request; made when the plan is built.
pub(crate) struct Access {
    open: Open,
    tools: Tools,
    /// Whether the rules for tools are told of and not kept (SEC-52).
    dry_run: bool,
    filter: ListFilter,
    /// Whether tools say in lists what it takes to call them.
    tool_login: bool,
    /// The scopes of all rules.
    scopes: Scopes,
}

/// What nobody needs a credential for (SEC-50).
#[derive(Default)]
struct Open {
    /// `ping` and `notifications/initialized`.
    handshake: bool,
    /// `initialize` and `server/discover`: many clients decide by their answer whether to log in at all (I-12).
    connect: bool,
    lists: bool,
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

impl Access {
    /// Of a route that asks for credentials, or of one that does not.
    pub(crate) fn of(
        access: &config::Access,
        challenge: Option<ChallengeAt>,
    ) -> Result<Self, InvalidScope> {
        let tools = Tools::of(&access.tools, access.unlisted)?;
        let mut scopes = Scopes::default();
        for scope in access.tools.iter().flat_map(|rule| &rule.scopes) {
            scopes.insert(scope)?;
        }
        Ok(Self {
            open: challenge.map_or_else(Open::default, |challenge| Open::of(access, challenge)),
            tools,
            dry_run: access.mode == PolicyMode::DryRun,
            filter: access.list_filter,
            tool_login: access.tool_login,
            scopes,
        })
    }

    /// Whether there is anything that nobody needs a credential for.
    pub(crate) fn is_open(&self) -> bool {
        let Open {
            handshake,
            connect,
            lists,
            calls,
            tools,
        } = &self.open;
        *handshake || *connect || *lists || *calls || !tools.is_empty()
    }

    /// The scopes of all rules, for the route's metadata.
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

    /// What it takes to call a tool, as a list of `securitySchemes` (SEP-1488).
    pub(crate) fn schemes(&self, policy: &Policy, tool: &str) -> Cow<'static, str> {
        if self.may_call(policy, None, Entry::Tool(tool)) {
            return Cow::Borrowed(r#"[{"type":"noauth"}]"#);
        }
        let mut scopes = policy.required.clone();
        if let Ruling::Rule(rule) = self.tool(tool) {
            scopes = scopes.union(&rule.scopes);
        }
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
        let mut lack = Lack::default();
        for message in &messages.messages {
            self.message(policy, caller, message, &mut lack);
        }
        if let Some(why) = lack.forbidden {
            return Err(Refusal::NotPermitted(why));
        }
        if lack.credential {
            let needed = self.needed(policy, messages);
            return Err(Refusal::CallerNeeded { needed });
        }
        match caller {
            Some(caller) if lack.scope => Err(Refusal::InsufficientScope {
                held: caller.scopes().to_string(),
                needed: self.needed(policy, messages),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// All scopes that these need together.
    fn needed(&self, policy: &Policy, messages: &Messages<'_>) -> Scopes {
        let mut needed = policy.required.clone();
        for message in &messages.messages {
            if let Operation::Call(Called::Tool(name)) = message.operation()
                && let Ruling::Rule(rule) = self.tool(name)
            {
                needed = needed.union(&rule.scopes);
            }
        }
        needed
    }

    fn message(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        message: &Message<'_>,
        lack: &mut Lack,
    ) {
        let operation = message.operation();
        let ruling = match operation {
            Operation::Call(Called::Tool(name)) => self.tool(name),
            Operation::Handshake
            | Operation::List(_)
            | Operation::Call(Called::Prompt(_) | Called::Resource(_))
            | Operation::Response
            | Operation::Other => Ruling::Free,
        };
        if !policy.asks {
            // everybody is nobody here: a rule that wants somebody is met by none (`check` says so)
            match ruling {
                Ruling::Never(why) => lack.forbidden = Some(why),
                Ruling::Rule(rule) if !rule.is_free() => {
                    lack.forbidden = Some("its rule asks for a caller, the route for none");
                }
                Ruling::Rule(_) | Ruling::Free => {}
            }
            return;
        }
        let is_open = self.open.admits(message.method.as_ref(), operation);
        let Some(caller) = caller else {
            match ruling {
                _ if !is_open => lack.credential = true,
                Ruling::Never(why) => lack.forbidden = Some(why),
                Ruling::Rule(rule) => lack.credential |= !rule.is_free(),
                Ruling::Free => {}
            }
            return;
        };
        if !is_open && !policy.required.is_subset(caller.scopes()) {
            lack.scope = true;
        }
        match ruling {
            Ruling::Never(why) => lack.forbidden = Some(why),
            Ruling::Rule(rule) if !rule.takes_group(caller) => {
                lack.forbidden = Some("none of the groups of its rule");
            }
            Ruling::Rule(rule) => lack.scope |= !rule.scopes.is_subset(caller.scopes()),
            Ruling::Free => {}
        }
    }

    /// What is said of a tool. What nobody needs a credential for is subject to no rule.
    fn tool(&self, name: &str) -> Ruling<'_> {
        if self.open.tools.contains(name) {
            return Ruling::Free;
        }
        let ruling = self.tools.ruling(name);
        if self.dry_run { Ruling::Free } else { ruling }
    }

    /// Whether a caller would be let through with a call of this entry.
    pub(crate) fn may_call(
        &self,
        policy: &Policy,
        caller: Option<&Caller>,
        entry: Entry<'_>,
    ) -> bool {
        let (ruling, is_open) = match entry {
            Entry::Tool(name) => (
                self.tool(name),
                self.open.calls || self.open.tools.contains(name),
            ),
            Entry::Other => (Ruling::Free, self.open.calls),
        };
        if caller.is_none() && policy.asks && !is_open {
            return false;
        }
        let has_required = is_open
            || !policy.asks
            || caller.is_some_and(|caller| policy.required.is_subset(caller.scopes()));
        has_required
            && match ruling {
                Ruling::Free => true,
                Ruling::Never(_) => false,
                Ruling::Rule(rule) => match caller {
                    None => rule.is_free(),
                    Some(caller) => rule.takes(caller),
                },
            }
    }
}

/// What keeps a request from being granted.
#[derive(Default)]
struct Lack {
    forbidden: Option<&'static str>,
    credential: bool,
    scope: bool,
}

impl Open {
    fn of(access: &config::Access, challenge: ChallengeAt) -> Self {
        if access.require_authentication {
            return Self::default(); // S0-63
        }
        let (handshake, lists) = match access.discovery {
            Discovery::Authenticated => (false, false),
            Discovery::Handshake => (true, false),
            Discovery::Public => (true, true),
        };
        Self {
            handshake,
            connect: handshake && challenge == ChallengeAt::Call,
            lists,
            calls: access.calls == Calls::Public,
            tools: access.public_tools.iter().cloned().collect(),
        }
    }

    fn admits(&self, method: &str, operation: Operation<'_>) -> bool {
        match operation {
            Operation::Handshake if matches!(method, "initialize" | "server/discover") => {
                self.connect
            }
            Operation::Handshake => self.handshake,
            Operation::List(_) => self.lists,
            Operation::Call(Called::Tool(name)) => self.calls || self.tools.contains(name),
            Operation::Call(Called::Prompt(_) | Called::Resource(_)) => self.calls,
            Operation::Response | Operation::Other => false,
        }
    }
}

impl Rule {
    /// Whether it asks for nothing that somebody would have to prove.
    fn is_free(&self) -> bool {
        self.scopes.is_empty() && self.groups.is_empty()
    }

    fn takes_group(&self, caller: &Caller) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| caller.is_in(group))
    }

    fn takes(&self, caller: &Caller) -> bool {
        self.takes_group(caller) && self.scopes.is_subset(caller.scopes())
    }
}
