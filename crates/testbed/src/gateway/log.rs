//! What the program says on standard error.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::sync::watch;

use crate::client::PATIENCE;

/// Lines kept; older ones go.
const LINES: usize = 20_000;
/// Bytes read as one line.
const LINE_LIMIT: u64 = 1024 * 1024;

/// The lines so far, and whether more can come. Clones see the same.
#[derive(Clone)]
pub(super) struct Log {
    kept: Arc<Mutex<Kept>>,
    /// How many lines there have been, and whether that is all.
    progress: watch::Receiver<(usize, bool)>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    dropped: usize,
}

impl Log {
    /// Reads until the end of the stream, in a task that ends there.
    pub(super) fn read(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let (told, progress) = watch::channel((0, false));
        let log = Self { kept, progress };
        let into = log.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut count = 0;
            let mut line = Vec::new();
            while (&mut reader)
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|read| read > 0)
            {
                into.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
                count += 1;
                told.send_replace((count, false));
            }
            told.send_replace((count, true));
        });
        log
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.kept().lines.iter().cloned().collect()
    }

    pub(super) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The first line like this, waited for; `None` when the stream has ended without one.
    pub(super) async fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let mut progress = self.progress.clone();
        let mut looked_at = 0;
        loop {
            let (_, ended) = *progress.borrow_and_update();
            {
                let kept = self.kept();
                let new = kept
                    .lines
                    .iter()
                    .skip(looked_at.max(kept.dropped) - kept.dropped);
                if let Some(line) = new.clone().find(|line| is_it(line)) {
                    return Some(line.clone());
                }
                looked_at = kept.dropped + kept.lines.len();
            }
            if ended || progress.changed().await.is_err() {
                return None;
            }
        }
    }

    /// [`Log::find`] for what must come in time.
    pub(super) async fn expect(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let found = tokio::time::timeout(PATIENCE, self.find(is_it))
            .await
            .ok()
            .flatten();
        found.unwrap_or_else(|| panic!("no {what:?} in the log:\n{}", self.text()))
    }

    /// The same for the `nth` such line, counted from 1.
    pub(super) async fn expect_nth(
        &self,
        what: &str,
        nth: usize,
        is_it: impl Fn(&str) -> bool,
    ) -> String {
        let met = Cell::new(0);
        let is_nth = |line: &str| {
            met.set(met.get() + usize::from(is_it(line)));
            is_it(line) && met.get() == nth
        };
        self.expect(&format!("{what} ({nth} times)"), is_nth).await
    }

    fn push(&self, line: String) {
        let mut kept = self.kept();
        if kept.lines.len() >= LINES {
            kept.lines.pop_front();
            kept.dropped += 1;
        }
        kept.lines.push_back(line);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Message and `address` of a line, in either format of the log.
pub(super) fn message(line: &str) -> Option<(String, Option<String>)> {
    if line.starts_with('{') {
        let entry: Value = serde_json::from_str(line).ok()?;
        let fields = entry.get("fields").unwrap_or(&entry);
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        return Some((text("message")?, text("address")));
    }
    // 2026-01-01T00:00:00Z  INFO portcullis: listening address=127.0.0.1:80
    let (_, said) = line.split_once(": ")?;
    match said.split_once(" address=") {
        Some((message, after)) => {
            let address = after
                .split(' ')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            Some((message.to_owned(), Some(address.to_owned())))
        }
        None => Some((said.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_understood() {
        let heard = |line: &str| {
            let (message, address) = message(line).unwrap();
            format!("{message} at {address:?}")
        };
        let expected = "admin listening at Some(\"127.0.0.1:80\")";
        assert_eq!(
            heard(
                "2026-01-01T00:00:00Z  INFO portcullis: admin listening address=127.0.0.1:80 tls=false"
            ),
            expected
        );
        assert_eq!(
            heard(
                r#"{"level":"INFO","fields":{"message":"admin listening","address":"127.0.0.1:80"}}"#
            ),
            expected
        );
        assert_eq!(
            heard(r#"{"level":"INFO","message":"admin listening","address":"127.0.0.1:80"}"#),
            expected
        );
        assert_eq!(
            heard("2026-01-01T00:00:00Z  INFO portcullis: ready"),
            "ready at None"
        );
        assert_eq!(message("thread main panicked"), None);
    }

    #[tokio::test]
    async fn a_line_is_found_before_and_after_it_is_said_and_missed_at_the_end() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let log = Log::read(reader);
        let say = async {
            tokio::io::AsyncWriteExt::write_all(&mut writer, b"one\ntwo\n")
                .await
                .unwrap();
            drop(writer);
        };
        let (found, ()) = tokio::join!(log.find(|line| line == "two"), say);
        assert_eq!(found.as_deref(), Some("two"));
        assert_eq!(log.find(|line| line == "one").await.as_deref(), Some("one"));
        assert_eq!(log.find(|line| line == "three").await, None);
        assert_eq!(log.lines(), ["one", "two"]);
    }
}
