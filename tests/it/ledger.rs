//! The requirement ledger (SEC-82): every row is held by a test, or says why not.
//!
//! `tests/rows.txt` has the ids of all rows; `tests/requirements.toml` has one entry for each:
//!
//! - `test = "name"` or `tests = ["name", …]`: functions that hold it, in the crates or here;
//! - `e2e = "file: what"`: a file below `tests/e2e` that does, and where in it;
//! - `later = "issue"`: it belongs to something that is not built yet;
//! - `not_ours = "reason"`: nothing a gateway could do.
//!
//! `open = "issue: what"` beside a test says what of the row is still to come.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::{read, root, sources};

const PROOFS: [&str; 5] = ["test", "tests", "e2e", "later", "not_ours"];

fn ledger() -> Table {
    let text = read("tests/requirements.toml");
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn rows() -> BTreeSet<String> {
    let text = read("tests/rows.txt");
    let rows: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(rows.len(), text.lines().count(), "no row twice");
    rows
}

/// The names of all test functions: those behind an attribute that ends in `test]`.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for path in sources() {
        let text = read(&path);
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
                continue;
            }
            let name = line
                .strip_prefix("async fn ")
                .or_else(|| line.strip_prefix("fn "))
                .and_then(|rest| rest.split('(').next());
            if let Some(name) = name.filter(|_| is_test) {
                tests.insert(name.to_owned());
            }
            // other attributes and comments may stand between
            is_test &= line.starts_with("//") || line.is_empty();
        }
    }
    assert!(tests.len() > 200, "the tests are found");
    tests
}

/// What is wrong with one entry.
fn wrong(entry: &Value, tests: &BTreeSet<String>) -> Option<String> {
    let Some(entry) = entry.as_table() else {
        return Some("is no table".into());
    };
    let kinds: Vec<_> = PROOFS
        .iter()
        .filter(|kind| entry.contains_key(**kind))
        .collect();
    let [kind] = kinds.as_slice() else {
        return Some(format!("has {} of {PROOFS:?} instead of one", kinds.len()));
    };
    let extra = entry.keys().find(|key| key != *kind && *key != "open");
    if let Some(extra) = extra {
        return Some(format!("has an unknown key {extra}"));
    }
    if entry.contains_key("open") && matches!(**kind, "later" | "not_ours") {
        return Some("is open altogether".into());
    }
    let words: Vec<&str> = match &entry[**kind] {
        Value::String(text) if **kind != "tests" => vec![text],
        Value::Array(names) if **kind == "tests" => {
            names.iter().filter_map(Value::as_str).collect()
        }
        _ => return Some(format!("{kind} is of the wrong type")),
    };
    if words.is_empty() || words.iter().any(|word| word.trim().is_empty()) {
        return Some(format!("{kind} says nothing"));
    }
    match **kind {
        "test" | "tests" => {
            let missing = words.iter().find(|name| !tests.contains(**name))?;
            Some(format!("there is no test {missing}"))
        }
        "e2e" => {
            let file = words[0].split(':').next().unwrap_or_default();
            let exists = root().join("tests/e2e").join(file).is_file();
            (!exists).then(|| format!("there is no file tests/e2e/{file}"))
        }
        _ => None,
    }
}

#[test]
fn sec_82_every_row_has_an_entry_and_every_entry_is_true() {
    let (ledger, rows, tests) = (ledger(), rows(), tests());
    let mut problems = Vec::new();
    for row in &rows {
        match ledger.get(row) {
            None => problems.push(format!("{row} has no entry")),
            Some(entry) => {
                problems.extend(wrong(entry, &tests).map(|what| format!("{row} {what}")));
            }
        }
    }
    let unknown = ledger.keys().filter(|key| !rows.contains(*key));
    problems.extend(unknown.map(|key| format!("{key} is no row")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn sec_82_a_wrong_entry_is_noticed() {
    let tests = BTreeSet::from(["there".to_owned()]);
    let judge = |text: &str| {
        let table: Table = format!("row = {text}").parse().unwrap();
        wrong(&table["row"], &tests)
    };
    for good in [
        r#"{ test = "there" }"#,
        r#"{ tests = ["there"], open = "5: more" }"#,
        r#"{ e2e = "run: the matrix" }"#,
        r#"{ later = "3" }"#,
        r#"{ not_ours = "a client's duty" }"#,
    ] {
        assert_eq!(judge(good), None, "{good}");
    }
    for bad in [
        r#""there""#,
        "{}",
        r#"{ test = "gone" }"#,
        r#"{ test = ["there"] }"#,
        "{ tests = [] }",
        r#"{ tests = "there" }"#,
        r#"{ test = "there", later = "3" }"#,
        r#"{ test = "there", why = "so" }"#,
        r#"{ later = "3", open = "all" }"#,
        r#"{ later = " " }"#,
        r#"{ e2e = "nowhere: it" }"#,
    ] {
        assert!(judge(bad).is_some(), "{bad}");
    }
}
