//! `init`: a commented gateway.yaml to begin with.

mod rules;
mod upstream;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{End, explain, report};

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

/// What is written, and where to.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What it is for
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        required_unless_present = "from_upstream"
    )]
    preset: Option<Preset>,
    /// Ask this MCP server for its tools, and write rules for them by what it says of each. Needs no --preset: then it is `oidc`
    #[arg(long, value_name = "URL")]
    from_upstream: Option<String>,
    /// With --from-upstream: the file with a token that the server asks for, or - for standard input. It is not written down
    #[arg(long, value_name = "FILE", requires = "from_upstream")]
    bearer: Option<String>,
    /// Where to; `-` is stdout. Else where --config says, else gateway.yaml
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options, config: Option<PathBuf>) -> End {
    let output = options.output.clone().or(config);
    let output = output.unwrap_or_else(|| "gateway.yaml".into());
    let preset = options.preset.unwrap_or(Preset::Oidc);
    let Some(url) = &options.from_upstream else {
        return init(preset.text(), &output, options.force);
    };
    if preset == Preset::None {
        report::error("--preset none asks nobody, and rules are for callers who are known");
        report::hint("leave it out, or name another preset");
        return End::Misconfigured;
    }
    // nobody is asked for the sake of a file that cannot be written
    if !options.force && output != Path::new("-") && output.exists() {
        return there_already(&output);
    }
    let place = options.bearer.as_deref();
    let token = place.map(|place| explain::credential("--bearer", place));
    let made = match token.transpose() {
        Ok(token) => upstream::configuration(preset.text(), url, token.as_ref()),
        Err(end) => return end,
    };
    match made {
        Ok(text) => {
            let end = init(&text, &output, options.force);
            report::hint(
                "read every rule before you rely on it: they are made of the server's own words, which nobody has checked",
            );
            end
        }
        Err(end) => end,
    }
}

fn there_already(output: &Path) -> End {
    report::refusal(&format!("{} is there already", output.display()));
    report::hint(
        "--force replaces it, `--output FILE` writes another one, `--output -` only shows it",
    );
    End::Misconfigured
}

/// Writes the text to a file, which must not be there unless it may be replaced, or to stdout (`-`).
fn init(text: &str, output: &Path, force: bool) -> End {
    if output == Path::new("-") {
        return report::output(text);
    }
    let name = output.display();
    match write(output, text, force) {
        Ok(()) => report::output(&format!("{name} is written{}\n", next(text, output))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => there_already(output),
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
fn next(text: &str, output: &Path) -> String {
    let check = if output == Path::new("gateway.yaml") {
        "`portcullis check`".to_owned()
    } else {
        format!("`portcullis check -c {}`", output.display())
    };
    let needed: Vec<_> = needed(text).iter().map(|group| either(group)).collect();
    let needed = match needed.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => return format!("; try {check}"),
    };
    format!("; set {needed}, then try {check}")
}

fn either(group: &BTreeSet<&str>) -> String {
    group.iter().copied().collect::<Vec<_>>().join(" or ")
}

/// Groups of variables of which one has to be set: one that stands without a default, and those whose default it is.
fn needed(text: &str) -> BTreeSet<BTreeSet<&str>> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut groups = BTreeSet::new();
    for line in lines {
        let mut group = BTreeSet::new();
        for rest in line.split("${").skip(1) {
            let Some((name, rest)) = rest.find([':', '}']).map(|end| rest.split_at(end)) else {
                continue;
            };
            group.insert(name);
            if rest.starts_with('}') {
                groups.insert(std::mem::take(&mut group));
            } else if rest.contains('}') {
                group.clear(); // a default of its own ends here
            }
        }
    }
    // what is needed in any case needs no mention as one of two
    let all = groups.clone();
    let is_stricter = |group: &BTreeSet<&str>| {
        !all.iter()
            .any(|other| other.is_subset(group) && other != group)
    };
    groups.retain(is_stricter);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_without_a_default_are_needed() {
        assert_eq!(
            needed("# ${C}\na: ${A}\nb: ${B:-${D}/x}  # ${E:-${F:-1}}\n"),
            BTreeSet::from([BTreeSet::from(["A"]), BTreeSet::from(["B", "D"])])
        );
        assert_eq!(
            needed("a: ${A}\nb: ${B:-${A}}\nc: ${P:-8080}/${C:-${A}}\n"),
            BTreeSet::from([BTreeSet::from(["A"])])
        );
    }
}
