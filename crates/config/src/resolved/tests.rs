use super::*;
use crate::load;
use crate::testing::{Fixed, good};

#[track_caller]
fn reads_again(config: &Config) -> String {
    let printed = resolved(config);
    let sources = Fixed::default()
        .file("/keys/$a.json", r#"{"keys":[]}"#)
        .file("/ca.pem", "-----BEGIN CERTIFICATE-----")
        .file("/gateway$.crt", "-----BEGIN CERTIFICATE-----")
        .file("/gateway.key", "-----BEGIN PRIVATE KEY-----")
        .file("/deny.yaml", "[{ client: b }]")
        .folder("/log");
    match load(&printed, &sources) {
        Ok(loaded) => assert_eq!(&loaded.config, config, "{printed}"),
        Err(problems) => panic!("{problems}\n{printed}"),
    }
    printed
}

#[test]
fn s0_2_the_default_type_is_printed() {
    let printed = reads_again(&good(""));
    assert!(printed.contains("type: oauth"), "{printed}");
}

#[test]
fn everything_that_can_be_said_reads_again() {
    let text = include_str!("everything.yaml");
    let sources = Fixed::default()
        .file("/keys/$a.json", r#"{"keys":[]}"#)
        .file("/ca.pem", "-----BEGIN CERTIFICATE-----")
        .file("/gateway$.crt", "-----BEGIN CERTIFICATE-----")
        .file("/gateway.key", "-----BEGIN PRIVATE KEY-----")
        .file("/deny.yaml", "[{ client: b }]")
        .folder("/log");
    let config = load(text, &sources)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config;
    insta::assert_snapshot!(reads_again(&config));
}

#[test]
fn records_on_stdout_read_again() {
    reads_again(&good("audit: { stdout: true }"));
}

#[test]
fn tls_reads_again() {
    let pair = |name: &str| format!("certificate: /{name}.crt, private_key: /{name}.key");
    for more in [
        "",
        ", min_version: '1.3', client_ca: /a.crt, client_auth: optional",
    ] {
        let text = crate::testing::with(&format!(
            "server: {{ redirect_http: '127.0.0.1:80', hsts: {{ max_age: 1d }}, tls: {{ {}, certificates: [{{ {} }}]{more} }} }}",
            pair("a"),
            pair("b")
        ));
        let sources = ["a", "b"].iter().fold(Fixed::default(), |sources, name| {
            sources
                .file(&format!("/{name}.crt"), "-----BEGIN CERTIFICATE-----")
                .file(&format!("/{name}.key"), "-----BEGIN PRIVATE KEY-----")
        });
        let read = |text: &str| {
            load(text, &sources)
                .unwrap_or_else(|p| panic!("{p}"))
                .config
        };
        let config = read(&text);
        assert_eq!(read(&resolved(&config)), config, "{}", resolved(&config));
    }
}

#[test]
fn sec_81_secrets_are_not_printed() {
    let config = good(
        "authenticators: { a: { oidc: { issuer: 'https://a.example', proxy: 'http://gate:hunter2@proxy:3128' } } }",
    );
    let printed = resolved(&config);
    assert!(
        !printed.contains("hunter2") && printed.contains("http://***@proxy:3128"),
        "{printed}"
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    let token = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
    let config = good(&format!("admin: {{ token: {token} }}"));
    let printed = resolved(&config);
    assert!(
        !printed.contains(token) && printed.contains("token: '***'"),
        "{printed}"
    );
    assert!(!format!("{config:?}").contains(token));
    let secret = token;
    let kind = format!("shared_secret: {{ secret: {secret}, issuer: a, audiences: [b] }}");
    let config = good(&format!(
        "authenticators: {{ a: {{ {kind} }} }}\nroutes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000', auth: {{ type: jwt }} }} ]"
    ));
    let printed = resolved(&config);
    assert!(
        !printed.contains(secret) && printed.contains("secret: '***'"),
        "{printed}"
    );
    assert!(printed.contains("type: jwt"), "{printed}");
    assert!(!format!("{config:?}").contains(secret));
}
