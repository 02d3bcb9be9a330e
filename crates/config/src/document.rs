//! YAML text to a tree: one document, one mapping, no key twice, bounded.
//!
//! The tree is built value by value against a budget. A parser that counts only how often aliases are followed still lets a short
//! file grow to gigabytes, by following a long list many times.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Flaw, Problems};

/// The largest file taken.
const LARGEST: usize = 1 << 20;

/// How many values a file may come to, with its aliases written out.
const MOST_VALUES: usize = 100_000;

/// Reads a file whose whole content is one mapping.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, Problems> {
    match tree(text)? {
        Value::Object(map) => Ok(map),
        Value::Null => Err(Problems::one(
            "(the whole file)",
            Flaw::new("is empty").hint("at least `routes` and one authenticator are needed"),
        )),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Problems::one(
                "(the whole file)",
                Flaw::new("is not a mapping")
                    .hint("it begins with a key such as `server:` or `routes:`"),
            ))
        }
    }
}

/// Reads a file whose whole content is one list.
pub(crate) fn list(text: &str) -> Result<Vec<Value>, Problems> {
    let flaw = match tree(text)? {
        Value::Array(list) => return Ok(list),
        Value::Null => Flaw::new("is empty").hint("an empty list is written []"),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Flaw::new("is not a list").hint("each entry begins with a dash")
        }
    };
    Err(Problems::one("(the whole file)", flaw))
}

fn tree(text: &str) -> Result<Value, Problems> {
    if text.len() > LARGEST {
        return Err(Problems::one(
            "(the whole file)",
            format!("is larger than {} KiB", LARGEST >> 10),
        ));
    }
    let left = Cell::new(MOST_VALUES);
    Tree { left: &left }
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| syntax(text, &error))
}

/// Says where the text stops being YAML. The parser's words never hold values of the file.
fn syntax(text: &str, error: &serde_yaml::Error) -> Problems {
    let message = error.to_string();
    let reason = without_marks(&message);
    let Some(location) = error.location() else {
        let flaw = if reason.contains("more than one document") {
            Flaw::new("holds more than one YAML document").hint("remove the `---` between them")
        } else if reason.contains("repetition limit") {
            Flaw::new("follows its aliases too often").hint("write the repeated parts out")
        } else {
            Flaw::new(reason)
        };
        return Problems::one("(the whole file)", flaw);
    };
    let line = text
        .lines()
        .nth(location.line().saturating_sub(1))
        .unwrap_or_default();
    let mut flaw = Flaw::new(reason);
    if line.trim_start_matches(' ').starts_with('\t') {
        flaw = flaw.hint("indent with spaces; YAML takes no tabs there");
    } else if line.contains("${") {
        flaw = flaw.hint("put values that hold `${…}` in quotes, above all inside `{ }` and `[ ]`");
    } else if flaw.reason.contains("mapping values are not allowed") {
        flaw = flaw.hint("check the indentation, or put a value that holds `: ` in quotes");
    } else if flaw.reason.contains("'-' indicator") || flaw.reason.contains("expected <block end>")
    {
        flaw = flaw.hint("check the indentation: what belongs together begins in one column");
    } else if flaw.reason.contains("expected ',' or") {
        flaw = flaw.hint("a `[` or `{` is not closed, or a value inside it needs quotes");
    } else if flaw.reason.contains("could not find expected ':'") {
        flaw = flaw.hint("a key ends with `:` and a blank");
    } else if flaw.reason.contains("scanning an alias") {
        flaw = flaw.hint("a value that begins with `*` needs quotes: \"*\"");
    } else if flaw.reason.contains("recursion limit") {
        flaw = flaw.hint("nothing in this file is nested that deep; an alias may hold itself");
    } else if flaw.reason.contains("cannot start any token") {
        flaw = flaw.hint("put the value in quotes");
    }
    Problems::one(
        &format!("line {}, column {}", location.line(), location.column()),
        flaw,
    )
}

/// The parser's message without its own ` at line 3 column 5`, which we say ourselves.
fn without_marks(message: &str) -> String {
    let mut kept = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(" at line ") {
        kept.push_str(before);
        rest = after
            .trim_start_matches(|char: char| char.is_ascii_digit())
            .trim_start_matches(" column ")
            .trim_start_matches(|char: char| char.is_ascii_digit());
    }
    kept.push_str(rest);
    kept
}

