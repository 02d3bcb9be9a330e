//! A connection's byte stream: what was read ahead comes first, and what happens is noted for the deadlines.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use tokio_rustls::server::TlsStream;

use crate::server::deadline::Activity;
use crate::server::tls::{H2, Session, Tls};

/// How an h2 connection begins (RFC 9113 section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After an early answer, input is discarded for this long, so that a close does not overtake the answer (contract section 4).
const LINGER: Duration = Duration::from_secs(1);
/// And at most this much of it.
const LINGER_BYTES: usize = 1 << 20;

pub(crate) struct Socket {
    ahead: Bytes,
    stream: Stream,
    activity: Arc<Activity>,
}

enum Stream {
    Plain(TcpStream),
    /// Boxed: most of it is buffers, and plain connections do not need the room.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the first bytes say.
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Socket {
    /// Does the handshake if there is one, and learns which HTTP is spoken. The caller bounds the time.
    pub(crate) async fn open(
        tcp: TcpStream,
        tls: Option<Arc<Tls>>,
        activity: Arc<Activity>,
    ) -> io::Result<(Self, Protocol, Option<Session>)> {
        let socket = |stream, ahead| Self {
            ahead,
            stream,
            activity,
        };
        let Some(tls) = tls else {
            let mut tcp = tcp;
            let (ahead, protocol) = preface(&mut tcp).await?;
            return Ok((socket(Stream::Plain(tcp), ahead), protocol, None));
        };
        let (mut stream, session) = tls.accept(tcp).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        let (ahead, protocol) = if is_h2 {
            // Both sides have agreed on it, and yet the first bytes are due in the same time as without TLS.
            preface(&mut stream).await?
        } else {
            (Bytes::new(), Protocol::Http1)
        };
        if is_h2 && matches!(protocol, Protocol::Http1) {
            return Err(io::Error::other("no HTTP/2 after it was agreed on"));
        }
        Ok((socket(Stream::Tls(stream), ahead), protocol, Some(session)))
    }

    /// Ends a connection so that the peer can read our last answer even if it was still sending.
    pub(crate) async fn linger(mut self) {
        let discard = async {
            self.shutdown().await?;
            let mut sink = vec![0; 4096]; // not an array: it would be part of every connection's memory
            let mut left = LINGER_BYTES;
            while left > 0 {
                match self.read(&mut sink).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        let _gone = timeout(LINGER, discard).await; // whether it worked makes no difference any more
    }
}

/// Reads just enough to know which HTTP is spoken, and what was read.
async fn preface(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, Protocol)> {
    let mut ahead = BytesMut::with_capacity(H2_PREFACE.len());
    let protocol = loop {
        let mut chunk = [0; H2_PREFACE.len()];
        let room = chunk.get_mut(ahead.len()..).unwrap_or_default();
        let read = stream.read(room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        ahead.extend_from_slice(room.get(..read).unwrap_or_default());
        if !H2_PREFACE.starts_with(&ahead) {
            break Protocol::Http1;
        }
        if ahead.len() == H2_PREFACE.len() {
            break Protocol::Http2;
        }
    };
    Ok((ahead.freeze(), protocol))
}

/// Both streams are polled in the same way.
macro_rules! either {
    ($socket:expr, $stream:ident => $polled:expr) => {
        match &mut $socket.stream {
            Stream::Plain($stream) => {
                let $stream = Pin::new($stream);
                $polled
            }
            Stream::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $polled
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.activity.reading(false);
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(self.ahead.get(..length).unwrap_or_default());
            self.ahead.advance(length);
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let Poll::Ready(done) = either!(self, stream => stream.poll_read(cx, buffer)) else {
            self.activity.reading(true);
            return Poll::Pending;
        };
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(done)
    }
}

impl Socket {
    /// Whether the peer has closed its side, even behind bytes that nobody has read yet. Nothing is taken, nothing waited for.
    fn peer_has_left(&self) -> bool {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        let ready = pin!(tcp.ready(Interest::READABLE));
        let ready = ready.poll(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let held_back = match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(stream) => stream.get_ref().1.wants_write(), // taken by the session, not yet by the peer
        };
        if held_back || written.is_pending() {
            self.activity.stalled();
        } else {
            self.activity.flowing();
        }
        written
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = either!(self, stream => stream.poll_write(cx, bytes));
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = either!(self, stream => stream.poll_write_vectored(cx, slices));
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_looked_for() && self.peer_has_left() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let flushed = either!(self, stream => stream.poll_flush(cx));
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = either!(self, stream => stream.poll_shutdown(cx));
        self.note(ended)
    }
}
