//! A new connection to one server: its name looked up, its addresses tried, TLS spoken where it is https.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::tls::ClientTls;
use crate::body::Upload;

/// Bytes of an upstream's head.
const HEAD: usize = 256 * 1024;
/// An address that has not answered for so long gets company by the next one (RFC 8305 section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Of a name's addresses, so many are tried.
const ADDRESSES: usize = 8;

/// The addresses of a name, asked anew for each connection.
pub(super) type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Where names are looked up. Tests have their own.
pub(super) trait Resolve: Send + Sync {
    fn lookup(&self, host: &str, port: u16) -> Lookup;
}

/// The system's resolver.
pub(super) struct System;

impl Resolve for System {
    fn lookup(&self, host: &str, port: u16) -> Lookup {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// How one server is reached.
pub(super) struct Connector {
    pub(super) target: Target,
    pub(super) tls: Option<(Arc<ClientTls>, ServerName<'static>)>,
    pub(super) resolver: Arc<dyn Resolve>,
}

pub(super) enum Target {
    Address(SocketAddr),
    Name(Box<str>, u16),
    Unix(PathBuf),
}

impl Target {
    pub(super) fn tcp(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Self::Address((address, port).into()),
            Err(_) => Self::Name(host.into(), port),
        }
    }
}

impl Connector {
    /// Connects; `slot` is held as long as the connection lives. The caller bounds the time.
    pub(super) async fn connect(
        &self,
        slot: OwnedSemaphorePermit,
    ) -> io::Result<SendRequest<Upload>> {
        let tcp = match &self.target {
            Target::Unix(path) => return speak(UnixStream::connect(path).await?, slot).await,
            Target::Address(address) => TcpStream::connect(address).await?,
            Target::Name(host, port) => first_of(self.resolver.lookup(host, *port).await?).await?,
        };
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => speak(tcp, slot).await,
            Some((tls, name)) => {
                let connector = TlsConnector::from(tls.current());
                let stream = Box::pin(connector.connect(name.clone(), tcp)).await?;
                speak(stream, slot).await
            }
        }
    }
}

/// The first address that answers. Each gets a head start on the next.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter().take(ADDRESSES);
    let Some(first) = addresses.next() else {
        let none = "the name has no address";
        return Err(io::Error::new(io::ErrorKind::NotFound, none));
    };
    let mut under_way = JoinSet::new(); // ends with this future, and the losers with it
    under_way.spawn(TcpStream::connect(first));
    loop {
        let failed = match tokio::time::timeout(NEXT_ADDRESS, under_way.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => Some(error),
            Ok(Some(Err(error))) => Some(error.into()),
            Ok(None) | Err(_) => None,
        };
        match (addresses.next(), failed) {
            (Some(next), _) => {
                under_way.spawn(TcpStream::connect(next));
            }
            (None, Some(error)) if under_way.is_empty() => return Err(error),
            (None, _) => {}
        }
    }
}

/// HTTP/1.1 over a stream, driven by a task of its own until it ends.
pub(super) async fn speak<S>(
    stream: S,
    slot: OwnedSemaphorePermit,
) -> io::Result<SendRequest<Upload>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        let _ended = connection.await; // what went wrong is told to the request it concerns
        drop(slot);
    });
    Ok(sender)
}
