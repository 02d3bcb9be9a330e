//! How often one caller may ask.

use std::time::Duration;

use crate::checked::{RateLimit, Transport};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::unit::Count;
use crate::written::{Block, Text};

const DAY: Duration = Duration::from_hours(24);
const MOST: u32 = 1_000_000;

pub(super) fn check(
    place: &Place,
    raw: Block<raw::RateLimit>,
    transport: Transport,
    notes: &mut Notes,
) -> Option<RateLimit> {
    let raw = notes.fields(place, raw)?;
    if raw.max_requests.is_none() && raw.max_tool_calls.is_none() {
        if !notes.has_unknown_keys(place) {
            notes.wrong(
                place,
                Flaw::new("limits nothing").hint("give it max_requests, max_tool_calls, or both"),
            );
        }
        return None;
    }
    let window = notes.duration(
        &place.key("window"),
        raw.window.as_ref(),
        Duration::from_mins(1),
        Duration::from_secs(1)..=DAY,
    );
    let mut most = |key: &str, field: Option<&Text<Count>>| {
        field.map(|field| notes.count(&place.key(key), Some(field), MOST, 1..=MOST))
    };
    let max_requests = most("max_requests", raw.max_requests.as_ref());
    let max_tool_calls = most("max_tool_calls", raw.max_tool_calls.as_ref());
    let calls_place = place.key("max_tool_calls");
    match transport {
        Transport::Mcp | Transport::Sse => {
            if let (Some(calls), Some(requests)) = (max_tool_calls, max_requests)
                && calls > requests
            {
                notes.warn(
                    &calls_place,
                    Flaw::new("is more than max_requests, which ends the calls before")
                        .hint("a call is one of the requests"),
                );
            }
        }
        Transport::Http => {
            if max_tool_calls.is_some() {
                notes.wrong(
                    &calls_place,
                    Flaw::new("has no effect with transport http")
                        .hint("tools are MCP's; max_requests counts everything"),
                );
            }
        }
    }
    Some(RateLimit {
        window,
        max_requests,
        max_tool_calls,
    })
}

#[cfg(test)]
mod tests;
