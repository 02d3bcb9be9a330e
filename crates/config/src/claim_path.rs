//! Where in a token's claims a value lies.

use serde_json::{Map, Value};

/// The longest path taken.
const LONGEST: usize = 256;

/// The name of a claim, or a dotted way to one inside another.
///
/// The whole text is tried as a name first, since some providers put dots into names (`https://example.com/groups`); only then
/// are the dots steps (`realm_access.roles`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimPath(Box<str>);

impl ClaimPath {
    /// The reason never repeats what was read.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err("has blanks around it or control characters in it".to_owned());
        }
        Ok(ClaimPath(text.into()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value at this place, whatever its type.
    pub fn find<'v>(&self, claims: &'v Map<String, Value>) -> Option<&'v Value> {
        if let Some(value) = claims.get(&*self.0) {
            return Some(value);
        }
        let mut steps = self.0.split('.');
        let mut found = claims.get(steps.next()?)?;
        for step in steps {
            found = found.as_object()?.get(step)?;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, claims: &Value, expected: Option<&Value>) {
        let path = ClaimPath::parse(path).unwrap();
        assert_eq!(path.find(claims.as_object().unwrap()), expected);
    }

    #[test]
    fn names_and_ways() {
        let claims = json!({
            "sub": "alice",
            "https://example.com/groups": ["a"],
            "realm_access": { "roles": ["admin"], "": 1 },
            "a.b": 1,
            "a": { "b": 2, "c": 3 },
        });
        check("sub", &claims, Some(&json!("alice")));
        check("https://example.com/groups", &claims, Some(&json!(["a"])));
        check("realm_access.roles", &claims, Some(&json!(["admin"])));
        check("a.b", &claims, Some(&json!(1)));
        check("a.c", &claims, Some(&json!(3)));
        check("a.c.d", &claims, None);
        check("sub.x", &claims, None);
        check("nobody", &claims, None);
    }

    #[test]
    fn what_is_not_a_path() {
        for text in ["", " a", "a ", "a\nb", &"x".repeat(257)] {
            assert!(ClaimPath::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            if let Ok(path) = ClaimPath::parse(&text) {
                prop_assert_eq!(path.as_str(), text);
                prop_assert!(path.find(&Map::new()).is_none());
            }
        }
    }
}