/// One value, paid for from what is left.
#[derive(Clone, Copy)]
struct Tree<'b> {
    left: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(de::Error::custom(format!(
                "the file comes to more than {MOST_VALUES} values with its aliases"
            )));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Value, E> {
        Err(E::custom(
            "the number is too large; put it in quotes if text is meant",
        ))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Value, E> {
        Err(E::custom(
            "the number is too large; put it in quotes if text is meant",
        ))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(E::custom("infinity and not-a-number have no meaning here")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key_seed(Key { taken: &values })? {
            let value = map.next_value_seed(self)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(de::Error::custom("a YAML tag (`!…`) has no meaning here"))
    }
}

/// A key that is not there yet. Checked while the key is read, so that the error stands at the second one.
struct Key<'b> {
    taken: &'b Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key that is text")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.taken.contains_key(key) {
            return Err(E::custom(format!(
                "the key {key:?} stands twice in one mapping"
            )));
        }
        Ok(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match parse(text) {
            Ok(map) => Value::Object(map).to_string(),
            Err(problems) => problems
                .to_string()
                .lines()
                .skip(1)
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(" | "),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn a_document_is_one_mapping() {
        check(
            "a: 1\nb: [x, true, ~, 1.5]\n",
            r#"{"a":1,"b":["x",true,null,1.5]}"#,
        );
        check("---\na: 1\n...\n", r#"{"a":1}"#);
        check("a: 007\nb: '1'\n", r#"{"a":"007","b":"1"}"#);
        check("x: &x [1]\ny: *x\n", r#"{"x":[1],"y":[1]}"#);
        check(
            "",
            "(the whole file)   is empty | hint: at least `routes` and one authenticator are needed",
        );
        check(
            "# only words\n",
            "(the whole file)   is empty | hint: at least `routes` and one authenticator are needed",
        );
        check(
            "- a\n",
            "(the whole file)   is not a mapping | hint: it begins with a key such as `server:` or `routes:`",
        );
        check(
            "word",
            "(the whole file)   is not a mapping | hint: it begins with a key such as `server:` or `routes:`",
        );
        check(
            "a: 1\n---\nb: 2\n",
            "(the whole file)   holds more than one YAML document | hint: remove the `---` between them",
        );
    }

    #[test]
    fn no_key_stands_twice() {
        check(
            "a: 1\nb: 2\na: 3\n",
            "line 3, column 1   the key \"a\" stands twice in one mapping",
        );
        check(
            "s:\n  t:\n    a: 1\n    'a': 3\n",
            "line 4, column 5   s.t: the key \"a\" stands twice in one mapping",
        );
        check(
            "1: a\n",
            "line 1, column 1   invalid type: integer `1`, expected a key that is text",
        );
        check(
            "[a]: a\n",
            "line 1, column 1   invalid type: sequence, expected a key that is text",
        );
    }

    #[test]
    fn syntax_errors_have_line_and_column() {
        check(
            "a: 1\n\tb: 2\n",
            "line 2, column 1   found a tab character that violates indentation, while scanning a plain scalar | hint: indent with spaces; YAML takes no tabs there",
        );
        check(
            "a: b: c\n",
            "line 1, column 5   mapping values are not allowed in this context | hint: check the indentation, or put a value that holds `: ` in quotes",
        );
        check(
            "a: @x\n",
            "line 1, column 4   found character that cannot start any token, while scanning for the next token | hint: put the value in quotes",
        );
        check(
            "r: [{ match: *, deny: true }]\n",
            "line 1, column 15   did not find expected alphabetic or numeric character, while scanning an alias | hint: a value that begins with `*` needs quotes: \"*\"",
        );
        check(
            "a: [${X}]\n",
            "line 1, column 6   did not find expected ',' or ']', while parsing a flow sequence | hint: put values that hold `${…}` in quotes, above all inside `{ }` and `[ ]`",
        );
        check(
            "r:\n  - a: 1\n   b: 2\n",
            "line 3, column 4   did not find expected '-' indicator, while parsing a block collection | hint: check the indentation: what belongs together begins in one column",
        );
        check(
            "a: [b\nc: d\n",
            "line 2, column 2   did not find expected ',' or ']', while parsing a flow sequence | hint: a `[` or `{` is not closed, or a value inside it needs quotes",
        );
        check(
            "a: 1\nb https\nc: 2\n",
            "line 3, column 1   could not find expected ':', while scanning a simple key | hint: a key ends with `:` and a blank",
        );
        check(
            "a: !secret x\n",
            "line 1, column 4   a: a YAML tag (`!…`) has no meaning here",
        );
        check("a: *nobody\n", "line 1, column 4   unknown anchor");
        check(
            "a: 99999999999999999999\n",
            "line 1, column 4   a: the number is too large; put it in quotes if text is meant",
        );
        check(
            "a: .inf\n",
            "line 1, column 4   a: infinity and not-a-number have no meaning here",
        );
    }

    #[test]
    fn alias_bombs_are_refused() {
        let level = |level: u8| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
        let doubling = "a0: &a0 [x, x]\n".to_owned() + &(1..40).map(level).collect::<String>();
        let long = "x, ".repeat(20_000);
        let wide = format!("a: &a [{long}]\nb: [{}]\n", "*a, ".repeat(20_000));
        for bomb in [
            doubling,
            wide,
            "a: &a [*a]\n".to_owned(),
            format!("a: {}", "[".repeat(500)),
        ] {
            assert!(parse(&bomb).is_err());
        }
        assert!(parse(&format!("a: {}", "x".repeat(LARGEST))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s).*") {
            let _ = parse(&text);
        }

        #[test]
        fn anything_like_yaml_is_read_without_panic(text in "([ \\t\\n]|[a-c]|[-:?,&*!|>'\"%@`#{}\\[\\]~$]|: |- |&a|\\*a|<<|---|\\\\){0,60}") {
            let _ = parse(&text);
        }
    }
}
