//! The JSON Schema of `gateway.yaml`, for editors.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use std::borrow::Cow;

use crate::place::{Place, Step};
use crate::raw;
use crate::scalar::{self, Scalar};
use crate::written::{Block, List, ManyOrBlock, OneOrMany, Table, Text, WordOrTable};

/// The schema (draft 7, which editors know best). It describes shapes and words; only `check` knows the rules between fields.
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<raw::File>();
    schema.insert("title".to_owned(), json!("gateway.yaml of Portcullis"));
    let mut schema = schema.to_value();
    without_null(&mut schema);
    schema
}

/// An `Option` field counts as nullable, but a key without a value is an error, except where it is an empty section.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get("type")
                && let [kind, null] = types.as_slice()
                && null == "null"
                && kind != "object"
            {
                let kind = kind.clone();
                members.insert("type".to_owned(), kind);
            }
            if let Some(Value::Array(choices)) = members.get("anyOf")
                && let [Value::Object(choice), null] = choices.as_slice()
                && *null == json!({ "type": "null" })
            {
                let choice = choice.clone();
                members.remove("anyOf");
                members.extend(choice);
            }
            members.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys of ours that the mapping at `place` may hold; empty where names are the operator's own.
pub(crate) fn keys_at(place: &Place) -> Vec<String> {
    let root = schema();
    let properties = at(&root, place).and_then(properties);
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// The one block in the mapping at a place that has this key. `None` if none has it, or several have.
pub(crate) fn block_with(place: &Place, key: &str) -> Option<String> {
    let root = schema();
    let children = properties(at(&root, place)?)?.iter();
    let mut blocks = children.filter(|(_, child)| {
        properties(child).is_some_and(|properties| properties.contains_key(key))
    });
    match (blocks.next(), blocks.next()) {
        (Some((name, _)), None) => Some(name.clone()),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

fn at<'s>(root: &'s Value, place: &Place) -> Option<&'s Value> {
    let mut here = Some(root);
    for step in place.steps() {
        here = here.and_then(|schema| below(schema, step));
    }
    here
}

fn properties(schema: &Value) -> Option<&serde_json::Map<String, Value>> {
    mapping(schema).get("properties").and_then(Value::as_object)
}

/// Where something else may stand in place of a mapping, the mapping.
fn mapping(schema: &Value) -> &Value {
    let choices = schema.get("anyOf").and_then(Value::as_array);
    let choice = choices.and_then(|choices| {
        let mut choices = choices.iter();
        choices.find(|choice| choice.get("properties").is_some())
    });
    choice.unwrap_or(schema)
}

fn below<'s>(schema: &'s Value, step: &Step) -> Option<&'s Value> {
    let schema = mapping(schema);
    match step {
        Step::Key(key) => match schema.get("properties") {
            Some(properties) => properties.get(key),
            None => schema.get("additionalProperties"),
        },
        Step::Index(_) => schema.get("items"),
    }
}

/// `oidc` finds its keys by discovery, so the two keys that name a key set are not for it.
pub(crate) fn without_key_source(schema: &mut Schema) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("jwks_uri");
        properties.remove("jwks_file");
    }
}

/// A schema that is written in place and never by reference.
macro_rules! inline_schema {
    ($($written:ident<$($parameter:ident: $bound:ident),+> => $make:expr;)+) => {$(
        impl<$($parameter: $bound),+> JsonSchema for $written<$($parameter),+> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($written).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let make: fn(&mut SchemaGenerator) -> Value = $make;
                scalar::to_schema(make(generator))
            }
        }
    )+};
}

