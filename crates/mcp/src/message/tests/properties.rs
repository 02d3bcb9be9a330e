use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Any JSON, not too deep.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A judged key as somebody could write it.
fn respelled(key: &'static str) -> impl Strategy<Value = String> {
    let letters = prop::collection::vec((any::<bool>(), "[_-]{0,2}"), key.len());
    letters.prop_map(move |how| {
        let each = key.chars().zip(how).map(|(letter, (upper, before))| {
            let letter = if upper {
                letter.to_ascii_uppercase()
            } else {
                letter
            };
            format!("{before}{letter}")
        });
        each.collect()
    })
}

/// A text with each of its characters in an escape or not.
fn written(text: &str, escapes: &[bool]) -> String {
    let mut escapes = escapes.iter().cycle();
    let mut out = String::from("\"");
    for letter in text.chars() {
        if escapes.next() == Some(&true) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            let quoted = Value::from(letter.to_string()).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    out + "\""
}

proptest! {
    /// What stands inside the arguments changes nothing, and no bytes make it panic.
    #[test]
    fn sec_53_a_call_is_read_whatever_its_arguments(name in "[^\0]*", arguments in anything(), id: u32) {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
        let (body, id) = (body.to_string(), id.to_string());
        let call = one(&body);
        prop_assert_eq!(call.operation(), Operation::Call(Called::Tool(&name)));
        prop_assert_eq!(call.id, Some(&*id));
    }

    #[test]
    fn sec_53_escapes_change_nothing(name in "[^\0]*", escapes in prop::collection::vec(any::<bool>(), 1..20)) {
        let written = |text: &str| written(text, &escapes);
        let body = format!(
            "{{{}:1,{}:{},{}:{{{}:{}}}}}",
            written("id"), written("method"), written("tools/call"), written("params"), written("name"), written(&name)
        );
        let call = one(&body);
        prop_assert_eq!(call.operation(), Operation::Call(Called::Tool(&name)));
    }

    #[test]
    fn sec_53_no_other_spelling_of_a_judged_key_passes(
        (key, respelled) in prop::sample::select(vec!["method", "params", "id", "result", "error"]).prop_flat_map(|key| (Just(key), respelled(key))),
        (inner, inner_respelled) in prop::sample::select(vec!["name", "uri", "taskId"]).prop_flat_map(|key| (Just(key), respelled(key))),
    ) {
        let outer = with_members(&format!("\"{respelled}\":{{}}"));
        prop_assert!(read(outer.as_bytes()).is_err(), "{} for {}", outer, key);
        let inside = with_params(&format!("\"{inner_respelled}\":\"x\""));
        let passes = inner == inner_respelled && inner != "name"; // then it is that member itself
        prop_assert_eq!(read(inside.as_bytes()).is_ok(), passes, "{}", inside);
    }

    #[test]
    fn x11_any_bytes_are_understood_or_refused(bytes: Vec<u8>, text in r#"[\[\]{}:,"\\a-e0-9 ]*"#) {
        for body in [&bytes[..], text.as_bytes()] {
            if read(body).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(body).is_ok());
            }
        }
    }
}
