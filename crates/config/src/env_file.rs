//! Files of variables: `NAME=value`, one a line.
//!
//! The forms are those that shells, systemd and compose agree on. Nothing is expanded, and no problem shows a value.

use crate::interpolate::is_variable_name;
use crate::problem::{Flaw, Problems};

/// Reads an env file: names and values in the order of the file.
///
/// Empty lines, `# comments` and a leading `export` are passed over. A value may stand in single quotes (taken as it is) or double
/// quotes (with `\n`, `\r`, `\t`, `\"`, `\$` and `\\`); outside quotes, blanks around it and a ` # comment` behind it are cut off.
pub fn env_file(text: &str) -> Result<Vec<(String, String)>, Problems> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match variable(line) {
            Ok((name, _)) if variables.iter().any(|(other, _)| *other == name) => {
                problems.push(
                    Flaw::new(format!("`{name}` is set already"))
                        .at(&format!("line {}", index + 1)),
                );
            }
            Ok(variable) => variables.push(variable),
            Err(flaw) => problems.push(flaw.at(&format!("line {}", index + 1))),
        }
    }
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(Problems::new(problems).about("the env file"))
    }
}

fn variable(line: &str) -> Result<(String, String), Flaw> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let Some((name, value)) = line.split_once('=') else {
        return Err(Flaw::new("has no `=`").hint("each line is NAME=value"));
    };
    if !is_variable_name(name) {
        return Err(Flaw::new("does not begin with the name of a variable")
            .hint("letters, digits and `_`, with no blank before the `=`"));
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some('\'') => single_quoted(value)?,
        Some('"') => double_quoted(value)?,
        _ => bare(value),
    };
    if value.contains('\0') {
        return Err("contains a NUL character".into());
    }
    Ok((name.to_owned(), value))
}

fn bare(value: &str) -> String {
    if value.starts_with('#') {
        return String::new();
    }
    let end = [" #", "\t#"]
        .iter()
        .filter_map(|comment| value.find(comment))
        .min()
        .unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_end().to_owned()
}

fn single_quoted(value: &str) -> Result<String, Flaw> {
    let rest = value.strip_prefix('\'').unwrap_or(value);
    let Some((inside, after)) = rest.split_once('\'') else {
        return Err(unclosed());
    };
    nothing_behind(after)?;
    Ok(inside.to_owned())
}

fn double_quoted(value: &str) -> Result<String, Flaw> {
    let mut inside = String::with_capacity(value.len());
    let mut rest = value.chars();
    rest.next();
    loop {
        match rest.next() {
            None => return Err(unclosed()),
            Some('"') => break,
            Some('\\') => inside.push(match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(same @ ('"' | '\\' | '$')) => same,
                Some(_) => return Err(Flaw::new("has an unknown escape in its value").hint(
                    "known are \\n \\r \\t \\\" \\$ \\\\; single quotes take everything as it is",
                )),
                None => return Err(unclosed()),
            }),
            Some(char) => inside.push(char),
        }
    }
    nothing_behind(rest.as_str())?;
    Ok(inside)
}

fn nothing_behind(after: &str) -> Result<(), Flaw> {
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') {
        return Ok(());
    }
    Err("has something behind its closing quote".into())
}

fn unclosed() -> Flaw {
    Flaw::new("has a quote that is not closed on its line")
        .hint("write line ends as \\n inside double quotes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let read = env_file(text).unwrap_or_else(|problems| panic!("{problems}"));
        let read: Vec<(&str, &str)> = read
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(read, expected, "{text}");
    }

    #[track_caller]
    fn wrong(text: &str, expected: &str) {
        let problems = env_file(text).unwrap_err();
        let said: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.reason))
            .collect();
        assert_eq!(said.join(", "), expected, "{text}");
        assert!(!problems.to_string().contains("hunter2"));
    }

    #[test]
    fn lines_of_all_forms() {
        check(
            "\u{feff}# words\n\n A=1\r\nexport B=two words # comment\nC=\nD=a#b\n",
            &[("A", "1"), ("B", "two words"), ("C", ""), ("D", "a#b")],
        );
        check(
            "A='x \"$B\" #'  # c\nB=\"a\\n\\\"\\\\\\$b#\"\nC=#x\n",
            &[("A", "x \"$B\" #"), ("B", "a\n\"\\$b#"), ("C", "")],
        );
        check("URL=https://x/?a=b\n", &[("URL", "https://x/?a=b")]);
    }

    #[test]
    fn every_bad_line_is_named_and_no_value_shown() {
        wrong(
            "hunter2\n1A=hunter2\nA =hunter2\n",
            "line 1: has no `=`, line 2: does not begin with the name of a variable, line 3: does not begin with the name of a variable",
        );
        wrong(
            "A='hunter2\nB=\"hunter2\nC=\"hunter2\\",
            "line 1: has a quote that is not closed on its line, line 2: has a quote that is not closed on its line, line 3: has a quote that is not closed on its line",
        );
        wrong(
            "A='hunter2' x\nB=\"hunter2\\x\"\n",
            "line 1: has something behind its closing quote, line 2: has an unknown escape in its value",
        );
        wrong(
            "A=1\nA=hunter2\nB=hunter2\0",
            "line 2: `A` is set already, line 3: contains a NUL character",
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s).*", value in "[ \"'#\\\\a-c$]{0,12}") {
            let _ = env_file(&text);
            let _ = env_file(&format!("A={value}"));
        }
    }
}
