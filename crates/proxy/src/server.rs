//! Connections: accepting them, their deadlines, the HTTP spoken on them, and their end.

pub(crate) mod accept;
pub(crate) mod admin;
mod connection;
mod deadline;
mod early;
mod proxy_protocol;
mod sending;
pub(crate) mod shutdown;
pub(crate) mod slots;
mod socket;
pub(crate) mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use tokio::net::TcpStream;

use crate::shared::Shared;
use crate::stage::limit::{Doors, Place, TooMany};
use crate::stage::trust::is_trusted;

/// Who is at the other end of a connection; made once per connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address alone, as `X-Forwarded-For` shows it.
    pub(crate) header: HeaderValue,
    /// Whether nobody else can have read along: the connection came in on a loopback address of ours, and not for somebody elsewhere.
    pub(crate) local: bool,
    /// What the TLS handshake settled; `None` for plain HTTP.
    pub(crate) session: Option<Arc<tls::Session>>,
}

impl Peer {
    /// The other end of this connection. `None` if it is gone already.
    fn of(tcp: &TcpStream, address: SocketAddr) -> Option<Self> {
        Some(Self {
            address,
            header: header(address.ip())?,
            local: tcp.local_addr().ok()?.ip().to_canonical().is_loopback(),
            session: None,
        })
    }

    /// The same connection, opened by a proxy for this client. How the bytes reached the proxy nobody knows, so a client from
    /// elsewhere is not local, however near the proxy is (SEC-38).
    fn announced(&self, client: SocketAddr) -> Option<Self> {
        Some(Self {
            address: client,
            header: header(client.ip())?,
            local: self.local && client.ip().to_canonical().is_loopback(),
            session: self.session.clone(),
        })
    }
}

fn header(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_canonical().to_string()).ok()
}

/// What a listener asks of its connections, and what it grants them.
pub(crate) struct Terms {
    /// Peers that begin with a PROXY protocol header.
    announcers: Vec<IpNet>,
    /// How many one address may have; `None` on the admin listener.
    doors: Option<Doors>,
    allowance: Allowance,
}

impl Terms {
    pub(crate) fn of(server: &config::Server, shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            announcers: server.proxy_protocol.clone(),
            doors: Some(Doors::of(server, Arc::clone(shared))),
            allowance: Allowance::of(server),
        })
    }

    /// For the admin listener.
    pub(crate) fn small() -> Arc<Self> {
        Arc::new(Self {
            announcers: Vec::new(),
            doors: None,
            allowance: Allowance::small(),
        })
    }

    fn is_announcer(&self, address: SocketAddr) -> bool {
        is_trusted(&self.announcers, address.ip())
    }

    /// Counts a connection that brought no request.
    fn refused(&self, reason: &'static str) {
        if let Some(doors) = &self.doors {
            doors.refused(reason);
        }
    }

    /// The place of a connection among those of its address, where they are counted. An announcer's are everybody's: each is counted
    /// for the client that it announces.
    fn admit(&self, address: SocketAddr) -> Result<Option<Place>, TooMany> {
        match &self.doors {
            Some(doors) if !self.is_announcer(address) => doors.admit(address),
            Some(_) | None => Ok(None),
        }
    }
}

/// What connections may take.
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
    fn of(server: &config::Server) -> Self {
        Self {
            request_head: server.timeouts.request_head,
            idle: server.timeouts.idle,
            stalled: server.timeouts.idle,
            header_bytes: server.limits.header_bytes,
            streams: server.limits.streams_per_connection,
        }
    }

    /// For the admin listener: a probe is small and quick.
    fn small() -> Self {
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
