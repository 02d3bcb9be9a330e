//! The files of this repository, for the tests that are about them.

use std::path::{Path, PathBuf};

/// Where the repository is.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")); // crates/cli
    manifest.ancestors().nth(2).unwrap()
}

/// What is built, downloaded or kept by git itself.
const NOT_OURS: [&str; 6] = [
    ".git",
    "target",
    ".cache",
    "node_modules",
    "__pycache__",
    ".venv",
];

/// All files below a folder, as paths relative to the root, in their order.
pub(crate) fn files(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap();
            let path = entry.path();
            if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The Rust sources: program, crates and these tests.
pub(crate) fn sources() -> Vec<PathBuf> {
    let mut sources = files("crates");
    sources.extend(files("tests"));
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// The text of a file of the repository.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
