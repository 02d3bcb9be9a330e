//! The rules for tools: which of them speaks of a name (SEC-51).

mod index;

use std::sync::Arc;

use config::{ToolRule, Unlisted};
use identity::{Caller, Group};
use oauth::Scopes;
use oauth::scope::InvalidScope;

use index::Index;

/// Rules that `check` would not have let pass.
#[derive(Debug)]
pub(crate) struct InvalidRules;

impl From<InvalidScope> for InvalidRules {
    fn from(_: InvalidScope) -> Self {
        Self
    }
}

/// The rules of a route, in their order.
pub(super) struct Tools {
    rules: Vec<Rule>,
    index: Index,
    unlisted: Unlisted,
}

/// One rule.
pub(super) struct Rule {
    scopes: Scopes,
    groups: Vec<Group>,
    deny: bool,
    /// Those of the route and of the rule: all that a call needs (SCP-3).
    pub(super) needed: Arc<Scopes>,
}

/// What the rules say of a tool.
#[derive(Clone, Copy)]
pub(super) enum Ruling<'r> {
    /// There are no rules, or none of them names it and such tools are left to the route.
    Silent,
    /// This one, the first that names it, and its place in the list.
    Rule(usize, &'r Rule),
    /// None names it, and such tools are nobody's.
    Unlisted,
    /// Its name is none that rules could speak of.
    Unnameable,
}

/// Why a tool is kept from whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Never {
    Denied,
    Unlisted,
    Unnameable,
    /// The caller has none of the groups of its rule.
    Groups,
    /// Its rule asks for a caller, and the route for none.
    Nobody,
}

impl Never {
    /// In the words of the log.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Denied => "a rule denies the tool",
            Self::Unlisted => "no rule names the tool",
            Self::Unnameable => "the name of the tool is none that rules can speak of",
            Self::Groups => "the caller has none of the groups of the tool's rule",
            Self::Nobody => "the tool's rule asks for a caller, the route for none",
        }
    }
}

impl Tools {
    /// With the scopes that the route needs for everything.
    pub(super) fn of(
        rules: &[ToolRule],
        unlisted: Unlisted,
        required: &Scopes,
    ) -> Result<Self, InvalidRules> {
        let patterns = rules.iter().enumerate().flat_map(|(at, rule)| {
            let patterns = rule.matches.iter();
            patterns.map(move |pattern| (at, &**pattern))
        });
        let index = Index::of(patterns)?;
        let rules = rules.iter().map(|rule| {
            let scopes = Scopes::from_tokens(rule.scopes.iter().map(|scope| &**scope))?;
            Ok(Rule {
                needed: Arc::new(required.union(&scopes)),
                scopes,
                groups: rule.groups.iter().map(|group| Group::of(group)).collect(),
                deny: rule.deny,
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, InvalidScope>>()?,
            index,
            unlisted,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the first rule that matches says. Costs the same for ten rules and for ten thousand, and takes no memory.
    pub(super) fn ruling(&self, name: &str) -> Ruling<'_> {
        if self.rules.is_empty() {
            return Ruling::Silent;
        }
        if !config::is_ruled(name) {
            return Ruling::Unnameable;
        }
        let first = self.index.first(name);
        match first.and_then(|at| Some((at, self.rules.get(at)?))) {
            Some((at, rule)) => Ruling::Rule(at, rule),
            None => match self.unlisted {
                Unlisted::Allow => Ruling::Silent,
                Unlisted::Deny => Ruling::Unlisted,
            },
        }
    }
}

impl Rule {
    /// Whether it asks for something that a caller has to have.
    pub(super) fn asks(&self) -> bool {
        !self.scopes.is_empty() || !self.groups.is_empty()
    }

    pub(super) fn denies(&self) -> bool {
        self.deny
    }

    /// Whether the caller has one of its groups, or it names none.
    pub(super) fn takes_group(&self, caller: &Caller) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|group| caller.is_in(group))
    }
}
