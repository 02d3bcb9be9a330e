//! What callers of a route may do there, and how often.

use std::time::Duration;

/// What each caller may do (`routes[].access`). The default: who is let in may do everything, and nobody else anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What may be asked without a credential, short of a call.
    pub discovery: Discovery,
    /// Whether tools, prompts and resources may be used without a credential.
    pub calls: Calls,
    /// Tools that may be called without a credential; compared byte for byte. No [`ToolRule`] is asked about them.
    pub public_tools: Vec<Box<str>>,
    /// Nothing at all without a credential, whatever the three above say (S0-63).
    pub require_authentication: bool,
    pub list_filter: ListFilter,
    /// The first one that names a tool decides (SEC-51).
    pub tools: Vec<ToolRule>,
    /// What becomes of tools that no rule names. Always [`Unlisted::Allow`] where there is no rule.
    pub unlisted: Unlisted,
    pub mode: PolicyMode,
    /// Whether clients that log in for single tools are told in lists and answers which of them need it.
    pub tool_login: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            discovery: Discovery::Authenticated,
            calls: Calls::Authenticated,
            public_tools: Vec::new(),
            require_authentication: false,
            list_filter: ListFilter::All,
            tools: Vec::new(),
            unlisted: Unlisted::Allow,
            mode: PolicyMode::Enforce,
            tool_login: false,
        }
    }
}

impl Access {
    /// Whether there is anything that may be done without a credential.
    pub fn lets_anyone_in(&self) -> bool {
        !self.require_authentication && self.has_exemptions()
    }

    /// The same, while nothing overrides it.
    pub(crate) fn has_exemptions(&self) -> bool {
        let handshake = match self.discovery {
            Discovery::Authenticated => false,
            Discovery::Handshake | Discovery::Public => true,
        };
        let calls = match self.calls {
            Calls::Authenticated => false,
            Calls::Public => true,
        };
        handshake || calls || !self.public_tools.is_empty()
    }
}

/// What may be asked without a credential, short of a call (SEC-50).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// Nothing.
    Authenticated,
    /// `initialize`, `ping`, `notifications/initialized`, `server/discover`.
    Handshake,
    /// These, and lists of tools, prompts, resources and resource templates.
    Public,
}

/// Who may use tools, prompts and resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    Authenticated,
    /// Everyone, as far as no [`ToolRule`] asks for more: `tools/call`, `prompts/get`, `resources/read`.
    Public,
}

/// What lists show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFilter {
    /// Everything, to everyone.
    All,
    /// To whoever comes without a credential only what needs none; everything to all others.
    Public,
    /// To each caller what they may use.
    Callable,
}

/// What it takes to call some tools. Without scopes, groups and `deny`, whoever the route lets call may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolRule {
    /// Names, compared without regard to ASCII case; `*` stands for any characters, also none. Never empty.
    pub matches: Vec<Box<str>>,
    /// All of them are needed, beside the route's `required_scopes`.
    pub scopes: Vec<Box<str>>,
    /// One of them is needed, where there are any.
    pub groups: Vec<Box<str>>,
    /// Nobody may. Scopes and groups are empty then.
    pub deny: bool,
}

/// What becomes of tools that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    Deny,
    /// They are called as if there were no rules.
    Allow,
}

/// What becomes of calls that the tools rules would refuse (SEC-52).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyMode {
    Enforce,
    /// They pass, and are told of.
    DryRun,
}

/// When a client is sent to log in on a route where something is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChallengeAt {
    /// On `initialize` and `server/discover` already.
    #[default]
    Connect,
    /// When something is used that is not public.
    Call,
}

/// How often one caller (one address, where nobody logs in) may ask. A window opens with the first request in it (S0-60).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub window: Duration,
    /// At least 1. `None`: as many as they like.
    pub max_requests: Option<u32>,
    /// At least 1. `None`: as many as they like.
    pub max_tool_calls: Option<u32>,
}
