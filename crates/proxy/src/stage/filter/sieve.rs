//! An event stream of which whole events are passed on, each as it may be shown.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use identity::Caller;
use mcp::sse::{Event, Splitter};

use super::view::View;
use crate::body::{BodyError, piece, poll_data};
use crate::plan::{Plan, Site};
use crate::shared::Shared;
use crate::stage::inspect::Held;
use crate::stage::stream;
use crate::stop::Refusal;
use crate::upstream::Download;

/// A stream under way.
pub(crate) struct Sieve {
    incoming: Download,
    splitter: Splitter,
    /// Bytes of one event.
    cap: usize,
    view: View,
    held: Held,
    /// What may be shown and is not yet taken.
    shown: Bytes,
    /// Whether a part of that is taken.
    parted: bool,
    shared: Arc<Shared>,
    state: State,
}

enum State {
    Open,
    /// Until what came before is on its way: with an error what is not yet written would be lost.
    Failing(Refusal),
    /// To be told to the caller as a broken stream.
    Failed(Refusal),
    Over,
}

impl Sieve {
    pub(super) fn new(plan: &Plan, view: View, held: Held, incoming: Download) -> Self {
        let cap = usize::try_from(plan.list_bytes).unwrap_or(usize::MAX);
        Self {
            incoming,
            splitter: Splitter::new(cap),
            cap,
            view,
            held,
            shown: Bytes::new(),
            parted: false,
            shared: Arc::clone(&plan.shared),
            state: State::Open,
        }
    }

    /// From now on it is shown to this caller, by the rules of this plan (SEC-55).
    pub(crate) fn look_again(&mut self, site: &Arc<Site>, caller: Option<&Caller>) {
        self.view = View::of(site, caller);
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let length = self.shown.len();
            if let Some(piece) = piece(&mut self.shown) {
                // the last piece of what is long would keep all of it, wherever it lies until it is sent
                let piece = if piece.len() < length || self.parted {
                    Bytes::copy_from_slice(&piece)
                } else {
                    piece
                };
                self.parted = !self.shown.is_empty();
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Open => {}
                State::Failing(why) => {
                    self.state = State::Failed(why);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Failed(why) => return Poll::Ready(Some(Err(self.fail(why)))),
                State::Over => return Poll::Ready(None),
            }
            self.state = State::Open;
            if let Err(why) = self.held.keep(self.splitter.held()) {
                self.state = State::Failing(why); // less than before is never too much
                continue;
            }
            let mut out = Vec::new();
            match ready!(poll_data(&mut self.incoming, cx)) {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref()
                        && let Err(why) = self.sift(data, &mut out)
                    {
                        self.state = State::Failing(why);
                    }
                }
                None => {
                    self.state = State::Over;
                    let rest = std::mem::replace(&mut self.splitter, Splitter::new(0)).rest();
                    if let Some(Err(why)) = rest.map(|event| self.show(&event, &mut out)) {
                        self.state = State::Failing(why);
                    }
                }
                error @ Some(Err(_)) => {
                    self.state = State::Over;
                    return Poll::Ready(error);
                }
            }
            self.shown = out.into();
            if matches!(self.state, State::Open)
                && let Err(why) = self.held.keep(self.splitter.held() + self.shown.len())
            {
                self.state = State::Failing(why);
            }
        }
    }

    /// Every event that is complete with these bytes.
    fn sift(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.splitter.push(data);
        loop {
            let event = self.splitter.event();
            let event = event.map_err(|_| {
                Refusal::UpstreamAnswer("an event that may hold a list is over list_bytes")
            })?;
            match event {
                Some(event) => self.show(&event, out)?,
                None => return Ok(()),
            }
        }
    }

    fn show(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if event.has_json_outside() {
            return Err(Refusal::UpstreamAnswer(
                "an event stream with JSON in lines that are no data",
            ));
        }
        let Some(data) = event.data().filter(|data| may_be_json(data)) else {
            out.extend_from_slice(event.raw());
            return Ok(());
        };
        match self.view.shown(data, self.cap) {
            Ok(Cow::Borrowed(_)) => out.extend_from_slice(event.raw()),
            Ok(Cow::Owned(shown)) => out.extend_from_slice(&event.with_data(&shown)),
            Err(unclear) => return Err(Refusal::UpstreamAnswer(unclear.0)),
        }
        Ok(())
    }

    fn fail(&self, why: Refusal) -> BodyError {
        stream::broken_off(&self.shared, self.view.route(), why)
    }
}

/// Whether some reader could take it for an object or an array, whatever else stands before it. What cannot be either has no list: the
/// address of an `endpoint` event, words that keep a connection alive.
fn may_be_json(data: &[u8]) -> bool {
    let begin = data.iter().find(|byte| byte.is_ascii_graphic());
    matches!(begin, Some(b'{' | b'['))
}
