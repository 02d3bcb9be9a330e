//! Who looks at a list, and what they see of it.

use std::borrow::Cow;
use std::sync::Arc;

use config::ListFilter;
use identity::Caller;
use mcp::listing::{Fate, Rules, Unclear, rewrite};
use mcp::operation::Listed;

use crate::plan::Site;
use crate::stage::authorize::access::Entry;

/// A caller, before the rules of a route.
pub(super) struct View {
    site: Arc<Site>,
    caller: Option<Caller>,
}

impl View {
    pub(super) fn of(site: &Arc<Site>, caller: Option<&Caller>) -> Self {
        Self {
            site: Arc::clone(site),
            caller: caller.cloned(),
        }
    }

    pub(super) fn route(&self) -> &str {
        &self.site.name
    }

    /// Whether others see the same list differently.
    pub(super) fn varies(&self) -> bool {
        self.site.policy.access.hides()
    }

    /// An answer as this caller may see it. What is said of its tools may make it longer by so many bytes.
    pub(super) fn shown<'a>(
        &self,
        answer: &'a [u8],
        most_added: usize,
    ) -> Result<Cow<'a, [u8]>, Unclear> {
        let rules = Rules {
            judge: &mut |listed, name| self.fate(listed, name),
            varies: self.varies(),
            most_added,
        };
        rewrite(answer, rules)
    }

    fn fate(&self, listed: Listed, name: &str) -> Fate<'static> {
        let policy = &self.site.policy;
        let access = &policy.access;
        let (entry, is_tool) = match listed {
            Listed::Tools => (Entry::Tool(name), true),
            Listed::Prompts | Listed::Resources | Listed::ResourceTemplates => {
                (Entry::Other, false)
            }
        };
        let caller = self.caller.as_ref();
        let is_seen = match access.filter() {
            ListFilter::All => true,
            ListFilter::Public => caller.is_some() || access.may_call(policy, None, entry),
            ListFilter::Callable => access.may_call(policy, caller, entry),
        };
        if !is_seen {
            Fate::Drop
        } else if is_tool && access.tool_login() && self.site.takes_tokens() {
            Fate::Secured(access.schemes(policy, name))
        } else {
            Fate::Keep
        }
    }
}
