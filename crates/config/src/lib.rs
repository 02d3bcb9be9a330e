//! What the operator may say.
//!
//! Plain data: this crate knows none of ours, opens no file and reads no variable by itself. What was written and what it means
//! are two models with one pure function between them.

mod authority;
mod checked;
pub mod claim_path;
pub mod host;
pub mod origin;

pub use checked::*;
pub use claim_path::ClaimPath;
pub use host::HostPattern;
pub use origin::{Origin, Scheme};
