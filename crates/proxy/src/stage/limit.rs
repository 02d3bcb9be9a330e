//! What one address, and one caller, may have or try (SEC-55, SEC-70).
//!
//! Guessing must cost, and users who share an address must not pay for each other. So an address pays, one for each request, for a
//! credential that has to be verified and for a request that is refused while nobody is proven: a wrong token, none, a path, a host
//! or a method that is not served. Who comes with a credential that was verified before pays nothing and is never turned away here;
//! what such a caller may do is limited by name, where it is known. What the budget has no room for is answered 429: before a
//! signature is checked, and instead of the refusal. An answer of ours that is no refusal (documents, preflights) stays free.
//!
//! How often a caller may ask, and call tools, is in [`rate`].

mod address;
mod budget;
mod places;
mod rate;
mod window;

use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Transport;
use http::Method;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use identity::{Caller, Presented};
use ipnet::IpNet;

use crate::observe::record::Record;
use crate::plan::{Plan, Site};
use crate::shared::Shared;
use crate::stage::authorize::Granted;
use crate::stage::stream::Asked;
use crate::stage::trust::{Arrival, is_trusted};
use crate::stop::{Refusal, Stop};

use address::Net;
use budget::{Budget, Budgets};
pub(crate) use places::Place;
use places::{Party, Places};
pub(crate) use rate::{calls, request};
pub(crate) use window::Rate;
use window::{Full, Windows};

/// A site (/48) has many links (/64), and may be a company or a provider's whole town.
const SITE_FACTOR: u32 = 10;
/// When streams may have ended. Nobody can know; a client that went without a word is noticed within about a minute.
const STREAMS_AGAIN: Duration = Duration::from_secs(10);

/// What the configuration allows.
pub(crate) struct Rules {
    /// `None`: off.
    failures: Option<Budget>,
    streams: u32,
}

impl Rules {
    pub(crate) fn of(limits: &config::Limits) -> Self {
        Self {
            failures: limits.failures_per_address.map(Budget::of),
            streams: limits.streams_per_address,
        }
    }
}

/// What is used up, as long as the process lives.
pub(crate) struct Tables {
    failures: Budgets,
    connections: Arc<Places>,
    streams: Arc<Places>,
    callers: Windows,
    /// Apart, so that nobody unknown can crowd out callers.
    addresses: Windows,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            failures: Budgets::new(now),
            connections: Places::new(),
            streams: Places::new(),
            callers: Windows::new(now),
            addresses: Windows::new(now),
        }
    }
}

/// A limit that was reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("more refused requests and new tokens of this address than {} in {:?}", .budget.quota, .budget.period)]
    Failures { budget: Budget, wait: Duration },
    #[error("{0} event streams of this address are open")]
    StreamsOfAddress(u32),
    #[error("{0} event streams of this caller are open on this route")]
    StreamsOfCaller(u32),
    #[error("more {} of this caller on this route than {} in {:?}, {} were left", .0.counted.words(), .0.most, .0.window, .0.left)]
    Rate(Full),
}

impl Exceeded {
    pub(crate) fn retry_after(&self) -> Duration {
        match self {
            Self::Failures { wait, .. } | Self::Rate(Full { wait, .. }) => *wait,
            Self::StreamsOfAddress(_) | Self::StreamsOfCaller(_) => STREAMS_AGAIN,
        }
    }

    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): what is left, and of what.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let (limit, policy) = match self {
            Self::Failures { budget, wait } => (
                format!("\"failures\";r=0;t={}", whole_seconds(*wait)),
                format!(
                    "\"failures\";q={};w={}",
                    budget.quota,
                    budget.period.as_secs()
                ),
            ),
            Self::StreamsOfAddress(most) => concurrent("streams-of-address", *most),
            Self::StreamsOfCaller(most) => concurrent("streams-of-caller", *most),
            Self::Rate(full) => {
                let (name, window) = (full.counted.policy(), whole_seconds(full.window));
                (
                    format!("\"{name}\";r={};t={}", full.left, whole_seconds(full.wait)),
                    format!("\"{name}\";q={};w={window}", full.most),
                )
            }
        };
        for (name, value) in [("ratelimit", limit), ("ratelimit-policy", policy)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

fn concurrent(policy: &str, most: u32) -> (String, String) {
    (
        format!("\"{policy}\";r=0"),
        format!("\"{policy}\";q={most};qu=\"concurrent-requests\""),
    )
}

/// Seconds that are never too few: who comes back after them finds something.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    let more = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(more).max(1)
}

