//! The record of one request: filled by the pipeline, closed once, wherever the request ends.
//!
//! Log and metrics cannot disagree, because both are written in [`Closing::finish`], and nowhere else; the audit
//! record is made from the same fields when the head of the answer is there.

mod closing;
mod ids;
mod refusal;
mod rehearsal;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, STRICT_TRANSPORT_SECURITY};
use http::{Method, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::body::Body;
use crate::observe::audit::Unaccountable;
use crate::observe::heard::Heard;
use crate::observe::metrics::Outcome;
use crate::plan::{Plan, Site};
use crate::server::Peer;
use crate::stage::cors::Cors;
use crate::stage::forward::Waited;
use crate::stage::identify::{self, Identified};
use crate::stage::inject::{Marks, X_REQUEST_ID};
use crate::stage::inspect::{self, Call};
use crate::stage::route::Target;
use crate::stage::stream::Asked;
use crate::stage::trust::Arrival;
use crate::stop::{Refusal, Stop};

use closing::Closing;
pub(crate) use closing::Recorded;
pub(crate) use ids::RequestIds;

/// Brings the nonce that the next DPoP proof needs (RFC 9449 section 8).
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What is known of a request so far.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no two of them make a state"
)]
pub(crate) struct Record<'p> {
    /// Let go with the head of the answer: a stream of hours must not hold the plan that it began with.
    plan: &'p Plan,
    cors: Cors,
    waited: Waited,
    /// Name and path in the caller's spelling, for the challenge.
    name: usize,
    authority: Option<Arc<str>>,
    has_body: bool,
    /// Whether it was read: then a refusal is a JSON-RPC error, with the id of the request if there is one.
    spoken: Option<Spoken>,
    /// Whether the caller's address has paid for this request.
    paid: bool,
    /// Whether the caller came by https, as far as it is known.
    secure: bool,
    version: Version,
    /// Whether the token came with a proof, or should have (RFC 9449): then that is what a challenge is about.
    with_proof: bool,
    closing: Closing,
}

/// What a refusal answers, where the request was read.
#[derive(Default)]
struct Spoken {
    /// As it was written. A batch has none, nor has what could not be understood.
    id: Option<Bytes>,
    /// Whether a tool is called by a client that heeds no status, and in which era.
    by_result: Option<Era>,
}

/// How a tool result looks.
#[derive(Clone, Copy)]
enum Era {
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl<'p> Record<'p> {
    pub(crate) fn open(plan: &'p Plan, peer: &Peer, request: &Request<Incoming>) -> Self {
        let id = plan.shared.request_ids.next();
        let tracer = plan.shared.tracer.as_ref();
        let trace = tracer.map(|tracer| {
            let mut trace = tracer.begin(request.headers(), &id);
            trace.secure = peer.session.is_some();
            Box::new(trace)
        });
        let closing = Closing {
            shared: Arc::clone(&plan.shared),
            started: Instant::now(),
            id,
            trace,
            method: request.method().clone(),
            path: request.uri().path().into(),
            client: peer.address.ip().to_canonical(), // until it is known who speaks through the peer
            session: None,
            site: None,
            own: false,
            heard: None,
            caller: None,
            outcome: Outcome::ClientGone,
            reason: "client_gone",
            detail: None,
            needed: None,
            rehearsed: None,
            status: 0,
            own_time: None,
            place: None,
            recorded: false,
            done: false,
        };
        Self {
            plan,
            cors: Cors::default(),
            waited: Waited::default(),
            name: usize::MAX,
            authority: None,
            has_body: !request.body().is_end_stream(),
            spoken: None,
            paid: false,
            secure: peer.session.is_some(),
            version: request.version(),
            with_proof: identify::is_with_proof(request.headers()),
            closing,
        }
    }

    /// What the upstream is told to find this request by: header, log and body carry the same reference.
    pub(crate) fn marks(&self) -> Marks<'_> {
        Marks {
            reference: &self.closing.id,
            trace: self.closing.trace.as_deref(),
        }
    }

    /// Where it is noted who the client is, as soon as it is known better.
    pub(crate) fn client(&mut self) -> &mut IpAddr {
        &mut self.closing.client
    }

    pub(crate) fn arrival(&mut self, arrival: &Arrival) {
        self.name = arrival.name;
        self.authority = Some(Arc::clone(&arrival.authority));
        self.secure = arrival.secure;
        self.closing.client = arrival.client;
        if let Some(trace) = &mut self.closing.trace {
            trace.secure = arrival.secure;
        }
        self.closing.session.clone_from(&arrival.session);
    }

    /// Whether this is the first time that the client's address pays for this request. It does so once.
    pub(crate) fn pays(&mut self) -> bool {
        !std::mem::replace(&mut self.paid, true)
    }

    pub(crate) fn target(&mut self, target: Target) -> Target {
        match &target {
            Target::Own(_) => self.closing.own = true,
            Target::Site(site) => self.closing.site = Some(Arc::clone(site)),
        }
        target
    }

    pub(crate) fn cors(&mut self, (cors, verdict): (Cors, Result<(), Stop>)) -> Result<(), Stop> {
        self.cors = cors;
        verdict
    }

