//! Scopes: a set of tokens in the character set of RFC 6749 section 3.3.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A set of scope tokens, in byte order.
///
/// Every token in it is legal inside a quoted string, so a set can be written into a challenge without escaping (ERR-7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(BTreeSet<Box<str>>);

/// Text that is no scope token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidScope(Box<str>);

impl Scopes {
    /// Reads a space-separated list. Nothing between the spaces may be anything but a token; an empty text is the empty set.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// Takes a list whose elements are one token each; an element with white space is refused, never split (SEC-16).
    pub fn from_tokens<'t>(
        tokens: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, InvalidScope> {
        let mut scopes = Self::default();
        for token in tokens {
            scopes.insert(token)?;
        }
        Ok(scopes)
    }

    /// Adds one token; tells whether it is new.
    pub fn insert(&mut self, token: &str) -> Result<bool, InvalidScope> {
        if token.is_empty() || !token.bytes().all(is_scope_byte) {
            return Err(InvalidScope(token.into()));
        }
        Ok(self.0.insert(token.into()))
    }

    /// Whether the token is in the set. Scopes are compared byte for byte.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether everything in here is in `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The tokens, in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The tokens a resource may name to its clients: `offline_access` is between a client and its authorization server (PRM-8).
    pub fn published(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|token| *token != "offline_access")
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::parse(text)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_joined(f, self.iter())
    }
}

impl fmt::Display for InvalidScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a scope: printable ASCII without space, quote and backslash",
            self.0
        )
    }
}

impl std::error::Error for InvalidScope {}

/// Writes tokens with one space between them.
pub(crate) fn write_joined<'t>(
    f: &mut fmt::Formatter<'_>,
    tokens: impl Iterator<Item = &'t str>,
) -> fmt::Result {
    for (position, token) in tokens.enumerate() {
        if position > 0 {
            f.write_str(" ")?;
        }
        f.write_str(token)?;
    }
    Ok(())
}

/// NQCHAR of RFC 6749 appendix A.
fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        match (Scopes::parse(text), expected) {
            (Ok(scopes), Ok(shown)) => assert_eq!(scopes.to_string(), shown),
            (Err(InvalidScope(token)), Err(bad)) => assert_eq!(&*token, bad),
            (found, _) => panic!("{text:?} became {found:?}"),
        }
    }

    #[test]
    fn a_list_is_read_as_a_set() {
        check("", Ok(""));
        check("mcp", Ok("mcp"));
        check("b a b", Ok("a b"));
        check("  a   b ", Ok("a b"));
        check(
            "https://graph.example/.default api://x/read",
            Ok("api://x/read https://graph.example/.default"),
        );
    }

    #[test]
    fn other_white_space_quotes_and_non_ascii_are_no_scope() {
        check("a\tb", Err("a\tb"));
        check("a b\n", Err("b\n"));
        check("a \"b\"", Err("\"b\""));
        check("a\\b", Err("a\\b"));
        check("lesen schreibén", Err("schreibén"));
        check("a\u{7f}", Err("a\u{7f}"));
    }

    #[test]
    fn sec_16_an_array_element_with_white_space_is_refused() {
        assert!(Scopes::from_tokens(["mcp:read mcp:admin"]).is_err());
        assert!(Scopes::from_tokens([""]).is_err());
        assert_eq!(Scopes::from_tokens(["b", "a"]), Scopes::parse("a b"));
    }

    #[test]
    fn scopes_are_compared_byte_for_byte() {
        let held = Scopes::parse("mcp:read mcp:call").unwrap();
        assert!(held.contains("mcp:read"));
        assert!(!held.contains("MCP:read"));
        assert!(!held.contains("mcp"));
        assert!(Scopes::parse("mcp:call").unwrap().is_subset(&held));
        assert!(!Scopes::parse("mcp:call x").unwrap().is_subset(&held));
        assert!(Scopes::default().is_subset(&Scopes::default()));
    }

    #[test]
    fn insert_tells_what_is_new() {
        let mut scopes = Scopes::default();
        assert_eq!(scopes.insert("a"), Ok(true));
        assert_eq!(scopes.insert("a"), Ok(false));
        assert_eq!(scopes.len(), 1);
        assert!(!scopes.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_set(text in "\\PC{0,60}") {
            if let Ok(scopes) = Scopes::parse(&text) {
                prop_assert_eq!(Scopes::parse(&scopes.to_string()), Ok(scopes));
            }
        }
    }
}
