//! An upstream that writes down what it gets, byte for byte, and answers as it is told.
//!
//! For tests: whatever does not come within [`PATIENCE`](crate::client::PATIENCE) panics and says what was waited for.
#![expect(
    clippy::missing_panics_doc,
    reason = "said once, above: a test can do nothing with an error but fail"
)]

mod connection;
mod reply;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use self::reply::Reply;
use crate::client::patiently;
use crate::http_server;
use crate::wire::Headers;

/// Requests written down; a connection with one more just ends. A test that needs more needs no recorder.
const RECORDED: usize = 100_000;
/// Event streams that wait for a test to take them.
const STREAMS: usize = 10_000;

/// A running upstream; dropping it ends it and all its connections.
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
    streams: tokio::sync::Mutex<mpsc::Receiver<EventStream>>,
    task: JoinHandle<()>,
}

/// A request as it arrived, so far as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    pub target: String,
    /// In their order, names as they came.
    pub headers: Headers,
    /// The head byte for byte, with the empty line that ends it.
    pub raw_head: Bytes,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// Whether the body has come to its end.
    pub complete: bool,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

/// An open event stream; dropping it breaks the stream off, [`EventStream::end`] ends it.
pub struct EventStream {
    index: usize,
    shared: Arc<Shared>,
    script: mpsc::Sender<Write>,
    closed: watch::Receiver<bool>,
}

enum Write {
    Bytes(Vec<u8>),
    End,
}

struct Shared {
    state: Mutex<State>,
    /// Moves whenever a request does.
    moved: watch::Sender<()>,
    opened: mpsc::Sender<EventStream>,
}

struct State {
    exchanges: Vec<Exchange>,
    script: Script,
    once: VecDeque<Reply>,
}

struct Exchange {
    request: Recorded,
    closed: watch::Receiver<bool>,
}

enum Script {
    Always(Reply),
    With(Arc<dyn Fn(&Recorded) -> Reply + Send + Sync>),
}

