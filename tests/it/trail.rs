//! A gateway with an audit trail, and the reader of the trail.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testbed::client::PATIENCE;
use testbed::{Gateway, Idp, Recorder, World};

use crate::setting::{program, usual};

/// A folder with `audit.jsonl` in it, and what was rotated away.
pub(crate) struct Trail(TempDir);

/// The usual world with an audit file, and these further keys of `audit`.
pub(crate) async fn in_file(keys: &str) -> (World, Trail) {
    let trail = Trail::new();
    let template = format!("{}{}", trail.section(keys), usual("", ""));
    (World::start(program(), &template).await, trail)
}

/// The events of these lines.
pub(crate) fn events(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect()
}

/// How many requests these lines tell of: one each, and those that a gap counts.
pub(crate) fn requests(lines: &[Value]) -> u64 {
    let told = lines
        .iter()
        .filter(|line| line["event"] == "request")
        .count();
    let gaps = lines.iter().filter(|line| line["event"] == "gap");
    told as u64
        + gaps
            .map(|gap| gap["records"].as_u64().unwrap())
            .sum::<u64>()
}

impl Trail {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.at("audit.jsonl")
    }

    /// The section of the configuration, with these further keys.
    pub(crate) fn section(&self, keys: &str) -> String {
        format!("audit: {{ file: '{}', {keys} }}\n", self.path().display())
    }

    /// A world whose gateway may not make files larger than so many blocks of 512 bytes.
    pub(crate) async fn limited(&self, keys: &str, blocks: u32) -> World {
        let limit = format!("ulimit -f {blocks}; ");
        self.shell(&self.section(keys), &limit, "").await
    }

    /// A world whose gateway writes its records to stdout, which is appended to this file.
    pub(crate) async fn on_stdout(&self) -> World {
        let into = format!(" >> '{}'", self.path().display());
        self.shell("audit: { stdout: true }\n", "", &into).await
    }

    async fn shell(&self, section: &str, before: &str, after: &str) -> World {
        let (idp, server) = (Idp::start().await, Recorder::start().await);
        let yaml = format!("{section}{}", usual("", ""))
            .replace("{idp}", idp.issuer())
            .replace("{upstream}", &server.url());
        let file = self.at("gateway.yaml");
        std::fs::write(&file, yaml).unwrap();
        let (program, file) = (program().display(), file.display());
        let script = format!("{before}exec '{program}' run -c '{file}'{after}");
        let launch = Gateway::launch(Path::new("/bin/sh"));
        let gateway = launch.arg("-c").arg(script).start().await;
        World {
            idp,
            server,
            gateway,
        }
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap_or_default()
    }

    /// All lines, each of which must be JSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        parse(&self.text())
    }

    /// The lines of this file of the folder.
    #[track_caller]
    pub(crate) fn lines_of(&self, name: &str) -> Vec<Value> {
        parse(&std::fs::read_to_string(self.at(name)).unwrap())
    }

    /// Waits until there are so many lines.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        self.wait_until(|text| text.matches('\n').count() >= count)
            .await;
        self.lines()
    }

    /// Waits until the file is there and says this.
    pub(crate) async fn wait_until(&self, is_so: impl Fn(&str) -> bool) {
        let waiting = async {
            while !(self.path().is_file() && is_so(&self.text())) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "the trail has only\n{}", self.text());
    }
}

#[track_caller]
fn parse(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.collect()
}
