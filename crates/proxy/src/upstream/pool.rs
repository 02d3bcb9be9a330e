//! Connections to one server, kept for the next request, and given up in time.
//!
//! A request is written once. It comes back from here only while not a byte of it has been: no connection was to be had, or the one it
//! was meant for had ended before. Then, and only then, the caller may try elsewhere.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout_at;

use super::connect::Connector;
use crate::body::Upload;

/// Shorter than the 5 s after which popular servers drop an idle connection, so that a request rarely meets one that is going away.
const IDLE: Duration = Duration::from_secs(4);
/// Connections kept for later.
const MOST_IDLE: usize = 256;
/// A connection takes requests for so long, and up to a third longer, so that not all retire at once. A name may have got another
/// address, a certificate may have been replaced, and busy connections would never notice.
const LIFETIME: Duration = Duration::from_secs(45);
/// How long a connection whose answer has ended may take to be ready again: the rest of an upload nobody waits for, mostly.
const SETTLE: Duration = Duration::from_secs(1);

/// The connections to one server.
pub(super) struct Pool {
    connector: Connector,
    /// For one connection.
    deadline: Duration,
    idle: Mutex<Idle>,
    slots: Arc<Semaphore>,
    /// Requests that wait because all slots are taken.
    waiting: AtomicUsize,
    returned: Notify,
    opened: AtomicU64,
}

#[derive(Default)]
struct Idle {
    /// The one used last stands last, and is used first: the others may grow old.
    connections: VecDeque<Resting>,
    is_swept: bool,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

/// A connection that a request may be written to.
pub(super) struct Connection {
    sender: SendRequest<Upload>,
    /// Not after this.
    retires: Instant,
}

/// Why there is no answer.
pub(super) enum Failed {
    /// Nothing was written: the request may go elsewhere.
    Unwritten(Box<Request<Upload>>, std::io::Error),
    /// Something may have been written.
    Broken(hyper::Error),
}

impl Pool {
    /// At most `most` connections at once; each is made within `deadline`.
    pub(super) fn new(connector: Connector, deadline: Duration, most: usize) -> Self {
        Self {
            connector,
            deadline,
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            returned: Notify::new(),
            opened: AtomicU64::new(0),
        }
    }

    /// Sends a request over a connection that is there, else over a new one.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        now: Instant,
    ) -> Result<(Response<Incoming>, Connection), Failed> {
        while let Some(mut connection) = self.take(now) {
            match connection.sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(mut error) => match error.take_message() {
                    Some(unwritten) => request = unwritten, // it had ended; the next one may not have
                    None => return Err(Failed::Broken(error.into_error())),
                },
            }
        }
        let mut connection = match self.open().await {
            Ok(connection) => connection,
            Err(error) => return Err(Failed::Unwritten(Box::new(request), error)),
        };
        match connection.sender.try_send_request(request).await {
            Ok(answer) => Ok((answer, connection)),
            Err(mut error) => Err(match error.take_message() {
                Some(unwritten) => {
                    let cause = std::io::Error::other(error.into_error());
                    Failed::Unwritten(Box::new(unwritten), cause)
                }
                None => Failed::Broken(error.into_error()),
            }),
        }
    }

    /// A new connection; if there may be no more, one that comes back. That none does is `ResourceBusy`: no fault of the server's.
    async fn open(&self) -> std::io::Result<Connection> {
        let by = tokio::time::Instant::now() + self.deadline;
        let late = |kind, what| {
            let late = format!("{what} within {:?}", self.deadline);
            std::io::Error::new(kind, late)
        };
        let slot = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => match timeout_at(by, self.wait()).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(connection)) => return Ok(connection),
                Err(_) => {
                    return Err(late(
                        ErrorKind::ResourceBusy,
                        "all are in use, none is free",
                    ));
                }
            },
        };
        let sender = timeout_at(by, self.connector.connect(slot))
            .await
            .unwrap_or_else(|_| Err(late(ErrorKind::TimedOut, "no connection")))?;
        let count = self.opened.fetch_add(1, Ordering::Relaxed);
        let longer = LIFETIME / 48 * u32::try_from(count % 16).unwrap_or(0);
        Ok(Connection {
            sender,
            retires: Instant::now() + LIFETIME + longer,
        })
    }

    /// Waits for room for a connection, or for a connection.
    async fn wait(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Connection> {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let returned = self.returned.notified();
            if let Some(connection) = self.take(Instant::now()) {
                return Err(connection);
            }
            tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => {
                    if let Ok(slot) = slot {
                        return Ok(slot);
                    }
                }
                () = returned => {}
            }
        }
    }

    /// The connection used last among those that still serve.
    fn take(&self, now: Instant) -> Option<Connection> {
        let mut idle = self.idle();
        while let Some(resting) = idle.connections.pop_back() {
            if resting.is_good(now) {
                return Some(resting.connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer has ended, or has been let go of.
    pub(super) fn put_back(self: &Arc<Self>, connection: Connection) {
        if connection.sender.is_ready() {
            return self.keep(connection);
        }
        if connection.sender.is_closed() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let pool = Arc::clone(self);
        runtime.spawn(async move {
            let mut connection = connection;
            let ready = tokio::time::timeout(SETTLE, connection.sender.ready()).await;
            if ready.is_ok_and(|ready| ready.is_ok()) {
                pool.keep(connection);
            }
        });
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        let now = Instant::now();
        if now >= connection.retires {
            return;
        }
        let mut idle = self.idle();
        if idle.connections.len() >= MOST_IDLE {
            idle.connections.pop_front();
        }
        idle.connections.push_back(Resting {
            connection,
            since: now,
        });
        let is_swept = std::mem::replace(&mut idle.is_swept, true);
        drop(idle);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.returned.notify_one();
        }
        if !is_swept && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(sweep(Arc::downgrade(self), IDLE));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resting {
    fn is_good(&self, now: Instant) -> bool {
        !self.connection.sender.is_closed()
            && now < self.since + IDLE
            && now < self.connection.retires
    }
}

/// Ends connections that nobody has used for too long, until there are none.
async fn sweep(pool: std::sync::Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut idle = pool.idle();
        idle.connections.retain(|resting| resting.is_good(now));
        if idle.connections.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

/// Counted as long as it lives.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
