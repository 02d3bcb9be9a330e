//! Event streams while they last: a comment into long silence, and an end when the caller may no longer listen.
//!
//! Bytes are passed on as they come; nothing is held back to find an event's end. A comment of ours goes out only where an event is
//! complete, and never into a body with an encoding or a length (SEC-56).

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::Frame;
use hyper::body::Incoming;
use identity::{Caller, Clock};
use mcp::sse::{Boundary, KEEPALIVE};
use tokio::time::{Instant, Sleep};

use crate::body::{Body, BodyError, poll_data};
use crate::observe::metrics::OpenStream;
use crate::plan::{Plan, Site};
use crate::server::shutdown::Ending;
use crate::stage::forward::{Kind, media_type};

/// How often a stream's caller is judged again (SEC-55 allows 5 s).
const JUDGE_EVERY: Duration = Duration::from_secs(4);

/// Wraps an event stream; every other answer passes untouched.
pub(crate) fn tend(
    plan: &Plan,
    site: &Arc<Site>,
    caller: Option<&Caller>,
    answer: Response<Body>,
) -> Response<Body> {
    if media_type(answer.headers()) != Kind::EventStream {
        return answer;
    }
    let opaque = answer.headers().contains_key(CONTENT_ENCODING)
        || answer.headers().contains_key(CONTENT_LENGTH);
    let (head, body) = answer.into_parts();
    let Body::Passed(incoming) = body else {
        return Response::from_parts(head, body);
    };
    let now = Instant::now();
    let tended = Tended {
        incoming,
        boundary: Boundary::new(),
        keepalive: plan.sse_keepalive.filter(|_| !opaque),
        last: now,
        ends: now + site.streams.max_age,
        caller: caller.cloned(),
        site: Arc::clone(site),
        clock: Arc::clone(&plan.shared.clock),
        judged: now,
        timer: Box::pin(tokio::time::sleep_until(now)),
        ending: plan.shared.drain.ending(),
        _open: plan.shared.metrics.open_stream(),
    };
    Response::from_parts(head, Body::Tended(Box::new(tended)))
}

/// An event stream on its way down.
pub(crate) struct Tended {
    incoming: Incoming,
    boundary: Boundary,
    keepalive: Option<Duration>,
    /// When something was last passed on.
    last: Instant,
    ends: Instant,
    /// Judged again while the stream lasts; `None` on routes that ask nobody.
    caller: Option<Caller>,
    site: Arc<Site>,
    clock: Clock,
    judged: Instant,
    timer: Pin<Box<Sleep>>,
    ending: Ending,
    _open: OpenStream,
}

impl Tended {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ending.poll(cx).is_ready() {
            return Poll::Ready(None); // the gateway is going away: a clean end, after which clients resume elsewhere
        }
        let now = Instant::now();
        // Looked at before the data: a stream that is never silent has to end too.
        if now >= self.ends || !self.may_listen(now) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = poll_data(&mut self.incoming, cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                self.boundary.observe(data);
                self.last = now;
            }
            return Poll::Ready(frame);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.ends || !self.may_listen(now) {
                return Poll::Ready(None);
            }
            let silent = self.keepalive.is_some_and(|every| now >= self.last + every);
            if silent {
                self.last = now;
            }
            let next = self.next(now);
            self.timer.as_mut().reset(next);
            if silent && self.boundary.is_between_events() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(KEEPALIVE)))));
            }
        }
    }

    fn may_listen(&mut self, now: Instant) -> bool {
        let (Some(caller), Some(authentication)) = (&self.caller, &self.site.authentication) else {
            return true;
        };
        if now < self.judged + JUDGE_EVERY {
            return true;
        }
        self.judged = now;
        if self.site.streams.end_at_expiry {
            authentication.still_good(caller, (self.clock)())
        } else {
            caller.key_is_published()
        }
    }

    /// When to look again: at the next comment, the next judgement, or the end.
    fn next(&self, now: Instant) -> Instant {
        let comment = self.keepalive.map(|every| self.last + every);
        let judgement = self.caller.as_ref().map(|_| self.judged + JUDGE_EVERY);
        [comment, judgement]
            .into_iter()
            .flatten()
            .fold(self.ends, Instant::min)
            .max(now + Duration::from_millis(1))
    }
}
