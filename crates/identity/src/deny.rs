//! Who is turned away although their credential is good (SEC-80): what an operator reaches for when a token has to stop working now,
//! whoever issued it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use config::{Authenticator, Denied, Deny, DenyEntry, DenyNames, Problem};

use crate::credential::Credential;
use crate::failure::BY_KEY;

/// Larger files are not taken by the configuration either.
const FILE_BYTES: u64 = 1 << 20;

/// The list of one configuration: what it says itself, and what its file says now.
pub struct DenyList {
    settings: Deny,
    /// What entries can name.
    names: DenyNames,
    current: ArcSwap<Index>,
    /// What was last read. The same text is judged once.
    read: Mutex<Option<Result<String, io::ErrorKind>>>,
}

/// What came of looking at the file again.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// It says what it said before, or nothing could be read in the way it could not be read before.
    Same,
    /// Another list is in use.
    Taken {
        /// With those of the configuration itself.
        entries: usize,
        /// Of entries that turn nobody away, each with its place in the file.
        warnings: Vec<Problem>,
    },
    /// The old list stays in use, for this reason.
    Refused(String),
}

/// The entries, each where a credential that it means finds it.
#[derive(Default)]
struct Index {
    listed: Vec<DenyEntry>,
    subjects: Names,
    clients: Names,
    ids: Names,
    keys: Names,
    is_empty: bool,
}

/// For each name the issuers within which it is meant; `None` is every one.
type Names = HashMap<Box<str>, Vec<Option<Box<str>>>>;

impl DenyList {
    /// `authenticators`: all there are; entries of the list name them and what is theirs.
    pub(crate) fn new(settings: &Deny, authenticators: &[Authenticator]) -> Self {
        let index = Index::of(&settings.entries, settings.listed.clone());
        Self {
            settings: settings.clone(),
            names: DenyNames::of(authenticators),
            current: ArcSwap::from_pointee(index),
            read: Mutex::default(),
        }
    }

    /// Where further entries stand, if anywhere.
    pub fn file(&self) -> Option<&Path> {
        self.settings.file.as_deref()
    }

    /// Looks at the file again. Blocks on the file system.
    pub fn look(&self) -> Look {
        let Some(file) = self.file() else {
            return Look::Same;
        };
        let found = read(file);
        let now = match &found {
            Ok(text) => Ok(text.clone()),
            Err(error) => Err(error.kind()),
        };
        // Held to the end: of two that look at the same time, the later has the last word.
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&now) {
            return Look::Same;
        }
        *last = Some(now);
        let text = match found {
            Ok(text) => text,
            Err(error) => return Look::Refused(error.to_string()),
        };
        let listed = match config::deny_list(&text) {
            Ok(listed) => listed,
            Err(problems) => {
                let about = problems.about(file.display().to_string());
                return Look::Refused(about.to_string());
            }
        };
        if listed == self.current.load().listed {
            return Look::Same;
        }
        let entries = self.settings.entries.len() + listed.len();
        let warnings = self.names.missed_by(&listed);
        let index = Index::of(&self.settings.entries, listed);
        self.current.store(index.into());
        Look::Taken { entries, warnings }
    }

    /// By what a credential is on the list.
    pub(crate) fn denies(&self, credential: &Credential) -> Option<&'static str> {
        let index = self.current.load();
        if index.is_empty {
            return None;
        }
        let issuer = &credential.issuer;
        let listed = |names: &Names, name: Option<&str>| {
            let issuers = name.and_then(|name| names.get(name));
            let mut issuers = issuers.into_iter().flatten();
            issuers.any(|one| one.as_deref().is_none_or(|one| *one == **issuer))
        };
        if listed(&index.subjects, Some(&credential.subject)) {
            Some("subject")
        } else if listed(&index.clients, credential.client_id.as_deref()) {
            Some("client")
        } else if listed(&index.ids, credential.id.as_deref()) {
            Some("jti")
        } else if credential.key.is_some() && listed(&index.keys, Some(&credential.subject)) {
            Some(BY_KEY)
        } else {
            None
        }
    }
}

impl Index {
    fn of(entries: &[DenyEntry], listed: Vec<DenyEntry>) -> Self {
        let mut index = Self::default();
        for entry in entries.iter().chain(&listed) {
            let (names, name) = match &entry.what {
                Denied::Subject(name) => (&mut index.subjects, name),
                Denied::Client(name) => (&mut index.clients, name),
                Denied::Jti(name) => (&mut index.ids, name),
                Denied::Key(name) => (&mut index.keys, name),
            };
            let issuers = names.entry(name.clone()).or_default();
            issuers.push(entry.issuer.clone());
        }
        index.is_empty = entries.is_empty() && listed.is_empty();
        index.listed = listed;
        index
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("no plain file")); // whoever opens a pipe may wait for ever
    }
    // one byte more than is taken, so that a larger file is not cut into a good one
    let mut file = File::open(path)?.take(FILE_BYTES + 1);
    file.read_to_string(&mut text)?;
    Ok(text)
}
