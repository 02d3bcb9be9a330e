//! Certificates that change on disk: looked at again, and taken if they are good.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Files, Tls, TlsError};
use crate::watch::{Watch, folders};

/// How often it is told that a certificate expires soon.
const REMIND: Duration = Duration::from_hours(24);
/// What soon means, in days.
const SOON_DAYS: i64 = 14;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What was wrong when the files were read last. The same files are not judged twice, so a broken pair is told once.
#[derive(PartialEq, Eq)]
enum Wrong {
    /// With the mark of the files.
    Unusable(u64),
    Unreadable(TlsError),
}

/// Keeps certificates fresh until the future is dropped.
pub(crate) async fn run(tls: Arc<Tls>) {
    let mut watch = Watch::new();
    let mut wrong = None;
    let mut reminded = None;
    loop {
        // Looked at before anything is told: a file may have changed since it was loaded.
        let (looking, last) = (Arc::clone(&tls), wrong.take());
        let looked = tokio::task::spawn_blocking(move || {
            let settings = Arc::clone(&looking.current.load().settings);
            let (wrong, replaced) = look(&looking, &settings, last);
            (wrong, replaced, folders(settings.files()))
        });
        let Ok((now, replaced, folders)) = looked.await else {
            return; // the blocking pool is going away with the gateway
        };
        wrong = now;
        let unseen = watch.follow(folders);
        if replaced || reminded.is_none_or(|last: Instant| last.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            remind(&tls);
        }
        if unseen {
            continue;
        }
        tokio::select! {
            () = watch.changed() => {}
            () = tls.resettled.notified() => {} // other files now
        }
    }
}

/// Reads everything again and takes it if it is new and good. Whatever is wrong, what is in use stays in use.
fn look(tls: &Tls, settings: &Arc<config::Tls>, last: Option<Wrong>) -> (Option<Wrong>, bool) {
    let (wrong, error) = match Files::read(settings) {
        Ok(files) => {
            let mark = tls.mark(&files);
            if mark == tls.current.load().mark {
                return (None, false);
            }
            let wrong = Some(Wrong::Unusable(mark));
            if wrong == last {
                return (last, false);
            }
            match tls.replace(settings, &files) {
                Ok(()) => {
                    tell_replaced(tls);
                    return (None, true);
                }
                Err(error) => (wrong, error),
            }
        }
        Err(error) => {
            let wrong = Some(Wrong::Unreadable(error.clone()));
            if wrong == last {
                return (last, false);
            }
            (wrong, error)
        }
    };
    tracing::warn!(cause = %error, "certificates not replaced; the old ones stay in use");
    (wrong, false)
}

fn tell_replaced(tls: &Tls) {
    for (place, expires) in tls.set().expiries() {
        tracing::info!(%place, days_left = days_left(tls, expires), "certificate replaced");
    }
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
