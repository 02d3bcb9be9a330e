use crate::checked::{ActsFor, AuthenticatorKind, KeyHolder};
use crate::load;
use crate::testing::{Fixed, good, with, wrong};

const ONE: &str = "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756";
const TWO: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// `ONE` and `TWO` stand for hashes.
fn keys(fields: &str) -> String {
    let fields = fields.replace("ONE", ONE).replace("TWO", TWO);
    format!(
        "authenticators: {{ ci: {{ api_keys: {{ {fields} }} }}, corp: {{ oidc: {{ issuer: 'https://login.example.com/' }} }} }}\n\
         routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp' }}, {{ path: /ci, upstream: 'http://127.0.0.1:3000', auth: {{ type: jwt }} }} ]"
    )
}

#[track_caller]
fn checked(fields: &str) -> (Box<str>, Vec<KeyHolder>) {
    match good(&keys(fields)).authenticators.remove(0).kind {
        AuthenticatorKind::ApiKeys(keys) => (keys.header, keys.keys),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(fields: &str, expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|one| format!("authenticators.ci.api_keys.{one}"))
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    wrong(&keys(fields), &expected);
}

#[test]
fn t_ak1_one_key_needs_an_id_and_a_hash() {
    let (header, keys) = checked("keys: [{ id: ci, hash: 'ONE' }]");
    assert_eq!(&*header, "X-API-Key");
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!((&*key.id, key.hashes.len()), ("ci", 1));
    assert_eq!((key.hashes[0][0], key.hashes[0][31]), (0xbd, 0x56));
    assert_eq!((key.expires, &key.acts_for), (None, &None));
    assert!(key.scopes.is_empty() && key.groups.is_empty());
}

#[test]
fn t_ak2_t_ak3_many_keys_each_with_an_identity_of_its_own() {
    let (header, keys) = checked(
        "header: X-My-Key, keys: [{ id: a, hash: ['ONE', 'TWO'], scopes: [read], expires: 2030-06-30, name: A, email: a@x.example, groups: [g] }, \
         { id: b, hash: 'sha256:0000000000000000000000000000000000000000000000000000000000000000', acts_for: { issuer: 'https://login.example.com/', subject: ada } }]",
    );
    assert_eq!(&*header, "X-My-Key");
    assert_eq!(keys[0].hashes.len(), 2);
    assert_eq!(keys[0].expires, Some(1_908_921_600 + 86_400));
    assert_eq!(keys[0].email.as_deref(), Some("a@x.example"));
    let ada = ActsFor {
        issuer: "https://login.example.com/".into(),
        subject: "ada".into(),
    };
    assert_eq!(keys[1].acts_for, Some(ada));
}

#[test]
fn t_ak4_without_a_key_there_is_no_authenticator() {
    refused("", &["keys: is missing"]);
    refused("keys: []", &["keys: names nobody"]);
    refused(
        "keys: { ci: ONE }",
        &["keys: is a mapping where a list belongs"],
    );
    refused(
        "keys: [{}]",
        &["keys[0].id: is missing", "keys[0].hash: is missing"],
    );
    refused(
        "keys: [{ id: a, hash: [] }]",
        &["keys[0].hash: names no key"],
    );
}

#[test]
fn sec_81_a_key_in_clear_where_its_hash_belongs_is_told_and_not_shown() {
    refused(
        "keys: [{ id: a, hash: portcullis_abc }, { id: b, hash: swordfish }, { id: c, hash: 'sha256:12' }, { id: portcullis_x, hash: 'ONE' }]",
        &[
            "keys[0].hash[0]: `***` is a key in clear where its hash belongs",
            "keys[1].hash[0]: `***` is not the hash of a key",
            "keys[2].hash[0]: `***` is not `sha256:` and 64 lower-case hexadecimal digits",
            "keys[3].id: `***` looks like a key",
        ],
    );
}

#[test]
fn sec_81_an_id_that_was_put_in_is_shown_in_no_problem() {
    let text = keys("keys: [{ id: '${SECRET}', hash: 'ONE' }, { id: b, hash: 'ONE' }]");
    let sources = Fixed::default().var("SECRET", "hunter2");
    let problems = load(&with(&text), &sources).unwrap_err().to_string();
    assert!(problems.contains("keys[1].hash"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn t_ak_an_id_and_a_key_stand_once() {
    refused(
        "keys: [{ id: a, hash: 'ONE' }, { id: a, hash: 'TWO' }, { id: b, hash: ['TWO'] }, { id: c, hash: ['sha256:0000000000000000000000000000000000000000000000000000000000000000', 'sha256:0000000000000000000000000000000000000000000000000000000000000000'] }]",
        &[
            "keys[1].id: is the id of another key",
            "keys[2].hash: is a hash of authenticators.ci.api_keys.keys[1] too",
            "keys[3].hash[1]: is in the list already",
        ],
    );
}

#[test]
fn t_ak_the_header_is_nobody_elses() {
    let with = |header: &str| format!("header: '{header}', keys: [{{ id: a, hash: 'ONE' }}]");
    refused(
        &with("Authorization"),
        &["header: `Authorization` is for tokens"],
    );
    refused(
        &with("Cookie"),
        &["header: `Cookie` is a header with a meaning of its own"],
    );
    refused(
        &with("X_API_Key"),
        &["header: `X_API_Key` has a `_`, which servers cannot tell from `-`"],
    );
    refused(
        "header: X-User, keys: [{ id: a, hash: 'ONE' }]"
            .replace("X-User", "X-Auth-User")
            .as_str(),
        &["header: `X-Auth-User` is a header with a meaning of its own"],
    );
}

#[test]
fn what_a_key_says_of_its_holder_can_be_read() {
    refused(
        "keys: [{ id: a, hash: 'ONE', expires: soon, scopes: ['a b'], groups: [g, g], email: '' , acts_for: { subject: s } }]",
        &[
            "keys[0].scopes[0]: `a b` has a blank in it",
            "keys[0].groups[1]: is in the list already",
            "keys[0].expires: `soon` is neither a date nor a date with a time",
            "keys[0].email: `` is empty",
            "keys[0].acts_for.issuer: is missing",
        ],
    );
}

#[test]
fn t_ak_an_expired_key_is_warned_of() {
    let config = good(&keys(
        "keys: [{ id: a, hash: 'ONE' }, { id: b, hash: 'TWO', expires: 1970-01-02 }]",
    ));
    let at = |now| {
        let warnings = crate::expired_keys(&config, now);
        let warnings = warnings.iter();
        let told = warnings.map(|warning| format!("{}: {}", warning.path, warning.reason));
        told.collect::<Vec<_>>()
    };
    assert_eq!(at(86_399), [""; 0]);
    assert_eq!(
        at(86_400),
        ["authenticators.ci.api_keys.keys[1].expires: is over: the keys of this id are refused"]
    );
}
