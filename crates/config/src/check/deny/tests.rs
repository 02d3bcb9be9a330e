use crate::testing::{Fixed, good, with, wrong};
use crate::{Config, Denied, DenyEntry, deny_list, load};

fn shown(entries: &[DenyEntry]) -> String {
    let one = |entry: &DenyEntry| {
        let what = match &entry.what {
            Denied::Subject(name) => format!("subject {name}"),
            Denied::Client(name) => format!("client {name}"),
            Denied::Jti(name) => format!("jti {name}"),
            Denied::Key(name) => format!("key {name}"),
        };
        match &entry.issuer {
            Some(issuer) => format!("{what} of {issuer}"),
            None => what,
        }
    };
    entries.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn sec_80_entries_name_somebody_by_one_thing() {
    let config = good(
        "deny: { entries: [{ issuer: i, subject: s }, { client: c }, { client: c, issuer: j }, { jti: 12 }, { key: ci }, { key: ci, authenticator: a }] }",
    );
    assert_eq!(
        shown(&config.deny.entries),
        "subject s of i, client c, client c of j, jti 12, key ci, key ci of urn:portcullis:key:a"
    );
    assert_eq!(good("").deny.entries, []);
    assert_eq!(good("deny: {}").deny.entries, []);
    wrong(
        "deny: { entries: [{ subject: s }, { issuer: i }, {}, { client: c, jti: j }, { client: '' }, { jti: j, authenticator: a }, x, { key: k, issuer: i }] }",
        &[
            "deny.entries[0].issuer: is missing",
            "deny.entries[1]: names an issuer alone",
            "deny.entries[2].subject: is missing",
            "deny.entries[3]: names more than one of subject, client, jti and key",
            "deny.entries[4].client: `` is empty",
            "deny.entries[5].authenticator: is for an entry with a `key`",
            "deny.entries[6]: is a single value where a mapping belongs",
            "deny.entries[7].issuer: is for tokens",
        ],
    );
}

#[track_caller]
fn list(text: &str, expected: &str) {
    let said = match deny_list(text) {
        Ok(entries) => shown(&entries),
        Err(problems) => {
            let all = problems.iter();
            let all = all.map(|problem| format!("{}: {}", problem.path, problem.reason));
            format!("! {}", all.collect::<Vec<_>>().join(", "))
        }
    };
    assert_eq!(said, expected, "{text}");
}

#[test]
fn sec_80_a_file_is_a_list_of_the_same_entries() {
    list(
        "# who left\n- { issuer: i, subject: s }\n- client: a$$b\n- jti: '007'\n",
        "subject s of i, client a$b, jti 007",
    );
    list("[]", "");
    list(r#"[{"client": "json is yaml"}]"#, "client json is yaml");
}

#[test]
fn sec_80_a_file_is_taken_as_a_whole_or_not_at_all() {
    list("", "! (the whole file): is empty");
    list("# nobody\n", "! (the whole file): is empty");
    list("entries: []", "! (the whole file): is not a list");
    list(
        "- client: a\n- client",
        "! [1]: is a single value where a mapping belongs",
    );
    list("- client: a\n- clint: b", "! [1].clint: is not a known key");
    list(
        "- client: a\n- { client: b, issuer: }",
        "! [1].issuer: has no value",
    );
    list(
        "- client: ${WHO}",
        "! [0].client: the variable `WHO` is not set",
    );
    assert!(deny_list("- client: a\n- [").is_err());
    assert!(deny_list(&"- client: abcdefgh\n".repeat(100_000)).is_err());
}

fn with_file(file: Option<&str>) -> Result<Config, String> {
    let mut sources = Fixed::default();
    if let Some(text) = file {
        sources = sources.file("/deny.yaml", text);
    }
    let loaded = load(&with("deny: { file: /deny.yaml }"), &sources);
    loaded
        .map(|loaded| loaded.config)
        .map_err(|problems| problems.to_string())
}

#[test]
fn sec_80_a_file_has_to_be_there_and_right() {
    let config = with_file(Some("- client: a")).unwrap();
    assert_eq!(shown(&config.deny.listed), "client a");
    assert_eq!(config.deny.file.unwrap().to_str(), Some("/deny.yaml"));
    let said = with_file(None).unwrap_err();
    assert!(said.contains("deny.file"), "{said}");
    let said = with_file(Some("- subject: s")).unwrap_err();
    assert!(said.contains("is wrong: [0].issuer is missing"), "{said}");
}
