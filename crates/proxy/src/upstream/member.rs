//! One server behind the gateway: its connections, its health, and what is under way to it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::balance::{Health, Standing};
use super::pool::{Connection, Pool};

/// One server, the same for all routes and plans that name it in the same way.
pub(crate) struct Member {
    /// Scheme, host and port, or the socket: for messages.
    pub(super) name: Box<str>,
    /// A number that stands for it in the table of sessions.
    pub(super) mark: u64,
    pub(super) pool: Arc<Pool>,
    pub(super) health: Health,
    busy: AtomicUsize,
    /// Whether it was said that it is ejected, and not yet that it returns.
    is_out: AtomicBool,
    /// Times are counted from here.
    epoch: Instant,
}

impl Member {
    pub(super) fn new(name: Box<str>, mark: u64, pool: Arc<Pool>, epoch: Instant) -> Self {
        Self {
            name,
            mark,
            pool,
            health: Health::default(),
            busy: AtomicUsize::new(0),
            is_out: AtomicBool::new(false),
            epoch,
        }
    }

    /// Milliseconds since times are counted; never 0, which stands for never.
    pub(super) fn time(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// How it stands, and how many requests are under way to it.
    pub(super) fn state(&self, now: Instant) -> (Standing, usize) {
        let standing = self.health.standing(self.time(now));
        if standing != Standing::Ejected
            && self.is_out.load(Relaxed)
            && self.is_out.swap(false, Relaxed)
        {
            tracing::info!(upstream = %self.name, "upstream returns, with a growing share of the requests");
        }
        (standing, self.busy.load(Relaxed))
    }

    /// A request begun then failed, and it was this server's fault.
    pub(super) fn failed(&self, begun: Instant) {
        let length = self
            .health
            .failed(self.time(begun), self.time(Instant::now()));
        if let Some(length) = length {
            self.is_out.store(true, Relaxed);
            tracing::warn!(upstream = %self.name, ?length, "upstream ejected: it failed too often in a row");
        }
    }

    fn succeeded(&self, begun: Instant) {
        self.health
            .succeeded(self.time(begun), self.time(Instant::now()));
    }
}

/// One request under way to a server. Ends with the answer's body, and gives its connection back then.
pub(super) struct Lease {
    member: Arc<Member>,
    connection: Option<Connection>,
    begun: Instant,
    /// Whether the end of the answer says something about the server that matters: it has others beside it, and nothing was said yet.
    is_judged: bool,
    is_whole: bool,
}

impl Lease {
    pub(super) fn new(member: &Arc<Member>, begun: Instant, is_judged: bool) -> Self {
        member.busy.fetch_add(1, Relaxed);
        Self {
            member: Arc::clone(member),
            connection: None,
            begun,
            is_judged,
            is_whole: false,
        }
    }

    pub(super) fn hold(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// Says now how the request went, whatever comes after.
    pub(super) fn settle(&mut self, went_well: bool) {
        if !std::mem::take(&mut self.is_judged) {
            return;
        }
        if went_well {
            self.member.succeeded(self.begun);
        } else {
            self.member.failed(self.begun);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.busy.fetch_sub(1, Relaxed);
        if self.is_whole {
            self.settle(true);
        }
        if let Some(connection) = self.connection.take() {
            self.member.pool.put_back(connection);
        }
    }
}

/// The body of an upstream's answer, as it comes.
pub(crate) struct Download {
    /// What was taken off it and put back.
    first: Option<Bytes>,
    incoming: Incoming,
    /// Below the body: the connection is free when the body is gone.
    lease: Lease,
}

impl Download {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        Self {
            first: None,
            incoming,
            lease,
        }
    }

    /// The next frames are these bytes. Whatever was put back before must have been taken again.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.first = Some(bytes).filter(|bytes| !bytes.is_empty());
    }

    /// Scheme, host and port of the server, or its socket.
    pub(crate) fn server(&self) -> &str {
        &self.lease.member.name
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let polled = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &polled {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.lease.settle(false),
            None => self.lease.is_whole = true,
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.first {
            None => self.incoming.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.lease.is_whole |= self.incoming.is_end_stream();
    }
}
