//! Numbers, durations and sizes.

use std::time::Duration;

use serde_json::{Value, json};

use super::{INTERPOLATED, Scalar, or_interpolated};
use crate::problem::Flaw;

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub(crate) u64);

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number";

    fn read(text: &str) -> Result<Self, Flaw> {
        digits(text).map(Count).ok_or_else(|| {
            let flaw = Flaw::new("is not a whole number");
            match text.split_once('/') {
                Some((number, _)) if digits(number).is_some() => {
                    flaw.hint("it is the number alone; in how long is said beside it")
                }
                Some(_) | None => flaw,
            }
        })
    }

    fn schema() -> Value {
        or_interpolated(
            &json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+$" }] }),
        )
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("B", 1),
    ("", 1),
];

impl Scalar for Size {
    const EXPECTED: &'static str = "a size like 64KiB";

    fn read(text: &str) -> Result<Self, Flaw> {
        let (number, unit) = split(text);
        let factor = SIZES
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor);
        let (Some(number), Some(factor)) = (digits(number), factor) else {
            return Err(Flaw::new("is not a size")
                .hint("sizes are written 64KiB, 4MiB, 1GiB, or as plain bytes"));
        };
        number
            .checked_mul(factor)
            .map(Size)
            .ok_or_else(|| Flaw::new("is larger than any size can be"))
    }

    fn schema() -> Value {
        let pattern = format!("^[0-9]+(B|KiB|MiB|GiB)?$|{INTERPOLATED}");
        json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": pattern }] })
    }
}

/// The shortest exact way to write a size.
pub(crate) fn show_size(bytes: u64) -> String {
    let unit = SIZES
        .iter()
        .filter(|(name, factor)| !name.is_empty() && bytes > 0 && bytes.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor);
    match unit {
        Some((name, factor)) if *factor > 1 => format!("{}{name}", bytes / factor),
        _ => bytes.to_string(),
    }
}

/// In milliseconds, largest first.
const DURATIONS: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A thousand years: nothing of ours adds up to an overflow with it.
const LONGEST: u64 = 365_000 * 86_400_000;

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration like 90s";

    fn read(text: &str) -> Result<Self, Flaw> {
        let (number, unit) = split(text);
        let factor = DURATIONS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor);
        let milliseconds = match (digits(number), factor) {
            (Some(0), None) if unit.is_empty() => Some(0),
            (Some(number), Some(factor)) => {
                number.checked_mul(factor).filter(|total| *total <= LONGEST)
            }
            (Some(_), None) if unit.is_empty() => {
                return Err(
                    Flaw::new("has no unit").hint("the units are ms, s, m, h and d, as in 90s")
                );
            }
            _ => {
                return Err(Flaw::new("is not a duration")
                    .hint("durations are written 500ms, 90s, 15m, 12h or 7d"));
            }
        };
        milliseconds
            .map(Duration::from_millis)
            .ok_or_else(|| Flaw::new("is longer than any duration can be"))
    }

    fn schema() -> Value {
        let pattern = format!("^[0-9]+(ms|s|m|h|d)$|^0$|{INTERPOLATED}");
        json!({ "anyOf": [{ "const": 0 }, { "type": "string", "pattern": pattern }] })
    }
}

/// A duration as it is written in the configuration (`90s`, `15m`, `7d`); else what is wrong with it, and a way out.
pub fn duration(text: &str) -> Result<Duration, (String, Option<String>)> {
    Duration::read(text).map_err(|flaw| (flaw.reason, flaw.hint))
}

/// The shortest exact way to write a duration. What is finer than a millisecond cannot be said, so it does not occur.
pub(crate) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let unit = DURATIONS
        .iter()
        .find(|(_, factor)| milliseconds > 0 && milliseconds.is_multiple_of(u128::from(*factor)));
    match unit {
        Some((name, factor)) => format!("{}{name}", milliseconds / u128::from(*factor)),
        None => "0s".to_owned(),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Decimal digits and nothing else: `u64::from_str` would also take a `+`.
fn digits(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn duration(text: &str, expected: &str) {
        let shown = match Duration::read(text) {
            Ok(duration) => format!("{}ms {}", duration.as_millis(), show_duration(duration)),
            Err(flaw) => format!("! {}", flaw.reason),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn durations() {
        duration("90s", "90000ms 90s");
        duration("15m", "900000ms 15m");
        duration("600s", "600000ms 10m");
        duration("7d", "604800000ms 7d");
        duration("500ms", "500ms 500ms");
        duration("36h", "129600000ms 36h");
        duration("0s", "0ms 0s");
        duration("0", "0ms 0s");
        duration("90", "! has no unit");
        duration("", "! is not a duration");
        duration("s", "! is not a duration");
        duration("-1s", "! is not a duration");
        duration("+1s", "! is not a duration");
        duration("1.5s", "! is not a duration");
        duration("1 s", "! is not a duration");
        duration("1S", "! is not a duration");
        duration("1w", "! is not a duration");
        duration("99999999999999999999s", "! is not a duration");
        duration("999999999999999d", "! is longer than any duration can be");
    }

    #[track_caller]
    fn size(text: &str, expected: &str) {
        let shown = match Size::read(text) {
            Ok(Size(bytes)) => format!("{bytes} {}", show_size(bytes)),
            Err(flaw) => format!("! {}", flaw.reason),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn sizes() {
        size("64KiB", "65536 64KiB");
        size("4MiB", "4194304 4MiB");
        size("1GiB", "1073741824 1GiB");
        size("1024", "1024 1KiB");
        size("1000", "1000 1000");
        size("12B", "12 12");
        size("0", "0 0");
        size("64kb", "! is not a size");
        size("4MB", "! is not a size");
        size("", "! is not a size");
        size("-1", "! is not a size");
        size("99999999999GiB", "! is larger than any size can be");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = (Duration::read(&text), Size::read(&text), Count::read(&text));
        }

        #[test]
        fn near_misses_are_read_without_panic(text in "[0-9]{0,22}[a-zA-Zµ]{0,3}") {
            let _ = (Duration::read(&text), Size::read(&text), Count::read(&text));
        }

        #[test]
        fn what_is_shown_is_read_as_the_same(number in 0..=LONGEST) {
            let duration = Duration::from_millis(number);
            prop_assert_eq!(Duration::read(&show_duration(duration)), Ok(duration));
            prop_assert_eq!(Size::read(&show_size(number)), Ok(Size(number)));
        }
    }
}
