//! What a request leaves behind, and how it is told: names and attributes by the semantic conventions of OpenTelemetry for HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use http::header::HeaderValue;

use super::Trace;
use super::otlp::Message;
use crate::observe::heard::Heard;
use crate::observe::metrics::{NOBODYS, OURS, Outcome};
use crate::plan::Site;

/// Kinds of `Span`.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;
/// `Status` of a span that failed.
const ERROR: u64 = 2;
/// Whether the parent is another process's, in the flags of a span.
const PARENT_IS_KNOWN: u32 = 1 << 8;
const PARENT_IS_REMOTE: u32 = 1 << 9;

/// Who answered.
pub(crate) enum Whose {
    Site(Arc<Site>),
    /// One of our own URLs.
    Own,
    Nobody,
}

/// A request that has ended.
pub(crate) struct Ended {
    pub(crate) trace: Box<Trace>,
    pub(crate) started: Instant,
    pub(crate) closed: Instant,
    pub(crate) whose: Whose,
    pub(crate) method: Method,
    /// 0 where no answer came to be.
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
    /// What was asked for in MCP, where that was read.
    pub(crate) heard: Option<Arc<Heard>>,
    pub(crate) reference: HeaderValue,
}

/// Turns moments into nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) now: Instant,
    /// The time since 1970 at `now`.
    pub(super) wall: Duration,
}

impl Times {
    fn of(self, moment: Instant) -> u64 {
        let since = self.wall.saturating_sub(self.now - moment);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Ended {
    /// The spans of this request.
    pub(super) fn write(&self, times: Times, spans: &mut Vec<Message>) {
        spans.push(self.server(times));
        if let (Some(begun), Whose::Site(site)) = (self.trace.begun, &self.whose) {
            spans.push(self.exchange(times, begun, site));
        }
    }

    /// How many spans [`Ended::write`] makes.
    pub(super) fn spans(&self) -> u64 {
        let forwarded = self.trace.begun.is_some() && matches!(self.whose, Whose::Site(_));
        1 + u64::from(forwarded)
    }

    fn server(&self, times: Times) -> Message {
        let method = known(&self.method);
        let name = method.unwrap_or("HTTP");
        let (name, route, path) = match &self.whose {
            Whose::Site(site) => (
                format!("{name} {}", site.path),
                &*site.name,
                Some(&*site.path),
            ),
            Whose::Own => (name.to_owned(), OURS, None),
            Whose::Nobody => (name.to_owned(), NOBODYS, None),
        };
        let mut span = self.begin(&name, SERVER);
        if let Some(parent) = &self.trace.parent {
            span.bytes(4, parent);
        }
        span.bytes(2, &self.trace.span);
        span.fixed64(7, times.of(self.started));
        span.fixed64(8, times.of(self.closed));
        span.attribute(9, "http.request.method", method.unwrap_or("_OTHER"));
        span.attribute(
            9,
            "url.scheme",
            if self.trace.secure { "https" } else { "http" },
        );
        if let Some(path) = path {
            span.attribute(9, "http.route", path);
        }
        span.attribute(9, "portcullis.route", route);
        span.attribute(9, "portcullis.outcome", self.outcome.as_str());
        if let Ok(reference) = self.reference.to_str() {
            span.attribute(9, "portcullis.reference", reference);
        }
        // names that everybody or the configuration knows: what else a caller writes there is in no span
        if let Some(wish) = self.heard.as_deref().and_then(Heard::single) {
            if let Some(method) = wish.known_method() {
                span.attribute(9, "mcp.method.name", method);
            }
            if let Some(tool) = wish.label() {
                span.attribute(9, "gen_ai.tool.name", tool.name());
            }
        }
        if self.status != 0 {
            span.attribute_number(9, "http.response.status_code", self.status.into());
        }
        if !self.reason.is_empty() {
            span.attribute(9, "portcullis.reason", self.reason);
        }
        self.result(
            &mut span,
            self.status >= 500 || self.outcome == Outcome::Failed,
        );
        let remote = if self.trace.parent.is_some() {
            PARENT_IS_REMOTE
        } else {
            0
        };
        span.fixed32(16, u32::from(self.trace.flags) | PARENT_IS_KNOWN | remote);
        span
    }

    /// The exchange with the upstream, to the head of its answer.
    fn exchange(&self, times: Times, begun: Instant, site: &Site) -> Message {
        let method = known(&self.method);
        let mut span = self.begin(method.unwrap_or("HTTP"), CLIENT);
        span.bytes(4, &self.trace.span);
        span.bytes(2, &self.trace.exchange);
        span.fixed64(7, times.of(begun));
        let ended = self
            .trace
            .waited
            .map_or(self.closed, |waited| begun + waited);
        span.fixed64(8, times.of(ended));
        span.attribute(9, "http.request.method", method.unwrap_or("_OTHER"));
        if let Some((host, port)) = site.upstream.only() {
            span.attribute(9, "server.address", host);
            span.attribute_number(9, "server.port", port.into());
        }
        let passed = self.reason.is_empty();
        if passed && self.status != 0 {
            span.attribute_number(9, "http.response.status_code", self.status.into());
        }
        self.result(&mut span, !passed || self.status >= 400);
        span.fixed32(16, u32::from(self.trace.flags) | PARENT_IS_KNOWN);
        span
    }

    fn begin(&self, name: &str, kind: u64) -> Message {
        let mut span = Message::default();
        span.bytes(1, &self.trace.id);
        if let Some(state) = self
            .trace
            .state
            .as_ref()
            .and_then(|state| state.to_str().ok())
        {
            span.text(3, state);
        }
        span.text(5, name);
        span.number(6, kind);
        span
    }

    fn result(&self, span: &mut Message, failed: bool) {
        if !self.reason.is_empty() {
            span.attribute(9, "error.type", self.reason);
        } else if failed {
            span.attribute(9, "error.type", &self.status.to_string());
        }
        if failed {
            span.message(15, |status| status.number(3, ERROR));
        }
    }
}

/// The method, if it is one that everybody knows: what else a caller writes there names no span.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    KNOWN.into_iter().find(|known| method == known)
}
