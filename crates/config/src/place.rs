//! Where in the file something stands.

use std::fmt;

/// A YAML path under construction: `routes[0].auth.type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    text: String,
    /// For each step, the length of `text` before it.
    steps: Vec<(usize, Step)>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl Place {
    pub(crate) fn root() -> Self {
        Place {
            text: String::new(),
            steps: Vec::new(),
        }
    }

    /// A key of the mapping here. A key that would not read as one word is quoted, with controls escaped.
    pub(crate) fn key(&self, key: &str) -> Self {
        let plain = !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let word = if plain {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        let dot = if self.text.is_empty() { "" } else { "." };
        self.step(&format!("{dot}{word}"), Step::Key(key.to_owned()))
    }

    /// An element of the list here.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.step(&format!("[{index}]"), Step::Index(index))
    }

    fn step(&self, text: &str, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push((self.text.len(), step));
        Place {
            text: format!("{}{text}", self.text),
            steps,
        }
    }

    /// Where the mapping or list is that holds this.
    pub(crate) fn parent(&self) -> Option<Place> {
        let (last, before) = self.steps.split_last()?;
        Some(Place {
            text: self.text.get(..last.0)?.to_owned(),
            steps: before.to_vec(),
        })
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().map(|(_, step)| step)
    }

    /// Whether this is one of the places that a pattern like `routes.*.auth` means, in which `*` is any one name or index.
    pub(crate) fn fits(&self, pattern: &str) -> bool {
        let mut steps = self.steps();
        let fits = pattern.split('.').all(|word| match steps.next() {
            Some(Step::Key(key)) => word == "*" || word == key,
            Some(Step::Index(_)) => word == "*",
            None => false,
        });
        fits && steps.next().is_none()
    }

    pub(crate) fn last(&self) -> Option<&Step> {
        self.steps.last().map(|(_, step)| step)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            out.write_str("(the whole file)")
        } else {
            out.write_str(&self.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_like_a_path() {
        let place = Place::root()
            .key("routes")
            .index(0)
            .key("identity")
            .key("headers")
            .key("X a\n");
        assert_eq!(place.to_string(), r#"routes[0].identity.headers."X a\n""#);
        assert_eq!(
            place.parent().unwrap().to_string(),
            "routes[0].identity.headers"
        );
        assert_eq!(Place::root().to_string(), "(the whole file)");
        assert_eq!(Place::root().parent(), None);
    }
}
