//! The record of one request: filled by the pipeline, closed once, wherever the request ends.
//!
//! Log and metrics cannot disagree, because both are written in [`Closing::finish`], and nowhere else.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use identity::Caller;
use oauth::error::ErrorCode;

use crate::body::{Body, BodyError};
use crate::observe::metrics::Outcome;
use crate::plan::{Plan, Site};
use crate::server::Peer;
use crate::server::tls::Session;
use crate::stage::cors::Cors;
use crate::stage::forward::Waited;
use crate::stage::identify::Identified;
use crate::stage::inject::X_REQUEST_ID;
use crate::stage::route::Target;
use crate::stage::trust::Arrival;
use crate::stop::{Challenge, Public, Refusal, Stop};

/// Characters of a caller's text in a log line.
const LONGEST_SHOWN: usize = 256;

/// What is known of a request so far.
pub(crate) struct Record {
    cors: Cors,
    waited: Waited,
    /// Name and path in the caller's spelling, for the challenge.
    name: usize,
    has_body: bool,
    /// Whether the caller came by https, as far as it is known.
    secure: bool,
    version: Version,
    closing: Closing,
}

/// The part that outlives the head of the answer.
struct Closing {
    plan: Arc<Plan>,
    started: Instant,
    id: HeaderValue,
    method: Method,
    path: Box<str>,
    client: Option<IpAddr>,
    session: Option<Arc<Session>>,
    site: Option<Arc<Site>>,
    own: bool,
    caller: Option<Caller>,
    outcome: Outcome,
    reason: &'static str,
    status: u16,
    own_time: std::time::Duration,
    done: bool,
}

impl Record {
    pub(crate) fn open(plan: Arc<Plan>, peer: &Peer, request: &Request<Incoming>) -> Self {
        let id = plan.request_ids.next();
        let closing = Closing {
            plan,
            started: Instant::now(),
            id,
            method: request.method().clone(),
            path: request.uri().path().into(),
            client: Some(peer.address.ip().to_canonical()), // until it is known who speaks through the peer
            session: None,
            site: None,
            own: false,
            caller: None,
            outcome: Outcome::ClientGone,
            reason: "client_gone",
            status: 0,
            own_time: std::time::Duration::ZERO,
            done: false,
        };
        Self {
            cors: Cors::default(),
            waited: Waited::default(),
            name: usize::MAX,
            has_body: !request.body().is_end_stream(),
            secure: peer.session.is_some(),
            version: request.version(),
            closing,
        }
    }

    /// The reference of this request: header, log and body carry the same.
    pub(crate) fn id(&self) -> &HeaderValue {
        &self.closing.id
    }

    pub(crate) fn arrival(&mut self, arrival: Arrival) -> Arrival {
        self.name = arrival.name;
        self.secure = arrival.secure;
        self.closing.client = Some(arrival.client);
        self.closing.session.clone_from(&arrival.session);
        arrival
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
            }
            self.closing.caller = Some(caller.clone());
        }
        identified
    }

    /// The caller, once it is proven.
    pub(crate) fn proven(&self) -> Option<&Caller> {
        self.closing.caller.as_ref()
    }

    /// Where the wait for the upstream is noted.
    pub(crate) fn upstream(&mut self) -> &mut Waited {
        &mut self.waited
    }

    /// Turns an early end into an answer.
    pub(crate) fn answer(&mut self, stop: Stop) -> Response<Body> {
        match stop {
            Stop::Answer(answer) => *answer,
            Stop::Refuse(refusal) => self.refuse(&refusal),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Response<Body> {
        let public = refusal.public();
        let closing = &mut self.closing;
        closing.outcome = if public.status.is_server_error() {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        closing.reason = public.reason;
        let route = closing.route().to_owned();
        if let Some(kind) = refusal.upstream_kind() {
            closing.plan.metrics.upstream_error(&route, kind);
        }
        if let Refusal::Unproven(_) = refusal {
            closing.plan.metrics.unproven(public.reason);
        }
        let reference = closing.id.to_str().unwrap_or_default();
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    reason = public.reason, status = public.status.as_u16(), %route, method = %shown(closing.method.as_str()), path = %shown(&closing.path),
                    client = %closing.client.map(|client| client.to_string()).unwrap_or_default(), reference, cause = %refusal, "request refused"
                )
            };
        }
        // Every login begins without credentials, and every scanner asks for what is not there: neither is a reason to be warned.
        if matches!(refusal, Refusal::MissingCredentials | Refusal::NoRoute) {
            tell!(info);
        } else {
            tell!(warn);
        }
        let body = serde_json::json!({
            "error": public.status.canonical_reason().unwrap_or("Error"),
            "error_description": public.description,
            "reference": reference,
        });
        let mut answer = Response::new(Body::from(body.to_string()));
        *answer.status_mut() = public.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(challenge) = self.challenge(&public) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Refusal::MethodNotAllowed { allow, .. } = refusal {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(after) = refusal.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if self.has_body && self.version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close")); // what is left of the body is nobody's request
        }
        answer
    }

    /// The `WWW-Authenticate` line of contract section 4; none where no protected route is concerned.
    fn challenge(&self, public: &Public) -> Option<HeaderValue> {
        let site = self
            .closing
            .site
            .as_ref()
            .filter(|site| site.is_protected())?;
        let form = site.form(self.name, &self.closing.path)?;
        let error = match public.challenge {
            Challenge::None => return None,
            Challenge::Plain => return Some(form.challenge.clone()),
            Challenge::Error(error) => error,
        };
        let scope = match error {
            ErrorCode::InsufficientScope | ErrorCode::InvalidToken => {
                Some(&site.required_scopes).filter(|scopes| !scopes.is_empty())
            }
            ErrorCode::InvalidRequest => None,
        };
        let challenge = oauth::challenge::Challenge {
            error: Some(error),
            description: Some(public.description),
            scope,
            resource_metadata: Some(&form.metadata_url),
        };
        HeaderValue::try_from(challenge.to_string()).ok()
    }

    /// Completes the head of the answer and hands the rest of the record to its body.
    pub(crate) fn close(self, mut answer: Response<Body>) -> Response<Recorded> {
        let Self {
            cors,
            waited,
            secure,
            mut closing,
            ..
        } = self;
        let headers = answer.headers_mut();
        cors.apply(headers);
        headers.insert(X_REQUEST_ID, closing.id.clone());
        if let Some(hsts) = closing.plan.hsts.clone().filter(|_| secure) {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts);
        }
        closing.status = answer.status().as_u16();
        closing.own_time = closing.started.elapsed().saturating_sub(waited.0);
        if closing.outcome == Outcome::ClientGone {
            let forwarded = closing.site.is_some() && !waited.0.is_zero();
            closing.outcome = if forwarded {
                Outcome::Allowed
            } else {
                Outcome::Answered
            };
            closing.reason = "";
        }
        let (head, body) = answer.into_parts();
        if body.is_end_stream() {
            closing.finish();
        }
        Response::from_parts(head, Recorded { body, closing })
    }
}

