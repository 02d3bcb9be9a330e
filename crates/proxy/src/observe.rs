//! What is told about a request: one fact, told once, to all who listen.

pub(crate) mod audit;
pub(crate) mod heard;
pub(crate) mod metrics;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod trace;
