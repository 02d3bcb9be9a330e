use crate::testing::{Fixed, with};
use crate::{DenyNames, Loaded, deny_list, load};

const AUTHENTICATORS: &str = "
authenticators:
  corp: { oidc: { issuer: 'https://login.example.com/', issuers: ['https://old.example.com/v1'] } }
  services: { shared_secret: { secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E, issuer: our-service, audiences: [a] } }
  machines: { api_keys: { keys: [
    { id: ci, hash: 'sha256:1000000000000000000000000000000000000000000000000000000000000000' },
    { id: '${ROBOT}', hash: 'sha256:2000000000000000000000000000000000000000000000000000000000000000' } ] } }
  central: { introspection: { endpoint: 'https://central.example.com/introspect', issuer: 'https://central.example.com', client_id: gateway, client_secret: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E } }
  scripts: { api_keys: { header: X-Script, keys: [
    { id: nightly, hash: 'sha256:3000000000000000000000000000000000000000000000000000000000000000' } ] } }
routes: [ { path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', auth: { type: both, accept: [corp, services, central, machines, scripts] } } ]
";

#[track_caller]
fn loaded(deny: &str, file: &str) -> Loaded {
    let text = format!("deny: {deny}{AUTHENTICATORS}");
    let sources = Fixed::default().var("ROBOT", "build-robot");
    load(&text, &sources.file("/deny.yaml", file)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Warnings of a list, `path reason`, and their hints.
#[track_caller]
fn said(entries: &str) -> (Vec<String>, Vec<String>) {
    let warnings = loaded(&format!("{{ entries: [{entries}] }}"), "").warnings;
    warnings
        .into_iter()
        .map(|one| {
            (
                format!("{} {}", one.path, one.reason),
                one.hint.unwrap_or_default(),
            )
        })
        .unzip()
}

#[track_caller]
fn told(entry: &str, warning: &str, hint: &str) {
    let expected = format!("deny.entries[0].{warning}: the entry turns nobody away");
    assert_eq!(said(entry), (vec![expected], vec![hint.to_owned()]));
}

#[test]
fn sec_80_names_that_are_there_are_not_spoken_of() {
    for entry in [
        "{ key: ci }",
        "{ key: nightly }",
        "{ key: ci, authenticator: machines }",
        "{ key: build-robot, authenticator: machines }",
        // What only the provider knows.
        "{ client: app }",
        "{ jti: x }",
        "{ issuer: 'https://login.example.com/', subject: nobody }",
        "{ issuer: 'https://old.example.com/v1', jti: x }",
        "{ issuer: our-service, client: app }",
        "{ issuer: 'https://central.example.com', jti: x }",
        "{ issuer: 'urn:portcullis:key:scripts', subject: nightly }",
        // Discovery says whether there is a slash.
        "{ issuer: 'https://login.example.com', subject: a }",
    ] {
        assert_eq!(said(entry), (vec![], vec![]), "{entry}");
    }
}

#[test]
fn sec_80_an_entry_that_names_no_authenticator_or_key_is_warned_of() {
    told(
        "{ key: ci, authenticator: machnes }",
        "authenticator names no authenticator of kind api_keys",
        "did you mean `machines`?",
    );
    told(
        "{ key: ci, authenticator: corp }",
        "authenticator names no authenticator of kind api_keys",
        "there are machines, scripts",
    );
    told(
        "{ key: CI, authenticator: machines }",
        "key is no id in authenticators.machines.api_keys.keys",
        "did you mean the id of authenticators.machines.api_keys.keys[0]?",
    );
    told(
        "{ key: nightly, authenticator: machines }",
        "key is no id in authenticators.machines.api_keys.keys",
        "write it as it stands there",
    );
    told(
        "{ key: nightli }",
        "key is the id of no API key",
        "did you mean the id of authenticators.scripts.api_keys.keys[0]?",
    );
    told(
        "{ key: other }",
        "key is the id of no API key",
        "the ids stand under machines, scripts",
    );
    told(
        "{ issuer: 'urn:portcullis:key:script', subject: nightly }",
        "issuer names no authenticator of kind api_keys",
        "did you mean `scripts`?",
    );
    for issuer in [
        "https://login.example.org/",
        "our-service/",
        "https://old.example.com/v1/",
    ] {
        told(
            &format!("{{ issuer: '{issuer}', subject: a }}"),
            "issuer is the issuer of no authenticator",
            "write it byte for byte as the tokens have it in `iss`; a slash at its end counts",
        );
    }
}

#[test]
fn sec_81_an_id_that_was_put_in_is_not_shown_beside_a_slip() {
    told(
        "{ key: build-robt }",
        "key is the id of no API key",
        "did you mean the id of authenticators.machines.api_keys.keys[1]?",
    );
}

#[test]
fn sec_80_entries_of_the_file_are_looked_at_too() {
    let listed = loaded("{ file: /deny.yaml }", "[{ client: a }, { key: x }]").warnings;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].path, "deny.file");
    let many = loaded("{ file: /deny.yaml }", &"- { key: x }\n".repeat(10)).warnings;
    assert_eq!(
        many[8].reason,
        "is read, and there 2 more entries turn nobody away"
    );
    assert_eq!(
        listed[0].reason,
        "is read, and [1].key is the id of no API key: the entry turns nobody away"
    );
}

#[test]
fn sec_80_where_there_are_no_keys_that_is_said() {
    let loaded = load(&with("deny: { entries: [{ key: ci }] }"), &Fixed::default()).unwrap();
    assert_eq!(loaded.warnings[0].hint.as_deref(), Some("there is none"));
}

/// A list for many gateways says little here, and costs little.
#[test]
fn sec_80_of_many_a_few_are_told() {
    let config = loaded("{}", "").config;
    let names = DenyNames::of(&config.authenticators);
    let listed = deny_list(&"- { key: elsewhere }\n".repeat(40_000)).unwrap();
    let warnings = names.missed_by(&listed);
    assert_eq!(warnings.len(), 9);
    assert_eq!(warnings[7].path, "[7].key");
    assert_eq!(warnings[8].reason, "39992 more entries turn nobody away");
}