impl Closing {
    fn route(&self) -> &str {
        match &self.site {
            Some(site) => &site.name,
            None if self.own => "portcullis",
            None => "none",
        }
    }

    /// The one place where a request is counted.
    fn finish(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let whole = self.started.elapsed();
        if let Some(site) = &self.site {
            site.metrics.observe(whole, self.own_time);
        }
        match (&self.site, self.outcome) {
            (Some(site), Outcome::Allowed) => {
                site.metrics.allowed.inc();
            }
            _ => self
                .plan
                .metrics
                .request(self.route(), self.outcome, self.reason),
        }
        tracing::debug!(
            outcome = self.outcome.as_str(), reason = self.reason, status = self.status, route = %self.route(), method = %shown(self.method.as_str()), path = %shown(&self.path),
            subject = self.caller.as_ref().map(Caller::subject).unwrap_or_default(), certificate = self.session.as_ref().and_then(|session| session.client()), duration = ?whole, reference = ?self.id, "request ended"
        );
    }
}

impl Drop for Closing {
    /// Reached without [`Closing::finish`] when the client left: before the answer, or in the middle of its body.
    fn drop(&mut self) {
        if !self.done {
            self.outcome = Outcome::ClientGone;
            self.reason = "client_gone";
            self.finish();
        }
    }
}

/// Enough of a path or method to find the request again, escaped where a terminal would obey it (C1 controls are legal UTF-8). The
/// query is never shown.
fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_SHOWN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    let head = text.chars().take(LONGEST_SHOWN);
    Cow::Owned(head.flat_map(char::escape_default).collect())
}

/// An answer's body that closes the record when its last byte has gone.
pub(crate) struct Recorded {
    body: Body,
    closing: Closing,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.closing.finish(),
            Poll::Ready(Some(Err(error))) => {
                self.closing.outcome = Outcome::Failed;
                self.closing.reason = "upstream_broke_off";
                tracing::warn!(route = %self.closing.route(), reference = ?self.closing.id, cause = %error, "upstream broke off its answer");
                self.closing.finish();
            }
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.closing.finish(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Makes references for requests: unique in this process, unlike those of another. No secret, so no randomness is spent on each.
pub(crate) struct RequestIds {
    process: RandomState,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self {
            process: RandomState::new(),
            next: AtomicU64::new(0),
        }
    }

    fn next(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mixed = [self.process.hash_one(count), self.process.hash_one(!count)];
        let mut text = [0_u8; 32];
        for (i, slot) in text.iter_mut().enumerate() {
            let word = mixed.get(i / 16).copied().unwrap_or_default();
            let nibble = usize::try_from((word >> ((i % 16) * 4)) & 0xf).unwrap_or_default();
            *slot = DIGITS.get(nibble).copied().unwrap_or(b'0');
        }
        HeaderValue::from_bytes(&text).expect("hexadecimal digits are a header value")
    }
}
