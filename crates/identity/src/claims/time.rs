//! `exp`, `nbf` and `iat`: numbers, and sane ones.

use std::time::Duration;

use serde_json::{Map, Number, Value};

use super::Times;
use crate::caller::Timestamp;
use crate::failure::Failure;

/// The end of the year 9999. What is later was meant in milliseconds, or to live forever.
const LATEST: u64 = 253_402_300_799;

/// Reads the three and judges the span between `iat` and `exp`.
pub(super) fn read(
    claims: &Map<String, Value>,
    longest: Option<Duration>,
) -> Result<Times, Failure> {
    // fractions are rounded to the side that takes less
    let expires = date(claims, "exp", f64::floor)?.ok_or(Failure::MissingExpiry)?;
    let not_before = date(claims, "nbf", f64::ceil)?;
    let issued_at = date(claims, "iat", f64::floor)?;
    if let Some(longest) = longest {
        let Some(issued_at) = issued_at else {
            return Err(Failure::LifetimeTooLong("it has no iat to tell".into()));
        };
        let life = expires.0.saturating_sub(issued_at.0);
        if life > longest.as_secs() {
            return Err(Failure::LifetimeTooLong(
                format!("{life} s, at most {} s are taken", longest.as_secs()).into(),
            ));
        }
    }
    Ok(Times {
        expires,
        not_before,
        issued_at,
    })
}

fn date(
    claims: &Map<String, Value>,
    name: &str,
    round: fn(f64) -> f64,
) -> Result<Option<Timestamp>, Failure> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => seconds(number, round)
            .map(|seconds| Some(Timestamp(seconds)))
            .ok_or_else(|| Failure::malformed(format!("{name} is no time between 1970 and 9999"))),
        Some(_) => Err(Failure::malformed(format!("{name} is not a number"))),
    }
}

fn seconds(number: &Number, round: fn(f64) -> f64) -> Option<u64> {
    if let Some(whole) = number.as_u64() {
        return (whole <= LATEST).then_some(whole);
    }
    #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^53")]
    let bounds = 0.0..=LATEST as f64;
    let fraction = number.as_f64().filter(|seconds| bounds.contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, below the bound, and rounded"
    )]
    Some(round(fraction) as u64)
}
