//! How often a caller may ask a route, and call its tools (S0-60).
//!
//! A caller is issuer, kind and subject (SEC-1), whatever token or address; somebody unknown is the network of the address, and for
//! IPv6 also the site around it, as for failures. Every route counts by its name, so another path of the same route is no second helping.
//!
//! Requests are counted before a byte of the body is read, and whatever becomes of them; calls when they are granted, so that what is
//! not allowed costs no call. Of a batch each message is a request and each call a call (BAT-2); the first message has been counted.

use std::time::Instant;

use identity::Caller;
use mcp::operation::{Called, Operation};

use super::address::Net;
use super::window::{Deeds, Full, Rate};
use super::{SITE_FACTOR, identified};
use crate::plan::{Plan, Site};
use crate::stage::authorize::{Admitted, Granted};
use crate::stage::inspect::Call;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

impl Rate {
    pub(crate) fn of(limit: &config::RateLimit) -> Self {
        Self {
            window: limit.window,
            requests: limit.max_requests,
            calls: limit.max_tool_calls,
        }
    }

    /// What of this counts here.
    fn counts(self, deeds: Deeds) -> Deeds {
        Deeds {
            requests: self.requests.map_or(0, |_| deeds.requests),
            calls: self.calls.map_or(0, |_| deeds.calls),
        }
    }
}

/// What one caller, or the address of somebody unknown, may ask of a route.
pub(crate) fn request(
    plan: &Plan,
    site: &Site,
    admitted: &Admitted,
    arrival: &Arrival,
) -> Result<(), Refusal> {
    let Some(rate) = site.rate else { return Ok(()) };
    let one = Deeds {
        requests: 1,
        calls: 0,
    };
    take(plan, site, rate, (admitted.caller(), arrival), one)
}

/// What of it can be said only when it was read.
pub(crate) fn calls(
    plan: &Plan,
    site: &Site,
    granted: &Granted,
    call: &Call<'_>,
    arrival: &Arrival,
) -> Result<(), Refusal> {
    let (Some(rate), Call::Read(read)) = (site.rate, call) else {
        return Ok(());
    };
    let calls = read.messages.iter();
    let calls = calls.filter(|one| matches!(one.operation(), Operation::Call(Called::Tool(_))));
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let deeds = Deeds {
        requests: number(read.messages.len().saturating_sub(1)),
        calls: number(calls.count()),
    };
    take(plan, site, rate, (granted.caller(), arrival), deeds)
}

fn take(
    plan: &Plan,
    site: &Site,
    rate: Rate,
    (caller, arrival): (Option<&Caller>, &Arrival),
    deeds: Deeds,
) -> Result<(), Refusal> {
    let deeds = rate.counts(deeds);
    if deeds == Deeds::default() {
        return Ok(());
    }
    let now = Instant::now();
    Ok(match caller {
        Some(caller) => {
            let windows = &plan.shared.limits.callers;
            windows.take(windows.party(identified(site, caller)), rate, deeds, now)
        }
        None => of_address(plan, site, rate, arrival, deeds, now),
    }
    .map_err(super::Exceeded::Rate)?)
}

/// From the link and from the site around it, or from neither.
fn of_address(
    plan: &Plan,
    site: &Site,
    rate: Rate,
    arrival: &Arrival,
    deeds: Deeds,
    now: Instant,
) -> Result<(), Full> {
    let windows = &plan.shared.limits.addresses;
    let party = windows.party((&*site.name, Net::of(arrival.client)));
    windows.take(party, rate, deeds, now)?;
    let Some(around) = Net::site_of(arrival.client) else {
        return Ok(());
    };
    let around = windows.party((&*site.name, around));
    let taken = windows.take(around, rate.times(SITE_FACTOR), deeds, now);
    taken.inspect_err(|_| windows.give_back(party, deeds))
}
