//! Another configuration while the gateway serves: on SIGHUP, or when a file that it was made from has changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proxy::watch::{Watch, folders};
use proxy::{Reloader, Trail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::arrival;
use crate::logging::Dial;
use crate::sources::{Origin, Reading};

/// File systems on a network may hang; nobody can end such a read, so it is waited for again at the next occasion.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the configuration comes from, and what was last made of it.
pub(super) struct Reload {
    origin: Arc<Origin>,
    hangup: std::io::Result<Signal>,
    /// Of the contents that were judged last: the same are judged once. `None` if they may be judged otherwise the next time.
    mark: Option<u64>,
    late: Option<JoinHandle<(Reading, BTreeSet<PathBuf>)>>,
}

impl Reload {
    /// Must be there before anybody is told that the gateway runs: without it SIGHUP ends the process.
    pub(super) fn listen(origin: Origin, mark: u64) -> Self {
        Self {
            origin: Arc::new(origin),
            hangup: signal(SignalKind::hangup()),
            mark: Some(mark),
            late: None,
        }
    }

    /// Reloads until the future is dropped.
    pub(super) async fn run(mut self, reloader: Reloader, trail: Trail, dial: Dial) {
        let mut watch = Watch::new();
        let mut asked = false;
        loop {
            // Looked at before anything is told: a file may have changed since it was read at start.
            let mut unseen = false;
            if let Some((reading, folders)) = self.read().await {
                unseen = watch.follow(folders);
                if asked || self.mark != Some(reading.mark) {
                    self.mark = Some(reading.mark);
                    self.take(reading, &reloader, &dial).await;
                }
            }
            if unseen {
                asked = false;
                continue;
            }
            asked = tokio::select! {
                () = arrival(&mut self.hangup) => {
                    trail.reopen(); // before the reload is on record
                    true
                }
                () = watch.changed() => false,
            };
        }
    }

    async fn read(&mut self) -> Option<(Reading, BTreeSet<PathBuf>)> {
        let origin = Arc::clone(&self.origin);
        let read = move || {
            let reading = origin.read();
            let folders = folders(reading.files.iter().map(AsRef::as_ref));
            (reading, folders)
        };
        let mut reading = self.late.take().unwrap_or_else(|| spawn_blocking(read));
        if let Ok(read) = timeout(PATIENCE, &mut reading).await {
            return read.ok();
        }
        tracing::warn!("the configuration cannot be looked at: its files are not read within 10 s");
        self.late = Some(reading);
        None
    }

    async fn take(&mut self, reading: Reading, reloader: &Reloader, dial: &Dial) {
        let loaded = match reading.outcome {
            Ok(loaded) => loaded,
            Err(unusable) => return reloader.refused(&unusable),
        };
        for warning in &loaded.warnings {
            let (path, hint) = (&warning.path, warning.hint.as_deref());
            tracing::warn!(%path, hint, "{}", warning.reason);
        }
        let level = loaded.config.logging.level;
        match reloader.reload(loaded.config).await {
            Ok(()) => dial.turn(level),
            Err(error) if error.may_pass() => self.mark = None,
            Err(_) => {}
        }
    }
}
