//! What MCP says on the wire; no I/O.

pub mod binding;
pub mod headers;
pub mod listing;
pub mod message;
pub mod operation;
pub mod sse;
