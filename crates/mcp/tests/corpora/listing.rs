//! Answers to list requests: what comes out is what came in without the entries that may not be seen, in the same order.

use mcp::listing::{Fate, Rules, rewrite};
use mcp::operation::Listed;
use serde_json::Value;

const LISTS: [(&str, &str); 4] = [
    ("tools", "name"),
    ("prompts", "name"),
    ("resources", "uri"),
    ("resourceTemplates", "uriTemplate"),
];

/// The first byte says which names are kept and whether the list varies; the rest is the answer.
pub(crate) fn check(input: &[u8]) {
    let Some((&how, answer)) = input.split_first() else {
        return;
    };
    let varies = how & 1 == 1;
    let keeps = |name: &str| name.bytes().fold(how, u8::wrapping_add) & 2 == 0;
    let mut judge = |_: Listed, name: &str| if keeps(name) { Fate::Keep } else { Fate::Drop };
    let Ok(shown) = rewrite(
        answer,
        Rules {
            judge: &mut judge,
            varies,
            most_added: usize::MAX,
        },
    ) else {
        return;
    };
    let without_mark = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
    };
    let whole = match without_mark(answer) {
        Ok(whole) => whole,
        Err(error) => {
            let why = error.to_string();
            assert!(
                why.contains("out of range")
                    || why.contains("recursion")
                    || why.contains("surrogate")
                    || why.contains("hex escape"),
                "accepted, but {why}"
            );
            return;
        }
    };
    let shown = without_mark(&shown).expect("what is shown is JSON");
    let mut expected = whole;
    let mut shown_without_scope = shown.clone();
    each(&mut expected, |result| filter(result, &keeps));
    each(&mut expected, without_scope);
    each(&mut shown_without_scope, without_scope);
    assert_eq!(shown_without_scope, expected);
    each(&mut shown.clone(), |result| {
        let listed = LISTS.iter().any(|(list, _)| result.get(list).is_some());
        assert!(
            !(varies && listed && result["cacheScope"] == "public"),
            "{result}"
        );
    });
}

/// Each result there is, of one message or several.
fn each(answer: &mut Value, mut of: impl FnMut(&mut Value)) {
    let messages = match answer {
        Value::Array(messages) => messages.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for message in messages {
        if let Some(result) = message
            .get_mut("result")
            .filter(|result| result.is_object())
        {
            of(result);
        }
    }
}

fn filter(result: &mut Value, keeps: &impl Fn(&str) -> bool) {
    for (list, key) in LISTS {
        if let Some(entries) = result.get_mut(list).and_then(Value::as_array_mut) {
            entries.retain(|entry| entry[key].as_str().is_some_and(keeps));
        }
    }
}

/// `cacheScope` in any spelling that some client may take for it.
fn without_scope(result: &mut Value) {
    if let Some(result) = result.as_object_mut() {
        result.retain(|key, _| {
            !key.replace(['_', '-'], "")
                .eq_ignore_ascii_case("cachescope")
        });
    }
}
