use proptest::prelude::*;

use super::{DEEPEST, fill};
use crate::load;
use crate::testing::{Fixed, with};

fn sources() -> Fixed {
    Fixed::default()
        .var("A", "alpha")
        .var("EMPTY", "")
        .var("NESTED", "${A} $$ $x")
        .var("_x9", "under")
        .file("/run/secrets/a", "from file\r\n\n")
        .file("/large", &"x".repeat(70_000))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let filled = fill(text, &sources(), DEEPEST);
    let flaws: Vec<&str> = filled
        .flaws
        .iter()
        .map(|flaw| flaw.reason.as_str())
        .collect();
    let shown = if flaws.is_empty() {
        filled.text
    } else {
        format!("! {}", flaws.join(", "))
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn values_are_put_in() {
    check("plain", "plain");
    check("${A}", "alpha");
    check("x-${A}-${_x9}", "x-alpha-under");
    check("${B:-beta}", "beta");
    check("${EMPTY:-beta}", "beta");
    check("${EMPTY}", "");
    check("${B:-}", "");
    check("${B:-http://x:-1$}", "http://x:-1$");
    check("${file:/run/secrets/a}", "from file");
    check("$$", "$");
    check("$${A}", "${A}");
    check("a$$$$b", "a$$b");
}

#[test]
fn sec_81_what_was_put_in_is_never_expanded_again() {
    check("${NESTED}", "${A} $$ $x");
    check("${B:-$$}", "$$");
}

#[test]
fn s0_66_a_default_may_name_another_variable() {
    check("${B:-${A}}", "alpha");
    check("${A:-${B}}", "alpha");
    check("${B:-${EMPTY:-http://x:${C:-80}}/mcp}!", "http://x:80/mcp!");
    check("${B:-${NESTED}}", "${A} $$ $x");
    check(
        "${B:-${C}/${D}}",
        "! the variable `C` is not set, the variable `D` is not set",
    );
    check("${B:-${A}", "! has a `${` without its `}`");
    check("${B:-${A}}}", "alpha}");
    check("${B:-${A}$$}", "alpha$");
    let deep = |levels: usize| format!("{}x{}", "${B:-".repeat(levels), "}".repeat(levels));
    check(&deep(5), "x");
    check(&deep(6), "! has defaults in defaults in defaults");
    check(&deep(50_000), "! has defaults in defaults in defaults");
}

#[test]
fn what_cannot_be_put_in_is_named() {
    check("${B}", "! the variable `B` is not set");
    check(
        "${B}${A}${C}",
        "! the variable `B` is not set, the variable `C` is not set",
    );
    check("${file:/nowhere}", "! the file \"/nowhere\" does not exist");
    check("${file:}", "! has a `${file:}` without a path");
    check(
        "${file:/large}",
        "! the file \"/large\" is larger than 64 KiB",
    );
    check("${}", "! has a `${…}` that names no variable");
    check("${1A}", "! has a `${…}` that names no variable");
    check("${A-x}", "! has a `${…}` that names no variable");
    check("${A", "! has a `${` without its `}`");
    check("$A", "! has a `$` that begins nothing");
    check("a$", "! has a `$` that begins nothing");
}

#[test]
fn sec_81_nobody_is_led_to_write_a_secret_into_the_file() {
    let hint = |text: &str| {
        let filled = fill(text, &sources(), DEEPEST);
        filled.flaws[0].hint.clone().unwrap_or_default()
    };
    assert_eq!(
        hint("${ISSUER}"),
        "set it, or give a default: ${ISSUER:-value}"
    );
    for name in ["JWT_SECRET", "ADMIN_TOKEN", "SIGNING_KEY_1", "PASSWORD"] {
        let hint = hint(&format!("${{{name}}}"));
        assert!(hint.contains("--env-file"), "{hint}");
        assert!(!hint.contains(":-"), "{hint}");
    }
}

#[track_caller]
fn problems(text: &str, sources: &Fixed) -> Vec<String> {
    let problems = load(&with(text), sources).unwrap_err();
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.reason))
        .collect()
}

#[test]
fn an_unset_variable_is_said_once_with_its_place() {
    let text = "server: { listen: '${LISTEN}', timeouts: { idle: '${IDLE}' } }\nadmin: { listen: '${ADMIN}' }";
    let expected = [
        "server.listen: the variable `LISTEN` is not set",
        "server.timeouts.idle: the variable `IDLE` is not set",
        "admin.listen: the variable `ADMIN` is not set",
    ];
    assert_eq!(problems(text, &Fixed::default()), expected);
    let text = "authenticators: { corp: { oidc: { issuer: '${ISSUER}' } } }";
    assert_eq!(
        problems(text, &Fixed::default()),
        ["authenticators.corp.oidc.issuer: the variable `ISSUER` is not set"]
    );
}

