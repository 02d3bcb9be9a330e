//! The audit file: appended to, for nobody else's eyes, and opened again when it was rotated.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sink::Sink;

/// Mode of a file that we make.
const MODE: u32 = 0o600;
/// What an existing file may have. A group that reads is somebody's decision (a log collector), everything beyond is taken away.
const WIDEST: u32 = 0o640;
/// How often it is looked at whether the file is still there.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct AuditFile {
    path: PathBuf,
    /// `None` after it could not be opened again.
    file: Option<File>,
    looked: Instant,
}

impl AuditFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: Some(open(path)?),
            path: path.to_owned(),
            looked: Instant::now(),
        })
    }

    /// Whether the file that is open still has its name.
    fn is_there(&self) -> bool {
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let named = self.path.symlink_metadata().ok();
        open.zip(named)
            .is_some_and(|(open, named)| is_same(&open, &named))
    }
}

impl Sink for AuditFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn take_back(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let begun = file.metadata()?.len().checked_sub(bytes.len() as u64);
        let begun = begun.ok_or(io::ErrorKind::InvalidData)?;
        let mut end = vec![0; bytes.len()];
        file.read_exact_at(&mut end, begun)?;
        if end != bytes {
            return Err(io::ErrorKind::InvalidData.into()); // somebody else wrote behind us
        }
        file.set_len(begun)
    }

    fn look_after(&mut self, now: bool) -> io::Result<bool> {
        if !now && self.file.is_some() && self.looked.elapsed() < LOOK {
            return Ok(false);
        }
        self.looked = Instant::now();
        if self.is_there() {
            return Ok(false);
        }
        self.file = None; // what has another name now is somebody else's: it may be compressed or sent away at any time
        self.file = Some(open(&self.path)?);
        Ok(true)
    }
}

/// Opens or makes the file. A link is refused: what it leads to would be written to and its mode changed under a name nobody sees.
fn open(path: &Path) -> io::Result<File> {
    match path.symlink_metadata() {
        Ok(found) => is_plain(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)?;
    let (open, named) = (file.metadata()?, path.symlink_metadata()?);
    is_plain(&named)?;
    if !is_same(&open, &named) {
        return Err(io::Error::other("it was replaced while it was opened"));
    }
    tighten(path, &file, open.mode());
    end_line(&file, open.len())?;
    Ok(file)
}

fn is_same(open: &Metadata, named: &Metadata) -> bool {
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

fn is_plain(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_file() {
        Ok(())
    } else if kind.is_symlink() {
        Err(io::Error::other("it is a link; name the file itself"))
    } else {
        Err(io::Error::other("it is no plain file"))
    }
}

fn tighten(path: &Path, file: &File, mode: u32) {
    if mode & 0o777 & !WIDEST == 0 {
        return;
    }
    let narrowed = file.set_permissions(Permissions::from_mode(mode & WIDEST));
    let (file, mode) = (path.display(), format!("{:o}", mode & 0o777));
    match narrowed {
        Ok(()) => {
            tracing::warn!(%file, %mode, "the audit file was open to others; its mode was narrowed");
        }
        Err(cause) => {
            tracing::warn!(%file, %mode, %cause, "the audit file is open to others, and its mode cannot be changed");
        }
    }
}

/// A process that was killed may have left a line unfinished: ours must not become its end.
fn end_line(mut file: &File, length: u64) -> io::Result<()> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(());
    };
    let mut byte = [b'\n'];
    file.read_exact_at(&mut byte, last)?;
    if byte == [b'\n'] {
        return Ok(());
    }
    tracing::warn!("the audit file ends in the middle of a line");
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests;
