//! What callers of a route may do, as written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::checked::{Calls, Discovery, ListFilter, PolicyMode, Unlisted};
use crate::scalar::name::Scope;
use crate::scalar::tool::{Group, ToolName, ToolPattern};
use crate::scalar::unit::Count;
use crate::written::{Block, List, OneOrMany, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Access {
    /// What may be asked without a credential. authenticated (default): nothing. handshake: initialize, ping,
    /// notifications/initialized, server/discover. public: these, and all lists.
    pub(crate) discovery: Option<Text<Discovery>>,
    /// Who may use tools, prompts and resources. authenticated (default). public: everyone, as far as no rule under `tools` asks for
    /// more.
    pub(crate) calls: Option<Text<Calls>>,
    /// Exact names of tools that everyone may call, whatever `tools` says of others.
    pub(crate) public_tools: Option<List<Text<ToolName>>>,
    /// true: nothing without a credential, whatever the three keys above say. Default false.
    pub(crate) require_authentication: Option<Text<bool>>,
    /// What lists show. all (default): everything. public: only what is public, to whoever has not logged in. callable: to each caller
    /// what they may use.
    pub(crate) list_filter: Option<Text<ListFilter>>,
    /// Who may call which tool. The first rule that names a tool decides. Without a rule, also in an empty list, every tool is open to
    /// whoever is let in.
    pub(crate) tools: Option<List<Block<ToolRule>>>,
    /// Tools that no rule names: deny (default once there is a rule), or allow.
    pub(crate) unlisted: Option<Text<Unlisted>>,
    /// enforce (default). `dry_run`: calls that the rules under `tools` would refuse pass, and are logged.
    pub(crate) mode: Option<Text<PolicyMode>>,
    /// Tell clients that log in for single tools which of them need it (`securitySchemes`, `mcp/www_authenticate`). Default false.
    pub(crate) tool_login: Option<Text<bool>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ToolRule {
    /// A tool's name, or a list of them, in either letter case. `*` stands for any characters.
    #[serde(rename = "match")]
    #[schemars(required)]
    pub(crate) matches: Option<OneOrMany<ToolPattern>>,
    /// All of these are needed, beside the route's `required_scopes`.
    pub(crate) scopes: Option<List<Text<Scope>>>,
    /// One of these is needed.
    pub(crate) groups: Option<List<Text<Group>>>,
    /// true: nobody may. Default false.
    pub(crate) deny: Option<Text<bool>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// How long a window is. It opens with the first request. Default 60s.
    pub(crate) window: Option<Text<Duration>>,
    /// Requests of one caller in a window. Default: any.
    pub(crate) max_requests: Option<Text<Count>>,
    /// Tool calls of one caller in a window, which are among the requests. Default: any.
    pub(crate) max_tool_calls: Option<Text<Count>>,
}
