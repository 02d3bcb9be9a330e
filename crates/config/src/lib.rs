//! What the operator may say.
//!
//! Plain data: this crate knows none of ours, opens no file and reads no variable by itself. What was written (`raw`) and what it
//! means ([`Config`]) are two models with one pure function (`check`) between them. On the way, text becomes a tree (`document`),
//! `${…}` is filled in (`interpolate`), and every value is kept as it was written (`written`) until it is read (`scalar`).

mod authority;
mod check;
mod checked;
pub mod claim_path;
mod date_time;
mod document;
mod env_file;
pub mod host;
mod interpolate;
mod later;
mod load;
mod mistakes;
mod notes;
pub mod origin;
mod place;
mod problem;
mod public_key;
mod raw;
mod resolved;
mod scalar;
mod schema;
mod secret;
mod sidecar;
mod sources;
mod suggest;
#[cfg(test)]
mod testing;
mod traces;
mod written;

pub use check::{DenyNames, Loaded, deny_list, expired_keys};
pub use checked::*;
pub use claim_path::ClaimPath;
pub use date_time::DateTime;
pub use env_file::env_file;
pub use host::HostPattern;
pub use load::load;
pub use origin::{Origin, Scheme};
pub use problem::{Problem, Problems};
pub use public_key::{PublicKey, PublicNumbers};
pub use resolved::resolved;
pub use scalar::tool::{
    LONGEST as LONGEST_TOOL_NAME, MOST_COMPARED as MOST_COMPARED_PATTERNS, is_ruled,
};
pub use scalar::unit::duration;
pub use schema::schema;
pub use secret::{ProxyUrl, Secret};
pub use sidecar::sidecar;
pub use sources::Sources;
pub use traces::{Batches, Collector, Sampler, Traces, traces};
