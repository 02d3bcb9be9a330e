//! Credentials that the operator hands out: random keys in a header of their own, of which the configuration has the SHA-256 alone.

mod format;

pub use format::{ApiKey, KeyError, encryption_key};
