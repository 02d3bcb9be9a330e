//! `${NAME}`, `${NAME:-default}` and `${file:/path}` on scalars; `$$` is a dollar. A default may hold further `${…}`.
//!
//! What is put in is text and stays text: it is never looked at for `${…}` again, never becomes a list, a key or a number. Since it may
//! be a secret, it is marked, and no message shows it.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::sources::Sources;
use crate::written;

/// How deep defaults may stand in defaults.
const DEEPEST: usize = 4;
/// The largest file `${file:…}` puts in.
const LARGEST_FILE: usize = 64 << 10;

/// Fills in every scalar below `place`.
pub(crate) fn mapping(
    map: &mut Map<String, Value>,
    place: &Place,
    sources: &dyn Sources,
    notes: &mut Notes,
) {
    for (key, below) in map {
        scalars(below, &place.key(key), sources, notes);
    }
}

/// Fills in a scalar, or every one below.
pub(crate) fn scalars(value: &mut Value, place: &Place, sources: &dyn Sources, notes: &mut Notes) {
    match value {
        Value::Null => *value = Value::String(written::nothing()),
        Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => *text = one(text, place, sources, notes),
        Value::Array(values) => {
            for (index, below) in values.iter_mut().enumerate() {
                scalars(below, &place.index(index), sources, notes);
            }
        }
        Value::Object(values) => mapping(values, place, sources, notes),
    }
}

fn one(text: &str, place: &Place, sources: &dyn Sources, notes: &mut Notes) -> String {
    if text.contains('\0') {
        notes.wrong(place, "contains a NUL character");
        return written::reported();
    }
    let filled = fill(text, sources, DEEPEST);
    for warning in filled.warnings {
        notes.warn(place, warning);
    }
    if !filled.flaws.is_empty() {
        for flaw in filled.flaws {
            notes.wrong(place, flaw);
        }
        return written::reported();
    }
    if filled.given {
        written::given(&filled.text)
    } else {
        filled.text
    }
}

/// A scalar with everything put in.
#[derive(Debug, Default, PartialEq)]
struct Filled {
    text: String,
    /// Whether any of it came from outside the file.
    given: bool,
    flaws: Vec<Flaw>,
    warnings: Vec<Flaw>,
}

fn fill(text: &str, sources: &dyn Sources, deeper: usize) -> Filled {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.text.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let Some((inside, after)) = split_at_end(inside) else {
                filled.flaws.push(
                    Flaw::new("has a `${` without its `}`")
                        .hint("write `$$` for a dollar that means itself"),
                );
                return filled;
            };
            filled.given = true;
            match value(inside, sources, deeper, &mut filled.warnings) {
                Ok(value) => filled.text.push_str(&value),
                Err(flaws) => filled.flaws.extend(flaws),
            }
            rest = after;
        } else {
            filled
                .flaws
                .push(Flaw::new("has a `$` that begins nothing").hint(
                    "write `${NAME}` for a variable and `$$` for a dollar that means itself",
                ));
            rest = after;
        }
    }
    filled.text.push_str(rest);
    filled
}

/// Cuts at the `}` that ends the `${` before `inside`; those of a `${…}` in its default end that.
fn split_at_end(inside: &str) -> Option<(&str, &str)> {
    let mut open = 0usize;
    let mut before = ' ';
    for (at, c) in inside.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => {
                let (inside, rest) = inside.split_at(at);
                return Some((inside, rest.strip_prefix('}')?));
            }
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

/// What `${inside}` stands for.
fn value(
    inside: &str,
    sources: &dyn Sources,
    deeper: usize,
    warnings: &mut Vec<Flaw>,
) -> Result<String, Vec<Flaw>> {
    if let Some(path) = inside.strip_prefix("file:") {
        return file(path, sources, warnings).map_err(|flaw| vec![flaw]);
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_variable_name(name) {
        let flaw = Flaw::new("has a `${…}` that names no variable")
            .hint("the forms are ${NAME}, ${NAME:-default} and ${file:/path}");
        return Err(vec![flaw]);
    }
    match (sources.var(name), default) {
        (Some(value), default) if !value.is_empty() || default.is_none() => {
            warnings.extend(suspicious(&format!("`{name}`"), &value));
            Ok(value)
        }
        (_, Some(default)) => otherwise(default, sources, deeper, warnings),
        (_, None) => {
            let flaw = Flaw::new(format!("the variable `{name}` is not set"));
            Err(vec![flaw.hint(way_out(name))])
        }
    }
}

/// What to do about a variable that is not set. What is called a secret is not led into the file.
fn way_out(name: &str) -> String {
    const SECRETS: [&str; 4] = ["SECRET", "TOKEN", "KEY", "PASSWORD"];
    if SECRETS.iter().any(|word| name.contains(word)) {
        return "set it, or put it into the file that --env-file names; ${file:/path} takes it from a file of its own".into();
    }
    format!("set it, or give a default: ${{{name}:-value}}")
}

/// What stands for a variable that is not set, or empty: text of the file itself, in which `${…}` may stand.
fn otherwise(
    default: &str,
    sources: &dyn Sources,
    deeper: usize,
    warnings: &mut Vec<Flaw>,
) -> Result<String, Vec<Flaw>> {
    if !default.contains("${") {
        return Ok(default.to_owned());
    }
    let Some(deeper) = deeper.checked_sub(1) else {
        return Err(vec![Flaw::new("has defaults in defaults in defaults")]);
    };
    let filled = fill(default, sources, deeper);
    warnings.extend(filled.warnings);
    if filled.flaws.is_empty() {
        Ok(filled.text)
    } else {
        Err(filled.flaws)
    }
}

fn file(path: &str, sources: &dyn Sources, warnings: &mut Vec<Flaw>) -> Result<String, Flaw> {
    if path.is_empty() {
        return Err(Flaw::new("has a `${file:}` without a path"));
    }
    let mut text = read(path, sources)?;
    if text.len() > LARGEST_FILE {
        return Err(Flaw::new(format!(
            "the file {path:?} is larger than {} KiB",
            LARGEST_FILE >> 10
        )));
    }
    // Editors and `echo` end a file with a line end that is no part of the secret.
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    warnings.extend(suspicious(&format!("the file {path:?}"), &text));
    Ok(text)
}

/// A file's text, or why it cannot be had. The name of the file is said, its content never.
pub(crate) fn read(path: &str, sources: &dyn Sources) -> Result<String, Flaw> {
    sources.file(Path::new(path)).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::NotFound => "does not exist".to_owned(),
            ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
            ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            ErrorKind::IsADirectory => "is a directory".to_owned(),
            other => format!("cannot be read: {other}"),
        };
        let flaw = Flaw::new(format!("the file {path:?} {why}"));
        if Path::new(path).is_relative() {
            return flaw.hint(
                "the path is relative: it begins in the folder that the program was started in",
            );
        }
        flaw
    })
}

/// Quotes and blanks around a value are nearly always a mistake of the shell or of an env file (S1-37).
pub(crate) fn suspicious(source: &str, value: &str) -> Option<Flaw> {
    let quoted =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') {
        return Some(
            Flaw::new(format!("the value of {source} has quotes around it"))
                .hint("remove them: what is put in is taken as it is"),
        );
    }
    if value.trim() != value {
        return Some(
            Flaw::new(format!("the value of {source} has blanks around it"))
                .hint("remove them: what is put in is taken as it is"),
        );
    }
    None
}

/// What a shell takes for the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
