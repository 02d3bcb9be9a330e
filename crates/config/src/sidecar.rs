//! The form without a file: one MCP server, one provider, a few variables.
//!
//! It is the only place where variables act without being written as `${…}`. What they say is put into the same tree that a file
//! would make, and checked by the same rules.

use serde_json::{Map, Value, json};

use crate::check::Loaded;
use crate::interpolate;
use crate::load;
use crate::notes::Notes;
use crate::origin::Origin;
use crate::problem::{Flaw, Problem, Problems};
use crate::sources::Sources;
use crate::written;

/// How the provider is called in log lines and metrics.
const PROVIDER: &str = "oidc";

const SUBJECT: &str = "the command line and environment";

/// Under which name the writer knows each path.
const NAMES: &[(&str, &str)] = &[
    ("authenticators.oidc.oidc.issuer", "OAUTH_ISSUER_URL"),
    ("routes[0].auth.audiences[0]", "OAUTH_AUDIENCE"),
    ("server.listen", "PORT"),
    ("server.public_url", "PUBLIC_URL"),
    ("logging.level", "LOG_LEVEL"),
    ("admin.listen", "ADMIN_PORT"),
    ("routes[0].upstream", "--upstream"),
    ("routes[0].path", "--upstream"),
];

/// What `run --upstream URL` means, with `OAUTH_ISSUER_URL` and optionally `OAUTH_AUDIENCE`, `PORT`, `ADMIN_PORT`, `PUBLIC_URL` and
/// `LOG_LEVEL`.
///
/// It listens on loopback: who needs more than that writes a file and says who stands in front. The public path is the upstream's.
pub fn sidecar(upstream: &str, sources: &dyn Sources) -> Result<Loaded, Problems> {
    if upstream.contains('\0') {
        return Err(Problems::one("--upstream", "contains a NUL character").about(SUBJECT));
    }
    let mut notes = Notes::default();
    let mut variable = |name: &str| -> Option<Value> {
        let value = sources.var(name).filter(|value| !value.is_empty())?;
        if let Some(flaw) = interpolate::suspicious(&format!("`{name}`"), &value) {
            notes.warnings.push(flaw.at(name));
        }
        Some(Value::String(written::given(&value)))
    };
    let issuer = variable("OAUTH_ISSUER_URL");
    let audience = variable("OAUTH_AUDIENCE");
    let public_url = variable("PUBLIC_URL");
    let level = variable("LOG_LEVEL");
    let public_port = port("PORT", 8080, sources, &mut notes);
    let admin_port = port("ADMIN_PORT", 9090, sources, &mut notes);

    let mut server = Map::new();
    server.insert(
        "listen".to_owned(),
        json!(format!("127.0.0.1:{public_port}")),
    );
    server.extend(public_url.map(|url| ("public_url".to_owned(), url)));
    let mut logging = Map::new();
    logging.extend(level.map(|level| ("level".to_owned(), level)));
    let mut provider = Map::new();
    provider.extend(issuer.map(|issuer| ("issuer".to_owned(), issuer)));
    let mut auth = Map::new();
    auth.extend(audience.map(|audience| ("audiences".to_owned(), json!([audience]))));
    let tree = json!({
        "server": server,
        "admin": { "listen": format!("127.0.0.1:{admin_port}") },
        "logging": logging,
        "authenticators": { PROVIDER: { "oidc": provider } },
        "routes": [{ "path": public_path(upstream, &mut notes), "upstream": upstream, "auth": auth }],
    });
    let Value::Object(tree) = tree else {
        return Err(Problems::one("--upstream", "makes no configuration"));
    };
    match load::read(tree, sources, notes) {
        Ok(mut loaded) => {
            rename(&mut loaded.warnings);
            Ok(loaded)
        }
        Err(mut problems) => {
            rename(problems.list_mut());
            Err(problems.about(SUBJECT))
        }
    }
}

/// The path clients ask for: the upstream's own.
fn public_path(upstream: &str, notes: &mut Notes) -> String {
    let split = match upstream.strip_prefix("unix:") {
        Some(rest) => Ok(rest
            .find(":/")
            .map_or("", |colon| rest.split_at(colon + 1).1)),
        None => Origin::split(upstream).map(|(_, rest)| rest),
    };
    match split {
        Ok(rest) if rest.starts_with('/') => rest.to_owned(),
        Ok(_) => {
            let flaw = Flaw::new("has no path, so only requests for `/` are passed on")
                .hint("most MCP servers live at /mcp: name the whole URL");
            notes.warnings.push(flaw.at("--upstream"));
            "/".to_owned()
        }
        // Said once, of the upstream.
        Err(_) => written::reported(),
    }
}

/// Read here and not by the rules of the tree, where it would be half of an address.
fn port(name: &str, default: u16, sources: &dyn Sources, notes: &mut Notes) -> u16 {
    let Some(text) = sources.var(name).filter(|text| !text.is_empty()) else {
        return default;
    };
    match text.parse::<u16>() {
        Ok(port) if text.bytes().all(|byte| byte.is_ascii_digit()) => port,
        _ => {
            notes
                .problems
                .push(Flaw::new("is not a port number from 0 to 65535").at(name));
            default
        }
    }
}

