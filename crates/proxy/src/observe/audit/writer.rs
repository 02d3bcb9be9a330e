//! The thread that writes: takes what waits, makes lines of it, and tries again until the sink has them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WallClock;
use super::entry::Entry;
use super::health::Health;
use super::line::Line;
use super::queue::{Gap, Queue};
use super::sink::{Pending, Sink};
use crate::observe::metrics::AuditMetrics;

/// Between two attempts while the sink fails.
const RETRY: Duration = Duration::from_millis(200);
/// At the end: how often it is looked whether requests that are cut have told their end.
const GLANCE: Duration = Duration::from_millis(5);

pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) health: Arc<Health>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) metrics: AuditMetrics,
    /// The wall clock: since 1970-01-01 UTC.
    pub(super) wall: WallClock,
    pub(super) pending: Pending,
}

impl Writer {
    /// Writes until the end has come; true if nothing is missing then.
    pub(super) fn run(mut self) -> bool {
        let mut batch = Vec::new();
        let mut ends = None;
        loop {
            let working = self.pending.is_empty() && self.health.is_working();
            let at_most = match ends {
                Some(_) => Some(GLANCE),
                None if working => None,
                None => Some(RETRY),
            };
            let found = self.queue.next(working, at_most, &mut batch);
            ends = found.ends;
            self.format(&mut batch, found.gap);
            self.bring(found.reopen);
            if let Some(by) = ends
                && ((found.idle && self.pending.is_empty()) || Instant::now() >= by)
            {
                return self.end();
            }
        }
    }

    fn format(&mut self, batch: &mut Vec<Entry>, gap: Option<Gap>) {
        for entry in batch.drain(..) {
            entry.write(&mut self.pending.lines);
            self.pending.records += 1;
        }
        if let Some(gap) = gap {
            gap.write((self.wall)(), &mut self.pending.lines);
        }
    }

    /// Tries to write what is there, and notes whether the sink works.
    fn bring(&mut self, reopen: bool) {
        let was_working = self.health.is_working();
        self.health.begin();
        let looked = self.sink.look_after(reopen || !was_working);
        let brought = looked.and_then(|another| {
            if another {
                self.pending.begin_line_again();
            }
            self.pending.write_to(&mut *self.sink)
        });
        self.health.end(brought.is_ok());
        self.metrics.written.inc_by(self.pending.news());
        match brought {
            Ok(()) => {
                self.queue.written(self.pending.records);
                self.pending.clear();
                if self.metrics.working.set(1) == 0 {
                    tracing::info!("the audit trail is written again");
                }
            }
            Err(cause) => {
                if self.metrics.working.set(0) == 1 {
                    tracing::error!(%cause, "the audit trail cannot be written");
                }
            }
        }
    }

    /// Everything that is left, and the last line.
    fn end(&mut self) -> bool {
        let mut batch = Vec::new();
        self.queue.close();
        loop {
            let found = self.queue.next(true, Some(Duration::ZERO), &mut batch);
            if batch.is_empty() && found.gap.is_none() {
                break;
            }
            self.format(&mut batch, found.gap);
        }
        Line::begin(&mut self.pending.lines, (self.wall)(), "stop").end();
        let records = self.pending.records;
        self.bring(false);
        if self.pending.is_empty() {
            return true;
        }
        tracing::error!(records, "the audit trail ends without its last records");
        false
    }
}

impl Gap {
    fn write(&self, now: Duration, out: &mut String) {
        let mut line = Line::begin(out, now, "gap");
        line.moment("since", self.since);
        line.moment("until", self.until);
        line.number(
            "records",
            self.counts.iter().map(|(_, _, count)| count).sum::<u64>(),
        );
        line.counts("missing", self.counts.iter().copied());
        line.end();
    }
}
