//! `check` and `schema`: what the configuration says and may say.

use std::path::{Path, PathBuf};

use crate::{End, report, sources};

/// Says everything that is wrong; with `resolved`, what the file means.
#[expect(clippy::print_stdout, reason = "this output is what was asked for")]
pub(crate) fn check(option: Option<PathBuf>, env_file: Option<&Path>, resolved: bool) -> End {
    let name = sources::config_path(option.clone()).display().to_string();
    match sources::load(option, env_file) {
        Ok(config) if resolved => print!("{}", config::resolved(&config)),
        Ok(config) => println!(
            "{name} is good: {} route(s), {} authenticator(s)",
            config.routes.len(),
            config.authenticators.len()
        ),
        Err(end) => return end,
    }
    End::Good
}

/// Prints the JSON Schema, for editors.
#[expect(clippy::print_stdout, reason = "this output is what was asked for")]
pub(crate) fn schema() -> End {
    match serde_json::to_string_pretty(&config::schema()) {
        Ok(schema) => {
            println!("{schema}");
            End::Good
        }
        Err(error) => report::failure(&error),
    }
}
