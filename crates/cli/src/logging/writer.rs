//! Where log lines wait: a bounded queue before stderr, emptied by a thread of its own.
//!
//! stderr is often a pipe to a collector. When nobody reads it, a write waits for ever, and anybody without a token can cause lines. So
//! no request ever waits for the log: when the queue is full, lines are dropped and counted, and the count is the next line written.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait. At a few hundred bytes each this is about a megabyte, when it is full.
const QUEUE: usize = 4096;
/// How long the end of the program waits for lines that are still to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes lines and never waits.
#[derive(Clone)]
pub(super) struct Queue {
    lines: SyncSender<Vec<u8>>,
    /// Since the last line that told of it.
    dropped: Arc<AtomicU64>,
    /// Since the beginning.
    all_dropped: Arc<AtomicU64>,
}

/// Keeps the log alive; dropping it waits, for a bounded time, until what was logged before is written.
pub(crate) struct Logs {
    end: Option<(Queue, Receiver<()>)>,
}

impl Logs {
    /// How many lines were dropped since the beginning.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        let queue = self.end.as_ref().map(|(queue, _)| queue);
        queue
            .map(|queue| Arc::clone(&queue.all_dropped))
            .unwrap_or_default()
    }

    /// For a program whose log had already begun elsewhere.
    pub(super) fn none() -> Self {
        Self { end: None }
    }
}

/// Begins a queue before `sink`. `gap` words the line that tells how many were dropped.
pub(super) fn begin(
    mut sink: impl Write + Send + 'static,
    gap: fn(u64) -> String,
) -> io::Result<(Queue, Logs)> {
    let (lines, waiting) = sync_channel::<Vec<u8>>(QUEUE);
    let (written, ended) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || {
            // An empty line is the sign to end. A sink that is gone takes nothing more, and nobody is left to be told.
            while let Ok(line) = waiting.recv() {
                if line.is_empty() {
                    break;
                }
                let _gone = sink.write_all(&line);
                let missing = counted.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let _gone = sink.write_all(gap(missing).as_bytes());
                }
            }
            let _gone = sink.flush();
            let _nobody_waits = written.send(());
        })?;
    let queue = Queue {
        lines,
        dropped,
        all_dropped: Arc::default(),
    };
    let logs = Logs {
        end: Some((queue.clone(), ended)),
    };
    Ok((queue, logs))
}

impl Drop for Logs {
    fn drop(&mut self) {
        let Some((queue, ended)) = self.end.take() else {
            return;
        };
        // A full queue before a sink that takes nothing cannot be emptied: then the end does not wait for it either.
        if queue.lines.try_send(Vec::new()).is_ok() {
            let _late = ended.recv_timeout(FAREWELL);
        }
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() && self.lines.try_send(line.to_vec()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.all_dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// A sink that takes nothing until it is told to.
    struct Gate {
        open: Receiver<()>,
        is_open: bool,
        taken: Arc<Mutex<String>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.is_open {
                let _opened = self.open.recv();
                self.is_open = true;
            }
            self.taken
                .lock()
                .unwrap()
                .push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_takes_nothing_makes_nobody_wait_and_the_gap_is_told() {
        let (opener, open) = channel();
        let taken = Arc::new(Mutex::new(String::new()));
        let gate = Gate {
            open,
            is_open: false,
            taken: Arc::clone(&taken),
        };
        let (mut queue, logs) = begin(gate, |count| format!("{count} dropped\n")).unwrap();
        // one line is in the sink's hands, a queue full of them waits, ten have no room
        queue.write_all(b"first\n").unwrap();
        let mut waiting = 0;
        while queue.lines.try_send(b"waiting\n".to_vec()).is_ok() {
            waiting += 1;
            std::thread::yield_now();
        }
        for _ in 0..10 {
            queue.write_all(b"lost\n").unwrap();
        }
        assert_eq!(logs.dropped().load(Ordering::Relaxed), 10);
        opener.send(()).unwrap();
        // the gap is told while the others still wait, and then there is no room for one more
        while taken.lock().unwrap().matches("waiting").count() < waiting {
            std::thread::yield_now();
        }
        queue.write_all(b"last\n").unwrap();
        drop(queue);
        drop(logs);
        let taken = taken.lock().unwrap();
        assert!(taken.starts_with("first\n"));
        assert!(taken.contains("10 dropped\n") && !taken.contains("lost"));
        assert!(taken.ends_with("last\n"));
    }
}
