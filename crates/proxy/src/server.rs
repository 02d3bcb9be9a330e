//! Connections: accepting them, their deadlines, the HTTP spoken on them, and their end.

pub(crate) mod accept;
mod connection;
mod deadline;
pub(crate) mod shutdown;
mod socket;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

/// Who is at the other end of a connection; made once per connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address alone, as `X-Forwarded-For` shows it.
    pub(crate) header: HeaderValue,
    /// Whether the connection came in on a loopback address of ours.
    pub(crate) local: bool,
    /// What the TLS handshake settled; `None` for plain HTTP.
    pub(crate) session: Option<Arc<tls::Session>>,
}

/// What a listener grants its connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) request_head: Duration,
    pub(crate) idle: Duration,
    /// How long a peer may refuse to take bytes we have for it.
    pub(crate) stalled: Duration,
    pub(crate) header_bytes: usize,
    pub(crate) streams: u32,
}

impl Allowance {
    pub(crate) fn of(server: &config::Server) -> Self {
        Self {
            request_head: server.timeouts.request_head,
            idle: server.timeouts.idle,
            stalled: server.timeouts.idle,
            header_bytes: server.limits.header_bytes,
            streams: server.limits.streams_per_connection,
        }
    }

    /// For the admin listener: a probe is small and quick.
    pub(crate) fn small() -> Self {
        let seconds = Duration::from_secs;
        Self {
            request_head: seconds(5),
            idle: seconds(30),
            stalled: seconds(10),
            header_bytes: 16 * 1024,
            streams: 8,
        }
    }
}
