//! Who is turned away although their credential is good (SEC-80).

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deny {
    /// Where further entries stand; it may change while the gateway runs.
    pub file: Option<PathBuf>,
    pub entries: Vec<DenyEntry>,
    /// What stood in `file` when the configuration was read.
    pub listed: Vec<DenyEntry>,
}

/// Every credential that fits one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyEntry {
    pub what: Denied,
    /// `None`: of whatever issuer. A subject always has one.
    pub issuer: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A person or a program.
    Subject(Box<str>),
    /// An OAuth client, whoever uses it.
    Client(Box<str>),
    /// A token.
    Jti(Box<str>),
    /// An API key, by its id; its issuer is its authenticator's ([`API_KEY_ISSUER`](super::API_KEY_ISSUER)).
    Key(Box<str>),
}