fn rename(list: &mut [Problem]) {
    for problem in list {
        if let Some((_, name)) = NAMES.iter().find(|(path, _)| *path == problem.path) {
            (*name).clone_into(&mut problem.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;
    use crate::{Auth, AuthenticatorKind, Level};
    use proptest::prelude::*;

    fn provider() -> Fixed {
        Fixed::default().var("OAUTH_ISSUER_URL", "https://login.example.com/")
    }

    #[track_caller]
    fn wrong(upstream: &str, sources: &Fixed, expected: &[&str]) {
        let problems = sidecar(upstream, sources).unwrap_err();
        let said: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.reason))
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn s4_2_an_issuer_is_enough() {
        let loaded = sidecar("http://127.0.0.1:3000/mcp", &provider()).unwrap();
        assert_eq!(loaded.warnings, []);
        let config = loaded.config;
        assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
        let AuthenticatorKind::Oidc { jwt, .. } = &config.authenticators[0].kind else {
            panic!("not oidc")
        };
        assert_eq!(&*jwt.rules.issuer, "https://login.example.com/");
        let route = &config.routes[0];
        assert_eq!(
            (&*route.path, route.upstream.path.as_deref()),
            ("/mcp", Some("/mcp"))
        );
    }

    #[test]
    fn s4_2_without_an_issuer_it_does_not_start() {
        wrong(
            "http://127.0.0.1:3000/mcp",
            &Fixed::default(),
            &["OAUTH_ISSUER_URL: is missing"],
        );
        wrong(
            "http://127.0.0.1:3000/mcp",
            &Fixed::default().var("OAUTH_ISSUER_URL", ""),
            &["OAUTH_ISSUER_URL: is missing"],
        );
    }

    #[test]
    fn s4_3_without_an_audience_it_is_the_route_itself() {
        let audiences = |sources: &Fixed| {
            let config = sidecar("http://127.0.0.1:3000/mcp", sources)
                .unwrap()
                .config;
            let Auth::Required(requirement) = &config.routes[0].auth else {
                panic!("open")
            };
            requirement.audiences.clone()
        };
        assert_eq!(audiences(&provider()), []);
        assert_eq!(
            audiences(&provider().var("OAUTH_AUDIENCE", "api://mcp")),
            ["api://mcp".into()]
        );
    }

    #[test]
    fn s4_21_the_other_variables() {
        let sources = provider()
            .var("PORT", "3001")
            .var("ADMIN_PORT", "3002")
            .var("PUBLIC_URL", "https://mcp.example.com")
            .var("LOG_LEVEL", "debug");
        let config = sidecar("http://127.0.0.1:3000/mcp", &sources)
            .unwrap()
            .config;
        assert_eq!(config.admin.listen.to_string(), "127.0.0.1:3002");
        assert_eq!(config.server.listen, ["127.0.0.1:3001".parse().unwrap()]);
        assert_eq!(
            config.server.public_url.unwrap().to_string(),
            "https://mcp.example.com"
        );
        assert_eq!(config.logging.level, Level::Debug);
    }

    #[test]
    fn problems_have_the_names_of_variables_and_show_no_value() {
        let sources = Fixed::default()
            .var("OAUTH_ISSUER_URL", "login.example.com")
            .var("PORT", "http")
            .var("PUBLIC_URL", "http://mcp.example.com/mcp")
            .var("OAUTH_AUDIENCE", " ")
            .var("LOG_LEVEL", "loud");
        wrong(
            "http://127.0.0.1:3000/health",
            &sources,
            &[
                "PORT: is not a port number from 0 to 65535",
                "PUBLIC_URL: `***` must end after host and port; a path, query or fragment has no place here",
                "LOG_LEVEL: `***` is not one of error, warn, info, debug, trace",
                "OAUTH_ISSUER_URL: `***` is not an absolute http or https URL",
                "--upstream: belongs to the gateway, which answers /health and all below it itself",
                "OAUTH_AUDIENCE: `***` has blanks around it or control characters in it",
            ],
        );
        wrong(
            "127.0.0.1:3000",
            &provider(),
            &["--upstream: `127.0.0.1:3000` is not an absolute http or https URL"],
        );
        wrong(
            "http://127.0.0.1:8080/mcp",
            &provider(),
            &["--upstream: is a listener of the gateway itself"],
        );
        wrong(
            "http://127.0.0.1:3000/mcp",
            &provider().var("PORT", "9090"),
            &["ADMIN_PORT: is an address of server.listen too"],
        );
    }

    #[test]
    fn s1_37_suspicious_values_and_a_missing_path_are_warned_of() {
        let loaded = sidecar(
            "http://127.0.0.1:3000",
            &provider().var("OAUTH_AUDIENCE", "'api://mcp'"),
        )
        .unwrap();
        let said: Vec<String> = loaded
            .warnings
            .iter()
            .map(|warning| format!("{}: {}", warning.path, warning.reason))
            .collect();
        assert_eq!(
            said,
            [
                "OAUTH_AUDIENCE: the value of `OAUTH_AUDIENCE` has quotes around it",
                "--upstream: has no path, so only requests for `/` are passed on",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(upstream in ".*", value in ".*") {
            let names = ["OAUTH_ISSUER_URL", "OAUTH_AUDIENCE", "PORT", "PUBLIC_URL", "LOG_LEVEL"];
            let sources = names.iter().fold(Fixed::default(), |sources, name| sources.var(name, &value));
            let _ = sidecar(&upstream, &sources);
        }
    }
}
