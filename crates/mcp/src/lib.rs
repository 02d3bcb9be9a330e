//! What MCP says on the wire; no I/O.

pub mod sse;