/// Before a credential is verified that nobody has seen yet.
pub(crate) fn verification(
    plan: &Plan,
    presented: &Presented<'_>,
    record: &mut Record<'_>,
) -> Result<(), Refusal> {
    match presented {
        Presented::Nothing | Presented::Known(_) => Ok(()),
        // its provider is asked again, in the address's own share of calls; if the answer is no, the refusal costs
        Presented::Unknown(unverified) if unverified.was_good() => Ok(()),
        Presented::Unknown(_) => charge(plan, record),
    }
}

/// When a request is refused, whatever stage refuses it.
pub(crate) fn refusal(plan: &Plan, record: &mut Record<'_>, stop: Stop) -> Stop {
    let Stop::Refuse(refusal) = &stop else {
        return stop;
    };
    let limited = matches!(refusal, Refusal::RateLimited(_));
    let ours = refusal.public().status.is_client_error() && !limited;
    if !ours || record.asked().caller.is_some() {
        return stop;
    }
    match charge(plan, record) {
        Ok(()) => stop,
        Err(limited) => limited.into(),
    }
}

/// Once for each request.
fn charge(plan: &Plan, record: &mut Record<'_>) -> Result<(), Refusal> {
    let Some(budget) = plan.limits.failures else {
        return Ok(());
    };
    if record.pays() {
        let budgets = &plan.shared.limits.failures;
        spend(budgets, record.asked().client, budget, Instant::now())?;
    }
    Ok(())
}

/// One from the budget of an address, and for IPv6 one from that of the site around it; from both or from neither.
fn spend(budgets: &Budgets, client: IpAddr, budget: Budget, now: Instant) -> Result<(), Exceeded> {
    let exceeded = |budget| move |wait| Exceeded::Failures { budget, wait };
    let net = Net::of(client);
    budgets.take(net, budget, now).map_err(exceeded(budget))?;
    let Some(site) = Net::site_of(client) else {
        return Ok(());
    };
    let of_site = budget.times(SITE_FACTOR);
    let taken = budgets.take(site, of_site, now);
    if taken.is_err() {
        budgets.give_back(net, budget);
    }
    taken.map_err(exceeded(of_site))
}

/// An address that has all the connections it may have.
#[derive(Debug, thiserror::Error)]
#[error("too many connections of this address")]
pub(crate) struct TooMany;

/// How many connections one address may have.
pub(crate) struct Doors {
    most: u32,
    proxies: Vec<IpNet>,
    shared: Arc<Shared>,
}

impl Doors {
    pub(crate) fn of(server: &config::Server, shared: Arc<Shared>) -> Self {
        Self {
            most: server.limits.connections_per_address,
            proxies: server.trusted_proxies.clone(),
            shared,
        }
    }

    /// Counts a connection that is refused for another reason.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.shared.metrics.connection_refused(reason);
    }

    /// A place for one more. Proxies need none: theirs are everybody's.
    pub(crate) fn admit(&self, address: SocketAddr) -> Result<Option<Place>, TooMany> {
        if is_trusted(&self.proxies, address.ip()) {
            return Ok(None);
        }
        let places = &self.shared.limits.connections;
        let place = places.take(places.party(Net::of(address.ip())), self.most);
        if place.is_none() {
            self.shared.metrics.connection_refused("address");
            tracing::debug!(client = %address, "connection refused: too many of this address");
        }
        place.map(Some).ok_or(TooMany)
    }
}

/// Whether a request may open an event stream, should its answer turn out to be one.
///
/// A GET that asks for a stream has its place before it is forwarded. Whether the answer to a POST will be a stream nobody knows, and
/// when it is there, the call has been made: so it is turned away beforehand if there is no place, and never afterwards. Waiting
/// requests are not counted, so those that are under way at the same time may get above the limit together, once.
pub(crate) enum Ticket {
    Held(Streaming),
    /// A GET that did not ask for a stream: nothing has been done if it is refused when it gets one.
    Open,
    /// The answer has to be passed on, and counts.
    Owed,
}

