use proptest::prelude::*;
use serde_json::{Value, json};

use super::seen;

/// JSON of any kind, with white space where it may be.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.50e+2".to_owned()),
        Just("true".to_owned()),
        "[a-z\"\\\\é\u{1F600}\n ]{0,6}".prop_map(|text| json!(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[{}]", all.join(" , "))),
            proptest::collection::vec((key(), inner), 0..4).prop_map(|all| object(&all)),
        ]
    })
}

/// Keys that decide nothing.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["x[a-z\"\\\\é]{0,3}", "_tools", "inputSchema", "tools2"]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!(" {}:\n{value} ", json!(key)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// An entry of the list, with its name.
fn entry() -> impl Strategy<Value = (String, String)> {
    let members = proptest::collection::vec((key(), value()), 0..3);
    (members, "[a-d\"é]", 0..4_usize).prop_map(|(mut members, name, at)| {
        let at = at.min(members.len());
        members.insert(at, ("name".to_owned(), json!(name).to_string()));
        (name, object(&members))
    })
}

fn names(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

proptest! {
    #[test]
    fn x27_valid_json_only_what_may_be_seen_in_its_order_and_all_of_that(
        entries in proptest::collection::vec(entry(), 0..8),
        more in proptest::collection::vec((key(), value()), 0..3),
        at in 0..4_usize,
        spaces in "[ \t\n\r]{0,2}",
        visible in proptest::collection::hash_set("[a-d\"é]", 0..5),
    ) {
        let list: Vec<String> = entries.iter().map(|(_, text)| text.clone()).collect();
        let list = format!("[{spaces}{}{spaces}]", list.join(&format!("{spaces},")));
        let mut members = more;
        members.insert(at.min(members.len()), ("tools".to_owned(), list));
        let answer = object(&[("id".to_owned(), "1".to_owned()), ("result".to_owned(), object(&members))]);
        let visible: Vec<&str> = visible.iter().map(String::as_str).collect();

        let shown = seen(&answer, &visible).unwrap();
        let before: Value = serde_json::from_str(&answer).unwrap();
        let after: Value = serde_json::from_str(&shown).unwrap();
        let mut expected = before.clone();
        expected["result"]["tools"].as_array_mut().unwrap().retain(|tool| visible.contains(&tool["name"].as_str().unwrap()));
        prop_assert_eq!(&after, &expected);
        prop_assert!(names(&after).iter().all(|name| visible.contains(&name.as_str())));
        for (name, text) in entries.iter().filter(|(name, _)| visible.contains(&name.as_str())) {
            prop_assert!(shown.contains(text.as_str()), "{} is not what it was", name);
        }
        prop_assert_eq!(seen(&shown, &visible).unwrap(), shown, "once is as good as twice");
        let all: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(seen(&answer, &all).unwrap(), answer);
    }

    #[test]
    fn sec_57_whatever_is_shown_has_no_other_name_for_any_reader(
        keys in proptest::collection::vec(prop_oneof!["result", "Result", "tools", "toolſ", "TOOLS", "name", "Name", "nam\u{212a}e", "x"], 1..6),
    ) {
        // one nested in the other, each with an entry that may not be seen
        let mut answer = r#"[{"name":"hidden"}]"#.to_owned();
        for key in keys.iter().rev() {
            answer = format!(r#"{{"{key}":{answer}}}"#);
        }
        if let Ok(shown) = seen(&answer, &["a"]) {
            let value: Value = serde_json::from_str(&shown).unwrap();
            let folded = |value: &Value, word: &str| -> Option<Value> {
                let object = value.as_object()?;
                object.iter().find(|(key, _)| key.to_uppercase().to_lowercase() == word).map(|(_, value)| value.clone())
            };
            let list = folded(&value, "result").and_then(|result| folded(&result, "tools"));
            prop_assert!(list.is_none_or(|list| list.as_array().is_some_and(Vec::is_empty)), "{}", shown);
        }
    }

    #[test]
    fn nothing_makes_it_stumble(answer in "[\\[\\]{}:, \"\\\\a-zA-Z_0-9ſ\u{feff}]{0,60}") {
        let _ = seen(&answer, &["a"]);
    }
}
