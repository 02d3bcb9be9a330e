//! One record as one line: a JSON object whose strings nobody outside can stretch over the line or the screen.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use config::DateTime;

/// Bytes of one string, before it is escaped.
pub(super) const LONGEST: usize = 256;
/// Stands at the end of what was longer.
const CUT: char = '…';

/// A line being written. Fields without a value are left out.
pub(super) struct Line<'o>(&'o mut String);

impl<'o> Line<'o> {
    /// Every line begins with when and what. `now` is since 1970-01-01 UTC.
    pub(super) fn begin(out: &'o mut String, now: Duration, event: &str) -> Self {
        out.push_str("{\"time\":\"");
        time(out, now);
        out.push('"');
        let mut line = Self(out);
        line.text("event", Some(event));
        line
    }

    pub(super) fn text(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        self.name(name);
        quoted(self.0, value);
    }

    /// A moment, since 1970-01-01 UTC.
    pub(super) fn moment(&mut self, name: &str, value: Duration) {
        self.name(name);
        self.0.push('"');
        time(self.0, value);
        self.0.push('"');
    }

    pub(super) fn texts<'t>(&mut self, name: &str, values: impl Iterator<Item = &'t str>) {
        self.name(name);
        for (i, value) in values.enumerate() {
            self.0.push(if i == 0 { '[' } else { ',' });
            quoted(self.0, value);
        }
        self.0.push(']');
    }

    /// The messages of a batch: method and tool of each, as far as it has them.
    pub(super) fn wishes<'t>(
        &mut self,
        name: &str,
        wishes: impl Iterator<Item = [(&'static str, Option<&'t str>); 2]>,
    ) {
        self.name(name);
        self.0.push('[');
        for (i, wish) in wishes.enumerate() {
            self.0.push_str(if i == 0 { "{" } else { ",{" });
            let told = wish.into_iter().filter_map(|(name, it)| Some((name, it?)));
            for (j, (name, text)) in told.enumerate() {
                self.0.push_str(if j == 0 { "\"" } else { ",\"" });
                self.0.push_str(name);
                self.0.push_str("\":");
                quoted(self.0, text);
            }
            self.0.push('}');
        }
        self.0.push(']');
    }

    pub(super) fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.name(name);
        let _infallible = write!(self.0, "{}", value.into());
    }

    /// The list of what is missing in a gap.
    pub(super) fn counts<'c>(
        &mut self,
        name: &str,
        counts: impl Iterator<Item = (&'c str, &'c str, u64)>,
    ) {
        self.name(name);
        self.0.push('[');
        for (i, (decision, reason, count)) in counts.enumerate() {
            self.0.push_str(if i == 0 {
                "{\"decision\":"
            } else {
                ",{\"decision\":"
            });
            quoted(self.0, decision);
            if !reason.is_empty() {
                self.0.push_str(",\"reason\":");
                quoted(self.0, reason);
            }
            let _infallible = write!(self.0, ",\"count\":{count}}}");
        }
        self.0.push(']');
    }

    pub(super) fn end(self) {
        self.0.push_str("}\n");
    }

    /// Names are ours: nothing in them has to be escaped.
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

fn quoted(out: &mut String, value: &str) {
    out.push('"');
    for character in cut(value, LONGEST).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if is_harmless(character) => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// At most so many bytes, the mark of the cut among them.
pub(crate) fn cut(value: &str, longest: usize) -> Cow<'_, str> {
    if value.len() <= longest {
        return Cow::Borrowed(value);
    }
    let end = value.floor_char_boundary(longest.saturating_sub(CUT.len_utf8()));
    let mut head = value.get(..end).unwrap_or_default().to_owned();
    head.push(CUT);
    Cow::Owned(head)
}

/// Whether a terminal, an editor or a reader of lines takes the character for text: no control of any kind, nothing that ends a line
/// or turns its direction round, nothing that cannot be seen.
fn is_harmless(character: char) -> bool {
    !(character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        ))
}

/// RFC 3339 in UTC with milliseconds.
fn time(out: &mut String, since_1970: Duration) {
    let _infallible = write!(
        out,
        "{}.{:03}Z",
        DateTime::of(since_1970.as_secs()),
        since_1970.subsec_millis()
    );
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn line(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut out = String::new();
        let mut line = Line::begin(
            &mut out,
            Duration::from_millis(1_795_255_200_042),
            "request",
        );
        write(&mut line);
        line.end();
        out
    }

    #[test]
    fn a_line_is_an_object_in_the_order_in_which_it_was_written() {
        let said = line(|line| {
            line.text("subject", Some("alice"));
            line.text("tool", None);
            line.texts("listeners", ["a", "b"].into_iter());
            line.number("status", 401_u16);
            line.moment("since", Duration::ZERO);
            line.counts(
                "missing",
                [("refused", "expired", 2), ("allowed", "", 1)].into_iter(),
            );
        });
        assert_eq!(
            said,
            "{\"time\":\"2026-11-21T10:00:00.042Z\",\"event\":\"request\",\"subject\":\"alice\",\"listeners\":[\"a\",\"b\"],\"status\":401,\
             \"since\":\"1970-01-01T00:00:00.000Z\",\"missing\":[{\"decision\":\"refused\",\"reason\":\"expired\",\"count\":2},{\"decision\":\"allowed\",\"count\":1}]}\n"
        );
        serde_json::from_str::<Value>(&said).unwrap();
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            let mut out = String::new();
            time(&mut out, Duration::from_secs(seconds));
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn sec_78_what_a_terminal_or_reader_would_obey_is_escaped() {
        let hostile = "a\"\\\n\r\t\0\u{7f}\u{85}\u{9b}2J\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}é漢🎉";
        let said = line(|line| line.text("subject", Some(hostile)));
        assert_eq!(said.matches('\n').count(), 1, "{said}");
        let parsed: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(parsed["subject"], hostile, "nothing is lost");
        assert!(said.trim_end().chars().all(is_harmless), "{said}");
        assert!(said.ends_with("é漢🎉\"}\n"), "text stays text: {said}");
    }

    #[test]
    fn sec_78_strings_end_at_256_bytes_and_never_within_a_character() {
        for (text, expected) in [
            ("x".repeat(256), 256),
            ("x".repeat(257), 256),
            ("x".repeat(100_000), 256),
            (format!("x{}", "é".repeat(1000)), 256),
            (format!("xx{}", "é".repeat(1000)), 255),
            ("🎉".repeat(1000), 255),
        ] {
            let said = line(|line| line.text("subject", Some(&text)));
            let parsed: Value = serde_json::from_str(&said).unwrap();
            let kept = parsed["subject"].as_str().unwrap();
            assert_eq!(kept.len(), expected);
            assert_eq!(kept.ends_with('…'), text.len() > 256);
            assert!(text.starts_with(kept.trim_end_matches('…')));
        }
    }
}
