//! Rules for tools: each on its own, and whether it can ever be the first that names one.

use std::collections::HashMap;

use crate::checked::ToolRule;
use crate::notes::{Listed, Notes};
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::Scope;
use crate::scalar::tool::{Group, MOST_COMPARED, ToolPattern, covers};
use crate::written::{Block, List};

/// So many rules are no policy that anybody wrote; they are made by something that errs.
const MOST_RULES: usize = 20_000;

pub(super) fn check(
    place: &Place,
    raw: Option<List<Block<raw::ToolRule>>>,
    notes: &mut Notes,
) -> Listed<ToolRule> {
    let present = raw.is_some();
    let rules = match raw {
        None => Vec::new(),
        Some(List::Items(rules)) => rules,
        Some(List::Other(written)) => {
            notes.shape(place, &written, "a list");
            return Listed::of(Vec::new(), present, false);
        }
    };
    if rules.len() > MOST_RULES {
        notes.wrong(
            place,
            format!("has {} rules; there may be {MOST_RULES}", rules.len()),
        );
        return Listed::of(Vec::new(), present, false);
    }
    if present && rules.is_empty() {
        notes.warn(
            place,
            Flaw::new("is an empty list: every tool is open to whoever is let in")
                .hint("no tool at all is tools: [{ match: \"*\", deny: true }]; if all are meant, take the key away"),
        );
    }
    let mut whole = true;
    let mut checked = Vec::with_capacity(rules.len());
    let mut earlier = Earlier::default();
    for (index, raw) in rules.into_iter().enumerate() {
        match rule(index, &place.index(index), raw, &mut earlier, notes) {
            Some(rule) => checked.push((index, rule)),
            None => whole = false,
        }
    }
    Listed::of(checked, present, whole)
}

fn rule(
    index: usize,
    place: &Place,
    raw: Block<raw::ToolRule>,
    earlier: &mut Earlier,
    notes: &mut Notes,
) -> Option<ToolRule> {
    let raw = notes.fields(place, raw)?;
    let match_place = place.key("match");
    if raw.matches.is_none() {
        notes.missing(
            &match_place,
            "name the tools that the rule is for, like delete_*; \"*\" is every tool",
        );
    }
    let matches = notes.one_or_many(&match_place, raw.matches.as_ref());
    if matches.is_written_empty() {
        notes.wrong(
            &match_place,
            Flaw::new("names no tool").hint("\"*\" is every tool"),
        );
    }
    let scopes = notes.set(&place.key("scopes"), raw.scopes.as_ref());
    let groups = notes.set(&place.key("groups"), raw.groups.as_ref());
    if groups.is_written_empty() {
        notes.warn(
            &place.key("groups"),
            Flaw::new("is an empty list: the rule asks for no group")
                .hint("deny: true keeps its tools from everybody; if no group is meant, take the key away"),
        );
    }
    let deny = notes.text_or(&place.key("deny"), raw.deny.as_ref(), false);
    if deny && !(scopes.items.is_empty() && groups.items.is_empty()) {
        notes.wrong(
            &place.key("deny"),
            Flaw::new("keeps the tools from everybody, and there are scopes or groups beside it")
                .hint("take deny away, and whoever has these may call them"),
        );
    }
    let mut own = Vec::with_capacity(matches.items.len());
    for (item_place, ToolPattern(pattern)) in matches.placed(&match_place) {
        let pattern = pattern.to_ascii_lowercase();
        if own.contains(&pattern) {
            notes.wrong(&item_place, "is in the list already");
            continue;
        }
        if let Some((other, by)) = earlier.covering(&pattern) {
            let how = if by == pattern {
                String::new()
            } else {
                format!(" by `{by}`")
            };
            notes.wrong(
                &item_place,
                Flaw::new(format!(
                    "never counts: tools[{other}] stands before it and decides these calls{how}"
                ))
                .hint("put the rule for fewer tools first, or take this one away"),
            );
        }
        // Not `fs.*`: many servers have dots in names. But no name has one there.
        if pattern.starts_with(".*") || pattern.contains("_.*") || pattern.contains("-.*") {
            notes.warn(
                &item_place,
                Flaw::new(
                    "reads like a regular expression, and is none: the dot stands for itself",
                )
                .hint("`*` alone stands for any characters, as in delete_*"),
            );
        }
        own.push(pattern);
    }
    for pattern in own {
        let before = earlier.others.len();
        earlier.push(index, pattern);
        if before == MOST_COMPARED && earlier.others.len() > before {
            notes.wrong(
                &match_place,
                Flaw::new(format!(
                    "is one pattern too many with a `*` inside or several: there may be {MOST_COMPARED} in all rules"
                ))
                .hint("names, prefix* and *suffix may be as many as you like: they are looked up; of the others, those that might fit are tried one by one"),
            );
        }
    }
    Some(ToolRule {
        matches: matches
            .items
            .into_iter()
            .map(|ToolPattern(pattern)| pattern)
            .collect(),
        scopes: scopes.items.into_iter().map(|Scope(text)| text).collect(),
        groups: groups.items.into_iter().map(|Group(name)| name).collect(),
        deny,
    })
}

