//! `demo` prints commands that do what it says they do.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use testbed::{Recorder, Reply};

use crate::setting::program;

/// A running demo and what it printed.
struct Demo {
    child: Child,
    text: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    /// Starts it on a free port and reads to the end of its introduction.
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(program())
            .args(["demo", "--port", "0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        while !text.contains("Ctrl-C ends it.") {
            let line = lines.next().expect("the introduction has an end").unwrap();
            text.push_str(&line);
            text.push('\n');
        }
        Self { child, text }
    }

    /// The word behind a label of the introduction.
    fn named(&self, label: &str) -> &str {
        let (_, after) = self.text.split_once(label).unwrap();
        after.split_whitespace().next().unwrap()
    }

    /// Pastes everything that is meant for it into one shell, in its order: what each `curl` line wrote.
    fn paste(&self) -> Vec<String> {
        const MARK: &str = "---- next ----";
        let mut script = String::new();
        for line in self.text.lines().map(str::trim_start) {
            let sets = line.starts_with("TOKEN=") || line.starts_with("SESSION=");
            if sets || line.starts_with("curl ") {
                script.push_str(line);
                script.push('\n');
            }
            if line.starts_with("curl ") {
                script.push_str(&["printf '%s' '", MARK, "'\n"].concat());
            }
        }
        let ended = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let all = String::from_utf8(ended.stdout).unwrap();
        let mut outputs: Vec<_> = all.split(MARK).map(str::to_owned).collect();
        assert_eq!(outputs.pop().as_deref(), Some(""));
        outputs
    }
}

#[track_caller]
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Needs curl, as the reader does.
#[test]
fn s3_7_s3_8_the_printed_commands_do_what_the_demo_says() {
    let demo = Demo::start(&[]);
    let url = demo.named("protected MCP server");
    let outputs = demo.paste();
    let [refused, document, tools, whoami] = outputs.as_slice() else {
        panic!("{outputs:?}\n{}", demo.text)
    };
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let metadata = format!(
        "resource_metadata=\"{}\"",
        demo.named("what a client reads next\n  curl -s ")
    );
    assert!(refused.contains(&metadata), "{refused}");
    let document = json_of(document);
    assert_eq!(document["resource"], url);
    let provider = demo.named("identity provider");
    assert_eq!(document["authorization_servers"], json!([provider]));
    let tools = json_of(tools)["result"]["tools"].clone();
    assert!(tools.as_array().is_some_and(|tools| !tools.is_empty()));
    let whoami = json_of(whoami);
    assert!(whoami.to_string().contains("alice@example.com"), "{whoami}");
    assert!(
        !whoami.to_string().contains(demo.named("TOKEN=")),
        "{whoami}"
    );
}

#[tokio::test]
async fn the_demo_stands_before_ones_own_server_too() {
    let server = Recorder::start().await;
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"own": true}});
    server.answer(Reply::json(&answer).header("Mcp-Session-Id", "s-1"));
    let upstream = format!("{}/mine", server.url());
    let demo = tokio::task::spawn_blocking(move || {
        let demo = Demo::start(&["--upstream", &upstream]);
        (demo.paste(), demo)
    });
    let (outputs, demo) = demo.await.unwrap();
    assert_eq!(demo.named("upstream"), format!("{}/mine", server.url()));
    assert_eq!(json_of(outputs.last().unwrap())["result"]["own"], true);
    let seen = server.last();
    assert_eq!(seen.target, "/mine");
    assert_eq!(seen.header("x-auth-subject"), Some("alice"));
    assert_eq!(seen.header("mcp-session-id"), Some("s-1"));
    assert!(!seen.headers.has("authorization"));
}
