//! `check` and `schema`: what the configuration says and may say.

use std::path::{Path, PathBuf};

use crate::{End, report, run, sources};

/// Says everything that is wrong; with `resolved`, what the file means.
pub(crate) fn check(option: Option<PathBuf>, env_file: Option<&Path>, resolved: bool) -> End {
    let name = sources::config_path(option.clone()).display().to_string();
    let loaded = sources::load(option, env_file).and_then(|config| {
        match proxy::try_certificates(&config, run::clock()) {
            Ok(()) => Ok(config),
            Err(error) => Err(run::refuse(&error.into())),
        }
    });
    let loaded = loaded.and_then(|config| match identity::try_keys(&config) {
        Ok(()) => Ok(config),
        Err(error) => {
            run::refuse(&error.into());
            Err(End::Misconfigured)
        }
    });
    match loaded {
        Ok(config) if resolved => report::output(&config::resolved(&config)),
        Ok(config) => report::output(&format!(
            "{name} is good: {} route(s), {} authenticator(s)\n",
            config.routes.len(),
            config.authenticators.len()
        )),
        Err(end) => end,
    }
}

/// Prints the JSON Schema, for editors.
pub(crate) fn schema() -> End {
    match serde_json::to_string_pretty(&config::schema()) {
        Ok(schema) => report::output(&format!("{schema}\n")),
        Err(error) => report::failure(&error),
    }
}
