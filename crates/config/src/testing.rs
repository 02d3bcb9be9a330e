//! What the tests of this crate share.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::{Config, Loaded, Problems, Sources, load};

/// Variables and files that are in the test itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fixed {
    pub(crate) vars: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) folders: Vec<String>,
}

impl Fixed {
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn folder(mut self, path: &str) -> Self {
        self.folders.push(path.to_owned());
        self
    }
}

impl Sources for Fixed {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let found = path.to_str().and_then(|path| self.files.get(path));
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn has_folder(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| Path::new(folder) == path)
    }
}

/// The rest of a file that is about something else.
pub(crate) const AUTHENTICATORS: &str = "
authenticators: { corp: { oidc: { issuer: 'https://login.example.com/' } } }
";

pub(crate) const ROUTES: &str = "
routes: [ { path: /mcp, upstream: 'http://127.0.0.1:3000/mcp' } ]
";

pub(crate) fn with(text: &str) -> String {
    let mut whole = text.to_owned();
    for (key, rest) in [("authenticators:", AUTHENTICATORS), ("routes:", ROUTES)] {
        if !text.lines().any(|line| line.starts_with(key)) {
            whole.push_str(rest);
        }
    }
    whole
}

pub(crate) fn try_load(text: &str) -> Result<Loaded, Problems> {
    load(&with(text), &Fixed::default())
}

/// A file that is right, completed by what it does not speak of.
#[track_caller]
pub(crate) fn good(text: &str) -> Config {
    match try_load(text) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// The problems of a file, `path: reason`, completed by what it does not speak of.
#[track_caller]
pub(crate) fn problems(text: &str) -> Vec<String> {
    match try_load(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.reason))
            .collect(),
    }
}

/// Asserts that a file has exactly these problems, `path: reason`.
#[track_caller]
pub(crate) fn wrong(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "{text}");
}

/// The warnings of a file that is right.
#[track_caller]
pub(crate) fn warnings(text: &str) -> Vec<String> {
    match try_load(text) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(|warning| format!("{}: {}", warning.path, warning.reason))
            .collect(),
        Err(problems) => panic!("{problems}"),
    }
}
