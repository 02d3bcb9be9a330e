//! What came back, and what a test says about it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::wire::Headers;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// In their order, names as they came.
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// Whether the body came to the end that was announced.
    pub complete: bool,
    /// Whether the server said that it closes the connection, and did.
    pub closed: bool,
}

/// The attributes of a `Bearer` challenge.
pub type Challenge = BTreeMap<String, String>;

impl Answer {
    /// The value of the first header line of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; of an event stream, the data of its last event.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        let is_stream = self
            .header("content-type")
            .is_some_and(|value| value.starts_with("text/event-stream"));
        let json = if is_stream {
            text.lines()
                .rev()
                .find_map(|line| line.strip_prefix("data:"))
                .unwrap_or_default()
        } else {
            &text
        };
        serde_json::from_str(json).unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// The attributes of the one `Bearer` challenge. Panics if there is none, are two, or one that RFC 9110 cannot read.
    #[track_caller]
    pub fn challenge(&self) -> Challenge {
        let lines = self.headers.all("www-authenticate");
        let bearer: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("Bearer"))
            .collect();
        match bearer.as_slice() {
            [line] => parse(line).unwrap_or_else(|| panic!("not a challenge: {line}")),
            _ => panic!(
                "one Bearer challenge expected in {lines:?} of {}",
                self.text()
            ),
        }
    }

    /// Refused with this status, and with this `error` in the challenge; `None` = a challenge without `error`.
    #[track_caller]
    pub fn refused<'e>(&self, status: u16, error: impl Into<Option<&'e str>>) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.challenge().get("error").map(String::as_str),
            error.into(),
            "{:?}",
            self.headers
        );
        self
    }

    /// Answered with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }
}

/// A reader of its own: what the gateway writes is not judged by the code that wrote it.
fn parse(line: &str) -> Option<Challenge> {
    let mut attributes = Challenge::new();
    let mut rest = line.strip_prefix("Bearer")?;
    while !rest.is_empty() {
        rest = rest.strip_prefix(if attributes.is_empty() { " " } else { ", " })?;
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        if attributes
            .insert(name.to_owned(), value.to_owned())
            .is_some()
        {
            return None;
        }
        rest = after;
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_strictly() {
        let read = parse("Bearer error=\"a\", scope=\"b c\"").unwrap();
        assert_eq!(read.get("scope").map(String::as_str), Some("b c"));
        assert_eq!(parse("Bearer"), Some(Challenge::new()));
        for bad in [
            "Bearer error=\"a\",scope=\"b\"",
            "Bearer error=a",
            "Bearer error=\"a",
            "Bearer a=\"1\", a=\"2\"",
            "Basic",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
