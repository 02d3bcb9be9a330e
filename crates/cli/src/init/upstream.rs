//! `init --from-upstream`: a configuration with rules for the tools that a server has now.

use std::io;

use config::Secret;
use proxy::{Tool, VisitError};

use super::rules;
use crate::{End, report, run};

/// Where the presets' server is, and so in which place another one's address goes.
const USUAL: &str = "http://127.0.0.1:3000/mcp";
/// The path of the presets' route: where a server is asked whose URL has none.
const PATH: &str = "/mcp";
const LONGEST: usize = 1024;

/// The preset with this server and rules for its tools; or what the command ends with.
pub(super) fn configuration(
    preset: &str,
    url: &str,
    token: Option<&Secret>,
) -> Result<String, End> {
    if let Err(reason) = writable(url) {
        report::error(&format!("--from-upstream {reason}"));
        report::hint("name the URL of its MCP endpoint, like http://127.0.0.1:3000/mcp");
        return Err(End::Misconfigured);
    }
    let tools = visit(url, token)?;
    if tools.is_empty() {
        report::error(&format!(
            "{url} has no tools, so there is nothing to make rules of"
        ));
        report::hint("`portcullis init --preset NAME` writes a configuration without rules");
        return Err(End::Failed);
    }
    Ok(with_rules(&preset.replace(USUAL, url), &tools))
}

/// Whether a URL can stand in the file, within `${…}` and quotes.
fn writable(url: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%[]@!&'()*+,;=".contains(&byte);
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err("takes a URL that begins with http:// or https://");
    }
    if url.contains('@') {
        return Err("takes a URL without a user name or password");
    }
    if url.len() > LONGEST || !url.bytes().all(plain) {
        return Err("takes a URL of at most 1024 plain characters, without a query");
    }
    Ok(())
}

fn visit(url: &str, token: Option<&Secret>) -> Result<Vec<Tool>, End> {
    let runtime = run::runtime().map_err(|error| report::failure(&error))?;
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let endpoint = if rest.contains('/') {
        url.to_owned()
    } else {
        format!("{url}{PATH}")
    };
    let visited = runtime.block_on(proxy::tools(&endpoint, token));
    runtime.shutdown_background(); // somebody who is asked may be late
    visited.map_err(|error| {
        let end = report::failure(&io::Error::other(format!("{endpoint} {error}")));
        if let Some(hint) = hint(&error, token.is_some()) {
            report::hint(hint);
        }
        end
    })
}

fn hint(error: &VisitError, with_token: bool) -> Option<&'static str> {
    match error {
        VisitError::Credential(_) if with_token => {
            Some("the credential that was sent is not taken there")
        }
        VisitError::Credential(_) => Some(
            "--bearer FILE sends one, `--bearer -` reads it from standard input; it is not written into the configuration",
        ),
        VisitError::Unreachable(_) | VisitError::Late(_) => {
            Some("it has to run while its tools are asked for")
        }
        VisitError::Status(_) | VisitError::NotMcp(_) | VisitError::Refused { .. } => {
            Some("name the URL of its MCP endpoint (Streamable HTTP); most live at /mcp")
        }
        VisitError::Redirect(_) => Some("name the URL that it leads to, if that is yours"),
        VisitError::TooMany(_) => {
            Some("write rules with patterns: `portcullis init --preset NAME`, then access.tools")
        }
        VisitError::Url(_) | VisitError::TooLarge(_) => None,
    }
}

/// In every preset the one route stands at the end.
fn with_rules(preset: &str, tools: &[Tool]) -> String {
    let mut text = preset.trim_end().to_owned();
    text.push('\n');
    if !text.lines().any(|line| line == "    access:") {
        text.push_str("    access:\n");
    }
    text.push_str(&rules::rules(tools));
    text
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::init::Preset;

    #[test]
    fn only_what_reads_as_itself_stands_in_the_file() {
        for good in [
            "http://127.0.0.1:3000/mcp",
            "https://[::1]/a%20b",
            "http://x",
        ] {
            assert_eq!(writable(good), Ok(()), "{good}");
        }
        for bad in [
            "unix:/run/mcp.sock",
            "http://x/${HOME}",
            "http://x/a}b",
            "http://x/\"\n",
            "http://x/?a=b",
            "http://x/#a",
            "http://me:hunter2@x/",
            "http://x/é",
        ] {
            assert!(writable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_preset_has_its_server_and_its_route_where_they_are_looked_for() {
        for preset in Preset::value_variants() {
            let text = preset.text();
            assert_eq!(text.matches(USUAL).count(), 2, "{preset:?}");
            let (_, route) = text.split_once("\nroutes:\n  - path: /mcp\n").unwrap();
            assert!(!route.contains("\n  - "), "{preset:?}");
            // what is appended to the last block belongs to the route, or to its access
            let access = route
                .split_once("\n    access:\n")
                .map(|(_, access)| access);
            let ends =
                access.is_none_or(|access| access.lines().all(|line| line.starts_with("      ")));
            assert!(ends, "{preset:?}");
        }
    }
}
