//! Keys in files, on file systems that hang.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::discovery::ByFile;
use crate::keys::Source as _;

/// Opening it waits for whoever writes, as a dead network file system waits for its server.
fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[tokio::test]
async fn sec_19_a_file_that_hangs_is_a_failed_fetch_and_holds_one_thread() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    pipe(&path);
    let mut source = ByFile::new(path.clone());
    for _ in 0..2 {
        let fetched = tokio::time::timeout(Duration::from_secs(8), source.fetch()).await;
        let refused = fetched.expect("a fetch has a deadline").unwrap_err();
        assert!(refused.cause.contains("not read within"), "{refused}");
    }
    // the first read is still there and takes the whole of what comes, so there is no second one
    tokio::task::spawn_blocking(move || std::fs::write(path, "late"));
    assert_eq!(source.fetch().await.unwrap(), b"late");
}
