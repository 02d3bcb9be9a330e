//! The real program, started from its file and seen only from outside: its listeners, its log, its exit.
//!
//! For tests: whatever does not come within [`PATIENCE`](crate::client::PATIENCE) panics and shows the log.
#![expect(
    clippy::missing_panics_doc,
    reason = "said once, above: a test can do nothing with an error but fail"
)]

mod launch;
mod log;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

pub use self::launch::{Finished, Launch};
use self::log::Log;
use crate::client::{Client, patiently};
use launch::ConfigFile;

/// A running gateway; dropping it kills it.
pub struct Gateway {
    child: Child,
    log: Log,
    addresses: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    asked_to_end: Option<Instant>,
    /// Goes when the gateway does.
    config: Option<ConfigFile>,
}

impl Gateway {
    /// Runs `PROGRAM run -c FILE` with this file in an empty environment, and waits until it says that it is ready.
    pub async fn start(program: &Path, yaml: &str) -> Self {
        Self::launch(program).config(yaml).start().await
    }

    /// Runs the same and expects it to end by itself: its exit code and what it wrote to standard error.
    pub async fn fails(program: &Path, yaml: &str) -> (Option<i32>, String) {
        let finished = Self::launch(program).config(yaml).finish().await;
        (finished.code, finished.stderr)
    }

    /// Any other way to run the program.
    pub fn launch(program: &Path) -> Launch {
        Launch::new(program)
    }

    /// The first public listener.
    pub fn address(&self) -> SocketAddr {
        *self
            .addresses
            .first()
            .expect("a gateway that is ready listens")
    }

    /// All public listeners, in the order in which they were logged.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The admin listener.
    #[track_caller]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
            .unwrap_or_else(|| panic!("no admin listener in the log:\n{}", self.log.text()))
    }

    /// A URL on the first public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A URL on the admin listener.
    #[track_caller]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin_address())
    }

    /// A client of the first public listener.
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// A client of the admin listener.
    #[track_caller]
    pub fn admin(&self) -> Client {
        Client::new(self.admin_address())
    }

    /// The process, for looking at its memory and threads.
    pub fn pid(&self) -> u32 {
        self.child
            .id()
            .expect("a gateway that was not waited for has an id")
    }

    /// The lines on standard error so far; of very many, the last.
    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Waits for a line with these words, said before or after the call.
    pub async fn wait_for_log(&self, words: &str) -> String {
        self.log.expect(words, |line| line.contains(words)).await
    }

    /// The same for the `nth` such line, counted from 1.
    pub async fn wait_for_nth_log(&self, words: &str, nth: usize) -> String {
        let is_it = |line: &str| line.contains(words);
        self.log.expect_nth(words, nth, is_it).await
    }

    /// Where its configuration lies, if it was written by [`Launch::config`].
    #[track_caller]
    pub fn config_path(&self) -> &Path {
        self.config
            .as_ref()
            .expect("it runs with a file of ours")
            .path()
    }

    /// Puts another configuration in the place of that file.
    #[track_caller]
    pub fn rewrite(&self, yaml: &str) {
        let file = self.config.as_ref().expect("it runs with a file of ours");
        file.replace(yaml);
    }

    /// Sends SIGTERM.
    pub async fn terminate(&mut self) {
        self.signal("TERM").await;
        self.asked_to_end = Some(Instant::now());
    }

    /// Sends a signal by its name. (By the system's own `kill`: the call itself would need unsafe code.)
    pub async fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let status = patiently(
            "kill",
            kill.arg(format!("-{name}"))
                .arg(self.pid().to_string())
                .status(),
        )
        .await;
        assert!(
            status.is_ok_and(|status| status.success()),
            "the gateway takes a signal:\n{}",
            self.log.text()
        );
    }

    /// Waits for the end: the exit code (none after a signal that killed it), and the time since [`Gateway::terminate`].
    pub async fn wait_exit(&mut self) -> (Option<i32>, Duration) {
        let asked = self.asked_to_end.unwrap_or_else(Instant::now);
        let status = patiently("the gateway to end", self.child.wait())
            .await
            .expect("a child can be waited for");
        let took = asked.elapsed();
        // what it said last is part of the log
        patiently("the end of the log", self.log.find(|_| false)).await;
        (status.code(), took)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}
