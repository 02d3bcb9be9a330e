//! Another configuration while the gateway serves: on SIGHUP, or when a file that it was made from has changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proxy::watch::{Watch, folders};
use proxy::{Ask, Reloader, Trail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::arrival;
use crate::logging::Dial;
use crate::sources::{Origin, Reading};

/// File systems on a network may hang; nobody can end such a read, so it is waited for again at the next occasion.
const PATIENCE: Duration = Duration::from_secs(10);
const LATE: &str = "its files are not read within 10 s";

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
        let mut told = false;
        let mut asked = None;
        loop {
            // Looked at before anything is told: a file may have changed since it was read at start.
            let mut unseen = false;
            let mut result = Err(LATE.to_owned());
            if let Some((reading, folders)) = self.read().await {
                unseen = watch.follow(folders);
                result = Ok(());
                if told || asked.is_some() || self.mark != Some(reading.mark) {
                    self.mark = Some(reading.mark);
                    result = self.take(reading, &reloader, &dial).await;
                }
            }
            if let Some(ask) = Option::<Ask>::take(&mut asked) {
                ask.answer(result);
            }
            told = false;
            if unseen {
                continue;
            }
            tokio::select! {
                () = arrival(&mut self.hangup) => {
                    trail.reopen(); // before the reload is on record
                    told = true;
                }
                ask = reloader.asked() => asked = Some(ask),
                () = watch.changed() => {}
            }
        }
    }

    async fn read(&mut self) -> Option<(Reading, BTreeSet<PathBuf>)> {
        let origin = Arc::clone(&self.origin);
        let read = move || {
            let reading = origin.read_again();
            let folders = folders(reading.files.iter().map(AsRef::as_ref));
            (reading, folders)
        };
        let mut reading = self.late.take().unwrap_or_else(|| spawn_blocking(read));
        if let Ok(read) = timeout(PATIENCE, &mut reading).await {
            return read.ok();
        }
        tracing::warn!(cause = LATE, "the configuration cannot be looked at");
        self.late = Some(reading);
        None
    }

    /// An error is told already; it is for whoever asked.
    async fn take(
        &mut self,
        reading: Reading,
        reloader: &Reloader,
        dial: &Dial,
    ) -> Result<(), String> {
        let loaded = reading.outcome.map_err(|unusable| {
            reloader.refused(&unusable);
            unusable.to_string()
        })?;
        for warning in &loaded.warnings {
            let (path, hint) = (&warning.path, warning.hint.as_deref());
            tracing::warn!(%path, hint, "{}", warning.reason);
        }
        let level = loaded.config.logging.level;
        reloader.reload(loaded.config).await.map_err(|error| {
            if error.may_pass() {
                self.mark = None;
            }
            error.to_string()
        })?;
        dial.turn(level);
        Ok(())
    }
}
