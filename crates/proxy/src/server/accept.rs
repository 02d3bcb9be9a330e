//! The accept loop: one per listener, with a cap on connections.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::server::shutdown::Drain;
use crate::server::tls::Tls;
use crate::server::{Peer, Terms, connection};

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
/// With `tls` every connection begins with a handshake. `terms` are asked for anew with each connection.
///
/// `slots` bounds the connections of all listeners that share it: without a free slot one connection of each listener waits here,
/// unread, and the others in the kernel's queue. A listener takes a slot only for somebody who is there: two listeners must not share
/// the last slot such that one holds it for nobody and the other has nobody served.
///
/// An address that has all the connections its terms allow is refused another: before a handshake, and before it takes a slot that
/// others wait for.
pub(crate) async fn run<H, F, B>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    slots: Arc<Semaphore>,
    terms: impl Fn() -> Arc<Terms>,
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
    let mut waiting = None;
    loop {
        let (waited, slot) = tokio::select! {
            biased;
            () = &mut draining => break,
            slot = Arc::clone(&slots).acquire_owned(), if waiting.is_some() => match (waiting.take(), slot) {
                (Some(waited), Ok(slot)) => (waited, slot),
                _ => continue,
            },
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if waiting.is_none() => {
                match accepted {
                    Ok((tcp, address)) => {
                        let terms = terms();
                        if let Ok(place) = terms.admit(address) {
                            waiting = Some((tcp, address, terms, place));
                        }
                    }
                    Err(error) => {
                        // An error of one connection (it was reset in the queue) and one of the process look alike here; a short
                        // pause does no harm to the first and keeps the second from spinning.
                        tracing::warn!(cause = %error, "connection not accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                continue;
            }
        };
        let (tcp, address, terms, place) = waited;
        let nodelay = tcp.set_nodelay(true); // events and heads are small, and late if they wait for company
        let Some(peer) = nodelay.ok().and_then(|()| Peer::of(&tcp, address)) else {
            continue;
        };
        let (tls, drain, handle) = (tls.clone(), drain.clone(), handle.clone());
        connections.spawn(async move {
            let _held = (slot, place);
            connection::serve(tcp, tls, peer, terms, drain, handle).await;
        });
    }
    drop((listener, waiting)); // from here on the kernel refuses
    while connections.join_next().await.is_some() {}
}
