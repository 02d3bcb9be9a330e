//! One connection: which HTTP it speaks, its requests, its deadlines, its end.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::deadline::{Activity, Watch};
use crate::server::early;
use crate::server::proxy_protocol::{self, Source};
use crate::server::sending::{PIECE, Sending};
use crate::server::shutdown::Drain;
use crate::server::socket::{Protocol, Socket};
use crate::server::tls::Tls;
use crate::server::{Peer, Terms};

/// Dead h2 peers are found by pings; event streams may be silent for hours.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Header lines in one HTTP/1 head.
const HEADER_LINES: usize = 128;
/// Resets that a peer may have pending before the connection is closed (rapid reset).
const PENDING_RESETS: usize = 64;

/// Serves one connection to its end. `handle` answers each request and never fails.
pub(super) async fn serve<H, F, B>(
    mut tcp: TcpStream,
    tls: Option<Arc<Tls>>,
    mut peer: Peer,
    terms: Arc<Terms>,
    drain: Drain,
    handle: H,
) where
    H: Fn(Peer, Request<Incoming>) -> F + Unpin,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let activity = Activity::new();
    let mut draining = pin!(drain.begun());
    let allowance = terms.allowance;
    let mut place = None; // of an announced client
    let opened = timeout(allowance.request_head, async {
        if terms.is_announcer(peer.address) {
            // Boxed: most connections have no such header, and need no room for it.
            let source = Box::pin(proxy_protocol::read(&mut tcp)).await?;
            if let Source::Client(client) = source {
                tracing::debug!(proxy = %peer.address, %client, "connection announced");
                peer = peer.announced(client).ok_or(ErrorKind::InvalidData)?;
                place = terms.admit(client).map_err(io::Error::other)?;
            }
        }
        Socket::open(tcp, tls, Arc::clone(&activity)).await
    });
    let opened = tokio::select! {
        biased;
        opened = opened => opened,
        () = &mut draining => return, // nothing has been asked here, so nothing is left to finish
    };
    let (socket, protocol, session) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            early::tell(&error, peer.address, &terms);
            return;
        }
        Err(_) => {
            tracing::debug!(client = %peer.address, cause = "too slow", "connection ended before a request");
            return; // no header, no handshake or no first byte in time
        }
    };
    let _place = place;
    peer.session = session.map(Arc::new);
    let noted = Arc::clone(&activity);
    let multiplexed = matches!(protocol, Protocol::Http2);
    let service = service_fn(move |request| {
        let exchange = noted.exchange(multiplexed);
        let answer = handle(peer.clone(), request);
        // Boxed, so that a connection without a request does not hold the room that one would need.
        Box::pin(async move {
            let answer = answer.await.map(|body| Sending::new(body, exchange));
            Ok::<_, std::convert::Infallible>(answer)
        })
    });
    let mut watch = Watch::new(activity, allowance, multiplexed);
    let mut drained = false;
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            // Heads are timed by `Watch`, which tells a slow head from an idle connection; hyper's own timer does not.
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(None)
                .half_close(false);
            builder
                .max_buf_size(allowance.header_bytes)
                .max_headers(HEADER_LINES);
            let mut connection = builder.serve_connection(TokioIo::new(socket), service);
            let finished = poll_fn(|cx| {
                if !drained && draining.as_mut().poll(cx).is_ready() {
                    drained = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                if let Poll::Ready(done) = connection.poll_without_shutdown(cx) {
                    // A refused head has been answered too; after any other error there is nobody to read, or nothing to trust.
                    return Poll::Ready(done.map_or_else(|error| error.is_parse(), |()| true));
                }
                watch.poll(cx).map(|()| false)
            })
            .await;
            if finished {
                connection.into_parts().io.into_inner().linger().await;
            }
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PING_TIMEOUT);
            builder.max_header_list_size(u32::try_from(allowance.header_bytes).unwrap_or(u32::MAX));
            builder
                .max_concurrent_streams(allowance.streams)
                .max_send_buf_size(PIECE) // of each answer, for a peer that shuts no window and does not read
                .max_pending_accept_reset_streams(PENDING_RESETS);
            // Boxed, so that connections of the other protocol do not hold the room that this one needs.
            let mut connection = Box::pin(builder.serve_connection(TokioIo::new(socket), service));
            poll_fn(|cx| {
                if !drained && draining.as_mut().poll(cx).is_ready() {
                    drained = true;
                    connection.as_mut().graceful_shutdown();
                }
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                watch.poll(cx)
            })
            .await;
        }
    }
}