    pub(crate) fn caller(&mut self, identified: Identified) -> Identified {
        if let Identified::Proven(caller) = &identified {
            if let Some(site) = &self.closing.site {
                site.metrics.count_proven(caller.authenticator());
                if let Some((keys, _)) = caller.with_key() {
                    site.metrics.count_proven(keys);
                }
            }
            self.closing.caller = Some(caller.clone());
        }
        identified
    }

    /// What was read of the request is no longer on its way.
    pub(crate) fn body(&mut self, body: Option<inspect::Body>) -> Option<inspect::Body> {
        if body.is_some() {
            self.has_body = false;
            self.spoken = Some(Spoken::default());
        }
        body
    }

    pub(crate) fn call<'b>(
        &mut self,
        call: Call<'b>,
        body: Option<&inspect::Body>,
        headers: &HeaderMap,
    ) -> Call<'b> {
        let closing = &mut self.closing;
        if let (Call::Read(messages), Some(site)) = (&call, &closing.site) {
            closing.heard = Some(Heard::of(messages, &site.metrics.tools));
            if closing.shared.audit.is_some() {
                closing.needed = Some(site.policy.needed(&call));
            }
        }
        if let (Call::Read(messages), Some(body)) = (&call, body)
            && let ([message], false) = (&*messages.messages, messages.batch)
        {
            let site = self.closing.site.as_deref();
            self.spoken = Some(Spoken {
                id: message.id.map(|id| body.bytes.slice_ref(id.as_bytes())),
                by_result: site.and_then(|site| refusal::by_result(site, message, headers)),
            });
        }
        call
    }

    /// What an answer that lasts is judged by.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            caller: self.closing.caller.as_ref(),
            client: self.closing.client,
            authority: self.authority.as_ref(),
            path: &self.closing.path,
            posted: self.closing.method == Method::POST,
        }
    }

    /// Where the wait for the upstream is noted.
    pub(crate) fn upstream(&mut self) -> &mut Waited {
        if let Some(trace) = &mut self.closing.trace {
            trace.begun = Some(Instant::now());
        }
        &mut self.waited
    }

    /// Takes the place for the record of a request that is about to be forwarded (SEC-78).
    pub(crate) async fn accountable(&mut self) -> Result<(), Refusal> {
        let Some(audit) = &self.closing.shared.audit else {
            return Ok(());
        };
        if audit.records(Outcome::Allowed) {
            let place = audit.place().await;
            self.closing.place = place.map_err(|Unaccountable| Refusal::Unaccountable)?;
        }
        Ok(())
    }

    /// The same for one that is refused, which needs no leave.
    pub(crate) async fn refused(&mut self) {
        let closing = &mut self.closing;
        let Some(audit) = &closing.shared.audit else {
            return;
        };
        let is_refusal = matches!(closing.outcome, Outcome::Refused | Outcome::Failed);
        let has_waited = closing.reason == Refusal::Unaccountable.public().reason;
        if is_refusal && !has_waited && closing.place.is_none() {
            closing.place = audit.place_of_refusal().await;
        }
    }

    /// Turns an early end into an answer.
    pub(crate) fn answer(&mut self, stop: Stop) -> Response<Body> {
        match stop {
            Stop::Answer(answer) => *answer,
            Stop::Refuse(refusal) => self.refuse(&refusal),
        }
    }

    /// Completes the head of the answer and hands the rest of the record to its body.
    pub(crate) fn close(self, mut answer: Response<Body>) -> Response<Recorded> {
        let Self {
            plan,
            cors,
            waited,
            secure,
            mut closing,
            ..
        } = self;
        if let Some(trace) = &mut closing.trace {
            trace.waited = Some(waited.0);
        }
        let headers = answer.headers_mut();
        cors.apply(headers);
        let caller = closing.caller.as_ref();
        if caller.is_some_and(identity::Caller::nonce_due) {
            nonce(plan, closing.site.as_deref(), headers);
        }
        headers.insert(X_REQUEST_ID, closing.id.clone());
        if let Some(hsts) = plan.hsts.clone().filter(|_| secure) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts);
        }
        closing.status = answer.status().as_u16();
        closing.own_time = Some(closing.started.elapsed().saturating_sub(waited.0));
        if closing.outcome == Outcome::ClientGone {
            let forwarded = closing.site.is_some() && !waited.0.is_zero();
            closing.outcome = if forwarded {
                Outcome::Allowed
            } else {
                Outcome::Answered
            };
            closing.reason = "";
        }
        closing.record();
        let (head, body) = answer.into_parts();
        // What answers a HEAD is never sent, and nobody asks for it either.
        if body.is_end_stream() || closing.method == Method::HEAD {
            closing.finish();
        }
        Response::from_parts(head, Recorded { body, closing })
    }
}

/// Tells the client the nonce for its next proof, where the route asks for one (RFC 9449 section 8.2).
fn nonce(plan: &Plan, site: Option<&Site>, headers: &mut HeaderMap) {
    let authentication = site.and_then(|site| site.authentication.as_ref());
    if let Some(nonce) = authentication.and_then(|it| it.nonce(plan.now())) {
        headers.insert(DPOP_NONCE, nonce);
    }
}
