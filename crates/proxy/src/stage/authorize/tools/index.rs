//! Which of many patterns is the first that fits a name, without trying each of them.
//!
//! Exact names are looked up by hash. Of any other pattern one part is searched, all of these in one pass over the name; `x*` and `*x` fit
//! where it is found, and patterns of another form are tried then. So the cost depends on the name, and hardly on how many rules there are.

use std::collections::HashMap;
use std::iter;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use config::{LONGEST_TOOL_NAME as LONGEST, MOST_COMPARED_PATTERNS as MOST_COMPARED};

use super::InvalidRules;

/// Patterns by their form, each with the place of its rule. Everything is in lower case: names are judged without their case.
pub(super) struct Index {
    exact: HashMap<Box<str>, usize>,
    /// Finds the parts that a name has.
    parts: AhoCorasick,
    /// What each of them means.
    meanings: Box<[Meaning]>,
    /// In the order of the rules.
    others: Box<[Other]>,
}

/// What it means that a name has this part.
#[derive(Default)]
struct Meaning {
    /// The first rule with an `x*` or `*x` of which this is the part: it fits.
    fits: Option<usize>,
    /// Which of `others` may fit.
    may_fit: Vec<usize>,
}

/// A pattern of another form: what a name begins with, has within in this order, and ends with.
struct Other {
    rule: usize,
    first: Box<str>,
    within: Box<[Box<str>]>,
    last: Box<str>,
}

/// Stand around a name, and around patterns, so that what `x*` begins with is found at the beginning alone. No name that is ruled has them.
const BEGIN: char = '\0';
const END: char = '\u{1}';

impl Index {
    /// Of patterns and the places of their rules, in the order of the rules. More patterns than `check` lets pass are an error.
    pub(super) fn of<'p>(
        patterns: impl Iterator<Item = (usize, &'p str)>,
    ) -> Result<Self, InvalidRules> {
        let (mut exact, mut others) = (HashMap::new(), Vec::new());
        let mut parts: HashMap<String, Meaning> = HashMap::new();
        for (rule, pattern) in patterns {
            let pattern = pattern.to_ascii_lowercase();
            if !pattern.contains('*') {
                exact.entry(pattern.into()).or_insert(rule);
                continue;
            }
            let bounded = format!("{BEGIN}{pattern}{END}");
            let longest = bounded.split('*').max_by_key(|part| part.len());
            let meaning = parts.entry(longest.unwrap_or_default().into()).or_default();
            match *pattern.split('*').collect::<Vec<_>>() {
                [_, ""] | ["", _] => meaning.fits = meaning.fits.or(Some(rule)),
                [first, ref within @ .., last] => {
                    meaning.may_fit.push(others.len());
                    others.push(Other {
                        rule,
                        first: first.into(),
                        within: within.iter().map(|&part| part.into()).collect(),
                        last: last.into(),
                    });
                }
                [] | [_] => {} // there is a star
            }
        }
        if others.len() > MOST_COMPARED {
            return Err(InvalidRules);
        }
        let (parts, meanings): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut builder = AhoCorasick::builder();
        // not the DFA, which takes many times the memory and is hardly faster here
        let builder = builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        Ok(Self {
            exact,
            parts: builder.build(parts).map_err(|_| InvalidRules)?,
            meanings: meanings.into(),
            others: others.into(),
        })
    }

    /// The first rule with a pattern that fits a name of ASCII characters, of which there are [`LONGEST`] at most.
    pub(super) fn first(&self, name: &str) -> Option<usize> {
        let mut bounded = [END as u8; LONGEST + 2];
        let bounded = bounded.get_mut(..name.len() + 2)?;
        *bounded.first_mut()? = BEGIN as u8;
        let lower = bounded.get_mut(1..=name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let name = str::from_utf8(bounded.get(1..=name.len())?).ok()?;

        let mut first = self.exact.get(name).copied();
        let mut likely = Places::default();
        for part in self.parts.find_overlapping_iter(&*bounded) {
            let meaning = self.meanings.get(part.pattern().as_usize())?;
            first = first.into_iter().chain(meaning.fits).min();
            likely.add(&meaning.may_fit);
        }
        let mut likely = likely.of(&self.others);
        let other = likely.find(|other| other.fits(name));
        first.into_iter().chain(other.map(|other| other.rule)).min()
    }
}

/// Some of the `others`, each once however often its part is found.
#[derive(Default)]
struct Places([u128; MOST_COMPARED.div_ceil(PLACES)]);

/// In one word.
const PLACES: usize = u128::BITS as usize;

impl Places {
    fn add(&mut self, places: &[usize]) {
        for place in places {
            if let Some(word) = self.0.get_mut(place / PLACES) {
                *word |= 1 << (place % PLACES);
            }
        }
    }

    /// In their order.
    fn of(self, others: &[Other]) -> impl Iterator<Item = &Other> {
        let words = self.0.into_iter().zip(others.chunks(PLACES));
        words.flat_map(|(mut word, others)| {
            iter::from_fn(move || {
                let next = others.get(word.trailing_zeros() as usize);
                word &= word.wrapping_sub(1);
                next
            })
        })
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
        let found = Index::of(patterns.iter().copied()).unwrap().first(name);
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

    #[test]
    fn sec_51_patterns_that_have_to_be_compared_are_each_found_and_may_be_256() {
        fn index(count: usize) -> Result<Index, InvalidRules> {
            let patterns: Vec<_> = (0..count).map(|at| format!("*a*_{at:03}*")).collect();
            Index::of(patterns.iter().map(|pattern| &**pattern).enumerate())
        }
        let all = index(MOST_COMPARED).unwrap();
        for at in 0..MOST_COMPARED {
            let name = format!("{}_{at:03}_254", "a".repeat(100));
            assert_eq!(all.first(&name), Some(at.min(254)), "{name}");
        }
        assert_eq!(all.first(&"a".repeat(128)), None);
        assert_eq!(all.first("_000_a"), None);
        assert!(index(MOST_COMPARED + 1).is_err());
    }

    /// Trying them in turn would take a thousand times as long; the bound is for busy machines.
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
            let index = Index::of(patterns.iter().map(|(at, pattern)| (*at, &**pattern))).unwrap();
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
        assert!(many < few * 5, "{few:?} {many:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn sec_51_it_finds_what_trying_each_pattern_finds(
            patterns in prop::collection::vec(prop::collection::vec("[abA]{0,3}(\\*[ab]{0,2}){0,2}", 1..3), 0..12),
            name in "[abAB]{1,7}",
        ) {
            let patterns = numbered(patterns);
            let index = Index::of(patterns.iter().map(|(at, pattern)| (*at, &**pattern))).unwrap();
            prop_assert_eq!(index.first(&name), model(&patterns, &name));
        }
    }
}
