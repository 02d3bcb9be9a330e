//! The end of the gateway: not ready, no new connections, requests finish, streams end at the deadline.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Finish what has begun.
    Draining,
    /// Event streams end now.
    Ending,
}

/// Seen by everything that has to know that the gateway is going away.
#[derive(Clone)]
pub(crate) struct Drain(Arc<watch::Sender<Phase>>);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }

    pub(crate) fn is_serving(&self) -> bool {
        *self.0.borrow() == Phase::Serving
    }

    pub(crate) fn begin(&self) {
        self.0.send_replace(Phase::Draining);
    }

    pub(crate) fn end_streams(&self) {
        self.0.send_replace(Phase::Ending);
    }

    /// Resolves when draining begins.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        reached(self.0.subscribe(), Phase::Draining)
    }

    /// Resolves when event streams have to end.
    pub(crate) fn ending(&self) -> Ending {
        Ending(Some(Box::pin(reached(self.0.subscribe(), Phase::Ending))))
    }
}

async fn reached(mut phases: watch::Receiver<Phase>, wanted: Phase) {
    // An error means that the gateway itself is gone, which is as good as the end.
    let _gone = phases.wait_for(|phase| *phase >= wanted).await;
}

/// A stream's view of the end.
pub(crate) struct Ending(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Ending {
    /// Ready from the end on, however often it is asked.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.0 {
            ready!(wait.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}
