//! Rules about the repository that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use testbed::Gateway;
use toml::{Table, Value};

use crate::setting::program;
use crate::tree::{files, read, root, sources};

/// A file that is longer wants to be two.
const LONGEST: usize = 400;

#[test]
fn no_source_file_is_longer_than_400_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert_eq!(long, []);
}

/// The block of crates/README.md that says which crate may depend on which.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let readme = read("crates/README.md");
    let block = readme.split("```").nth(1).unwrap();
    let lines = block.lines().filter(|line| !line.trim().is_empty());
    let edges = lines.map(|line| {
        let (from, to) = line.split_once('→').unwrap();
        let to = to.split(',').map(str::trim).filter(|name| !name.is_empty());
        (from.trim().to_owned(), to.map(str::to_owned).collect())
    });
    edges.collect()
}

/// Those of our crates that a manifest names in this section, also where it is only for some target.
fn ours(manifest: &Table, section: &str, crates: &[String]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let tables = targets
        .filter_map(Value::as_table)
        .chain([manifest])
        .filter_map(|table| table.get(section)?.as_table());
    let named = tables.flat_map(|table| {
        table.iter().map(|(name, how)| {
            let renamed = how.get("package").and_then(Value::as_str);
            renamed.unwrap_or(name).to_owned()
        })
    });
    named.filter(|name| crates.contains(name)).collect()
}

#[test]
fn crates_depend_on_each_other_only_as_the_map_says() {
    let map = map();
    let names: Vec<String> = map.keys().cloned().collect();
    let mut folders: Vec<_> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(names, folders, "the map has every crate");
    for (name, allowed) in &map {
        let manifest: Table = read(format!("crates/{name}/Cargo.toml")).parse().unwrap();
        let depends = ours(&manifest, "dependencies", &names);
        assert_eq!(&depends, allowed, "{name}");
        assert!(
            ours(&manifest, "build-dependencies", &names).is_empty(),
            "{name}"
        );
        for tests_use in ours(&manifest, "dev-dependencies", &names) {
            let is_fine = tests_use == "testbed" || allowed.contains(&tests_use);
            assert!(is_fine, "{name}: its tests use {tests_use}");
        }
    }
}

#[test]
fn every_crate_says_what_it_is() {
    let readme = read("crates/README.md");
    for name in map().keys() {
        let source = ["lib.rs", "main.rs"]
            .map(|file| PathBuf::from(format!("crates/{name}/src/{file}")))
            .into_iter()
            .find(|path| root().join(path).exists())
            .unwrap();
        assert!(read(&source).starts_with("//! "), "{}", source.display());
        assert!(
            readme.contains(&format!("\n| `{name}` | ")),
            "{name} has a row in crates/README.md"
        );
    }
}

/// The schema that editors find beside the sample. Made by `portcullis schema > gateway.schema.json`.
#[tokio::test]
async fn the_committed_schema_is_the_programs() {
    let printed = Gateway::launch(program()).arg("schema").finish().await;
    assert!(
        printed.stdout == read("gateway.schema.json"),
        "run: cargo run -q -- schema > gateway.schema.json"
    );
    let sample = read("gateway.yaml");
    assert!(sample.starts_with("# yaml-language-server: $schema=gateway.schema.json\n"));
}

#[test]
fn nothing_is_left_to_be_done_or_printed_for_debugging() {
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    for path in sources() {
        let text = read(&path);
        for unwanted in &macros {
            assert!(!text.contains(unwanted), "{unwanted} in {}", path.display());
        }
    }
}

/// How a forwarding header may be named, in lower case.
const FORWARDING: [&str; 6] = [
    "x_forwarded_",
    "\"x-forwarded-",
    "\"forwarded\"",
    "forwarded)",
    "forwarded]",
    "header::forwarded",
];

/// The calls in a source text that read a forwarding header.
fn reads_of_forwarding(source: &str) -> Vec<String> {
    const READERS: [&str; 8] = [
        ".get(",
        ".get_all(",
        ".contains_key(",
        ".entry(",
        ".remove(",
        ".try_entry(",
        ".get_mut(",
        "headers[",
    ];
    // without white space and references, so that neither layout nor `&` hides a call
    let text: String = source
        .to_ascii_lowercase()
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '&')
        .collect();
    let text = text.replace("headername::from_static(", "");
    let calls = READERS
        .iter()
        .flat_map(|reader| FORWARDING.map(|name| format!("{reader}{name}")));
    calls.filter(|call| text.contains(call)).collect()
}

/// Only `trust` knows whether a forwarding header may be believed. `inject` removes and writes them and never looks at one.
#[test]
fn sec_30_only_trust_reads_forwarding_headers() {
    let trust = Path::new("crates/proxy/src/stage/trust.rs");
    assert!(read(trust).contains("X_FORWARDED_FOR"), "it is still there");
    for path in sources() {
        let product = ["proxy", "identity", "cli"]
            .iter()
            .any(|name| path.starts_with(format!("crates/{name}/src")));
        if !product || path == trust || path.starts_with(trust.with_extension("")) {
            continue;
        }
        let text = read(&path);
        assert_eq!(
            reads_of_forwarding(&text),
            [""; 0],
            "only trust.rs reads them, not {}",
            path.display()
        );
        let writes = path.starts_with("crates/proxy/src/stage/inject")
            || path == Path::new("crates/proxy/src/stage/inject.rs");
        let lower = text.to_ascii_lowercase();
        let mentions = FORWARDING[..3].iter().any(|name| lower.contains(name));
        assert!(
            writes || !mentions,
            "{} speaks of forwarding headers",
            path.display()
        );
    }
}

#[test]
fn sec_30_a_read_of_a_forwarding_header_is_noticed() {
    for read in [
        "headers.get(&X_FORWARDED_FOR)",
        "head.headers\n    .get_all(\n        &X_FORWARDED_PROTO,\n    )",
        "headers.get(\"x-forwarded-host\")",
        "headers.contains_key(FORWARDED)",
        "headers.get(header::FORWARDED)",
        "head.headers[FORWARDED]",
        "headers.remove(HeaderName::from_static(\"forwarded\"))",
    ] {
        assert_eq!(reads_of_forwarding(read).len().min(1), 1, "{read}");
    }
    for fine in [
        "headers.insert(X_FORWARDED_FOR, client);",
        "const NAMES: &[&str] = &[\"x-forwarded-user\"];",
        "record.forwarded = true;",
    ] {
        assert_eq!(reads_of_forwarding(fine), [""; 0], "{fine}");
    }
}

#[test]
fn no_file_knows_this_machine_or_where_packages_come_from() {
    // spelled apart, since this file is read too
    let paths = ["root", "work", "home", "Users"].map(|name| format!("\u{2f}{name}/"));
    let hosts = [
        ["registry.npm", "js.org"],
        ["npm", "mirror"],
        ["py", "pi.org"],
        ["python", "hosted.org"],
        ["index.crates", ".io"],
        ["static.crates", ".io"],
        ["arti", "factory"],
    ]
    .map(|[one, two]| format!("{one}{two}"));
    for path in files("") {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue; // no text
        };
        for unwanted in paths.iter().chain(&hosts) {
            assert!(!text.contains(unwanted), "{unwanted} in {}", path.display());
        }
    }
    let lock = read("tests/e2e/package-lock.json");
    assert!(
        !lock.contains("\"resolved\""),
        "package-lock.json names hosts"
    );
    for line in read("Cargo.lock").lines() {
        if let Some(source) = line.strip_prefix("source = ") {
            let usual = "\"registry+https://github.com/rust-lang/crates.io-index\"";
            assert_eq!(source, usual);
        }
    }
}
