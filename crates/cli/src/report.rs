//! Problems and hints on a terminal: to stderr, in lower case, with colours only where somebody sees them.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use config::Problems;

use crate::End;

/// Writes what was asked for to stdout. A reader that has seen enough and left (`| head`) is no failure.
pub(crate) fn output(text: &str) -> End {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => failure(&error),
        Ok(()) | Err(_) => End::Good,
    }
}

/// A file that cannot be read is a fault of the command line.
pub(crate) fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> End {
    say(
        "error",
        &format!("cannot read the {what} {}: {error}", path.display()),
    );
    if what == "configuration" && error.kind() == std::io::ErrorKind::NotFound {
        say(
            "hint",
            "name one with --config FILE or PORTCULLIS_CONFIG, or try `portcullis demo`",
        );
    }
    End::Misconfigured
}

/// Everything that is wrong with a file.
pub(crate) fn problems(problems: &Problems) -> End {
    line(&problems.to_string());
    End::Misconfigured
}

pub(crate) fn warning(path: &str, reason: &str, hint: Option<&str>) {
    say("warning", &format!("{path} {reason}"));
    if let Some(hint) = hint {
        say("hint", hint);
    }
}

pub(crate) fn error(text: &str) {
    say("error", text);
}

pub(crate) fn failure(error: &dyn std::error::Error) -> End {
    say("error", &error.to_string());
    End::Failed
}

/// Something that is not done, and why.
pub(crate) fn refusal(text: &str) {
    say("error", text);
}

pub(crate) fn hint(text: &str) {
    say("hint", text);
}

fn say(word: &str, text: &str) {
    let color = if word == "error" {
        "31"
    } else if word == "warning" {
        "33"
    } else {
        "36"
    };
    if std::io::stderr().is_terminal() {
        line(&format!("\x1b[{color}m{word}:\x1b[0m {text}"));
    } else {
        line(&format!("{word}: {text}"));
    }
}

fn line(text: &str) {
    // Nowhere is left to say that stderr is gone.
    let _gone = writeln!(std::io::stderr(), "{}", text.trim_end());
}
