//! `token`: a token of a `shared_secret` authenticator, for trying things.

use std::path::{Path, PathBuf};

use config::{AuthenticatorKind, Config, Profile, SharedSecret};
use identity::{MintError, Order};
use serde_json::Value;

use crate::{End, report, run, sources};

/// What the token shall say.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Whose secret signs it; needed only where there are several of kind `shared_secret`
    #[arg(long, value_name = "NAME")]
    authenticator: Option<String>,
    /// Who calls
    #[arg(long, value_name = "NAME", default_value = "test-user")]
    subject: String,
    /// A scope, as the route requires it; may be said several times
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// For whom it is; the first that the authenticator takes, if it is left out
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// How long it is good for
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    ttl: std::time::Duration,
    /// A further claim, or another value for a usual one, as JSON: `groups=["a"]`, `email="a@example.com"`; may be said several times
    #[arg(long, value_name = "NAME=JSON", value_parser = claim)]
    claim: Vec<(String, Value)>,
    /// Read variables from this file first; the process environment wins
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Prints the token and nothing else.
pub(crate) fn token(option: Option<PathBuf>, options: Options) -> End {
    let config = match sources::load(option, options.env_file.as_deref().map(Path::new)) {
        Ok(config) => config,
        Err(end) => return end,
    };
    let settings = match signer(&config, options.authenticator.as_deref()) {
        Ok(settings) => settings,
        Err((reason, hint)) => {
            report::error(&reason);
            report::hint(&hint);
            return End::Misconfigured;
        }
    };
    if config.profile == Profile::Production {
        report::warning(
            "profile",
            "is production: this token opens the real thing to whoever reads it here",
            Some("let it live no longer than need be: --ttl 1m"),
        );
    }
    let order = Order {
        subject: options.subject,
        scopes: options.scope,
        audience: options.audience,
        ttl: options.ttl,
        claims: options.claim,
    };
    match identity::mint(settings, &order, run::clock()()) {
        Ok(token) => report::output(&format!("{token}\n")),
        Err(error) => {
            report::error(&error.to_string());
            if let MintError::Scope(_) = error {
                report::hint("say --scope once for each: --scope a --scope b");
            }
            End::Misconfigured
        }
    }
}

/// The authenticator that is meant, or why there is none, and what to do.
fn signer<'c>(
    config: &'c Config,
    wanted: Option<&str>,
) -> Result<&'c SharedSecret, (String, String)> {
    let mut all = Vec::new();
    for authenticator in &config.authenticators {
        match &authenticator.kind {
            AuthenticatorKind::SharedSecret(settings) => all.push((&*authenticator.name, settings)),
            AuthenticatorKind::PublicKey(_)
            | AuthenticatorKind::ApiKeys(_)
            | AuthenticatorKind::Introspection(_)
            | AuthenticatorKind::Oidc { .. }
            | AuthenticatorKind::Jwks { .. } => {}
        }
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    if all.is_empty() {
        return Err((
            "there is no authenticator of kind shared_secret, and so no secret to sign with"
                .to_owned(),
            "tokens of other kinds are made by their provider, or where the private key is"
                .to_owned(),
        ));
    }
    let Some(wanted) = wanted else {
        return match all.as_slice() {
            [(_, only)] => Ok(only),
            _ => Err((
                "there are several authenticators of kind shared_secret".to_owned(),
                format!("name one with --authenticator, of {names}"),
            )),
        };
    };
    if let Some((_, settings)) = all.into_iter().find(|(name, _)| *name == wanted) {
        return Ok(settings);
    }
    let exists = config.authenticators.iter().any(|one| *one.name == *wanted);
    let reason = if exists {
        format!("authenticator {wanted} is not of kind shared_secret")
    } else {
        format!("there is no authenticator {wanted}")
    };
    Err((reason, format!("of kind shared_secret there are {names}")))
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    config::duration(text).map_err(|(reason, hint)| match hint {
        Some(hint) => format!("{reason}; {hint}"),
        None => reason,
    })
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("it is written name=json")?;
    let value = serde_json::from_str(value)
        .map_err(|_| format!("the value is not JSON; a text is written '{name}=\"…\"'"))?;
    Ok((name.to_owned(), value))
}
