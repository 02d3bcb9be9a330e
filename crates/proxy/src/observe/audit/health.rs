//! Whether the sink takes records, as far as the last attempt tells.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::watch;

/// A write that takes longer than this, in milliseconds, counts as a failing one, until it returns: a pipe that nobody reads, a file system that hangs.
const STUCK_MS: u64 = 2_000;

pub(super) struct Health {
    made: Instant,
    failing: AtomicBool,
    /// Milliseconds after `made` at which the write in progress began, plus one; 0 between two writes.
    writing: AtomicU64,
    /// Changes whenever the sink works again.
    recovered: watch::Sender<()>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            made: Instant::now(),
            failing: AtomicBool::new(false),
            writing: AtomicU64::new(0),
            recovered: watch::Sender::new(()),
        }
    }

    pub(super) fn is_working(&self) -> bool {
        !self.failing.load(Ordering::Relaxed) && !self.is_stuck()
    }

    fn is_stuck(&self) -> bool {
        let begun = self.writing.load(Ordering::Relaxed);
        begun != 0 && self.now().saturating_sub(begun) > STUCK_MS
    }

    /// For somebody who waits until it works again; subscribe first, then ask.
    pub(super) fn recovered(&self) -> watch::Receiver<()> {
        self.recovered.subscribe()
    }

    /// For the writer, around each attempt.
    pub(super) fn begin(&self) {
        self.writing.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn end(&self, works: bool) {
        let was_working = self.is_working();
        self.writing.store(0, Ordering::Relaxed);
        self.failing.store(!works, Ordering::Relaxed);
        if works && !was_working {
            self.recovered.send_replace(());
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sec_78_a_write_that_does_not_return_counts_as_failing_until_it_does() {
        let mut health = Health::new();
        let mut recovered = health.recovered();
        health.begin();
        assert!(health.is_working());
        health.made -= Duration::from_millis(1_990);
        assert!(health.is_working(), "not yet");
        health.made -= Duration::from_secs(1);
        assert!(!health.is_working());
        assert!(!recovered.has_changed().unwrap());
        health.end(true);
        assert!(health.is_working());
        assert!(recovered.has_changed().unwrap(), "who waits is told");
        recovered.mark_unchanged();
        health.begin();
        health.end(true);
        assert!(
            !recovered.has_changed().unwrap(),
            "nobody waits for what always works"
        );
    }
}
