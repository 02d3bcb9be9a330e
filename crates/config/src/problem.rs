//! What is wrong with a configuration, said all at once, each with a way out.

use std::fmt;

/// One thing that is wrong, or that deserves a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The YAML path (`routes[0].auth.type`), or `line 3, column 5` where the text is not YAML at all.
    pub path: String,
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A reason and a way out, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Flaw {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Flaw {
            reason: reason.into(),
            hint: None,
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(self, path: &(impl ToString + ?Sized)) -> Problem {
        Problem {
            path: path.to_string(),
            reason: self.reason,
            hint: self.hint,
        }
    }
}

impl From<String> for Flaw {
    fn from(reason: String) -> Self {
        Flaw::new(reason)
    }
}

impl From<&str> for Flaw {
    fn from(reason: &str) -> Self {
        Flaw::new(reason)
    }
}

/// Everything that is wrong with one configuration. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    subject: String,
    list: Vec<Problem>,
}

/// Paths longer than this do not push all other reasons to the right.
const WIDEST_COLUMN: usize = 56;

impl Problems {
    pub(crate) fn new(list: Vec<Problem>) -> Self {
        Problems {
            subject: "gateway.yaml".to_owned(),
            list,
        }
    }

    pub(crate) fn one(path: &str, flaw: impl Into<Flaw>) -> Self {
        Self::new(vec![flaw.into().at(path)])
    }

    /// The same, about a file of another name.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Always false: a file without problems has no `Problems`.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn list_mut(&mut self) -> &mut Vec<Problem> {
        &mut self.list
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(
            out,
            "{} has {} problem{plural}",
            self.subject,
            self.list.len()
        )?;
        let width = self
            .list
            .iter()
            .map(|problem| problem.path.chars().count())
            .filter(|width| *width <= WIDEST_COLUMN)
            .max()
            .unwrap_or_default();
        for problem in &self.list {
            write!(out, "\n  {:width$}   {}", problem.path, problem.reason)?;
            if let Some(hint) = &problem.hint {
                write!(out, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_laid_out_in_columns() {
        let problems = Problems::new(vec![
            Problem {
                path: "server.listen".into(),
                reason: "has no value".into(),
                hint: None,
            },
            Problem {
                path: "routes".into(),
                reason: "is missing".into(),
                hint: Some("name at least one".into()),
            },
        ]);
        let expected = "x.yaml has 2 problems\n  server.listen   has no value\n  routes          is missing\n    hint: name at least one";
        assert_eq!(problems.about("x.yaml").to_string(), expected);
        let one = Problems::one("line 1, column 2", "is odd");
        assert_eq!(
            one.to_string(),
            "gateway.yaml has 1 problem\n  line 1, column 2   is odd"
        );
    }
}