/// An event stream's places: of its address, and of its caller on its route.
pub(crate) struct Streaming {
    _address: Place,
    _caller: Option<Place>,
}

/// Before a request is forwarded.
pub(crate) fn stream(
    plan: &Plan,
    site: &Site,
    granted: &Granted,
    arrival: &Arrival,
) -> Result<Ticket, Refusal> {
    let (caller, client) = (granted.caller(), arrival.client);
    match (site.transport, &arrival.head.method) {
        (Transport::Mcp | Transport::Sse, &Method::GET) => {
            Ok(Ticket::Held(take(plan, site, caller, client)?))
        }
        (Transport::Http, &Method::GET) if asks_for_events(&arrival.head.headers) => {
            Ok(Ticket::Held(take(plan, site, caller, client)?))
        }
        (Transport::Http, &Method::GET) => Ok(Ticket::Open),
        (Transport::Mcp, &Method::POST) => {
            let (streams, most) = (&plan.shared.limits.streams, plan.limits.streams);
            if streams.is_full(|streams| of_address(streams, client), most) {
                return Err(Exceeded::StreamsOfAddress(most).into());
            }
            let most = site.streams.per_caller;
            if let Some(caller) = caller
                && streams.is_full(|streams| of_caller(streams, site, caller), most)
            {
                return Err(Exceeded::StreamsOfCaller(most).into());
            }
            Ok(Ticket::Owed)
        }
        // Answers to messages of HTTP+SSE come on the stream, which has its place.
        (Transport::Mcp | Transport::Sse | Transport::Http, _) => Ok(Ticket::Owed),
    }
}

/// When the answer is an event stream.
pub(crate) fn streaming(
    plan: &Plan,
    site: &Site,
    asked: &Asked<'_>,
    ticket: Ticket,
) -> Result<Streaming, Refusal> {
    let (caller, client) = (asked.caller, asked.client);
    match ticket {
        Ticket::Held(streaming) => Ok(streaming),
        Ticket::Open => Ok(take(plan, site, caller, client)?),
        Ticket::Owed => {
            let streams = &plan.shared.limits.streams;
            Ok(Streaming {
                _address: streams.add(of_address(streams, client)),
                _caller: caller.map(|caller| streams.add(of_caller(streams, site, caller))),
            })
        }
    }
}

fn take(
    plan: &Plan,
    site: &Site,
    caller: Option<&Caller>,
    client: IpAddr,
) -> Result<Streaming, Exceeded> {
    let (streams, most) = (&plan.shared.limits.streams, plan.limits.streams);
    let address = streams.take(of_address(streams, client), most);
    let address = address.ok_or(Exceeded::StreamsOfAddress(most))?;
    let most = site.streams.per_caller;
    let caller = caller.map(|caller| {
        let place = streams.take(of_caller(streams, site, caller), most);
        place.ok_or(Exceeded::StreamsOfCaller(most))
    });
    Ok(Streaming {
        _address: address,
        _caller: caller.transpose()?,
    })
}

fn of_address(streams: &Places, client: IpAddr) -> Party {
    streams.party(Net::of(client))
}

fn of_caller(streams: &Places, site: &Site, caller: &Caller) -> Party {
    streams.party(identified(site, caller))
}

/// Whom an address stands for where one share is all that its holder has: of IPv6 the site.
pub(crate) fn surroundings(client: IpAddr) -> impl Hash {
    Net::site_of(client).unwrap_or(Net::of(client))
}

/// The triple of SEC-1, on this route; each part ends where its hash says so.
fn identified<'c>(site: &'c Site, caller: &'c Caller) -> impl Hash + use<'c> {
    (
        &*site.name,
        caller.issuer(),
        caller.kind(),
        caller.subject(),
    )
}

fn asks_for_events(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(ACCEPT).iter();
    lines.any(|line| {
        let wanted = line.to_str().unwrap_or_default().split(',');
        wanted
            .filter_map(|one| one.split(';').next())
            .any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    })
}

#[cfg(test)]
mod tests;