#[test]
fn every_kind_of_field_reads_what_is_put_in() {
    let text = "
server:
  listen: '127.0.0.1:${PORT}'
  limits: { connections: '${COUNT}', body_bytes: '${SIZE}' }
  timeouts: { idle: '${IDLE}' }
logging: { level: '${LEVEL}' }
routes: [ { path: /mcp, subpaths: '${FLAG}', upstream: '${UPSTREAM}' } ]
";
    let sources = Fixed::default()
        .var("PORT", "1234")
        .var("COUNT", "5")
        .var("SIZE", "1KiB")
        .var("IDLE", "9s")
        .var("LEVEL", "warn")
        .var("FLAG", "true")
        .var("UPSTREAM", "http://127.0.0.1:3000");
    let config = load(&with(text), &sources)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .config;
    assert_eq!(config.server.listen[0].port(), 1234);
    assert_eq!(
        (
            config.server.limits.connections,
            config.server.limits.body_bytes
        ),
        (5, 1024)
    );
    assert_eq!(config.server.timeouts.idle.as_secs(), 9);
    assert!(config.routes[0].subpaths);
}

#[test]
fn what_is_put_in_makes_no_structure() {
    let text = "server: '${SERVER}'\nadmin: { listen: '127.0.0.1:1', '${KEY}': 1 }";
    let sources = Fixed::default()
        .var("SERVER", "{ listen: 127.0.0.1:1 }")
        .var("KEY", "listen");
    let expected = [
        "server: is a single value where a mapping belongs",
        "admin.\"${KEY}\": is not a known key",
    ];
    assert_eq!(problems(text, &sources), expected);
}

#[test]
fn sec_81_values_are_never_shown() {
    let secret = "hunter2-hunter2";
    let text = "
server:
  listen: ['${S}']
  public_url: '${S}'
  allowed_hosts: ['${S}//']
  trusted_proxies: ['${S}']
  cors: { allowed_origins: ['${S}'] }
  limits: { connections: '${S}', body_bytes: '${S}' }
  sse_keepalive: '${S}'
  dangerous: ['${S}']
admin: { listen: '${S}' }
logging: { level: '${S}' }
authenticators:
  corp:
    jwks:
      issuer: '${S}'
      jwks_file: '/${S}'
      ca: '/${S}'
      proxy: 'http://x:${S}@a b'
      audiences: [' ${S}']
      algorithms: ['HS${S}']
      shared_audience: '${S}'
      claims: { subject: ' ${S}' }
      scope_map: { a: ['${S} '] }
routes:
  - path: '${S}'
    host: '${S}//'
    resource: '${S}'
    upstream: '${S}'
    transport: '${S}'
    auth: { type: '${S}', accept: ['${S}'], required_scopes: ['${S} x'] }
    identity: { headers: { X-User: ' ${S}' }, strip: ['${S} '] }
    name: ' ${S}'
    dangerous: ['${S}']
  - path: /${S}
    upstream: http://127.0.0.1:8080/${S}
    name: '${S}'
    auth: { accept: ['${S}'] }
  - path: /${S}
    name: '${S}'
    upstream: http://${S}
";
    let problems = load(text, &Fixed::default().var("S", secret)).unwrap_err();
    assert!(problems.len() > 30, "{problems}");
    assert!(!problems.to_string().contains("hunter2"), "{problems}");
}

#[test]
fn s1_37_quotes_and_blanks_around_a_value_are_warned_of() {
    let text = "routes: [ { path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', auth: { audiences: ['x${A}', '${B}', '${C}', '${D}', 'x${E}x', 'x${file:/f}x'] } } ]";
    let sources = Fixed::default()
        .var("A", "\"abc\"")
        .var("B", "'hunter2'")
        .var("C", "\"")
        .var("D", "it's")
        .var("E", " e")
        .file("/f", "f \n");
    let loaded = load(&with(text), &sources).unwrap_or_else(|problems| panic!("{problems}"));
    let said: Vec<String> = loaded
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.path, warning.reason))
        .collect();
    assert_eq!(
        said,
        [
            "routes[0].auth.audiences[0]: the value of `A` has quotes around it",
            "routes[0].auth.audiences[1]: the value of `B` has quotes around it",
            "routes[0].auth.audiences[4]: the value of `E` has blanks around it",
            "routes[0].auth.audiences[5]: the value of the file \"/f\" has blanks around it",
        ]
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(?s).*", near in "[${}A:a/-]{0,20}") {
        fill(&text, &sources(), DEEPEST);
        fill(&near, &sources(), DEEPEST);
    }

    #[test]
    fn text_without_a_dollar_stays(text in "[^$]*") {
        let filled = fill(&text, &sources(), DEEPEST);
        prop_assert_eq!((filled.text, filled.given, filled.flaws.len()), (text, false, 0));
    }

    #[test]
    fn any_value_stays_as_it_is(value in "(?s).*") {
        let filled = fill("${V}", &Fixed::default().var("V", &value), DEEPEST);
        prop_assert_eq!((filled.text, filled.given), (value, true));
    }
}