/// Patterns of the rules above, in lower case, so that each new one need not be compared with all of them.
#[derive(Default)]
struct Earlier {
    /// Those without a `*`, and every pattern as it stands.
    exact: HashMap<String, usize>,
    /// `x*`, by its `x`.
    prefixes: HashMap<String, usize>,
    /// `*x`, by its `x`.
    suffixes: HashMap<String, usize>,
    /// All others with a `*`; the first of them.
    others: Vec<(String, usize)>,
}

impl Earlier {
    fn push(&mut self, rule: usize, pattern: String) {
        let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
        if let (1, Some(prefix)) = (stars, pattern.strip_suffix('*')) {
            self.prefixes.entry(prefix.to_owned()).or_insert(rule);
        } else if let (1, Some(suffix)) = (stars, pattern.strip_prefix('*')) {
            self.suffixes.entry(suffix.to_owned()).or_insert(rule);
        } else if stars > 0 && self.others.len() <= MOST_COMPARED {
            self.others.push((pattern.clone(), rule));
        }
        self.exact.entry(pattern).or_insert(rule);
    }

    /// A rule and a pattern of it that leave nothing to this one.
    fn covering(&self, pattern: &str) -> Option<(usize, String)> {
        if let Some(rule) = self.exact.get(pattern) {
            return Some((*rule, pattern.to_owned()));
        }
        // Patterns are ASCII, so every position is one of a character.
        for at in 0..=pattern.len() {
            let (head, tail) = pattern.split_at(at);
            if let Some(rule) = self.prefixes.get(head) {
                return Some((*rule, format!("{head}*")));
            }
            if let Some(rule) = self.suffixes.get(tail) {
                return Some((*rule, format!("*{tail}")));
            }
        }
        let mut others = self.others.iter();
        let other = others.find(|(other, _)| covers(other, pattern))?;
        Some((other.1, other.0.clone()))
    }
}

/// Which rule decides about a name.
pub(super) struct First<'r> {
    rules: &'r Listed<ToolRule>,
    patterns: Vec<(usize, String)>,
}

impl<'r> First<'r> {
    pub(super) fn new(rules: &'r Listed<ToolRule>) -> Self {
        let patterns = rules.items.iter().enumerate().flat_map(|(at, rule)| {
            let patterns = rule.matches.iter();
            patterns.map(move |pattern| (at, pattern.to_ascii_lowercase()))
        });
        Self {
            rules,
            patterns: patterns.collect(),
        }
    }

    /// The rule, and where it stands in the list.
    pub(super) fn rule(&self, name: &str) -> Option<(usize, &'r ToolRule)> {
        let name = name.to_ascii_lowercase();
        let mut patterns = self.patterns.iter();
        let (at, _) = patterns.find(|(_, pattern)| covers(pattern, &name))?;
        self.rules.numbered().nth(*at)
    }
}

#[cfg(test)]
mod tests;
