//! Traces: one span for each request, one for its exchange with the upstream, sent to a collector by OTLP.
//!
//! A trace that a caller has begun goes on here, and the upstream's goes on from ours (W3C Trace Context). Nobody waits for a collector:
//! spans go into a bounded queue, and what finds no room there is dropped and counted. Without a collector nothing of this runs, and
//! what callers say of their traces passes like any other header.
//!
//! But for ids and `tracestate`, nothing in a span comes from a caller: no path, query, address or identity.

mod context;
mod export;
mod otlp;
mod span;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::Sampler;
use http::header::{HeaderMap, HeaderValue};
use prometheus_client::metrics::counter::Counter;

use crate::observe::metrics::Metrics;
use context::{Parent, RANDOM, SAMPLED, SpanId, TRACEPARENT, TRACESTATE, TraceId};
use export::Queue;
pub(crate) use export::{Exporter, Exporting};
pub(crate) use span::{Ended, Whose};

/// What traces are made with.
pub struct Tracing {
    pub settings: config::Traces,
    /// The time since 1970, finer than the clock by which tokens are judged.
    pub clock: fn() -> Duration,
}

/// Begins traces and takes the spans of ended requests.
pub(crate) struct Tracer {
    sampler: Sampler,
    queue: Arc<Queue>,
    /// Span ids need to be different, not secret, so no randomness is spent on each.
    process: RandomState,
    next: AtomicU64,
    dropped: Counter,
}

impl Tracer {
    /// With what sends the spans away.
    pub(crate) fn new(tracing: Tracing, metrics: &Metrics) -> (Self, Exporter) {
        let queue = Arc::new(Queue::new(tracing.settings.batches));
        let tracer = Self {
            sampler: tracing.settings.sampler,
            queue: Arc::clone(&queue),
            process: RandomState::new(),
            next: AtomicU64::new(0),
            dropped: metrics.spans("dropped"),
        };
        (tracer, Exporter::new(tracing, queue, metrics))
    }

    /// The trace of a request with these headers. One that begins here has the request's reference as its id.
    pub(crate) fn begin(&self, headers: &HeaderMap, reference: &HeaderValue) -> Trace {
        let parent = Parent::read(headers);
        let id = match &parent {
            Some(parent) => parent.trace,
            None => context::id(reference.as_bytes()).unwrap_or([0xff; 16]),
        };
        let sampled = match &parent {
            Some(parent) if self.sampler.parent_based => parent.flags & SAMPLED != 0,
            Some(_) | None => is_in(&id, self.sampler.share),
        };
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let new = |seed: u64| self.process.hash_one(seed).max(1).to_be_bytes();
        let kept = parent.as_ref().map_or(0, |parent| parent.flags & RANDOM);
        let (parent, state) = match parent {
            Some(parent) => (Some(parent.span), parent.state),
            None => (None, None),
        };
        Trace {
            id,
            parent,
            span: new(count),
            exchange: new(!count),
            flags: kept | if sampled { SAMPLED } else { 0 },
            state,
            secure: false,
            begun: None,
            waited: None,
        }
    }

    pub(crate) fn take(&self, ended: Ended) {
        if !self.queue.push(ended) {
            self.dropped.inc();
        }
    }
}

/// Whether a trace is among the share that is recorded: the same answer everywhere, since it depends on the id alone.
fn is_in(id: &TraceId, share: u64) -> bool {
    let (_, end) = id.split_at(8);
    let end = end
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    end >> 1 < share
}

/// The trace of one request.
#[derive(Debug)]
pub(crate) struct Trace {
    id: TraceId,
    /// The caller's span.
    parent: Option<SpanId>,
    span: SpanId,
    /// The span of the exchange with the upstream.
    exchange: SpanId,
    flags: u8,
    state: Option<HeaderValue>,
    /// Whether the caller came by https.
    pub(crate) secure: bool,
    /// When the exchange with the upstream began.
    pub(crate) begun: Option<Instant>,
    /// How long it took to the head of the answer, if one came.
    pub(crate) waited: Option<Duration>,
}

impl Trace {
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The id as it is written.
    pub(crate) fn id(&self) -> String {
        context::hex(&self.id)
    }

    /// Tells the upstream where its trace goes on, in place of what the caller said.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        let parent = context::written(&self.id, self.exchange, self.flags);
        headers.insert(TRACEPARENT, parent);
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, state.clone()),
            None => headers.remove(TRACESTATE),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_depends_on_the_end_of_the_id() {
        let id = |end: u64| {
            let mut id = [0x11; 16];
            id[8..].copy_from_slice(&end.to_be_bytes());
            id
        };
        for end in [0, 1, u64::MAX] {
            assert!(is_in(&id(end), Sampler::ALL));
            assert!(!is_in(&id(end), 0));
        }
        assert!(is_in(&id(u64::MAX / 4), Sampler::ALL / 2));
        assert!(!is_in(&id(u64::MAX / 4 * 3), Sampler::ALL / 2));
    }
}
