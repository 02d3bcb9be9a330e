//! `explain`: why a route takes a credential, or does not.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use config::Secret;
use identity::Mark;
use proxy::{Question, Report, Verdict};
use serde_json::json;

use crate::{End, report, run, sources};

/// More than the longest credential that is looked at.
const MOST_READ: u64 = 64 << 10;
/// Where a credential is not read from a file.
const STDIN: &str = "-";

/// The words of the command line.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The path that would be asked for, like /mcp, or the name of a route
    #[arg(long, value_name = "PATH")]
    route: String,
    /// The host that would be asked, where routes have one
    #[arg(long)]
    host: Option<String>,
    /// A file with the token; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    token: Option<String>,
    /// A file with the API key; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    api_key: Option<String>,
    /// The MCP method that would be called, like tools/call
    #[arg(long)]
    method: Option<String>,
    /// The tool that would be called
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Read variables from this file first; the process environment wins
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

/// Asks what the gateway would say, and says why.
pub(crate) fn explain(arguments: Arguments, option: Option<PathBuf>) -> End {
    let Arguments {
        route,
        host,
        token,
        api_key,
        method,
        tool,
        json,
        env_file,
    } = arguments;
    if token.as_deref() == Some(STDIN) && api_key.as_deref() == Some(STDIN) {
        report::error("--token and --api-key cannot both be read from standard input");
        return End::Misconfigured;
    }
    let credential = |option, place: Option<String>| match place {
        Some(place) => credential(option, &place).map(Some),
        None => Ok(None),
    };
    let read = credential("--token", token)
        .and_then(|token| Ok((token, credential("--api-key", api_key)?)))
        .and_then(|read| Ok((read, sources::load(option, env_file.as_deref())?)));
    let ((token, api_key), config) = match read {
        Ok(read) => read,
        Err(end) => return end,
    };
    let question = Question {
        route,
        host,
        token,
        api_key,
        call: (method, tool),
    };
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(&error),
    };
    let explained = runtime.block_on(proxy::explain(&config, run::clock(), &question));
    runtime.shutdown_background(); // somebody who is asked may be late
    let explained = match explained {
        Ok(explained) => explained,
        Err(error) => {
            run::refuse(&error);
            return End::Misconfigured;
        }
    };
    let text = if json {
        as_json(&explained)
    } else {
        as_text(&explained)
    };
    match (report::output(&text), explained.verdict) {
        (End::Good, Verdict::Refused { .. }) => End::Failed,
        (end, _) => end,
    }
}

/// What is in the file, or on standard input. The word of the command line is never repeated: it may be the credential itself.
pub(crate) fn credential(option: &str, place: &str) -> Result<Secret, End> {
    let read = if place == STDIN {
        if io::stdin().is_terminal() {
            report::hint("paste it, then Enter and Ctrl-D");
        }
        take(io::stdin().lock())
    } else {
        open(Path::new(place)).and_then(take)
    };
    let text = match read {
        Ok(text) => text,
        Err(error) => {
            report::error(&format!("{option} names no file that can be read: {error}"));
            report::hint(&format!(
                "a credential itself does not belong on a command line, where the shell's history and the list of processes keep it: `{option} -` reads it from standard input, `{option} FILE` from a file. One that stood there should be replaced"
            ));
            return Err(End::Misconfigured);
        }
    };
    let text = text.trim();
    // copied together with the name of its scheme
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => text,
    };
    if token.is_empty() {
        report::error(&format!("{option} brings nothing: what was read is empty"));
        return Err(End::Misconfigured);
    }
    Ok(Secret::new(token))
}

/// A message of the system, without the name of the file.
fn open(path: &Path) -> io::Result<std::fs::File> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn take(from: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MOST_READ).read_to_string(&mut text)?;
    Ok(text)
}

fn as_text(explained: &Report) -> String {
    let mut text = String::new();
    let mut line = |mark: &str, word: &str, rest: &str| {
        let _infallible = writeln!(text, "{mark} {word:<15} {rest}");
    };
    for step in &explained.steps {
        line(sign(step.mark), step.stage, &step.text);
    }
    match &explained.verdict {
        Verdict::Allowed { upstream, headers } => {
            line("=", "allowed", &format!("{upstream} would be sent:"));
            for (name, value) in headers {
                line(" ", "", &format!("{name}: {value}"));
            }
        }
        Verdict::Refused {
            status,
            reason,
            detail,
            description,
            hints,
        } => {
            line("=", "refused", &format!("{status} {reason}: {detail}"));
            line(" ", "told to callers", description);
            for hint in hints {
                line(" ", "hint", hint);
            }
        }
    }
    text
}

fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Passed => "+",
        Mark::Refused => "-",
        Mark::Told => " ",
    }
}

fn as_json(explained: &Report) -> String {
    let stages = explained.steps.iter().map(|step| {
        let mark = match step.mark {
            Mark::Passed => "passed",
            Mark::Refused => "refused",
            Mark::Told => "told",
        };
        json!({ "stage": step.stage, "mark": mark, "text": step.text })
    });
    let stages: Vec<_> = stages.collect();
    let whole = match &explained.verdict {
        Verdict::Allowed { upstream, headers } => {
            let headers: serde_json::Map<_, _> = headers
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            json!({ "allowed": true, "stages": stages, "upstream": { "address": upstream, "headers": headers } })
        }
        Verdict::Refused {
            status,
            reason,
            detail,
            description,
            hints,
        } => json!({
            "allowed": false,
            "stages": stages,
            "refusal": { "status": status, "reason": reason, "detail": detail, "description": description, "hints": hints },
        }),
    };
    format!("{whole:#}\n")
}
