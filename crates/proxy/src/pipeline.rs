//! The way of a request, on one page.
//!
//! Before it: `server` (accept, deadlines, HTTP). After it: `observe` (log and metrics, when the answer's last byte has gone).
//! A request holds the plan that was in use when it came, to its end: a reload in between does not concern it.
//! The order of the stages is the security design; each comment says why a stage stands where it stands.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::body::Body;
use crate::observe::record::{Record, Recorded};
use crate::plan::Plan;
use crate::server::Peer;
use crate::stage::{
    authorize, cors, filter, forward, identify, inject, inspect, limit, redirect, route, session,
    stream, trust,
};
use crate::stop::Stop;

/// One request, from arrival to the last byte of its answer.
pub(crate) async fn handle(
    plan: Arc<Plan>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Recorded> {
    let mut record = Record::open(&plan, &peer, &request);
    let answer = walk(&plan, &peer, request, &mut record).await;
    let answer = ended(&plan, &mut record, answer).await;
    record.close(answer) // log, audit, metrics, CORS headers on refusals too: here and only here
    // (a client that leaves before the answer drops this future: Record closes in Drop then, outcome client_gone)
}

/// Every stage a request can meet, in order. `Err(Stop)` ends it early.
async fn walk(
    plan: &Plan,
    peer: &Peer,
    request: Request<Incoming>,
    record: &mut Record<'_>,
) -> Result<Response<Body>, Stop> {
    let mut arrival = trust::arrival(&plan.trust, peer, request, record.client())?; // 400, 403, 421: who is really there, asking whom
    record.arrival(&arrival);
    let target = record.target(route::find(plan, &arrival)?); // 400, 404: what was judged is what is forwarded
    record.cors(cors::judge(&target.cors(plan, &arrival), plan, &arrival))?; // before auth: a preflight carries no credentials
    let site = match target {
        route::Target::Own(endpoint) => return Ok(endpoint.answer(plan, &arrival)?),
        route::Target::Site(site) => site,
    };
    route::method(&site, &arrival)?; // 405
    let presented = identify::presented(&site, &arrival, plan.now())?; // 400, 401: a good one that was seen before is known here
    limit::verification(plan, &presented, record)?; // 429: before a signature is checked, or guessing would be free
    let caller = record.caller(identify::caller(&site, presented, plan.now()).await?); // 401, 503: a bad proof stops; none is Anonymous
    let admitted = authorize::admit(&site, &arrival.head.method, caller)?; // 401, 405: before a byte of the body, where nothing in it could change that
    route::messages(&site, &arrival)?; // 405: that a stream takes no messages is said to who may open it
    limit::request(plan, &site, &admitted, &arrival)?; // 429: what one caller may ask for
    let body = record.body(inspect::body(plan, &site, &admitted, &mut arrival).await?); // 408, 413, 415, 503: read only where something depends on it
    let call = record.call(
        inspect::call(body.as_ref(), &arrival.head.headers)?,
        body.as_ref(),
        &arrival.head.headers,
    ); // 400: understood, or refused
    let granted = authorize::grant(&site, admitted, &call)?; // 401, 403: all that is asked for, or nothing
    let granted = record.granted(granted); // what the rules for tools would have said, where they do not count yet
    inspect::mirrored(&arrival.head.headers, &call)?; // 400: headers that others on the way may believe; after 401, so that a new caller is sent to log in first (VER-7)
    limit::calls(plan, &site, &granted, &call, &arrival)?; // 429: after 403, so that what is not allowed costs no call
    let mut session = session::claim(plan, &site, &granted, &call, &mut arrival)?; // 400, 404: a session is no credential, and has one owner
    let ticket = limit::stream(plan, &site, &granted, &arrival)?; // 429: before the upstream has done anything
    let filter = filter::wanted(plan, &site, &granted, &call, &mut arrival); // before the permit is used up: whose rights decide what of a list is seen
    let outbound = inject::outbound(&site, plan, granted, arrival, record.marks())?; // 400, 403, 413: strips the caller's proof, adds ours
    record.accountable().await?; // 503: no record, no action; last, so that nothing can refuse what is promised a record (SEC-78)
    let answer = forward::send(&site, outbound, &mut session.way, record.upstream()).await?; // 408, 413, 502, 504: streams both ways
    let asked = record.asked();
    let answer = session::hand_out(&site, asked.caller, &session, answer).await?; // 502: an id that cannot be one, messages that would go elsewhere
    let answer = filter::answer(plan, &site, filter, answer).await?; // 502: a list that cannot be filtered is not shown
    Ok(stream::tend(plan, &site, &asked, &call, ticket, answer)?) // keepalive, and an end when the caller may listen no longer
}

/// The answer to a request that ended early, too.
async fn ended(
    plan: &Plan,
    record: &mut Record<'_>,
    answer: Result<Response<Body>, Stop>,
) -> Response<Body> {
    match answer {
        Ok(answer) => answer,
        Err(stop) => {
            let stop = limit::refusal(plan, record, stop); // 429 instead: a refusal costs, whichever stage it comes from
            let answer = record.answer(stop);
            record.refused().await; // a refusal waits for its record too, but stands without one
            answer
        }
    }
}

/// One request on the listener that only shows the way to https.
pub(crate) async fn redirect(
    plan: Arc<Plan>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response<Recorded> {
    let mut record = Record::open(&plan, &peer, &request);
    let (head, _unread) = request.into_parts();
    let answer = redirect::answer(&plan, &head).map_err(Stop::from);
    let answer = ended(&plan, &mut record, answer).await;
    record.close(answer)
}
