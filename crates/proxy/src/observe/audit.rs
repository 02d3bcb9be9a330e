//! The audit trail: a record of every decision, written by a thread of its own (SEC-78).
//!
//! No record, no action: a request that needs a record is promised one while there is a place in a bounded queue, before it is
//! forwarded, and its record is made when the head of the answer is there, so that a stream is on record while it lasts. What has a
//! promise or a place is written, or tried again until it is. What found none is counted, and the next line that can be written says so.

mod entry;
mod file;
mod health;
mod line;
mod queue;
mod sink;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{AuditLevel, AuditSink, OnFull};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(crate) use entry::{Decision, Event, RouteName};
pub(crate) use line::cut;
pub(crate) use queue::Place;

use crate::observe::metrics::{AuditMetrics, Metrics, Outcome};
use entry::Entry;
use file::AuditFile;
use health::Health;
use line::Line;
use queue::Queue;
use sink::{Pending, Sink, Stdout};
use writer::Writer;

/// How long a request waits for a place.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// The wall clock to the millisecond, since 1970-01-01 UTC; handed in by whoever runs the program.
pub type WallClock = fn() -> Duration;

/// Why the gateway does not start without its audit trail.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What the configuration names cannot be opened.
    #[error("audit.file {} cannot be opened: {cause}", path.display())]
    Open {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("the audit trail cannot be written: {0}")]
    Write(#[source] std::io::Error),
}

/// No record can be made.
#[derive(Debug)]
pub(crate) struct Unaccountable;

/// The trail, for those who make records.
pub(crate) struct Audit {
    queue: Arc<Queue>,
    health: Arc<Health>,
    wall: WallClock,
    metrics: AuditMetrics,
    level: AuditLevel,
    on_full: OnFull,
    ended: watch::Receiver<bool>,
}

/// A trail that is open, before anything happened.
pub(crate) struct Opened {
    settings: config::Audit,
    sink: Box<dyn Sink>,
}

impl Opened {
    pub(crate) fn open(settings: &config::Audit) -> Result<Self, AuditError> {
        let sink: Box<dyn Sink> = match &settings.sink {
            AuditSink::File(path) => {
                Box::new(AuditFile::open(path).map_err(|cause| AuditError::Open {
                    path: path.clone(),
                    cause,
                })?)
            }
            AuditSink::Stdout => Box::new(Stdout::open().map_err(AuditError::Write)?),
        };
        Ok(Self {
            settings: settings.clone(),
            sink,
        })
    }

    /// Writes the first line, and begins. `listeners` are the addresses that clients may use.
    pub(crate) fn begin(
        mut self,
        listeners: &[SocketAddr],
        wall: WallClock,
        metrics: &Metrics,
    ) -> Result<Audit, AuditError> {
        let metrics = metrics.audit.handles(match self.settings.sink {
            AuditSink::File(_) => "file",
            AuditSink::Stdout => "stdout",
        });
        let mut pending = Pending::default();
        let listeners: Vec<_> = listeners.iter().map(ToString::to_string).collect();
        let mut line = Line::begin(&mut pending.lines, wall(), "start");
        line.text("version", Some(env!("CARGO_PKG_VERSION")));
        line.texts("listeners", listeners.iter().map(String::as_str));
        line.end();
        pending
            .write_to(&mut *self.sink)
            .map_err(AuditError::Write)?;
        metrics.written.inc();
        metrics.working.set(1);
        let queue = Arc::new(Queue::new(self.settings.queue));
        let health = Arc::new(Health::new());
        let (end, ended) = watch::channel(false);
        let writer = Writer {
            queue: Arc::clone(&queue),
            health: Arc::clone(&health),
            sink: self.sink,
            metrics: metrics.clone(),
            wall,
            pending: Pending::default(),
        };
        let thread = std::thread::Builder::new().name("audit".into());
        thread
            .spawn(move || end.send_replace(writer.run()))
            .map_err(AuditError::Write)?;
        Ok(Audit {
            queue,
            health,
            wall,
            metrics,
            level: self.settings.level,
            on_full: self.settings.on_full,
            ended,
        })
    }
}

impl Audit {
    /// Whether requests that end like this are recorded.
    pub(crate) fn records(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Refused | Outcome::Failed => true,
            Outcome::Allowed | Outcome::ClientGone => self.level == AuditLevel::Info,
            Outcome::Answered => false, // nobody asked for anything that could be refused
        }
    }

    /// Room for the record of what is about to be done; without it it must not be done. `None` where it may be done all the same.
    pub(crate) async fn place(&self) -> Result<Option<Place>, Unaccountable> {
        let mut place = self.try_place();
        if self.on_full == OnFull::Block && !(place.is_some() && self.health.is_working()) {
            drop(place); // whoever waits holds nothing that others need
            place = Some(self.wait().await?);
        }
        Ok(place.map(|place| self.queue.promise(place)))
    }

    /// A place for the record of a refusal, which stands without one. Nobody waits for a sink that does not work.
    pub(crate) async fn place_of_refusal(&self) -> Option<Place> {
        match (self.try_place(), self.on_full) {
            (None, OnFull::Block) if self.health.is_working() => {
                let place = timeout_at(Instant::now() + PATIENCE, self.queue.place());
                place.await.ok().flatten()
            }
            (place, _) => place,
        }
    }

    fn try_place(&self) -> Option<Place> {
        self.queue.try_place()
    }

    async fn wait(&self) -> Result<Place, Unaccountable> {
        let deadline = Instant::now() + PATIENCE;
        let mut recovered = self.health.recovered();
        let place = async {
            loop {
                let place = self.queue.place().await?;
                if self.health.is_working() {
                    return Some(place);
                }
                drop(place);
                recovered.changed().await.ok()?;
            }
        };
        let place = timeout_at(deadline, place).await.ok().flatten();
        place.ok_or(Unaccountable)
    }

    /// Makes a record. Without a place it takes one if there is one, and is counted otherwise.
    pub(crate) fn record(&self, place: Option<Place>, event: Event) {
        let entry = Entry {
            time: (self.wall)(),
            event,
        };
        match place.or_else(|| self.try_place()) {
            Some(place) => {
                if let Err(late) = self.queue.put(place, entry) {
                    self.miss(&late);
                }
            }
            None => self.miss(&entry),
        }
    }

    fn miss(&self, entry: &Entry) {
        self.queue.miss(entry);
        self.metrics.dropped.inc();
    }

    /// Whether the gateway can do its work as far as records are concerned.
    pub(crate) fn is_ready(&self) -> bool {
        let needed = self.on_full == OnFull::Block && self.level == AuditLevel::Info;
        !needed || self.health.is_working()
    }

    /// Opens the file again, if the one that is open has another name by now.
    pub(crate) fn reopen(&self) {
        self.queue.reopen();
    }

    /// Writes what waits and the last line; whatever is told later is told to nobody. Does not take longer than `at_most`.
    pub(crate) async fn end(&self, at_most: Duration) {
        let by = Instant::now() + at_most;
        self.queue.end(by.into_std());
        let mut ended = self.ended.clone();
        // An error means that the writer is gone, having said what it had to say.
        if timeout_at(by + GRACE, ended.changed()).await.is_err() {
            tracing::error!("the audit trail could not be finished: its sink takes nothing");
        }
    }
}

/// For the last attempt of the writer.
const GRACE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
