//! How the program is started.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::Gateway;
use super::log::{self, Log};
use crate::client::patiently;
use crate::idp::random_id;

/// A program about to be started, with nothing in its environment but what is put there.
#[must_use]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    config: Option<ConfigFile>,
    stdin: Option<String>,
}

/// What is left of a program that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// `None` if a signal killed it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A file that goes when it is no longer needed.
pub(super) struct ConfigFile(PathBuf);

impl Launch {
    pub(super) fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            config: None,
            stdin: None,
        }
    }

    /// Writes the file and appends `run -c FILE`.
    pub fn config(mut self, yaml: &str) -> Self {
        let file = ConfigFile::write(yaml);
        self = self.arg("run").arg("-c").arg(&file.0);
        self.config = Some(file);
        self
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// One more variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it finds on standard input, which is empty otherwise. No more than a pipe holds.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// Starts it and waits until it says that it is ready.
    pub async fn start(mut self) -> Gateway {
        let spawned = self.command().stdout(Stdio::null()).spawn();
        let mut child = spawned
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let log = Log::read(child.stderr.take().expect("it was asked for"));
        let is_ready =
            |line: &str| log::message(line).is_some_and(|(message, _)| message == "ready");
        log.expect("ready", is_ready).await;
        let said: Vec<_> = log
            .lines()
            .iter()
            .filter_map(|line| log::message(line))
            .collect();
        let at = |words: &str| -> Vec<_> {
            let lines = said.iter().filter(|(message, _)| message == words);
            lines
                .filter_map(|(_, address)| address.as_deref()?.parse().ok())
                .collect()
        };
        let (addresses, admin) = (at("listening"), at("admin listening").pop());
        assert!(
            !addresses.is_empty(),
            "no listener in the log:\n{}",
            log.text()
        );
        Gateway {
            child,
            log,
            addresses,
            admin,
            asked_to_end: None,
            config: self.config,
        }
    }

    /// Starts it and waits until it has ended.
    pub async fn finish(mut self) -> Finished {
        let what = format!("{} to end", self.program.display());
        let output = patiently(&what, self.command().stdout(Stdio::piped()).output()).await;
        let output = output
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn command(&mut self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.drain(..))
            .kill_on_drop(true);
        let stdin = self.stdin.take().map_or_else(Stdio::null, |text| {
            let (reader, mut writer) = std::io::pipe().expect("the system has pipes");
            writer
                .write_all(text.as_bytes())
                .expect("the reader is still here");
            reader.into()
        });
        command.stdin(stdin).stderr(Stdio::piped());
        command
    }
}

impl ConfigFile {
    fn write(yaml: &str) -> Self {
        // a folder that nobody can have had before, for this file alone: the program watches it
        let folder = std::env::temp_dir().join(format!("portcullis-test-{}", random_id()));
        let file = Self(folder.join("gateway.yaml"));
        let created = std::fs::create_dir(&folder).and_then(|()| std::fs::write(&file.0, yaml));
        created.unwrap_or_else(|error| panic!("cannot write {}: {error}", file.0.display()));
        file
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts another file in its place, as editors do: whoever reads sees the one or the other.
    pub(super) fn replace(&self, yaml: &str) {
        let new = self.0.with_extension("new");
        let replaced = std::fs::write(&new, yaml).and_then(|()| std::fs::rename(&new, &self.0));
        replaced.unwrap_or_else(|error| panic!("cannot replace {}: {error}", self.0.display()));
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        if let Some(folder) = self.0.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands in for the program: says what it would say, and more.
    fn shell(script: &str) -> Launch {
        Launch::new(Path::new("/bin/sh")).arg("-c").arg(script)
    }

    const SAYS: &str = "echo '2026-01-01T00:00:00Z  INFO portcullis: listening address=127.0.0.1:4711' >&2; \
        echo '2026-01-01T00:00:00Z  INFO portcullis: admin listening address=127.0.0.1:4712' >&2; \
        echo '2026-01-01T00:00:00Z  INFO portcullis: ready' >&2; ";

    #[tokio::test]
    async fn the_addresses_come_from_the_log() {
        let gateway = shell(&format!("{SAYS} echo more >&2; exec /bin/sleep 60"))
            .start()
            .await;
        assert_eq!(gateway.url("/mcp"), "http://127.0.0.1:4711/mcp");
        assert_eq!(gateway.admin_url("/readyz"), "http://127.0.0.1:4712/readyz");
        assert_eq!(gateway.wait_for_log("more").await, "more");
        assert_eq!(gateway.log().len(), 4);
    }

    #[tokio::test]
    async fn it_ends_when_it_is_asked_to() {
        let script =
            format!("trap 'echo bye >&2; exit 3' TERM; {SAYS} while :; do /bin/sleep 0.05; done");
        let mut gateway = shell(&script).start().await;
        assert!(gateway.is_running());
        gateway.terminate().await;
        let (code, _) = gateway.wait_exit().await;
        assert_eq!(code, Some(3));
        assert_eq!(gateway.log().last().map(String::as_str), Some("bye"));
    }

    #[tokio::test]
    #[should_panic(expected = "no \"ready\" in the log:\nno such key")]
    async fn one_that_never_gets_ready_fails_the_test_with_its_log() {
        shell("echo no such key >&2; exit 2").start().await;
    }

    #[tokio::test]
    async fn what_a_command_leaves_is_kept_apart() {
        let launch = shell("echo out; echo err >&2; echo ${HOME-none} $A; exit 2").env("A", "b");
        let finished = launch.finish().await;
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(2), "err\n")
        );
        assert_eq!(
            finished.stdout, "out\nnone b\n",
            "the environment is ours alone"
        );
    }

    #[tokio::test]
    async fn it_reads_what_it_is_given_to_the_end() {
        let cat = shell("cat").env("PATH", "/usr/bin:/bin").stdin("a\nb");
        assert_eq!(cat.finish().await.stdout, "a\nb");
    }

    #[tokio::test]
    async fn the_file_is_there_while_the_program_runs() {
        let launch = shell("cat \"$2\"").config("server: {}\n");
        let path = launch.config.as_ref().unwrap().0.clone();
        let finished = launch.env("PATH", "/usr/bin:/bin").finish().await;
        assert_eq!(finished.stdout, "server: {}\n");
        assert!(!path.exists());
    }
}
