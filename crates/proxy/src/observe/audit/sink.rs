//! What records are written to, and how lines stay whole on it.

use std::fs::File;
use std::io;

/// The end of the way: a file, or stdout.
pub(super) trait Sink: Send {
    /// Writes as much as goes at once.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Takes back these bytes, the last that were written; an error where that cannot be done for certain.
    fn take_back(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Looks whether the sink is still the one that is meant, and opens it again if not, or if `now` says so. True: it is another one.
    fn look_after(&mut self, now: bool) -> io::Result<bool>;
}

/// Whole lines on their way into a sink.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) lines: String,
    pub(super) records: usize,
    written: usize,
    counted: usize,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes what is left. After an error the sink ends with a whole line, or the next attempt goes on where this one stopped.
    pub(super) fn write_to(&mut self, sink: &mut dyn Sink) -> io::Result<()> {
        loop {
            let left = self
                .lines
                .as_bytes()
                .get(self.written..)
                .unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            match sink.write(left) {
                Ok(0) => return self.broken(sink, io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.broken(sink, error),
            }
        }
    }

    fn broken(&mut self, sink: &mut dyn Sink, error: io::Error) -> io::Result<()> {
        let begun = self.begun();
        let part = self.lines.as_bytes().get(begun..self.written);
        let part = part.unwrap_or_default();
        if !part.is_empty() && sink.take_back(part).is_ok() {
            self.written = begun;
        }
        Err(error)
    }

    /// Where the line begins that is written in part.
    fn begun(&self) -> usize {
        let before = self
            .lines
            .as_bytes()
            .get(..self.written)
            .unwrap_or_default();
        before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1)
    }

    /// Another sink does not have the beginning of the line.
    pub(super) fn begin_line_again(&mut self) {
        self.written = self.begun();
    }

    /// How many lines have become whole in the sink since this was last asked.
    pub(super) fn news(&mut self) -> u64 {
        let begun = self.begun();
        let new = self.lines.as_bytes().get(self.counted..begun);
        self.counted = begun;
        let ends = new
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n');
        ends.count() as u64
    }

    /// Begins anew; the memory is kept.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.records = 0;
        self.written = 0;
        self.counted = 0;
    }
}

/// The program's stdout. Nothing can be taken back from a pipe, and nothing is opened again.
pub(super) struct Stdout(File);

impl Stdout {
    pub(super) fn open() -> io::Result<Self> {
        use std::os::fd::AsFd as _;
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(stdout.into()))
    }
}

impl Sink for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut self.0, bytes)
    }

    fn take_back(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn look_after(&mut self, _: bool) -> io::Result<bool> {
        Ok(false)
    }
}
