//! What the outside puts into a configuration.

use std::io;
use std::path::Path;

/// Variables and files, handed in: this crate opens nothing by itself, and a test needs neither environment nor disk.
pub trait Sources {
    /// The value of a variable, `None` when it is not set.
    fn var(&self, name: &str) -> Option<String>;

    /// The whole text of a file.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// Whether there is a folder at this path.
    fn has_folder(&self, path: &Path) -> bool;
}
