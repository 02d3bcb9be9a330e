//! So many in that time.

use serde_json::{Value, json};

use super::{INTERPOLATED, Scalar};
use crate::checked::{Period, Rate};
use crate::problem::Flaw;

/// A rate, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget(pub(crate) Option<Rate>);

const OFF: &str = "off";
const PERIODS: &[(&str, Period)] = &[
    ("s", Period::Second),
    ("m", Period::Minute),
    ("h", Period::Hour),
];
/// More than this is no limit, and the time between two would be too short to be told.
const MOST: u32 = 1_000_000;

impl Scalar for Budget {
    const EXPECTED: &'static str = "a rate like 600/m, or off";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text == OFF {
            return Ok(Self(None));
        }
        let Some((count, period)) = text.split_once('/') else {
            return Err(not_a_rate());
        };
        let period = PERIODS.iter().find(|(name, _)| *name == period);
        let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        let (true, Some((_, per))) = (is_number, period) else {
            return Err(not_a_rate());
        };
        match count.parse() {
            Ok(0) => Err(Flaw::new("would refuse everybody").hint("`off` is no limit at all")),
            Ok(count @ 1..=MOST) => Ok(Self(Some(Rate { count, per: *per }))),
            _ => Err(Flaw::new(format!("is more than {MOST}")).hint("`off` is no limit at all")),
        }
    }

    fn schema() -> Value {
        let pattern = format!("^[0-9]+/[smh]$|^{OFF}$|{INTERPOLATED}");
        json!({ "type": "string", "pattern": pattern })
    }
}

fn not_a_rate() -> Flaw {
    Flaw::new("is not a rate").hint("rates are written 10/s, 600/m or 1000/h; `off` is no limit")
}

/// The one way to write it.
pub(crate) fn show_budget(rate: Option<Rate>) -> String {
    let Some(Rate { count, per }) = rate else {
        return OFF.to_owned();
    };
    let period = PERIODS.iter().find(|(_, period)| *period == per);
    format!("{count}/{}", period.map_or("s", |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match Budget::read(text) {
            Ok(Budget(rate)) => format!("{rate:?}"),
            Err(flaw) => format!("! {}", flaw.reason),
        };
        let expected = expected.replace("of ", "Some(Rate { count: ");
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn rates() {
        check("600/m", "of 600, per: Minute })");
        check("1/s", "of 1, per: Second })");
        check("1000000/h", "of 1000000, per: Hour })");
        check("off", "None");
        check("0/m", "! would refuse everybody");
        check("1000001/s", "! is more than 1000000");
        check("99999999999/s", "! is more than 1000000");
        for text in [
            "", "/", "600", "/m", "+1/m", "-1/m", "1/d", "1/M", "1/m/s", "1 /m", "Off",
        ] {
            check(text, "! is not a rate");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[0-9]{0,12}/?[a-z]{0,2}") {
            let _ = Budget::read(&text);
        }

        #[test]
        fn what_is_shown_is_read_as_the_same(count in 1..=MOST, period in 0..PERIODS.len()) {
            let rate = Some(Rate { count, per: PERIODS[period].1 });
            prop_assert_eq!(Budget::read(&show_budget(rate)), Ok(Budget(rate)));
        }
    }
}
