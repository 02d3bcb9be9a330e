//! Which of many patterns is the first that fits a name, without trying each of them.
//!
//! Exact names are looked up by hash, `x*` and `*x` by one binary search each. Patterns of any other form are tried one by one, as long
//! as they may still be the first; the configuration bounds how many there are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use config::LONGEST_TOOL_NAME as LONGEST;

/// Patterns by their form, each with the place of its rule. Everything is in lower case: names are judged without their case.
pub(super) struct Index {
    exact: HashMap<Box<str>, usize>,
    /// `x*`
    heads: Heads,
    /// `*x`, each `x` from back to front.
    tails: Heads,
    /// In the order of the rules.
    others: Vec<(usize, Other)>,
}

/// Beginnings of names, sorted.
struct Heads(Vec<Head>);

struct Head {
    text: Box<[u8]>,
    /// The longest other one that this one begins with. Those it begins with are a chain.
    parent: Option<usize>,
    /// The first rule of all in the chain, its own among them.
    rule: usize,
}

/// A pattern of another form: what a name begins with, has within in this order, and ends with.
struct Other {
    first: Box<str>,
    within: Box<[Box<str>]>,
    last: Box<str>,
}

impl Index {
    /// Of patterns and the places of their rules, in the order of the rules.
    pub(super) fn of<'p>(patterns: impl Iterator<Item = (usize, &'p str)>) -> Self {
        let (mut heads, mut tails) = (BTreeMap::new(), BTreeMap::new());
        let (mut exact, mut others) = (HashMap::new(), Vec::new());
        for (rule, pattern) in patterns {
            let pattern = pattern.to_ascii_lowercase();
            let parts: Vec<&str> = pattern.split('*').collect();
            match *parts.as_slice() {
                [name] => {
                    exact.entry(name.into()).or_insert(rule);
                }
                [head, ""] => {
                    heads.entry(head.as_bytes().into()).or_insert(rule);
                }
                ["", tail] => {
                    let tail = tail.bytes().rev().collect();
                    tails.entry(tail).or_insert(rule);
                }
                [first, ref within @ .., last] => others.push((
                    rule,
                    Other {
                        first: first.into(),
                        within: within.iter().map(|&part| part.into()).collect(),
                        last: last.into(),
                    },
                )),
                [] => {} // a text has one part at least
            }
        }
        Self {
            exact,
            heads: Heads::of(heads),
            tails: Heads::of(tails),
            others,
        }
    }

    /// The first rule with a pattern that fits a name of ASCII characters, of which there are [`LONGEST`] at most.
    pub(super) fn first(&self, name: &str) -> Option<usize> {
        let (mut lower, mut reversed) = ([0; LONGEST], [0; LONGEST]);
        let lower = lower.get_mut(..name.len())?;
        let reversed = reversed.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        reversed.copy_from_slice(lower);
        reversed.reverse();
        let name = str::from_utf8(lower).ok()?;
        let found = [
            self.exact.get(name).copied(),
            self.heads.first(name.as_bytes()),
            self.tails.first(reversed),
        ];
        let found = found.into_iter().flatten().min();
        let mut others = self.others.iter().map_while(|(rule, other)| {
            let may_be_first = found.is_none_or(|found| *rule < found);
            may_be_first.then_some((*rule, other))
        });
        let other = others.find(|(_, other)| other.fits(name));
        other.map(|(rule, _)| rule).or(found)
    }
}

impl Heads {
    fn of(texts: BTreeMap<Box<[u8]>, usize>) -> Self {
        let mut heads: Vec<Head> = Vec::with_capacity(texts.len());
        let mut chain: Vec<usize> = Vec::new();
        for (text, own) in texts {
            // sorted, each text comes right after those that it begins with, and those that begin with these
            while let Some(parent) = chain.last().and_then(|&at| heads.get(at)) {
                if text.starts_with(&parent.text) {
                    break;
                }
                chain.pop();
            }
            let parent = chain.last().copied();
            let inherited = parent.and_then(|at| heads.get(at)).map(|it| it.rule);
            let rule = inherited.map_or(own, |inherited| inherited.min(own));
            chain.push(heads.len());
            heads.push(Head { text, parent, rule });
        }
        Self(heads)
    }

    /// The first rule of all heads that the text begins with.
    fn first(&self, text: &[u8]) -> Option<usize> {
        let above = self
            .0
            .partition_point(|head| (*head.text).cmp(text) != Ordering::Greater);
        // whatever lies between a head and a text that begins with it begins with it too: they are all in this one's chain
        let mut head = self.0.get(above.checked_sub(1)?)?;
        let pairs = head.text.iter().zip(text);
        let common = pairs.take_while(|(one, other)| one == other).count();
        while head.text.len() > common {
            head = self.0.get(head.parent?)?;
        }
        Some(head.rule)
    }
}

