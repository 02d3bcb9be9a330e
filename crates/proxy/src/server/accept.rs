//! The accept loop: one per listener, with a cap on connections.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::server::shutdown::Drain;
use crate::server::{Allowance, Peer, connection};

/// How many handshakes may wait in the kernel.
const BACKLOG: i32 = 1024;
/// After an error that is not one connection's own (no more descriptors), accepting pauses.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes an address. Reusing it after a restart is wanted, sharing it with another process is not.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until draining begins, then waits until the last connection has ended. Dropping the future ends them all.
///
/// `slots` bounds the connections of all listeners that share it: without a free slot nothing is accepted, and the kernel's queue waits.
pub(crate) async fn run<H, F, B>(
    listener: TcpListener,
    slots: Arc<Semaphore>,
    allowance: Allowance,
    drain: Drain,
    handle: H,
) where
    H: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + Unpin + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    let mut draining = std::pin::pin!(drain.begun());
    loop {
        let (tcp, address, slot) = tokio::select! {
            biased;
            () = &mut draining => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &slots) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // An error of one connection (it was reset in the queue) and one of the process look alike here; a short pause
                    // does no harm to the first and keeps the second from spinning.
                    tracing::warn!(cause = %error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let Some(peer) = peer(&tcp, address) else {
            continue;
        };
        let handle = handle.clone();
        let drain = drain.clone();
        connections.spawn(async move {
            let _slot = slot;
            connection::serve(tcp, allowance, drain, move |request| {
                handle(peer.clone(), request)
            })
            .await;
        });
    }
    drop(listener); // from here on the kernel refuses
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (tcp, address) = listener.accept().await?;
    Ok((tcp, address, slot))
}

fn peer(tcp: &TcpStream, address: SocketAddr) -> Option<Peer> {
    tcp.set_nodelay(true).ok()?; // events and heads are small, and late if they wait for company
    let header = HeaderValue::try_from(address.ip().to_canonical().to_string()).ok()?;
    let local = tcp.local_addr().ok()?.ip().to_canonical().is_loopback();
    Some(Peer {
        address,
        header,
        local,
    })
}
