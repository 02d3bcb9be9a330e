//! The rules for tools: which of them speaks of a name (SEC-51).

use config::{ToolRule, Unlisted};
use identity::Group;
use oauth::Scopes;
use oauth::scope::InvalidScope;

/// The rules of a route, in their order.
pub(super) struct Tools {
    rules: Vec<Rule>,
    unlisted: Unlisted,
}

/// One rule.
pub(super) struct Rule {
    /// In lower case: names are judged without their case.
    matches: Vec<Box<str>>,
    pub(super) scopes: Scopes,
    pub(super) groups: Vec<Group>,
    deny: bool,
}

/// What the rules say of a tool.
#[derive(Clone, Copy)]
pub(super) enum Ruling<'r> {
    /// Nothing that is asked beyond what the route asks.
    Free,
    Rule(&'r Rule),
    /// Whoever calls.
    Never(&'static str),
}

impl Tools {
    pub(super) fn of(rules: &[ToolRule], unlisted: Unlisted) -> Result<Self, InvalidScope> {
        let rules = rules.iter().map(|rule| {
            Ok(Rule {
                matches: rule
                    .matches
                    .iter()
                    .map(|it| it.to_ascii_lowercase().into())
                    .collect(),
                scopes: Scopes::from_tokens(rule.scopes.iter().map(|scope| &**scope))?,
                groups: rule.groups.iter().map(|group| Group::of(group)).collect(),
                deny: rule.deny,
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            unlisted,
        })
    }

    /// The first rule that matches.
    pub(super) fn ruling(&self, name: &str) -> Ruling<'_> {
        if self.rules.is_empty() {
            return Ruling::Free;
        }
        if !is_plain(name) {
            return Ruling::Never("the name of the tool is none that rules can speak of");
        }
        let name = name.to_ascii_lowercase();
        let matching = |rule: &&Rule| rule.matches.iter().any(|glob| matches(glob, &name));
        match self.rules.iter().find(matching) {
            Some(rule) if rule.deny => Ruling::Never("a rule denies the tool"),
            Some(rule) => Ruling::Rule(rule),
            None if self.unlisted == Unlisted::Allow => Ruling::Free,
            None => Ruling::Never("no rule names the tool"),
        }
    }
}

/// `[A-Za-z0-9_./-]{1,128}`
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(plain)
}

/// Whether a name is what a pattern says, where `*` is any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            let Some(at) = rest.find(before) else {
                return false;
            };
            rest = rest.get(at + before.len()..).unwrap_or_default();
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}
