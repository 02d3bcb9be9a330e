//! Names of tools, and of groups of people.

use serde_json::{Value, json};

use super::Scalar;
use crate::problem::Flaw;

/// The longest name that is called where rules stand, in bytes (SEC-51).
pub const LONGEST: usize = 128;

/// So many patterns with a `*` inside, or several, there may be in the rules of a route: a call may have to be compared with each.
pub const MOST_COMPARED: usize = 256;

/// Whether rules can speak of a tool of this name at all: `[A-Za-z0-9_./-]{1,128}` (SEC-51).
pub fn is_ruled(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_of_name)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-')
}

/// A tool, or all whose names look so: `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolPattern(pub(crate) Box<str>);

impl Scalar for ToolPattern {
    const EXPECTED: &'static str = "the name of a tool, or a pattern like delete_*";

    fn read(text: &str) -> Result<Self, Flaw> {
        const STAR: &str = "only `*` is special: it stands for any characters";
        if text.is_empty() {
            return Err(Flaw::new("is empty").hint("\"*\" is every tool"));
        }
        if text.len() > LONGEST {
            return Err("is longer than 128 characters, which no tool's name may be".into());
        }
        if let Some(special) = text
            .chars()
            .find(|char| matches!(char, '?' | '[' | ']' | '{' | '}'))
        {
            return Err(Flaw::new(format!("has a `{special}` in it")).hint(format!(
                "{STAR}; names that have nothing in common are a list"
            )));
        }
        if text.contains("**") {
            return Err(Flaw::new("has two `*` side by side").hint(STAR));
        }
        if !text.bytes().all(|byte| is_of_name(byte) || byte == b'*') {
            return Err(Flaw::new("has characters that no tool's name may have")
                .hint("where rules stand, names are of letters, digits and _ . / - (at most 128); others are refused"));
        }
        Ok(ToolPattern(text.into()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// Whether whatever fits `other` fits `pattern` too. Letter case does not count; both are in lower case already.
///
/// To `pattern` the `*` of the other is one more character that only its own `*` can stand for.
pub(crate) fn covers(pattern: &str, other: &str) -> bool {
    let (pattern, other) = (pattern.as_bytes(), other.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = other.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, seen));
                at += 1;
            }
            Some(own) if own == byte => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (at, seen) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(at..)
        .is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// One tool, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ToolName(pub(crate) Box<str>);

impl Scalar for ToolName {
    const EXPECTED: &'static str = "the name of a tool";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.contains('*') {
            return Err(Flaw::new("is a pattern").hint(
                "public tools are named one by one; `calls: public` opens what no rule under `tools` protects",
            ));
        }
        if text.len() > LONGEST || text.trim() != text || text.chars().any(char::is_control) {
            return Err("is not a name of 1 to 128 bytes without blanks around it".into());
        }
        Ok(ToolName(text.into()))
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A group, as a provider writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) Box<str>);

impl Scalar for Group {
    const EXPECTED: &'static str = "the name of a group";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.len() > 1024 || text.trim() != text || text.chars().any(char::is_control) {
            return Err("is not a name of 1 to 1024 bytes without blanks around it".into());
        }
        Ok(Group(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused<T: Scalar>(text: &str, reason: &str) {
        match T::read(text) {
            Ok(_) => panic!("{text} was taken"),
            Err(flaw) => assert_eq!(flaw.reason, reason, "{text}"),
        }
    }

    #[test]
    fn sec_51_patterns_are_names_with_stars() {
        for good in ["*", "delete_*", "*.read", "a*b*c", "Ns/Tool-1.x_y", "7"] {
            assert_eq!(&*ToolPattern::read(good).unwrap().0, good);
        }
        refused::<ToolPattern>("", "is empty");
        refused::<ToolPattern>("delete_?", "has a `?` in it");
        refused::<ToolPattern>("[ab]*", "has a `[` in it");
        refused::<ToolPattern>("{a,b}", "has a `{` in it");
        refused::<ToolPattern>("a**", "has two `*` side by side");
        for odd in ["a b", "a:b", "é*", "a\n", "(a|b)"] {
            refused::<ToolPattern>(odd, "has characters that no tool's name may have");
        }
        refused::<ToolPattern>(
            &"a".repeat(129),
            "is longer than 128 characters, which no tool's name may be",
        );
        let flaw = ToolPattern::read("delete_?").unwrap_err();
        assert!(flaw.hint.unwrap().contains("only `*` is special"));
    }

    #[test]
    fn s0_11_public_tools_are_names_and_no_patterns() {
        for good in ["greeting", "Greeting", "get weather", "ns/greeting", "é"] {
            assert_eq!(&*ToolName::read(good).unwrap().0, good);
        }
        refused::<ToolName>("*", "is a pattern");
        refused::<ToolName>("get_*", "is a pattern");
        refused::<ToolName>(
            "greeting ",
            "is not a name of 1 to 128 bytes without blanks around it",
        );
        refused::<ToolName>("", "is empty");
    }

    #[test]
    fn one_pattern_covers_another() {
        for (pattern, other) in [
            ("*", "*"),
            ("*", "delete_*"),
            ("delete_*", "delete_x"),
            ("delete_*", "delete_*"),
            ("delete_*", "delete_a*b"),
            ("*_x", "a*_x"),
            ("a*c", "abc"),
            ("*b*", "a*b"),
            ("a*b*c", "aXbYbc"),
        ] {
            assert!(covers(pattern, other), "{pattern} {other}");
        }
        for (pattern, other) in [
            ("delete_*", "*"),
            ("delete_x", "delete_*"),
            ("a*c", "a*"),
            ("*b*", "a*c"),
            ("ab", "abc"),
            ("abc", "ab"),
        ] {
            assert!(!covers(pattern, other), "{pattern} {other}");
        }
    }

    proptest! {
        /// Whatever the other fits is fitted by the pattern, if it covers it.
        #[test]
        fn covering_is_sound(pattern in "[ab*]{0,6}", other in "[ab*]{0,6}", fill in prop::collection::vec("[ab]{0,3}", 6)) {
            prop_assume!(covers(&pattern, &other));
            let mut fill = fill.into_iter();
            let name: String = other
                .chars()
                .map(|char| if char == '*' { fill.next().unwrap_or_default() } else { char.to_string() })
                .collect();
            prop_assert!(covers(&pattern, &name), "{pattern} {other} {name}");
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = (ToolPattern::read(&text), ToolName::read(&text), Group::read(&text));
        }
    }
}
