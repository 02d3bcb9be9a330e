//! What is said about a command line that makes no sense, without repeating what may be a secret.

use clap::Error;
use clap::error::{ContextKind, ContextValue};

use crate::report;

/// No command, option or misspelling of one is as long. A token is, and so is an API key.
const SHORTEST_SECRET: usize = 20;

/// Ends the program as clap would.
pub(crate) fn exit(mut error: Error) -> ! {
    let is_hidden = hide(&mut error);
    if is_hidden {
        let _nobody_reads = error.print();
        report::hint(
            "what is as long as a credential is not repeated. Credentials do not belong on a command line, where the shell's history and the list of processes keep them: they are read from standard input or a file. One that stood there should be replaced",
        );
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// Whether something was taken out.
fn hide(error: &mut Error) -> bool {
    let places = [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ];
    let mut is_hidden = false;
    for place in places {
        let is_long = match error.get(place) {
            Some(ContextValue::String(text)) => {
                let is_address = text.starts_with("http") && !text.contains('@');
                text.len() >= SHORTEST_SECRET && !is_address
            }
            _ => false, // a list of options of ours
        };
        if is_long {
            error.insert(place, ContextValue::String("***".to_owned()));
            is_hidden = true;
        }
    }
    if is_hidden {
        // how to pass it all the same, or what resembles it
        error.remove(ContextKind::Suggested);
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedValue);
    }
    is_hidden
}
