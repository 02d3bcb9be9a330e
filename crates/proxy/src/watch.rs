//! Files that change on disk: when to look again.
//!
//! Editors, certificate tools and mounted secrets replace files by renaming, often behind a link, so folders are watched and not files
//! (trap 13). Not every file system tells of changes, so it is also time to look every now and then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

/// After a change, others are waited for: a certificate and its key are two files.
const QUIET: Duration = Duration::from_millis(200);
/// But not for ever.
const QUIET_AT_MOST: Duration = Duration::from_secs(2);
/// How often it is time to look without being told.
const POLL: Duration = Duration::from_secs(30);

/// The folders of some files, watched for as long as it lives.
pub struct Watch {
    /// `None` where the system has no such thing.
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    changes: mpsc::Receiver<()>,
    /// Held so that `changes` never ends.
    _sender: mpsc::Sender<()>,
    poll: Interval,
}

impl Watch {
    /// Watches nothing yet. Must be called within a runtime.
    pub fn new() -> Self {
        let (sender, changes) = mpsc::channel(1);
        let told = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event too, and we read them.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _told_already = told.try_send(());
            }
        });
        let watcher = watcher.map_err(|error| {
            tracing::warn!(cause = %error, "files cannot be watched; they are read every 30 s");
        });
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            watcher: watcher.ok(),
            folders: BTreeSet::new(),
            changes,
            _sender: sender,
            poll,
        }
    }

    /// Watches these folders and no others. One that was replaced by another of its name is watched anew.
    ///
    /// Whether one of them was not watched before: what has changed there until now nobody tells, so it is to be looked at again.
    #[must_use]
    pub fn follow(&mut self, folders: BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        for gone in self.folders.difference(&folders) {
            let _gone_already = watcher.unwatch(gone);
        }
        for folder in &folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive)
                && !self.folders.contains(folder)
            {
                tracing::warn!(folder = %folder.display(), cause = %error, "cannot be watched; its files are read every 30 s");
            }
        }
        let new = !folders.is_subset(&self.folders);
        self.folders = folders;
        new
    }

    /// Waits until something may have changed, and then until nothing changes any more.
    pub async fn changed(&mut self) {
        tokio::select! {
            Some(()) = self.changes.recv() => {
                let quiet = async { while let Ok(Some(())) = timeout(QUIET, self.changes.recv()).await {} };
                let _still_changing = timeout(QUIET_AT_MOST, quiet).await;
            }
            _ = self.poll.tick() => {}
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Where changes of these files show: the folders they are named in, and those that links lead to. Asks the file system.
pub fn folders<'f>(files: impl IntoIterator<Item = &'f Path>) -> BTreeSet<PathBuf> {
    let folder = |file: &Path| match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = BTreeSet::new();
    for file in files {
        folders.insert(folder(file));
        if let Ok(real) = file.canonicalize() {
            folders.insert(folder(&real));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    async fn is_told(watch: &mut Watch) -> bool {
        timeout(Duration::from_secs(5), watch.changed())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_file_that_is_written_renamed_or_behind_a_link_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("one")).unwrap();
        fs::create_dir(path("two")).unwrap();
        fs::create_dir(path("named")).unwrap();
        fs::write(path("one/file"), "1").unwrap();
        fs::write(path("two/file"), "2").unwrap();
        symlink(path("one/file"), path("named/file")).unwrap();
        let named = path("named/file");
        let mut watch = Watch::new();
        assert!(watch.follow(folders([named.as_path()])));
        assert!(!watch.follow(folders([named.as_path()])));
        fs::write(path("one/file"), "1, changed").unwrap();
        assert!(is_told(&mut watch).await, "behind the link");
        symlink(path("two/file"), path("named/new")).unwrap();
        fs::rename(path("named/new"), &named).unwrap();
        assert!(is_told(&mut watch).await, "the link is another one");
        assert!(watch.follow(folders([named.as_path()])));
        fs::write(path("two/file"), "2, changed").unwrap();
        assert!(is_told(&mut watch).await, "where it leads now");
        fs::write(path("one/file"), "nobody's any more").unwrap();
        let still = timeout(QUIET * 3, watch.changed()).await;
        assert!(still.is_err(), "what is no longer named is not watched");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_does_not_hide_the_others() {
        let home = tempfile::tempdir().unwrap();
        let here = home.path().join("here");
        let mut watch = Watch::new();
        let _new = watch.follow(folders([Path::new("/does/not/exist"), here.as_path()]));
        fs::write(here, "now").unwrap();
        assert!(is_told(&mut watch).await);
    }
}
