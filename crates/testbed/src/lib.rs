//! A small world to try the gateway in: an identity provider, upstreams, the program itself, and clients.
//!
//! Everything here sees only the wire, as a stranger would, and listens on loopback alone. What `demo` uses reports errors; what
//! only tests use panics with the reason, since a test can do nothing else with it.

pub mod client;
pub mod clock;
pub mod gateway;
mod http_server;
pub mod idp;
pub mod mcp_server;
pub mod openmetrics;
pub mod otlp;
mod proof;
pub mod recorder;
mod wire;
mod world;

pub use client::Client;
pub use gateway::Gateway;
pub use idp::Idp;
pub use mcp_server::McpServer;
pub use proof::{Proof, ProofKey};
pub use recorder::{Recorder, Reply};
pub use world::World;
