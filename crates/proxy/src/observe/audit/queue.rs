//! Where records wait for the writer: a bounded number of places, handed out before the record is made.
//!
//! A place is given back when its record is written, so everything that waits, is being written or is tried again is within the bound.
//! A request that is under way takes none with it: whoever is slow on purpose would soon have all of them. It has a promise, and its
//! record finds room above the bound, which keeps others out until it is written. So the bound is the queue and what is under way.
//! What finds no place is counted, by decision and reason: both are words of ours, so the list of counts is bounded too.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::entry::Entry;

/// Records taken by the writer at once.
const BATCH: usize = 256;

pub(super) struct Queue {
    places: Arc<Semaphore>,
    capacity: usize,
    /// Records that requests under way will make.
    promised: AtomicUsize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// Records, of those that wait or are being written, that were promised and found all places taken.
    above: usize,
    gap: Option<Gap>,
    reopen: bool,
    /// Until then the writer has to be done.
    ends: Option<Instant>,
    /// It is: nothing more is taken.
    closed: bool,
    /// Whether the writer sleeps and waits for records.
    listening: bool,
}

/// Room for one record.
pub(crate) struct Place(Room);

enum Room {
    Taken(OwnedSemaphorePermit),
    Promised(Promise),
}

/// Counted as long as it lives.
struct Promise(Arc<Queue>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.promised.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Records that are missing.
pub(super) struct Gap {
    /// When the first and the last of them were made, since 1970-01-01 UTC.
    pub(super) since: Duration,
    pub(super) until: Duration,
    pub(super) counts: Vec<(&'static str, &'static str, u64)>,
}

/// What the writer finds when it wakes.
pub(super) struct Found {
    pub(super) gap: Option<Gap>,
    pub(super) reopen: bool,
    pub(super) ends: Option<Instant>,
    /// No place is taken: nothing waits, and nothing will come of a request that is under way.
    pub(super) idle: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(capacity)),
            capacity,
            promised: AtomicUsize::new(0),
            state: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    pub(super) fn try_place(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.ok().map(|permit| Place(Room::Taken(permit)))
    }

    /// Waits for a place as long as it takes; the caller has the deadline.
    pub(super) async fn place(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.ok().map(|permit| Place(Room::Taken(permit)))
    }

    /// Gives the place to others meanwhile. There is room for the record all the same.
    pub(super) fn promise(self: &Arc<Self>, place: Place) -> Place {
        self.promised.fetch_add(1, Ordering::AcqRel);
        drop(place);
        Place(Room::Promised(Promise(Arc::clone(self))))
    }

    /// Gives the record back once the end is there: nobody would write it any more.
    pub(super) fn put(&self, place: Place, entry: Entry) -> Result<(), Entry> {
        let mut state = self.state();
        if state.closed {
            return Err(entry);
        }
        // What is forgotten here is given back by `written`.
        let Place(room) = place;
        let _promise = match room {
            Room::Taken(permit) => {
                permit.forget();
                None
            }
            Room::Promised(promise) => {
                match self.places.try_acquire() {
                    Ok(permit) => permit.forget(),
                    Err(_) => state.above += 1,
                }
                Some(promise) // kept until the record is there
            }
        };
        state.waiting.push_back(entry);
        self.tell(state);
        Ok(())
    }

    /// Counts a record that is not kept.
    pub(super) fn miss(&self, entry: &Entry) {
        let mut state = self.state();
        let (decision, reason) = entry.event.kind();
        let gap = state.gap.get_or_insert_with(|| Gap {
            since: entry.time,
            until: entry.time,
            counts: Vec::new(),
        });
        gap.since = gap.since.min(entry.time);
        gap.until = gap.until.max(entry.time);
        let same = |(d, r, _): &&mut (&str, &str, u64)| *d == decision && *r == reason;
        match gap.counts.iter_mut().find(same) {
            Some((_, _, count)) => *count += 1,
            None => gap.counts.push((decision, reason, 1)),
        }
        self.tell(state);
    }

    /// Has the sink opened again.
    pub(super) fn reopen(&self) {
        self.state().reopen = true;
        self.wake.notify_one();
    }

    /// Has the writer finish by then.
    pub(super) fn end(&self, by: Instant) {
        let mut state = self.state();
        state.ends = Some(state.ends.map_or(by, |earlier| earlier.min(by)));
        drop(state);
        self.wake.notify_one();
    }

    /// For the writer, when it takes what is left.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    /// For the writer: waits until there is something to do, or for `at_most`, and moves the next records into `batch`, unless
    /// `take` is false.
    pub(super) fn next(
        &self,
        take: bool,
        at_most: Option<Duration>,
        batch: &mut Vec<Entry>,
    ) -> Found {
        let deadline = at_most.map(|at_most| Instant::now() + at_most);
        let mut state = self.state();
        loop {
            let is_due = match deadline {
                Some(deadline) => Instant::now() >= deadline,
                None => state.ends.is_some(),
            };
            let news = take && (!state.waiting.is_empty() || state.gap.is_some());
            if news || state.reopen || is_due {
                break;
            }
            state.listening = take;
            state = match deadline {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let woken = self.wake.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.listening = false;
        }
        let idle = state.waiting.is_empty()
            && self.promised.load(Ordering::Acquire) == 0
            && self.places.available_permits() == self.capacity;
        if take {
            let count = state.waiting.len().min(BATCH);
            batch.extend(state.waiting.drain(..count));
        }
        Found {
            gap: if take { state.gap.take() } else { None },
            reopen: std::mem::take(&mut state.reopen),
            ends: state.ends,
            idle,
        }
    }

    /// Gives back the places of records that are written.
    pub(super) fn written(&self, records: usize) {
        let mut state = self.state();
        let above = state.above.min(records);
        state.above -= above;
        drop(state);
        self.places.add_permits(records - above);
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        let listening = state.listening;
        drop(state);
        if listening {
            self.wake.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