inline_schema! {
    Text<T: Scalar> => |_| T::schema();
    List<T: JsonSchema> => |generator| json!({ "type": "array", "items": generator.subschema_for::<T>() });
    OneOrMany<T: Scalar> => |_| json!({ "anyOf": [T::schema(), { "type": "array", "items": T::schema() }] });
    Table<V: JsonSchema> => |generator| json!({ "type": "object", "additionalProperties": generator.subschema_for::<V>() });
    Block<B: JsonSchema> => |generator| generator.subschema_for::<B>().to_value();
    WordOrTable<T: Scalar, V: JsonSchema> => |generator| json!({ "anyOf": [
        T::schema(),
        { "type": "object", "additionalProperties": generator.subschema_for::<V>() },
    ] });
    ManyOrBlock<T: Scalar, B: JsonSchema> => |generator| json!({ "anyOf": [
        T::schema(),
        { "type": "array", "items": T::schema(), "minItems": 1 },
        generator.subschema_for::<B>(),
    ] });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_description_and_no_mapping_takes_unknown_keys() {
        fn walk(schema: &Value, path: &str) {
            let schema = mapping(schema);
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                for inner in ["items", "additionalProperties"] {
                    schema
                        .get(inner)
                        .into_iter()
                        .for_each(|inner| walk(inner, path));
                }
                return;
            };
            assert_eq!(
                schema.get("additionalProperties"),
                Some(&json!(false)),
                "{path}"
            );
            for (key, inner) in properties {
                let description = inner.get("description").and_then(Value::as_str);
                assert!(
                    description.is_some_and(|text| text.len() > 5),
                    "{path}.{key}"
                );
                walk(inner, &format!("{path}.{key}"));
            }
        }
        walk(&schema(), "");
    }

    #[test]
    fn values_are_described() {
        let schema = schema();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        let level = at("/properties/logging/properties/level/anyOf/0/enum");
        assert_eq!(level, json!(["error", "warn", "info", "debug", "trace"]));
        let jwt = "/properties/authenticators/additionalProperties/properties";
        assert_ne!(at(&format!("{jwt}/jwks/properties/jwks_uri")), Value::Null);
        assert_eq!(at(&format!("{jwt}/oidc/properties/jwks_uri")), Value::Null);
        assert_ne!(at(&format!("{jwt}/oidc/properties/issuer")), Value::Null);
        assert!(
            at("/properties/server/properties/timeouts/properties/idle/anyOf/1/pattern")
                .as_str()
                .unwrap()
                .contains("ms|s|m|h|d")
        );
        assert!(
            at("/properties/server/properties/limits/properties/body_bytes/anyOf/1/pattern")
                .as_str()
                .unwrap()
                .contains("MiB")
        );
    }

    #[test]
    fn what_has_to_be_there_is_required() {
        let schema = schema();
        let required = |pointer: &str| schema.pointer(&format!("{pointer}/required")).cloned();
        assert_eq!(required(""), Some(json!(["routes"])));
        assert_eq!(
            required("/properties/routes/items"),
            Some(json!(["path", "upstream"]))
        );
        let jwks = "/properties/authenticators/additionalProperties/properties/jwks";
        assert_eq!(required(jwks), Some(json!(["issuer"])));
        assert_eq!(required("/properties/server"), None);
    }

    #[test]
    fn only_sections_may_be_empty() {
        let text = schema().to_string();
        assert!(text.contains(r#""type":["object","null"]"#));
        assert!(!text.contains(r#"{"type":"null"}"#) && !text.contains(r#"["string","null"]"#));
    }

    #[test]
    fn keys_are_found_by_place() {
        let place = Place::root().key("authenticators").key("corp").key("jwks");
        assert!(keys_at(&place).contains(&"jwks_file".to_owned()));
        let place = Place::root().key("routes").index(3).key("auth");
        assert_eq!(
            keys_at(&place),
            [
                "accept",
                "audiences",
                "challenge",
                "challenge_path",
                "dpop",
                "required_scopes",
                "sender_constrained",
                "type"
            ]
        );
        let place = Place::root().key("routes").index(0).key("upstream");
        assert!(keys_at(&place).contains(&"server_name".to_owned()));
        assert!(keys_at(&Place::root().key("authenticators")).is_empty());
        assert!(keys_at(&Place::root().key("nowhere").key("else")).is_empty());
    }
}
