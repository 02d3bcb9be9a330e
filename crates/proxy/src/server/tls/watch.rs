//! Certificates that change on disk: looked at again, and taken if they are good.
//!
//! Editors, certificate tools and mounted secrets replace files by renaming, often behind a link, so folders are watched and not files
//! (trap 13). Not every file system tells of changes, so everything is read again now and then as well.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Files, Tls, TlsError};

/// After a change, others are waited for: a certificate and its key are two files.
const QUIET: Duration = Duration::from_millis(200);
/// But not for ever.
const QUIET_AT_MOST: Duration = Duration::from_secs(2);
/// How often files are read again without being told.
const POLL: Duration = Duration::from_secs(30);
/// How often it is told that a certificate expires soon.
const REMIND: Duration = Duration::from_hours(24);
/// What soon means, in days.
const SOON_DAYS: i64 = 14;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What was read last. The same files are not judged twice, so a broken pair is told once.
#[derive(PartialEq, Eq, Default)]
struct Seen(Option<Result<u64, TlsError>>);

/// Keeps certificates fresh until the future is dropped.
pub(crate) async fn run(tls: Arc<Tls>) {
    let (sender, mut changes) = mpsc::channel(1);
    // Held for as long as changes are wanted.
    let _watcher = watcher(&tls, sender)
        .map_err(|error| {
            tracing::warn!(cause = %error, "certificate folders cannot be watched; files are read every 30 s");
        })
        .ok();
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    let mut reminded = None;
    loop {
        // The first tick comes at once: a file may have changed since it was loaded.
        tokio::select! {
            Some(()) = changes.recv() => settle(&mut changes).await,
            _ = poll.tick() => {}
        }
        let (looking, last) = (Arc::clone(&tls), std::mem::take(&mut seen));
        let Ok((now, replaced)) = tokio::task::spawn_blocking(move || look(&looking, last)).await
        else {
            continue; // the blocking pool is going away with the gateway
        };
        seen = now;
        if replaced || reminded.is_none_or(|last: Instant| last.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            remind(&tls);
        }
    }
}

/// Waits until nothing changes any more.
async fn settle(changes: &mut mpsc::Receiver<()>) {
    let quiet = async { while let Ok(Some(())) = timeout(QUIET, changes.recv()).await {} };
    let _still_changing = timeout(QUIET_AT_MOST, quiet).await;
}

fn watcher(tls: &Tls, sender: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and we read them.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _told_already = sender.try_send(());
        }
    })?;
    for folder in folders(&tls.settings) {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folders(settings: &config::Tls) -> BTreeSet<PathBuf> {
    let pairs = settings.pairs.iter();
    let files = pairs.flat_map(|pair| [&pair.certificate, &pair.private_key]);
    let files = files.chain(settings.clients.iter().map(|clients| &clients.ca));
    let folder = |file: &PathBuf| match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    files.map(folder).collect()
}

/// Reads everything again and takes it if it is new and good. Whatever is wrong, what is in use stays in use.
fn look(tls: &Tls, last: Seen) -> (Seen, bool) {
    let files = Files::read(&tls.settings);
    let now = match &files {
        Ok(files) => Ok(tls.hasher.hash_one((&files.pairs, &files.clients))),
        Err(error) => Err(error.clone()),
    };
    let now = Seen(Some(now));
    if now == last {
        return (last, false);
    }
    // What was loaded at the start has been judged then.
    if last.0.is_none() && matches!(&now.0, Some(Ok(mark)) if *mark == tls.loaded_at_start) {
        return (now, false);
    }
    let replaced = files.and_then(|files| tls.replace(&files));
    match &replaced {
        Ok(()) => {
            for (place, expires) in tls.set().expiries() {
                tracing::info!(%place, days_left = days_left(tls, expires), "certificate replaced");
            }
        }
        Err(error) => {
            tracing::warn!(cause = %error, "certificates not replaced; the old ones stay in use");
        }
    }
    (now, replaced.is_ok())
}

fn days_left(tls: &Tls, expires: i64) -> i64 {
    tls.seconds_left(expires).div_euclid(DAY_SECONDS)
}

fn remind(tls: &Tls) {
    for (place, expires) in tls.set().expiries() {
        let days_left = days_left(tls, expires);
        if days_left < SOON_DAYS {
            tracing::warn!(%place, days_left, "certificate expires soon");
        }
    }
}