impl Recorder {
    /// Listens on a free port of 127.0.0.1 and answers everything with `{"recorded":true}`.
    pub async fn start() -> Self {
        let (listener, address) = http_server::bind()
            .await
            .expect("a port of 127.0.0.1 is free");
        let (opened, streams) = mpsc::channel(STREAMS);
        let state = State {
            exchanges: Vec::new(),
            script: Script::Always(Reply::json(&json!({"recorded": true}))),
            once: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            moved: watch::Sender::new(()),
            opened,
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self {
            address,
            shared,
            streams: tokio::sync::Mutex::new(streams),
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every request is answered so.
    pub fn answer(&self, reply: Reply) {
        self.shared.state().script = Script::Always(reply);
    }

    /// The next request is answered so; several wait in line.
    pub fn answer_once(&self, reply: Reply) {
        self.shared.state().once.push_back(reply);
    }

    /// From now on the request decides; it is seen whole, so `early` has no effect here.
    pub fn answer_with(&self, decide: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) {
        self.shared.state().script = Script::With(Arc::new(decide));
    }

    /// How many requests have arrived, counted when their head was read.
    pub fn requests(&self) -> usize {
        self.shared.state().exchanges.len()
    }

    /// What has arrived, in its order.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared
            .state()
            .exchanges
            .iter()
            .map(|exchange| exchange.request.clone())
            .collect()
    }

    /// What arrived last.
    #[track_caller]
    pub fn last(&self) -> Recorded {
        self.recorded().pop().expect("a request has arrived")
    }

    /// Waits until that many requests have arrived with their bodies.
    pub async fn wait_for(&self, count: usize) -> Vec<Recorded> {
        let whole = |requests: &[Recorded]| {
            requests.iter().filter(|request| request.complete).count() >= count
        };
        self.wait_until(&format!("{count} requests"), whole).await
    }

    /// Waits until what has arrived is as the caller wants it.
    pub async fn wait_until(
        &self,
        what: &str,
        is_so: impl Fn(&[Recorded]) -> bool,
    ) -> Vec<Recorded> {
        let mut moved = self.shared.moved.subscribe();
        patiently(what, async {
            loop {
                let requests = self.recorded();
                if is_so(&requests) {
                    return requests;
                }
                // the sender lives as long as we do
                let _ = moved.changed().await;
            }
        })
        .await
    }

    /// Waits until the connection of the request with this number (from 0) is over.
    pub async fn closed(&self, number: usize) {
        let closed = self
            .shared
            .state()
            .exchanges
            .get(number)
            .map(|exchange| exchange.closed.clone());
        gone(closed.expect("a request with this number has arrived")).await;
    }

    /// Whether the connection of the request with this number (from 0) is over.
    pub fn is_closed(&self, number: usize) -> bool {
        self.shared
            .state()
            .exchanges
            .get(number)
            .is_some_and(|exchange| *exchange.closed.borrow())
    }

    /// The event stream opened next and not yet taken.
    pub async fn stream(&self) -> EventStream {
        let mut streams = self.streams.lock().await;
        patiently("an event stream to be opened", streams.recv())
            .await
            .expect("the sender lives as long as we do")
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EventStream {
    /// Sends an event with this data.
    pub async fn event(&self, data: &str) {
        self.send(format!("data: {data}\n\n")).await;
    }

    /// Sends these bytes as one chunk. Whether they arrive is for the reader to say.
    pub async fn send(&self, bytes: impl Into<Vec<u8>>) {
        let sent = self.script.send(Write::Bytes(bytes.into()));
        let _ = patiently("room for another event", sent).await;
    }

    /// Ends the stream as it should end.
    pub async fn end(self) {
        let _ = patiently("room for the end", self.script.send(Write::End)).await;
    }

    /// Waits until the peer has left.
    pub async fn closed(&self) {
        gone(self.closed.clone()).await;
    }

    /// Whether the peer has left.
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// The request that opened the stream.
    pub fn request(&self) -> Recorded {
        self.shared
            .request(self.index)
            .expect("it was recorded before the stream was opened")
    }
}

impl Recorded {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}) in {self:?}"))
    }

    /// The value of the first header line of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down; its number, or `None` if there is no more room.
    fn arrived(&self, request: Recorded, closed: watch::Receiver<bool>) -> Option<usize> {
        let mut state = self.state();
        let index = state.exchanges.len();
        if index >= RECORDED {
            return None;
        }
        state.exchanges.push(Exchange { request, closed });
        drop(state);
        self.moved.send_replace(());
        Some(index)
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Recorded)) {
        if let Some(exchange) = self.state().exchanges.get_mut(index) {
            change(&mut exchange.request);
        }
        self.moved.send_replace(());
    }

    fn request(&self, index: usize) -> Option<Recorded> {
        self.state()
            .exchanges
            .get(index)
            .map(|exchange| exchange.request.clone())
    }

    /// The answer, if it is to be given before the body is read.
    fn early_reply(&self) -> Option<Reply> {
        let mut state = self.state();
        match (state.once.front(), &state.script) {
            (Some(reply), _) if reply.early => state.once.pop_front(),
            (None, Script::Always(reply)) if reply.early => Some(reply.clone()),
            _ => None,
        }
    }

    fn reply(&self, index: usize) -> Reply {
        let mut state = self.state();
        if let Some(reply) = state.once.pop_front() {
            return reply;
        }
        let decide = match &state.script {
            Script::Always(reply) => return reply.clone(),
            Script::With(decide) => decide.clone(),
        };
        drop(state);
        self.request(index)
            .map_or_else(Reply::close, |request| decide(&request))
    }

    fn opened(&self, stream: EventStream) {
        // nobody takes them: the stream breaks off, which a test will notice
        let _ = self.opened.try_send(stream);
    }
}

async fn gone(mut closed: watch::Receiver<bool>) {
    // an error means that the connection's task is gone, and the connection with it
    let _ = patiently("the peer to close", closed.wait_for(|closed| *closed)).await;
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection::serve(stream, number, shared.clone()));
        number += 1;
    }
}

#[cfg(test)]
mod tests;
