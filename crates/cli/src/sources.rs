//! Where a configuration's text and its variables come from.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io;
use std::path::{Path, PathBuf};

use config::{Loaded, Problems, Sources};

use crate::{End, report, run};

/// No configuration is larger than this; a larger file is the wrong file.
const CONFIG_BYTES: u64 = 4 << 20;
/// Nor is a file that `${file:…}` or a key names.
const FILE_BYTES: u64 = 1 << 20;

/// Where a configuration comes from: the same place each time it is read.
pub(crate) struct Origin {
    from: From,
    env_file: Option<PathBuf>,
}

enum From {
    File(PathBuf),
    /// `run --upstream URL`: from variables alone (S4).
    Upstream(String),
}

/// What was found there.
pub(crate) struct Reading {
    pub(crate) outcome: Result<Loaded, Unusable>,
    /// Every file that had a say in it. Not the certificates of the listeners and the deny list: those are looked after where
    /// they are used, and renewed without a reload.
    pub(crate) files: BTreeSet<PathBuf>,
    /// The same for the same contents of the same files.
    pub(crate) mark: u64,
    /// What the standard variables say about traces, which are set up once.
    traces: (Option<config::Traces>, Vec<config::Problem>),
    /// Of what the warnings are about, besides the configuration: the env file.
    warnings: Vec<(String, &'static str, &'static str)>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum Unusable {
    Unreadable {
        what: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    Wrong(Problems),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, path, cause } => {
                write!(f, "cannot read the {what} {}: {cause}", path.display())
            }
            Self::Wrong(problems) => problems.fmt(f),
        }
    }
}

impl Unusable {
    /// Says it on a terminal.
    pub(crate) fn report(self) -> End {
        match self {
            Self::Unreadable { what, path, cause } => report::unreadable(what, &path, &cause),
            Self::Wrong(problems) => report::problems(&problems),
        }
    }
}

impl Origin {
    /// The file meant by the option, else by the variable, else the one beside us.
    pub(crate) fn file(option: Option<PathBuf>, env_file: Option<&Path>) -> Self {
        Self {
            from: From::File(config_path(option)),
            env_file: env_file.map(Path::to_owned),
        }
    }

    pub(crate) fn upstream(url: &str, env_file: Option<&Path>) -> Self {
        Self {
            from: From::Upstream(url.to_owned()),
            env_file: env_file.map(Path::to_owned),
        }
    }

    /// Reads and checks everything; says nothing.
    pub(crate) fn read(&self) -> Reading {
        self.look(Environment::default())
    }

    /// The same while the gateway serves. A pipe says what it has to say once, and then has everybody wait for ever.
    pub(crate) fn read_again(&self) -> Reading {
        self.look(Environment {
            without_pipes: true,
            ..Environment::default()
        })
    }

    fn look(&self, environment: Environment) -> Reading {
        let mut warnings = Vec::new();
        let (outcome, environment) = self.load(environment, &mut warnings);
        let traces = config::traces(&environment);
        let mut seen = environment.seen.into_inner();
        if let Ok(loaded) = &outcome {
            let certificates = loaded.config.server.tls.iter();
            let certificates = certificates.flat_map(config::Tls::files);
            for file in certificates.chain(loaded.config.deny.file.as_deref()) {
                seen.remove(file);
            }
        }
        Reading {
            outcome,
            mark: BuildHasherDefault::<DefaultHasher>::default().hash_one(&seen),
            files: seen.into_keys().collect(),
            traces,
            warnings,
        }
    }

