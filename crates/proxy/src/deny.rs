//! The file of the deny list: read again when it changes, apart from the configuration, which may be in the middle of a change itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use identity::{DenyList, Look};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::shared::Shared;
use crate::watch::{Watch, folders};

/// How often it is read without being told: not every file system tells, and somebody waits for this to work.
const EVERY: Duration = Duration::from_secs(5);
/// File systems on a network may hang; nobody can end such a read, so it is waited for again.
const PATIENCE: Duration = Duration::from_secs(10);

type Looking = JoinHandle<(Look, BTreeSet<PathBuf>)>;

/// Keeps the list of the plan in use fresh until the future is dropped.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut watch = None; // most gateways have no such file, and need nobody who waits for it
    let mut late: Option<Looking> = None;
    while let Some(plan) = shared.plan() {
        let list = Arc::clone(plan.authenticators.deny());
        drop(plan); // it may be the last to hold it
        if list.file().is_none() {
            watch = None;
            sleep(EVERY).await;
            continue;
        }
        let watch = watch.get_or_insert_with(Watch::new);
        let mut looking = late.take().unwrap_or_else(|| look(list));
        match timeout(PATIENCE, &mut looking).await {
            Ok(Ok((look, folders))) => {
                tell(&look);
                if watch.follow(folders) {
                    continue; // what changed before it was watched nobody tells
                }
            }
            Ok(Err(_)) => return, // the blocking pool is going away with the gateway
            Err(_) => {
                tracing::warn!(
                    "the deny list's file is not read within 10 s; the list in use stays"
                );
                late = Some(looking);
            }
        }
        let _told = timeout(EVERY, watch.changed()).await;
    }
}

fn look(list: Arc<DenyList>) -> Looking {
    spawn_blocking(move || (list.look(), folders(list.file())))
}

fn tell(look: &Look) {
    match look {
        Look::Same => {}
        Look::Taken { entries, warnings } => {
            tracing::info!(entries, "deny list taken");
            for warning in warnings {
                let (path, hint) = (&warning.path, warning.hint.as_deref());
                tracing::warn!(%path, hint, "deny list: {}", warning.reason);
            }
        }
        Look::Refused(cause) => {
            tracing::error!(%cause, "deny list not taken; the one in use stays");
        }
    }
}
