//! The end of a record: the one place where a request is counted and logged.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};
use identity::Caller;
use oauth::Scopes;

use crate::body::{Body, BodyError};
use crate::observe::audit::{Decision, Event, Place, RouteName};
use crate::observe::heard::Heard;
use crate::observe::metrics::{NOBODYS, OURS, Outcome, Timing};
use crate::observe::trace::{Ended, Trace, Whose};
use crate::plan::Site;
use crate::server::tls::Session;
use crate::shared::Shared;
use crate::stage::stream;

/// Characters of a caller's text in a log line.
const LONGEST_SHOWN: usize = 256;

/// The part that outlives the head of the answer.
pub(super) struct Closing {
    pub(super) shared: Arc<Shared>,
    pub(super) started: Instant,
    pub(super) id: HeaderValue,
    /// `None` where no collector is named.
    pub(super) trace: Option<Box<Trace>>,
    pub(super) method: Method,
    pub(super) path: Box<str>,
    pub(super) client: IpAddr,
    pub(super) session: Option<Arc<Session>>,
    pub(super) site: Option<Arc<Site>>,
    pub(super) own: bool,
    /// What was asked for in MCP, where that was read.
    pub(super) heard: Option<Arc<Heard>>,
    pub(super) caller: Option<Caller>,
    pub(super) outcome: Outcome,
    pub(super) reason: &'static str,
    /// Of a refusal: what happened, for the operator alone.
    pub(super) detail: Option<Box<str>>,
    /// The scopes that are needed for what is asked for, where that is recorded and known.
    pub(super) needed: Option<Arc<Scopes>>,
    /// Why the rules for tools would have refused it, if they counted.
    pub(super) rehearsed: Option<&'static str>,
    pub(super) status: u16,
    /// Known once an answer has come to be.
    pub(super) own_time: Option<Duration>,
    /// Kept for the audit record.
    pub(super) place: Option<Place>,
    pub(super) recorded: bool,
    pub(super) done: bool,
}

impl Closing {
    pub(super) fn route(&self) -> &str {
        match &self.site {
            Some(site) => &site.name,
            None if self.own => OURS,
            None => NOBODYS,
        }
    }

    fn timing(&self) -> &Timing {
        match &self.site {
            Some(site) => &site.metrics.timing,
            None if self.own => &self.shared.metrics.ours,
            None => &self.shared.metrics.nobodys,
        }
    }

    /// Makes the audit record, once: when the head of the answer is there, or when it never will be.
    pub(super) fn record(&mut self) {
        let Some(audit) = &self.shared.audit else {
            return;
        };
        let place = self.place.take();
        if std::mem::replace(&mut self.recorded, true) || !audit.records(self.outcome) {
            return;
        }
        let route = match &self.site {
            Some(site) => RouteName::Site(Arc::clone(site)),
            None if self.own => RouteName::Other(OURS),
            None => RouteName::Other(NOBODYS),
        };
        let decision = Decision {
            reference: self.id.clone(),
            route,
            client: self.client,
            caller: self.caller.clone(),
            method: self.method.clone(),
            heard: self.heard.clone(),
            outcome: self.outcome,
            reason: self.reason,
            detail: self.detail.take(),
            needed: self.needed.take(),
            rehearsed: self.rehearsed,
            status: Some(self.status).filter(|status| *status != 0),
            duration: self.started.elapsed(),
        };
        audit.record(place, Event::Request(Box::new(decision)));
    }

    /// The one place where a request is counted.
    pub(super) fn finish(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let whole = self.started.elapsed();
        self.timing().observe(whole, self.own_time);
        match (&self.site, self.outcome) {
            (Some(site), Outcome::Allowed) => {
                site.metrics.allowed.inc();
            }
            _ => self
                .shared
                .metrics
                .request(self.route(), self.outcome, self.reason),
        }
        self.count_tools();
        let certificate = self.session.as_ref().and_then(|session| session.client());
        tracing::debug!(
            outcome = self.outcome.as_str(), reason = self.reason, status = self.status, route = %self.route(), method = %shown(self.method.as_str()), mcp_method = self.mcp_method(), tool = self.tool(), path = %shown(&self.path),
            subject = self.caller.as_ref().map(Caller::subject).unwrap_or_default(), key = self.caller.as_ref().and_then(Caller::with_key).map(|(_, id)| id), certificate = certificate.map(|of| &*of.subject), thumbprint = certificate.map(|of| &*of.thumbprint), duration = ?whole, reference = ?self.id, trace = self.trace_id(), "request ended"
        );
        if let Some(trace) = self.trace.take_if(|trace| trace.is_sampled()) {
            self.trace(trace, whole);
        }
    }

