//! `Mcp-Session-Id`: a session has one owner (SBP-3, SBP-5, SEC-54).
//!
//! A client never sees the id that its upstream made: it gets that id behind a seal for itself ([`crate::seals`]), and only with the seal
//! the id goes up again. Nothing is kept for that. To everybody else the session is not there: 404, on which clients initialize again
//! (TL-4, X24). A session id is never a credential: who calls was settled before.

mod claims;
mod messages;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use identity::Caller;
use mcp::binding::{self, Use};

use crate::body::Body;
use crate::plan::{Plan, Site};
use crate::seals::{Seals, holder};
use crate::stage::authorize::Granted;
use crate::stage::inspect::Call;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;
use crate::upstream::Way;

pub(crate) use claims::Claims;

pub(crate) const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a request said about its session, for its way and for its answer.
pub(crate) struct Claimed {
    /// What the client calls its session, and what the upstream does.
    session: Option<Names>,
    /// A stream of HTTP+SSE that is asked for.
    stream: Option<messages::Stream>,
    /// To the server that has the session.
    pub(crate) way: Way,
}

struct Names {
    client: HeaderValue,
    upstream: HeaderValue,
}

/// On the way in: the upstream's id for the client's. On routes that ask nobody everything passes as it is.
pub(crate) fn claim(
    plan: &Plan,
    site: &Site,
    granted: &Granted,
    call: &Call<'_>,
    arrival: &mut Arrival,
) -> Result<Claimed, Refusal> {
    if site.messages.is_some() {
        return messages::claim(plan, site, granted, arrival);
    }
    let mut claimed = Claimed {
        session: None,
        stream: None,
        way: Way::learned(),
    };
    let Some(seals) = &site.seals else {
        return Ok(claimed);
    };
    claimed.way = Way::to(None);
    let headers = &mut arrival.head.headers;
    match presented(headers)? {
        None => {}
        Some(client) => match open(plan, seals, granted.caller(), client) {
            Ok((upstream, way)) => {
                let client = headers.insert(MCP_SESSION_ID, upstream.clone());
                claimed.way = way;
                claimed.session = client.map(|client| Names { client, upstream });
                return Ok(claimed);
            }
            // Whoever begins anew wants no session of before, whosesoever it was (T-R3, S3-11).
            Err(_) if begins(call) => {
                headers.remove(MCP_SESSION_ID);
            }
            Err(why) => return Err(Refusal::ForeignSession(why)),
        },
    }
    // Events are numbered within a session. Without one this number would be all that is needed to hear what somebody else was told.
    headers.remove(LAST_EVENT_ID);
    Ok(claimed)
}

/// On the way out: the client's id for the upstream's.
pub(crate) async fn hand_out(
    site: &Site,
    caller: Option<&Caller>,
    claimed: &Claimed,
    mut answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    if site.messages.is_some() {
        return messages::hand_out(site, caller, claimed, answer).await;
    }
    let Some(seals) = &site.seals else {
        return Ok(answer);
    };
    let headers = answer.headers_mut();
    let mut lines = headers.get_all(MCP_SESSION_ID).iter();
    let Some(id) = lines.next() else {
        return Ok(answer);
    };
    if lines.next().is_some() {
        return Err(Refusal::UpstreamAnswer("two Mcp-Session-Id headers"));
    }
    let known = claimed
        .session
        .as_ref()
        .filter(|names| names.upstream == id);
    let client = match known {
        Some(names) => names.client.clone(),
        None => sealed(seals, caller, claimed.way.taken(), id.as_bytes())?,
    };
    headers.insert(MCP_SESSION_ID, client);
    Ok(answer)
}

fn presented(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refusal> {
    let mut lines = headers.get_all(MCP_SESSION_ID).iter();
    let first = lines.next();
    if lines.next().is_some() {
        return Err(Refusal::Ambiguous("two Mcp-Session-Id headers"));
    }
    Ok(first)
}

/// What the upstream calls the session, and where it is, if it is this caller's. Else why not, in words for the log.
fn open(
    plan: &Plan,
    seals: &Seals,
    caller: Option<&Caller>,
    client: &HeaderValue,
) -> Result<(HeaderValue, Way), &'static str> {
    let (seal, id) = binding::split(client.as_bytes()).ok_or("none that the gateway hands out")?;
    let of_nobody = || seals.open(Use::Session, None, &seal, id);
    let claims = &plan.shared.claims;
    let known = match caller {
        None => of_nobody().filter(|_| claims.is_free(seals.route(), id, plan.now())),
        Some(caller) => match seals.open(Use::Session, Some(holder(caller)), &seal, id) {
            Some(known) => Some(known),
            // Begun before they logged in. It is theirs from now on, and nobody else's.
            None => match of_nobody() {
                None => None,
                Some(known) => {
                    claims.take(seals.route(), id, holder(caller), plan.now())?;
                    Some(known)
                }
            },
        },
    };
    let known = known.ok_or("another caller's, or of a key that is not in use")?;
    let upstream = HeaderValue::from_bytes(id).map_err(|_| "no header value")?;
    Ok((upstream, Way::to(known.server)))
}

fn begins(call: &Call<'_>) -> bool {
    match call {
        Call::Unread => false,
        Call::Read(read) => read.messages.iter().any(|it| it.method == "initialize"),
    }
}

fn sealed(
    seals: &Seals,
    caller: Option<&Caller>,
    server: Option<usize>,
    id: &[u8],
) -> Result<HeaderValue, Refusal> {
    const WRONG: Refusal =
        Refusal::UpstreamAnswer("an Mcp-Session-Id that is not 1 to 512 visible ASCII characters");
    if !binding::is_id(id) {
        return Err(WRONG);
    }
    let seal = server.and_then(|server| seals.seal(Use::Session, caller.map(holder), server, id));
    let text = seal
        .and_then(|seal| binding::join(&seal, id))
        .ok_or(WRONG)?;
    HeaderValue::try_from(text).map_err(|_| WRONG)
}
