//! The way of spans to the collector: a bounded queue, batches, one request at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::Batches;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::otlp::{self, Message};
use super::span::Times;
use super::{Ended, Tracing};
use crate::observe::metrics::Metrics;
use crate::outward::{self, Post};

/// How often a batch is offered to a collector that says it is busy or does not answer.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// A collector that asks for more patience loses the batch.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is read of a collector's answer.
const ANSWER: usize = 64 * 1024;

/// Requests whose spans wait to be sent.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Ended>>,
    batches: Batches,
    batch_is_full: Notify,
}

impl Queue {
    pub(super) fn new(batches: Batches) -> Self {
        Self {
            waiting: Mutex::default(),
            batches,
            batch_is_full: Notify::new(),
        }
    }

    /// `false` when there is no room.
    pub(super) fn push(&self, ended: Ended) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.batches.queue {
            return false;
        }
        waiting.push_back(ended);
        let full = waiting.len() == self.batches.size;
        drop(waiting);
        if full {
            self.batch_is_full.notify_one(); // once for a batch: a request does not wake a task of its own
        }
        true
    }

    fn batch(&self) -> Vec<Ended> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let size = waiting.len().min(self.batches.size);
        waiting.drain(..size).collect()
    }
}

/// Sends spans away.
pub(crate) struct Exporter {
    queue: Arc<Queue>,
    post: Post,
    /// The collector without its path, in which there may be a key.
    shown: String,
    target: Uri,
    headers: HeaderMap,
    timeout: Duration,
    resource: Message,
    clock: fn() -> Duration,
    exported: Counter,
    failed: Counter,
    /// Whether the last batch was lost. That is told once, not for each.
    failing: bool,
}

/// Why a batch was not taken.
struct Failure {
    cause: String,
    /// When it may be offered again.
    again: Option<Duration>,
}

/// A running exporter.
pub(crate) struct Exporting {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Exporting {
    /// Sends what waits, for at most so long, and ends.
    pub(crate) async fn flush(self, within: Duration) {
        let Self { mut task, stop } = self;
        stop.send_replace(true);
        if tokio::time::timeout(within, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Exporter {
    pub(super) fn new(tracing: Tracing, queue: Arc<Queue>, metrics: &Metrics) -> Self {
        let settings = tracing.settings;
        let origin = &settings.collector.origin;
        let mut headers = HeaderMap::new();
        let agent = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in &settings.headers {
            // Both were checked when they were read.
            if let (Ok(name), Ok(mut value)) = (
                HeaderName::try_from(&**name),
                HeaderValue::try_from(value.expose()),
            ) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let target = format!("{origin}{}", settings.collector.path);
        Self {
            queue,
            post: outward::post(origin.scheme(), settings.timeout),
            shown: origin.to_string(),
            target: target.parse().unwrap_or_default(),
            headers,
            timeout: settings.timeout,
            resource: otlp::resource(&settings.resource),
            clock: tracing.clock,
            exported: metrics.spans("exported"),
            failed: metrics.spans("failed"),
            failing: false,
        }
    }

    /// Begins to send.
    pub(crate) fn start(self) -> Exporting {
        tracing::info!(collector = %self.shown, "traces are exported");
        let (stop, stopping) = watch::channel(false);
        Exporting {
            task: tokio::spawn(self.run(stopping)),
            stop,
        }
    }

    async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let queue = Arc::clone(&self.queue);
        loop {
            let stop = tokio::select! {
                biased;
                _told = stopping.wait_for(|stop| *stop) => true,
                () = queue.batch_is_full.notified() => false,
                () = tokio::time::sleep(queue.batches.delay) => false,
            };
            loop {
                let batch = queue.batch();
                let whole = batch.len() == queue.batches.size;
                if !batch.is_empty() {
                    self.export(&batch, &mut stopping).await;
                }
                if !whole {
                    break;
                }
            }
            if stop {
                return;
            }
        }
    }

    async fn export(&mut self, batch: &[Ended], stopping: &mut watch::Receiver<bool>) {
        let times = Times {
            now: Instant::now(),
            wall: (self.clock)(),
        };
        let mut spans = Vec::with_capacity(batch.len() * 2);
        for ended in batch {
            ended.write(times, &mut spans);
        }
        let count = batch.iter().map(Ended::spans).sum();
        let body = Bytes::from(otlp::request(&self.resource, &spans));
        drop(spans);
        let mut pause = PAUSE;
        for attempt in 1.. {
            let failure = match self.offer(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.failed.inc_by(rejected); // offering them again would not help
                    self.exported.inc_by(count - rejected);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!(collector = %self.shown, "traces are exported again");
                    }
                    return;
                }
                Err(failure) => failure,
            };
            if let Some(asked) = failure.again
                && attempt < ATTEMPTS
                && asked <= LONGEST_PAUSE
                && !*stopping.borrow()
            {
                // Whoever stops the gateway does not wait for a collector's pause, but it gets one more chance.
                let stopped = stopping.wait_for(|stop| *stop);
                let _early = tokio::time::timeout(pause.max(asked), stopped).await;
                pause *= 2;
                continue;
            }
            self.failed.inc_by(count);
            if !std::mem::replace(&mut self.failing, true) {
                tracing::warn!(collector = %self.shown, cause = %failure.cause, "traces are not exported");
            }
            return;
        }
    }

    /// How many of the spans were not taken, of an export that was.
    async fn offer(&self, body: Bytes) -> Result<u64, Failure> {
        let mut request = Request::post(self.target.clone());
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&self.headers);
        }
        let request = request.body(Full::new(body)).map_err(|error| Failure {
            cause: error.to_string(),
            again: None,
        })?;
        let exchange = async {
            let answer = (self.post)(request).await.map_err(|error| Failure {
                cause: outward::causes(&error),
                again: Some(Duration::ZERO),
            })?;
            let (head, body) = answer.into_parts();
            // Read to its end, so that the connection can be used again; a status is an answer even if its body breaks off.
            let body = Limited::new(body, ANSWER).collect().await;
            if head.status.is_success() {
                return Ok(body.map_or(0, |body| otlp::rejected(&body.to_bytes())));
            }
            Err(Failure {
                cause: format!("it answered {}", head.status),
                again: is_busy(head.status).then(|| asked(&head.headers)),
            })
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(Failure {
                    cause: format!("it did not answer within {:?}", self.timeout),
                    again: None, // the next batch waits already
                })
            })
    }
}

/// Statuses after which OTLP lets a client try again.
fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Seconds that a busy collector asks for.
fn asked(headers: &HeaderMap) -> Duration {
    let text = headers
        .get(RETRY_AFTER)
        .and_then(|after| after.to_str().ok());
    let seconds = text.and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