    /// An event stream ends because the gateway ends it: whoever denies a caller, or changes a route, sees whom that reached. In
    /// audit trail and metrics the request stays what it was: allowed.
    fn tell_ended(&self, ended: &stream::Ended) {
        let subject = self.caller.as_ref().map(Caller::subject).map(shown);
        tracing::info!(
            reason = ended.reason(), route = %self.route(), method = %shown(self.method.as_str()), mcp_method = self.mcp_method(), tool = self.tool(), path = %shown(&self.path),
            subject = subject.as_deref(), client = %self.client, reference = self.id.to_str().unwrap_or_default(), trace = self.trace_id(), cause = %ended, "event stream ended by the gateway"
        );
    }

    /// What was asked for in MCP, for the log.
    pub(super) fn mcp_method(&self) -> Option<String> {
        let methods = self.heard.as_ref()?.methods()?;
        Some(shown(&methods).into_owned())
    }

    /// The tools that were called, for the log.
    pub(super) fn tool(&self) -> Option<String> {
        let tools = self.heard.as_ref()?.tools()?;
        Some(shown(&tools).into_owned())
    }

    /// Every call by itself, also of a batch (BAT-2).
    fn count_tools(&self) {
        let (Some(heard), Some(site)) = (&self.heard, &self.site) else {
            return;
        };
        let calls = &self.shared.metrics.tool_calls;
        let has_worked = self.outcome == Outcome::Allowed && (200..300).contains(&self.status);
        let may_teach = has_worked && self.caller.is_some();
        for wish in &heard.messages {
            let Some(name) = wish.tool() else { continue };
            let learned = || site.metrics.tools.learn(name);
            let tool = wish.label().map(Arc::clone);
            let tool = tool.or_else(|| may_teach.then(learned).flatten());
            calls.count(&site.name, tool.as_deref(), self.outcome);
        }
    }

    /// The id of the trace that this request belongs to.
    pub(super) fn trace_id(&self) -> Option<String> {
        self.trace.as_ref().map(|trace| trace.id())
    }

    fn trace(&self, trace: Box<Trace>, whole: Duration) {
        let Some(tracer) = &self.shared.tracer else {
            return;
        };
        tracer.take(Ended {
            trace,
            started: self.started,
            closed: self.started + whole,
            whose: match &self.site {
                Some(site) => Whose::Site(Arc::clone(site)),
                None if self.own => Whose::Own,
                None => Whose::Nobody,
            },
            method: self.method.clone(),
            status: self.status,
            outcome: self.outcome,
            reason: self.reason,
            heard: self.heard.clone(),
            reference: self.id.clone(),
        });
    }
}

impl Drop for Closing {
    /// Reached without [`Closing::finish`] when the client left: before the answer, or in the middle of its body.
    fn drop(&mut self) {
        if !self.done {
            self.outcome = Outcome::ClientGone;
            self.reason = "client_gone";
            self.record();
            self.finish();
        }
    }
}

/// Enough of a path or method to find the request again, escaped where a terminal would obey it (C1 controls are legal UTF-8). The
/// query is never shown.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_SHOWN && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    let head = text.chars().take(LONGEST_SHOWN);
    Cow::Owned(head.flat_map(char::escape_default).collect())
}

/// An answer's body that closes the record when its last byte has gone.
pub(crate) struct Recorded {
    pub(super) body: Body,
    pub(super) closing: Closing,
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
            Poll::Ready(None) => {
                if let Some(ended) = self.body.take_ended() {
                    self.closing.tell_ended(&ended);
                }
                self.closing.finish();
            }
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
