//! Event streams while they last: a comment into long silence, and an end when the caller may no longer listen.
//!
//! Bytes are passed on as they come; nothing is held back to find an event's end. A comment of ours goes out only where an event is
//! complete, and never into a body with an encoding or a length (SEC-56).

mod ended;

use std::future::Future as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use config::Transport;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::{Body as _, Frame};
use identity::{Caller, Renewed, Vigil};
use mcp::sse::endpoint::{Further, Unusable};
use mcp::sse::{Boundary, KEEPALIVE};
use tokio::time::{Instant, Sleep};

use crate::body::{Body, BodyError, poll_data};
use crate::observe::metrics::OpenStream;
use crate::plan::{Plan, Site};
use crate::server::shutdown::Ending;
use crate::shared::Shared;
use crate::stage::filter::{self, Sieve};
use crate::stage::forward::{Kind, media_type};
use crate::stage::inspect::Call;
use crate::stage::limit::{self, Streaming, Ticket};
use crate::stage::{authorize, route};
use crate::stop::Refusal;
use crate::upstream::Download;

pub(crate) use ended::Ended;

/// How often a stream's caller is judged again (SEC-55 allows 5 s).
const JUDGE_EVERY: Duration = Duration::from_secs(4);

/// Who asked, and for what: judged again while an answer lasts.
pub(crate) struct Asked<'r> {
    /// `None` on routes that ask nobody.
    pub(crate) caller: Option<&'r Caller>,
    pub(crate) client: IpAddr,
    pub(crate) authority: Option<&'r Arc<str>>,
    pub(crate) path: &'r str,
    /// Whether it was a POST.
    pub(crate) posted: bool,
}

/// Wraps an event stream; every other answer passes untouched.
pub(crate) fn tend(
    plan: &Plan,
    site: &Arc<Site>,
    asked: &Asked<'_>,
    call: &Call<'_>,
    ticket: Ticket,
    answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    if media_type(answer.headers()) != Kind::EventStream {
        return Ok(answer);
    }
    let places = limit::streaming(plan, site, asked, ticket)?;
    let opaque = answer.headers().contains_key(CONTENT_ENCODING)
        || answer.headers().contains_key(CONTENT_LENGTH);
    let (head, body) = answer.into_parts();
    let source = match body {
        Body::Passed(incoming) => Source::Passed(incoming),
        Body::Sifted(sieve) => Source::Sifted(sieve),
        body @ (Body::Own(_) | Body::Kept(_) | Body::Tended(_)) => {
            return Ok(Response::from_parts(head, body));
        }
    };
    let now = Instant::now();
    let tended = Tended {
        source,
        boundary: Boundary::new(),
        further: (site.transport == Transport::Sse && !asked.posted).then(Further::new),
        keepalive: plan.sse_keepalive.filter(|_| !opaque),
        last: now,
        opened: now,
        caller: asked.caller.cloned(),
        vigil: asked
            .caller
            .and_then(|caller| caller.vigil(asked.client, &plan.shared.clock)),
        authority: asked.authority.cloned(),
        path: asked.path.into(),
        posted: asked.posted,
        call: call.kept(),
        site: Arc::clone(site),
        shared: Arc::clone(&plan.shared),
        judged: now,
        timer: Box::pin(tokio::time::sleep_until(now)),
        ending: plan.shared.drain.ending(),
        ended: None,
        _open: plan.shared.metrics.open_stream(),
        _places: places,
    };
    Ok(Response::from_parts(head, Body::Tended(Box::new(tended))))
}

/// Tells the operator why a stream of an upstream ends here before its end.
pub(crate) fn broken_off(shared: &Shared, route: &str, why: Refusal) -> BodyError {
    if let Some(kind) = why.upstream_kind() {
        shared.metrics.upstream_error(route, kind);
    }
    tracing::warn!(%route, cause = %why, "event stream ended: what follows cannot be shown");
    why.into()
}

/// An event stream on its way down.
pub(crate) struct Tended {
    source: Source,
    boundary: Boundary,
    /// Of a stream that names an address for messages: there is one.
    further: Option<Further>,
    keepalive: Option<Duration>,
    /// When something was last passed on.
    last: Instant,
    opened: Instant,
    caller: Option<Caller>,
    /// Where a provider has to say again and again that the caller's token is good.
    vigil: Option<Vigil>,
    authority: Option<Arc<str>>,
    path: Box<str>,
    posted: bool,
    /// What was asked for.
    call: Call<'static>,
    /// As of the plan by which the stream was judged last: it does not hold the whole plan of its request.
    site: Arc<Site>,
    shared: Arc<Shared>,
    judged: Instant,
    timer: Pin<Box<Sleep>>,
    ending: Ending,
    /// Why it was ended, until that is told.
    ended: Option<Box<Ended>>,
    _open: OpenStream,
    _places: Streaming,
}

