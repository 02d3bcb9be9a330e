//! A moment as a date and a time of day.

use std::fmt;

/// In UTC. Displayed as RFC 3339 writes it, without fractions and without the `Z` that follows them.
#[derive(Debug, Clone, Copy)]
pub struct DateTime {
    days: u64,
    second_of_day: u64,
}

impl DateTime {
    /// So many seconds after 1970-01-01.
    pub fn of(seconds: u64) -> Self {
        Self {
            days: seconds / 86_400,
            second_of_day: seconds % 86_400,
        }
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.second_of_day;
        // Days as a date, in years that begin in March: then the leap day is the last of its year.
        let days = self.days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let march = (5 * day + 2) / 153;
        let day = day - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}
