//! HTTP+SSE (MCP 2024-11-05): where the client of a stream posts its messages.
//!
//! A server says so in the first event of the stream. What the client gets in its place is an address of this route that carries the
//! server's own, sealed for whoever opened the stream (SSE-2, SSE-3, SBP-5). Nothing is kept; the address is of no use to anybody
//! else, and leads nowhere that the server has not named.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Response, Uri};
use http_body_util::BodyExt as _;
use identity::Caller;
use mcp::binding::{Seal, Use};
use mcp::sse::endpoint::{self, Opened, Opening, Progress, Unusable};
use tokio::time::timeout;

use super::{Claimed, LAST_EVENT_ID, MCP_SESSION_ID};
use crate::body::Body;
use crate::plan::{Plan, Site};
use crate::seals::holder;
use crate::stage::authorize::Granted;
use crate::stage::forward::{Kind, failure, media_type};
use crate::stage::inject;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;
use crate::upstream::{Download, Way};

/// A stream that was asked for.
pub(super) struct Stream {
    /// Path and query at the upstream.
    at: Uri,
    /// The origin by which it was asked for. The upstream is told of it, and may write it into addresses of its own.
    origin: Option<String>,
}

/// On the way in: a message goes where its address says, if that was made for whoever posts it.
pub(super) fn claim(
    plan: &Plan,
    site: &Site,
    granted: &Granted,
    arrival: &mut Arrival,
) -> Result<Claimed, Refusal> {
    let headers = &mut arrival.head.headers;
    headers.remove(MCP_SESSION_ID); // of another transport
    headers.remove(LAST_EVENT_ID); // as there: what was told in another stream may have been somebody else's
    if arrival.head.method == Method::POST {
        let (to, server) = opened(site, granted.caller(), arrival.head.uri.query()).ok_or(
            Refusal::ForeignSession("an address of messages that was not made for this caller"),
        )?;
        arrival.to = Some(to);
        return Ok(Claimed {
            session: None,
            stream: None,
            way: Way::to(Some(server)),
        });
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity")); // the event has to be read
    let host = inject::called(plan, arrival.name, &arrival.authority);
    let scheme = if arrival.secure { "https" } else { "http" };
    let origin = |host: &HeaderValue| Some(format!("{scheme}://{}", host.to_str().ok()?));
    Ok(Claimed {
        session: None,
        stream: Some(Stream {
            at: inject::target(site, &arrival.head.uri)?,
            origin: host.as_ref().and_then(origin),
        }),
        way: Way::to(None),
    })
}

/// What an address carries: where to at the upstream, and the place of the server that has the stream.
fn opened(site: &Site, caller: Option<&Caller>, query: Option<&str>) -> Option<(Uri, usize)> {
    let (seal, uri) = endpoint::carried(query?)?;
    let seals = site.seals.as_ref()?;
    let known = seals.open(Use::Messages, caller.map(holder), &seal, uri.as_bytes())?;
    Some((uri.parse().ok()?, known.server?))
}

/// On the way out: a stream begins for its client when it is known where its messages go.
pub(super) async fn hand_out(
    site: &Site,
    caller: Option<&Caller>,
    claimed: &Claimed,
    answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    let (mut head, body) = answer.into_parts();
    head.headers.remove(MCP_SESSION_ID);
    let is_stream = head.status.is_success() && media_type(&head.headers) == Kind::EventStream;
    let (Some(stream), true) = (&claimed.stream, is_stream) else {
        return Ok(Response::from_parts(head, body));
    };
    let Body::Passed(mut body) = body else {
        return Ok(Response::from_parts(head, body));
    };
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(Refusal::UpstreamAnswer("an encoded stream on an sse route"));
    }
    let deadline = site.upstream.response_head;
    let begun = timeout(deadline, search(&mut body)).await;
    let begun = begun.map_err(|_| Refusal::UpstreamLate(deadline))??;
    let (uri, seal) = sealed(site, caller, stream, claimed.way.taken(), begun.uri()?)?;
    let path = site.messages.as_deref().unwrap_or_default();
    let address = endpoint::address(path, &seal, &uri);
    body.put_back(begun.with(&address).into());
    head.headers.remove(CONTENT_LENGTH); // it was that of the other address
    Ok(Response::from_parts(head, Body::Passed(body)))
}

/// Reads a stream up to the `endpoint` event.
async fn search(body: &mut Download) -> Result<Opened, Refusal> {
    let mut opening = Opening::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(body.server(), &error))?;
        match opening.take(frame.data_ref().map_or(&[][..], Bytes::as_ref))? {
            Progress::Opened(opened) => return Ok(opened),
            Progress::Searching(again) => opening = again,
        }
    }
    Err(Unusable::Missing.into())
}

/// The upstream's own address, and the seal for whoever listens. The upstream may call itself what it is configured as, what it is asked
/// as, and what its clients call it.
fn sealed(
    site: &Site,
    caller: Option<&Caller>,
    stream: &Stream,
    server: Option<usize>,
    named: &str,
) -> Result<(String, Seal), Refusal> {
    const GONE: Refusal = Refusal::UpstreamAnswer("a stream of a server that is not there");
    let place = server.ok_or(GONE)?;
    let (name, host) = site.upstream.server(place).ok_or(GONE)?;
    let scheme = if name.starts_with("https:") {
        "https"
    } else {
        "http"
    };
    let asked_as = format!("{scheme}://{}", host.to_str().unwrap_or_default());
    let mut origins = vec![&*asked_as, name];
    origins.extend(stream.origin.as_deref());
    let at = stream.at.path_and_query();
    let uri = endpoint::resolve(named, at.map_or("/", PathAndQuery::as_str), &origins)?;
    if uri.parse::<Uri>().is_err() {
        return Err(Unusable::NoUri.into());
    }
    let seals = site.seals.as_ref().ok_or(GONE)?;
    let holder = caller.map(holder);
    let seal = seals.seal(Use::Messages, holder, place, uri.as_bytes());
    Ok((uri, seal.ok_or(GONE)?))
}
