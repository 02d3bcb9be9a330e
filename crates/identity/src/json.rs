//! One JSON object, read strictly: no member twice at any depth, bounded depth, nothing after it.
//!
//! Two readers of one token must see the same claims. Of two equal members some parsers take the first and some the last, so a
//! token that has such a pair is refused (RFC 8725 section 2.7, R7519).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting taken; the deepest claims in use (Keycloak's `resource_access`) have four levels.
const MAX_DEPTH: usize = 16;

/// Reads `text` as one object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let object = reader.deserialize_map(Object { depth: MAX_DEPTH })?;
    reader.end()?;
    Ok(object)
}

struct Object {
    depth: usize,
}

impl<'de> Visitor<'de> for Object {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let depth = descend::<A::Error>(self.depth)?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            // the name itself stays out of the message: it is a stranger's text
            if object.contains_key(&name) {
                return Err(A::Error::custom("a member is named twice"));
            }
            let value = members.next_value_seed(Any { depth })?;
            object.insert(name, value);
        }
        Ok(object)
    }
}

#[derive(Clone, Copy)]
struct Any {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let depth = descend::<A::Error>(self.depth)?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Any { depth })? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
        Object { depth: self.depth }
            .visit_map(members)
            .map(Value::Object)
    }
}

fn descend<E: serde::de::Error>(depth: usize) -> Result<usize, E> {
    depth
        .checked_sub(1)
        .ok_or_else(|| E::custom("nested too deeply"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: impl AsRef<[u8]>, why: &str) {
        let error = object(text.as_ref()).expect_err("must be refused");
        assert!(error.to_string().contains(why), "{error}");
    }

    #[test]
    fn an_object_comes_through_whole() {
        let text = r#" {"a":1,"b":-2,"c":1.5,"d":"x\u0041","e":[true,null,{"f":{}}],"g":18446744073709551615} "#;
        let expected: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(object(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn r7519_a_member_named_twice_is_refused_at_any_depth() {
        refused(r#"{"iss":"a","iss":"b"}"#, "named twice");
        refused(r#"{"iss":"a","iss":"a"}"#, "named twice");
        refused(r#"{"iss":"a","\u0069ss":"b"}"#, "named twice");
        refused(r#"{"x":[{"y":{"z":1,"z":2}}]}"#, "named twice");
    }

    #[test]
    fn r7519_what_is_no_single_object_is_refused() {
        refused("[]", "expected a JSON object");
        refused(r#""text""#, "expected a JSON object");
        refused("null", "expected a JSON object");
        refused("{} {}", "trailing");
        refused("{}x", "trailing");
        refused("", "EOF");
        refused("{", "EOF");
        refused(b"\xEF\xBB\xBF{}", "expected value");
        refused(b"{\"a\":\"\xff\"}", "unicode");
        refused(r#"{"a":"\ud800"}"#, "hex escape");
        refused(r#"{"a":"\udc00x"}"#, "surrogate");
        refused(r#"{"a":NaN}"#, "expected");
        refused(r#"{"a":1e999}"#, "out of range");
        refused(r#"{"a":01}"#, "number");
        refused(r#"{"a":1,}"#, "trailing comma");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_ok());
        refused(nested(MAX_DEPTH + 1), "too deeply");
        refused(nested(10_000), "too deeply");
    }
}