    fn load(
        &self,
        mut environment: Environment,
        warnings: &mut Vec<(String, &'static str, &'static str)>,
    ) -> (Result<Loaded, Unusable>, Environment) {
        if let Some(path) = &self.env_file {
            match environment.take_file(path) {
                Ok(true) => warnings.push((
                    path.display().to_string(),
                    "is readable by everybody",
                    "chmod 600",
                )),
                Ok(false) => {}
                Err(unusable) => return (Err(unusable), environment),
            }
        }
        let (name, loaded) = match &self.from {
            From::Upstream(url) => (
                "run --upstream".to_owned(),
                config::sidecar(url, &environment),
            ),
            From::File(path) => match environment.read("configuration", path, CONFIG_BYTES) {
                Ok(text) => (
                    path.display().to_string(),
                    config::load(&text, &environment),
                ),
                Err(unusable) => return (Err(unusable), environment),
            },
        };
        let outcome = loaded.map_err(|problems| Unusable::Wrong(problems.about(name)));
        (outcome, environment)
    }
}

impl Reading {
    /// The configuration, if there is one; what is wrong with it and what it warns of is said on the terminal.
    pub(crate) fn accept(self) -> Result<(config::Config, Option<config::Traces>), End> {
        for (about, reason, hint) in self.warnings {
            report::warning(&about, reason, Some(hint));
        }
        let loaded = self.outcome.map_err(Unusable::report)?;
        let (traces, further) = self.traces;
        let expired = config::expired_keys(&loaded.config, run::since_1970().as_secs());
        for warning in loaded.warnings.iter().chain(&expired).chain(&further) {
            report::warning(&warning.path, &warning.reason, warning.hint.as_deref());
        }
        Ok((loaded.config, traces))
    }
}

/// The process environment, behind it an env file; and what files have been read.
#[derive(Default)]
pub(crate) struct Environment {
    file: HashMap<String, String>,
    without_pipes: bool,
    /// A mark of each file's contents, or of why it could not be read.
    seen: RefCell<BTreeMap<PathBuf, u64>>,
}

impl Environment {
    /// With the variables of `--env-file`, if there is one. What is wrong with it is said on the terminal.
    pub(crate) fn with_file(path: Option<&Path>) -> Result<Self, End> {
        let mut environment = Self::default();
        if let Some(path) = path {
            environment.take_file(path).map_err(Unusable::report)?;
        }
        Ok(environment)
    }

    /// Whether others can read it, too.
    fn take_file(&mut self, path: &Path) -> Result<bool, Unusable> {
        let text = self.read("env file", path, FILE_BYTES)?;
        let variables = config::env_file(&text)
            .map_err(|problems| Unusable::Wrong(problems.about(path.display().to_string())))?;
        self.file = variables.into_iter().collect();
        Ok(is_world_readable(path))
    }

    fn read(&self, what: &'static str, path: &Path, limit: u64) -> Result<String, Unusable> {
        self.note(path, limit)
            .map_err(|cause| Unusable::Unreadable {
                what,
                path: path.to_owned(),
                cause,
            })
    }

    fn note(&self, path: &Path, limit: u64) -> io::Result<String> {
        let read = if self.without_pipes && is_pipe(path) {
            Err(io::Error::other("it is a pipe, and was read at the start"))
        } else {
            read(path, limit)
        };
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mark = match &read {
            Ok(text) => hasher.hash_one(text),
            Err(cause) => hasher.hash_one(cause.to_string()),
        };
        self.seen.borrow_mut().insert(path.to_owned(), mark);
        read
    }
}

impl Sources for Environment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name)
            .ok()
            .or_else(|| self.file.get(name).cloned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        self.note(path, FILE_BYTES)
    }

    fn has_folder(&self, path: &Path) -> bool {
        path.is_dir()
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
) -> Result<config::Config, End> {
    let (config, _traces) = Origin::file(option, env_file).read().accept()?;
    Ok(config)
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
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for_a_second_time() {
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join("gateway.yaml");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let (done, finished) = std::sync::mpsc::channel();
        let origin = Origin::file(Some(pipe), None);
        std::thread::spawn(move || {
            let outcome = origin.read_again().outcome.map(|_| ());
            done.send(outcome.unwrap_err().to_string())
        });
        let told = finished.recv_timeout(std::time::Duration::from_secs(10));
        assert!(
            told.unwrap()
                .ends_with("it is a pipe, and was read at the start")
        );
    }
}