/// Where the events come from.
enum Source {
    Passed(Download),
    /// Filtered on their way.
    Sifted(Box<Sieve>),
}

impl Source {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Passed(incoming) => poll_data(incoming, cx),
            Self::Sifted(sieve) => sieve.poll_frame(cx),
        }
    }

    /// What is shown from now on is shown to this caller, by the rules of this site.
    fn look_again(&mut self, site: &Arc<Site>, caller: Option<&Caller>) {
        match self {
            Self::Passed(_) => {}
            Self::Sifted(sieve) => sieve.look_again(site, caller),
        }
    }

    /// A stream that was begun where nothing was hidden cannot be filtered from its middle on: its client opens another one.
    fn is_as_filtered_as(&self, site: &Site) -> bool {
        match self {
            Self::Passed(_) => !site.policy.access.hides(),
            Self::Sifted(_) => true,
        }
    }
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
        if let Err(ended) = self.judge(now, cx) {
            return self.end(ended);
        }
        if let Poll::Ready(frame) = self.source.poll_frame(cx) {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                if let Some(further) = &mut self.further
                    && further.is_named_in(data)
                {
                    let why = Unusable::Again.into();
                    let error = broken_off(&self.shared, &self.site.name, why);
                    return Poll::Ready(Some(Err(error)));
                }
                self.boundary.observe(data);
                self.last = now;
            }
            return Poll::Ready(frame);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if let Err(ended) = self.judge(now, cx) {
                return self.end(ended);
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

    /// Whether the last byte has come, as far as that can be known before another is asked for. Of a stream with a length nobody
    /// asks for another.
    pub(crate) fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Passed(incoming) => incoming.is_end_stream(),
            Source::Sifted(_) => false,
        }
    }

    /// Why the gateway has ended it, once.
    pub(crate) fn take_ended(&mut self) -> Option<Box<Ended>> {
        self.ended.take()
    }

    fn end(&mut self, ended: Ended) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = Some(Box::new(ended));
        Poll::Ready(None)
    }

    fn judge(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<(), Ended> {
        if now >= self.ends() {
            return Err(Ended::TooOld);
        }
        self.may_listen(now)?;
        self.renew(cx)
    }

    /// Whether the provider of the caller's token says no, or nothing for too long.
    fn renew(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        let Some(vigil) = &mut self.vigil else {
            return Ok(());
        };
        match vigil.poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Renewed::Caller(caller)) => {
                self.caller = Some(caller); // its scopes may be others: judged with everything else
                self.source.look_again(&self.site, self.caller.as_ref());
                Ok(())
            }
            Poll::Ready(Renewed::Over(gone)) => Err(gone.into()),
        }
    }

    fn ends(&self) -> Instant {
        self.opened + self.site.streams.max_age
    }

    /// Asks the plan in use now, whichever it is: is the route still there, and would its caller still be let in?
    fn may_listen(&mut self, now: Instant) -> Result<(), Ended> {
        if now < self.judged + JUDGE_EVERY {
            return Ok(());
        }
        self.judged = now;
        let plan = self.shared.plan().ok_or(Ended::NoRoute)?; // the gateway is gone, and its routes with it
        let authority = self.authority.as_deref().unwrap_or_default();
        self.site = route::again(&plan, authority, &self.path).ok_or(Ended::NoRoute)?;
        if let Some(vigil) = &mut self.vigil {
            vigil.judge(plan.now());
        }
        let caller = self.caller.as_ref();
        self.source.look_again(&self.site, caller);
        authorize::still(&self.site, caller, &self.call, self.posted, plan.now())?;
        if self.source.is_as_filtered_as(&self.site) || !filter::may_list(&self.call, !self.posted)
        {
            return Ok(());
        }
        Err(Ended::RulesChanged(
            "what comes on it has to be filtered from its beginning",
        ))
    }

    /// When to look again: at the next comment, the next judgement, or the end.
    fn next(&self, now: Instant) -> Instant {
        let comment = self.keepalive.map(|every| self.last + every);
        let judgement = self.judged + JUDGE_EVERY;
        comment
            .into_iter()
            .fold(self.ends().min(judgement), Instant::min)
            .max(now + Duration::from_millis(1))
    }
}
