//! Where a configuration's text and its variables come from.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use config::{Loaded, Sources};

use crate::{End, report};

/// No configuration is larger than this; a larger file is the wrong file.
const CONFIG_BYTES: u64 = 4 << 20;
/// Nor is a file that `${file:…}` or a key names.
const FILE_BYTES: u64 = 1 << 20;

/// The process environment, behind it an env file.
#[derive(Default)]
pub(crate) struct Environment {
    file: HashMap<String, String>,
}

impl Environment {
    /// With the variables of `--env-file`, if there is one.
    pub(crate) fn with_file(path: Option<&Path>) -> Result<Self, End> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text =
            read(path, FILE_BYTES).map_err(|error| report::unreadable("env file", path, &error))?;
        if is_world_readable(path) {
            report::warning(
                &path.display().to_string(),
                "is readable by everybody",
                Some("chmod 600"),
            );
        }
        let variables = config::env_file(&text)
            .map_err(|problems| report::problems(&path.display().to_string(), problems))?;
        Ok(Self {
            file: variables.into_iter().collect(),
        })
    }
}

impl Sources for Environment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name)
            .ok()
            .or_else(|| self.file.get(name).cloned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        read(path, FILE_BYTES)
    }
}

/// Which file is meant: the option, else the variable, else the file beside us.
pub(crate) fn config_path(option: Option<PathBuf>) -> PathBuf {
    option
        .or_else(|| std::env::var_os("PORTCULLIS_CONFIG").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("gateway.yaml"))
}

/// Reads and checks a configuration; says what is wrong with it and what it warns of.
pub(crate) fn load(
    option: Option<PathBuf>,
    env_file: Option<&Path>,
) -> Result<(config::Config, Environment), End> {
    let path = config_path(option);
    let environment = Environment::with_file(env_file)?;
    let text = read(&path, CONFIG_BYTES)
        .map_err(|error| report::unreadable("configuration", &path, &error))?;
    let loaded = config::load(&text, &environment);
    Ok((accept(&path.display().to_string(), loaded)?, environment))
}

/// What the standard variables say about traces; says what in them cannot be used.
pub(crate) fn traces(environment: &Environment) -> Option<config::Traces> {
    let (traces, warnings) = config::traces(environment);
    warn(&warnings);
    traces
}

/// Reports what a check found, and hands out the configuration if there is one.
pub(crate) fn accept(
    name: &str,
    loaded: Result<Loaded, config::Problems>,
) -> Result<config::Config, End> {
    let loaded = loaded.map_err(|problems| report::problems(name, problems))?;
    warn(&loaded.warnings);
    Ok(loaded.config)
}

fn warn(warnings: &[config::Problem]) {
    for warning in warnings {
        report::warning(&warning.path, &warning.reason, warning.hint.as_deref());
    }
}

fn read(path: &Path, limit: u64) -> io::Result<String> {
    use io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        io::Error::other(format!(
            "it is not UTF-8 (byte {})",
            error.utf8_error().valid_up_to()
        ))
    })
}

#[cfg(unix)]
fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_world_readable(_: &Path) -> bool {
    false
}
