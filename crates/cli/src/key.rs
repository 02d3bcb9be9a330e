//! `key`, `key new`, `key hash`: what somebody would otherwise make up.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use identity::{ApiKey, KeyError};

use crate::{End, report};

/// More than the longest key and its line end.
const MOST_READ: u64 = 4096;

/// `key`: 32 random bytes.
pub(crate) fn random() -> End {
    match identity::encryption_key() {
        Some(key) => report::output(&format!("{}\n", key.expose())),
        None => no_randomness(),
    }
}

/// `key new`: an API key, and what the configuration has of it.
pub(crate) fn new() -> End {
    let Some(key) = ApiKey::generate() else {
        return no_randomness();
    };
    let end = report::output(&format!("key: {}\nhash: {}\n", key.expose(), key.stored()));
    report::hint(
        "the key goes to whoever will use it and is kept nowhere; the hash goes under `api_keys.keys` in gateway.yaml",
    );
    end
}

/// `key hash`: reads one line. Never an argument: those stand in the list of processes and in the shell's history.
pub(crate) fn hash() -> End {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        report::hint("type or paste the key, then Enter");
    }
    let mut input = stdin.lock().take(MOST_READ);
    let mut line = String::new();
    let mut more = String::new();
    let read = input.read_line(&mut line).and_then(|_| {
        if std::io::stdin().is_terminal() {
            return Ok(0);
        }
        input.read_line(&mut more)
    });
    if let Err(error) = read {
        return report::failure(&error);
    }
    if !more.is_empty() {
        return refuse("there is more than one line on standard input", None);
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match ApiKey::read(line) {
        Ok(key) => report::output(&format!("{}\n", key.stored())),
        Err(error) => refuse(&error.to_string(), hint(error)),
    }
}

fn hint(error: KeyError) -> Option<&'static str> {
    match error {
        KeyError::Empty => Some("for example `printf %s \"$KEY\" | portcullis key hash`"),
        KeyError::TooWeak(_) => Some("`portcullis key new` makes one of 256"),
        KeyError::Stored => Some("it goes into gateway.yaml as it is"),
        KeyError::Characters | KeyError::TooLong | KeyError::Checksum => None,
    }
}

fn refuse(text: &str, hint: Option<&str>) -> End {
    report::error(text);
    if let Some(hint) = hint {
        report::hint(hint);
    }
    End::Misconfigured
}

fn no_randomness() -> End {
    report::error("the system gives no randomness");
    End::Failed
}