impl Other {
    fn fits(&self, name: &str) -> bool {
        let Some(mut rest) = name.strip_prefix(&*self.first) else {
            return false;
        };
        // each part where it comes first: that leaves the most for those after it
        for part in &self.within {
            let Some(at) = rest.find(&**part) else {
                return false;
            };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(&*self.last)
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    /// What patterns mean, one by one: the definition that the index has to keep to.
    fn model(patterns: &[(usize, String)], name: &str) -> Option<usize> {
        fn fits(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), None) => fits(rest, name),
                (Some((b'*', rest)), Some((_, after))) => fits(rest, name) || fits(pattern, after),
                (Some((one, rest)), Some((other, after))) => {
                    one.eq_ignore_ascii_case(other) && fits(rest, after)
                }
                (None, Some(_)) | (Some(_), None) => false,
            }
        }
        let mut patterns = patterns.iter();
        let found = patterns.find(|(_, pattern)| fits(pattern.as_bytes(), name.as_bytes()));
        found.map(|(rule, _)| *rule)
    }

    fn numbered(patterns: Vec<Vec<String>>) -> Vec<(usize, String)> {
        let rules = patterns.into_iter().enumerate();
        rules
            .flat_map(|(at, rule)| rule.into_iter().map(move |pattern| (at, pattern)))
            .collect()
    }

    #[track_caller]
    fn check(patterns: &[&str], name: &str, expected: Option<usize>) {
        let patterns: Vec<_> = patterns.iter().copied().enumerate().collect();
        let found = Index::of(patterns.iter().copied()).first(name);
        assert_eq!(found, expected, "{patterns:?} {name}");
    }

    #[test]
    fn sec_51_the_first_of_all_forms_wins() {
        check(&["*", "a"], "a", Some(0));
        check(&["a", "*"], "a", Some(0));
        check(&["a", "*"], "b", Some(1));
        check(&["delete_*", "*_x"], "delete_x", Some(0));
        check(&["*_x", "delete_*"], "delete_x", Some(0));
        check(&["de*te_x", "delete_x"], "delete_x", Some(0));
        check(&["delete_x", "de*te_x"], "delete_x", Some(0));
        check(&["*ab*ab*", "x"], "abab", Some(0));
        check(&["*ab*ab*", "x"], "aba", None);
        check(&["aba*ba"], "aba", None);
        check(&["aba*ba"], "ababa", Some(0));
        check(&["read_a*", "read_*", "read_abc*"], "read_abcd", Some(0));
        check(&["read_abc*", "read_a*", "read_*"], "read_abd", Some(1));
        check(&["read_abc*", "read_b*", "r*"], "read_ab", Some(2));
        check(&["b*"], "a", None);
        check(&["a*"], "b", None);
        check(&["a*"], "A", Some(0));
        check(&["Delete_*"], "dELETE_x", Some(0));
        check(&[&"a".repeat(128)], &"A".repeat(128), Some(0));
        check(&["*"], &"a".repeat(129), None);
        check(&[], "a", None);
    }

    /// With as many rules as one likes. Trying them in turn would take a thousand times as long; the bound is for busy machines.
    #[test]
    fn sec_51_ten_thousand_rules_cost_a_call_no_more_than_ten() {
        fn taken(rules: usize) -> Duration {
            let forms = |at: usize| {
                [
                    format!("read_{at}"),
                    format!("get_{at}_*"),
                    format!("*_{at}"),
                ]
            };
            let patterns: Vec<_> = (0..rules)
                .map(|at| (at, forms(at)[at % 3].clone()))
                .collect();
            let index = Index::of(patterns.iter().map(|(at, pattern)| (*at, &**pattern)));
            let once = || {
                let begun = Instant::now();
                for name in ["read_3", "get_1_x", "make_2", "nothing_at_all", "get_1x"] {
                    for _ in 0..1000 {
                        black_box(index.first(black_box(name)));
                    }
                }
                begun.elapsed()
            };
            (0..9).map(|_| once()).min().unwrap()
        }
        let (few, many) = (taken(10), taken(10_000));
        assert!(many < few * 100, "{few:?} {many:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn sec_51_it_finds_what_trying_each_pattern_finds(
            patterns in prop::collection::vec(prop::collection::vec("[abA]{0,3}(\\*[ab]{0,2}){0,2}", 1..3), 0..12),
            name in "[abAB]{1,7}",
        ) {
            let patterns = numbered(patterns);
            let index = Index::of(patterns.iter().map(|(at, pattern)| (*at, &**pattern)));
            prop_assert_eq!(index.first(&name), model(&patterns, &name));
        }
    }
}
