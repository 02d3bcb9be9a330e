//! `init`: a commented gateway.yaml to begin with.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use clap::ValueEnum;

use crate::{End, report};

/// What a configuration is for. Each is a file in `presets/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Preset {
    /// People log in at an authorization server
    Oauth,
    /// Services bring tokens that you sign yourself
    Jwt,
    /// Both of these
    Both,
    /// Nobody is asked; for tests on this machine
    None,
    /// Any OpenID Connect provider
    Oidc,
    /// Auth0
    Auth0,
    /// Okta, with a custom authorization server
    Okta,
    /// Microsoft Entra ID
    Entra,
    /// Amazon Cognito
    Cognito,
    /// Workloads of Google Cloud, by ID tokens of service accounts
    Google,
    /// Jobs of GitHub Actions
    Github,
    /// Keycloak
    Keycloak,
    /// The variables of mcp-framework's OAuth page, with keys by URL
    McpFramework,
    /// The same for opaque tokens, of which the authorization server is asked
    McpFrameworkIntrospection,
    /// What `run --upstream` does, as a file
    Sidecar,
}

impl Preset {
    fn text(self) -> &'static str {
        match self {
            Self::Oauth => include_str!("../presets/oauth.yaml"),
            Self::Jwt => include_str!("../presets/jwt.yaml"),
            Self::Both => include_str!("../presets/both.yaml"),
            Self::None => include_str!("../presets/none.yaml"),
            Self::Oidc => include_str!("../presets/oidc.yaml"),
            Self::Auth0 => include_str!("../presets/auth0.yaml"),
            Self::Okta => include_str!("../presets/okta.yaml"),
            Self::Entra => include_str!("../presets/entra.yaml"),
            Self::Cognito => include_str!("../presets/cognito.yaml"),
            Self::Google => include_str!("../presets/google.yaml"),
            Self::Github => include_str!("../presets/github.yaml"),
            Self::Keycloak => include_str!("../presets/keycloak.yaml"),
            Self::McpFramework => include_str!("../presets/mcp-framework.yaml"),
            Self::McpFrameworkIntrospection => {
                include_str!("../presets/mcp-framework-introspection.yaml")
            }
            Self::Sidecar => include_str!("../presets/sidecar.yaml"),
        }
    }
}

/// Writes the preset to a file, which must not be there unless it may be replaced, or to stdout (`-`).
pub(crate) fn init(preset: Preset, output: &Path, force: bool) -> End {
    let text = preset.text();
    if output == Path::new("-") {
        return report::output(text);
    }
    let name = output.display();
    match write(output, text, force) {
        Ok(()) => report::output(&format!("{name} is written{}\n", next(text))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            report::refusal(&format!("{name} is there already"));
            report::hint(
                "--force replaces it, `--output FILE` writes another one, `--output -` only shows it",
            );
            End::Misconfigured
        }
        Err(error) => report::failure(&io::Error::new(
            error.kind(),
            format!("cannot write {name}: {error}"),
        )),
    }
}

fn write(output: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut file = if force {
        File::create(output)?
    } else {
        File::create_new(output)?
    };
    file.write_all(text.as_bytes())
}

/// What is left to be done.
fn next(text: &str) -> String {
    let needed = needed(text).into_iter().collect::<Vec<_>>();
    if needed.is_empty() {
        return "; try `portcullis check`".to_owned();
    }
    format!(
        "; set {}, then try `portcullis check`",
        needed.join(" and ")
    )
}

/// The variables that have to be set: those that stand somewhere without a default.
fn needed(text: &str) -> BTreeSet<&str> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split("${").skip(1))
        .filter_map(|rest| {
            let end = rest.find([':', '}'])?;
            let (name, rest) = rest.split_at(end);
            rest.starts_with('}').then_some(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_without_a_default_are_needed() {
        assert_eq!(
            needed("# ${C}\na: ${A}\nb: ${B:-${D}/x}  # ${E:-${F:-1}}\n"),
            BTreeSet::from(["A", "D"])
        );
    }
}
