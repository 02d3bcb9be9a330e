//! What the OAuth RFCs say: scopes, challenges, error codes, metadata documents and where they lie.
//!
//! Bytes and values in, values out. There is no I/O here, no cryptography and no clock, and nothing of ours is known:
//! an issuer is text throughout, because a URL type that adds a slash to it makes strict clients refuse it (TRAP-1).

pub mod challenge;
pub mod error;
pub mod metadata;
pub mod scope;
pub mod well_known;

pub use scope::Scopes;
