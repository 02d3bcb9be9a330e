//! The section `audit`.

use std::path::PathBuf;

/// The record of what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub sink: AuditSink,
    pub level: AuditLevel,
    pub on_full: OnFull,
    /// Records that may wait to be written; never 0.
    pub queue: usize,
}

/// Where records go. One place: a record counts as written when it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSink {
    File(PathBuf),
    Stdout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLevel {
    /// Allowed requests too.
    Info,
    Refusals,
}

/// What happens while no record can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// No record, no action (SEC-78).
    Block,
    /// Nobody waits; what is missing is counted.
    Drop,
}
