//! Connections that end before they bring a request: what is said and counted of them.
//!
//! The internet makes many, so they are in the log at `debug` alone; but a proxy or a client certificate that is set up wrongly looks
//! like this too, and whoever looks for it finds it in the metrics.

use std::io;
use std::net::SocketAddr;

use rustls::{Error, InvalidMessage};

use crate::server::Terms;
use crate::server::proxy_protocol::Flaw;

/// Whoever only connects and leaves is not counted: many health checks do that.
pub(super) fn tell(error: &io::Error, client: SocketAddr, terms: &Terms) {
    let inner = error.get_ref();
    let tls = inner.and_then(|inner| inner.downcast_ref::<Error>());
    if tls.is_some() {
        terms.refused("tls");
    } else if inner
        .and_then(|inner| inner.downcast_ref::<Flaw>())
        .is_some()
    {
        terms.refused("proxy_protocol");
    }
    let hint = match tls {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "; this is no TLS: plain HTTP, or a PROXY protocol header of a peer that is not in server.proxy_protocol"
        }
        _ => "",
    };
    tracing::debug!(%client, cause = %format_args!("{error}{hint}"), "connection ended before a request");
}
