//! The deadlines of one connection: first byte, head, idle time between requests, and a peer that takes nothing.
//!
//! hyper has a timer for heads alone, which also runs between requests, and none for idle connections or stalled peers. Here the socket
//! and the service note what the connection is doing, and one lazily set timer per connection looks at the notes: a busy connection
//! touches a few atomics per request and no timer at all.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Duration, Instant, Sleep};

use crate::server::Allowance;

/// How often we look if a peer is still there where nothing would tell us.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a connection is doing. Times are milliseconds since it was accepted; 0 = not so.
pub(crate) struct Activity {
    accepted: Instant,
    /// Requests whose answer is not complete.
    exchanges: AtomicU32,
    /// Since when nothing is asked.
    idle_since: AtomicU64,
    /// Since when a head is on its way.
    head_since: AtomicU64,
    /// Since when the peer takes no bytes.
    stalled_since: AtomicU64,
    /// Whether a read waits, which would tell us of a peer that leaves.
    reading: AtomicBool,
    /// Whether the socket shall look if the peer is still there.
    looked_for: AtomicBool,
    /// The same for each h2 stream, whose peer can refuse bytes by flow control while the connection itself flows.
    withheld: Mutex<Vec<Arc<Withheld>>>,
}

/// What one h2 stream has for its peer that is not yet written.
#[derive(Default)]
struct Withheld {
    pieces: AtomicU32,
    /// When the first of these came, or the last one before them went.
    since: AtomicU64,
}

impl Withheld {
    /// 0 = there is nothing.
    fn since(&self) -> u64 {
        match self.pieces.load(Ordering::Acquire) {
            0 => 0,
            _ => self.since.load(Ordering::Relaxed),
        }
    }
}

impl Activity {
    /// A connection begins with a head: the first byte is due like the rest of it.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            exchanges: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(1),
            stalled_since: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            looked_for: AtomicBool::new(false),
            withheld: Mutex::default(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        if self.exchanges.load(Ordering::Relaxed) == 0
            && self.head_since.load(Ordering::Relaxed) == 0
        {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Whether a read waits for the peer now.
    pub(crate) fn reading(&self, waits: bool) {
        self.reading.store(waits, Ordering::Relaxed);
    }

    /// Whether a peer that leaves now would leave unnoticed: a request is being answered, and hyper still has bytes for the next one,
    /// so it reads nothing.
    fn is_deaf(&self) -> bool {
        self.exchanges.load(Ordering::Relaxed) > 0 && !self.reading.load(Ordering::Relaxed)
    }

    /// Lets the socket look if the peer is still there.
    fn look(&self, connection: &Waker) {
        self.looked_for.store(true, Ordering::Relaxed);
        connection.wake_by_ref();
    }

    /// Whether it is time to look; once.
    pub(crate) fn is_looked_for(&self) -> bool {
        self.looked_for.load(Ordering::Relaxed) && self.looked_for.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn stalled(&self) {
        if self.stalled_since.load(Ordering::Relaxed) == 0 {
            self.stalled_since.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn flowing(&self) {
        if self.stalled_since.load(Ordering::Relaxed) != 0 {
            self.stalled_since.store(0, Ordering::Relaxed);
        }
    }

    /// A head is complete; the exchange lasts until the result is dropped.
    pub(crate) fn exchange(self: &Arc<Self>, multiplexed: bool) -> Exchange {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        let withheld = multiplexed.then(|| {
            let own = Arc::new(Withheld::default());
            self.withheld().push(Arc::clone(&own));
            own
        });
        Exchange {
            activity: Arc::clone(self),
            withheld,
        }
    }

    fn withheld(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Withheld>>> {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When this connection has waited long enough, as things are now.
    fn due(&self, allowance: &Allowance, multiplexed: bool) -> Option<Instant> {
        let at = |since: u64, span: Duration| {
            (since != 0).then(|| self.accepted + Duration::from_millis(since) + span)
        };
        let noted = |since: &AtomicU64, span| at(since.load(Ordering::Relaxed), span);
        let stalled = noted(&self.stalled_since, allowance.stalled);
        if self.exchanges.load(Ordering::Relaxed) > 0 {
            let withheld = self.withheld();
            let streams = withheld
                .iter()
                .filter_map(|stream| at(stream.since(), allowance.stalled));
            return streams.chain(stalled).min();
        }
        let idle = noted(&self.idle_since, allowance.idle);
        let waiting = if multiplexed {
            idle.or(Some(self.accepted + allowance.idle)) // its bytes are frames of many kinds, pings among them, not just heads
        } else {
            noted(&self.head_since, allowance.request_head).or(idle)
        };
        [stalled, waiting].into_iter().flatten().min()
    }
}

/// One request being answered.
pub(crate) struct Exchange {
    activity: Arc<Activity>,
    /// On h2 alone.
    withheld: Option<Arc<Withheld>>,
}

impl Exchange {
    /// Whether it is one of several on its connection.
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.withheld.is_some()
    }

    /// There is a piece for the peer. Pieces are offered one after the other.
    pub(crate) fn offered(&self) {
        if let Some(withheld) = &self.withheld {
            if withheld.pieces.load(Ordering::Relaxed) == 0 {
                withheld.since.store(self.activity.now(), Ordering::Relaxed);
            }
            withheld.pieces.fetch_add(1, Ordering::Release);
        }
    }

    /// A piece that was offered is written, or will never be.
    pub(crate) fn taken(&self) {
        if let Some(withheld) = &self.withheld {
            withheld.since.store(self.activity.now(), Ordering::Relaxed);
            withheld.pieces.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(own) = &self.withheld {
            self.activity
                .withheld()
                .retain(|other| !Arc::ptr_eq(other, own));
        }
        let idle = &self.activity.idle_since;
        idle.store(self.activity.now(), Ordering::Relaxed);
        self.activity.exchanges.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Watches over one connection's [`Activity`]. Polled with the connection, in the same task.
pub(crate) struct Watch {
    activity: Arc<Activity>,
    allowance: Allowance,
    /// Whether the connection speaks h2.
    multiplexed: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    pub(crate) fn new(activity: Arc<Activity>, allowance: Allowance, multiplexed: bool) -> Self {
        Self {
            activity,
            allowance,
            multiplexed,
            timer: None,
        }
    }

    /// Ready when a deadline has passed. A timer that is set too early is left alone: it is cheaper to look again when it fires than
    /// to move it with every request.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deaf = !self.multiplexed && self.activity.is_deaf();
            let look = deaf.then(|| Instant::now() + LOOK_EVERY);
            let due = self.activity.due(&self.allowance, self.multiplexed);
            let due = match due.into_iter().chain(look).min() {
                Some(due) => due,
                // h2 answers end in tasks of their own, which wake nobody here: somebody has to look.
                None if self.multiplexed => Instant::now() + self.allowance.idle,
                None => return Poll::Pending,
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.is_elapsed() && deaf {
                self.activity.look(cx.waker());
            }
            if timer.is_elapsed() || timer.deadline() > due {
                if due <= Instant::now() {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}
