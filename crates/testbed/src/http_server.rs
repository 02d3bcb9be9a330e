//! A plain HTTP/1.1 server on loopback, for the parts of the test bed that behave.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Connections served at once; more wait in the backlog.
const CONNECTIONS: usize = 4096;
const BODY_LIMIT: usize = 4 * 1024 * 1024;
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The body of an answer: known, or pushed chunk by chunk.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Bytes>),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Whole(None)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(chunks) => chunks
                .poll_recv(cx)
                .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => hyper::body::SizeHint::with_exact(
                bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            ),
            Self::Stream(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// What answers the requests of one server.
pub(crate) trait Handler: Send + Sync + 'static {
    /// One request, its body read.
    fn answer(
        self: Arc<Self>,
        request: Request<Bytes>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// A listener that nobody serves yet, so that its address can go into what will be served.
pub(crate) async fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// In the place of an answer: the connection is closed.
#[derive(Clone)]
struct BrokenOff;

pub(crate) fn broken_off() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(BrokenOff);
    response
}

/// A running server; dropping it ends it and all its connections.
pub(crate) struct HttpServer {
    task: JoinHandle<()>,
    away: watch::Sender<bool>,
}

impl HttpServer {
    pub(crate) fn serve(listener: TcpListener, handler: Arc<impl Handler>) -> Self {
        let (away, switch) = watch::channel(false);
        Self {
            task: tokio::spawn(accept(listener, handler, switch)),
            away,
        }
    }

    /// While away, every connection is closed at once, new and old.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, handler: Arc<impl Handler>, away: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok(_) if *away.borrow() => {}
            Ok((stream, _)) => {
                connections.spawn(connection(stream, handler.clone(), away.clone()));
            }
            // out of descriptors: let some connections end
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(
    stream: TcpStream,
    handler: Arc<impl Handler>,
    mut away: watch::Receiver<bool>,
) {
    // without this an event waits for the acknowledgement of the one before
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = handler.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, BODY_LIMIT).collect();
            let answer = match tokio::time::timeout(BODY_DEADLINE, body).await {
                Ok(Ok(body)) => {
                    handler
                        .answer(Request::from_parts(head, body.to_bytes()))
                        .await
                }
                Ok(Err(_)) | Err(_) => plain(400, "the body is too large, too slow or broken"),
            };
            match answer.extensions().get::<BrokenOff>() {
                Some(BrokenOff) => Err(io::Error::other("broken off")),
                None => Ok(answer),
            }
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // a peer that broke off is the peer's business
        _ = serving => {}
        _ = away.wait_for(|away| *away) => {}
    }
}

/// An answer of a few words.
pub(crate) fn plain(status: u16, words: &str) -> Response<Body> {
    respond(status, "text/plain", words.as_bytes().to_vec())
}

/// A whole answer.
pub(crate) fn respond(status: u16, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(content_type),
    );
    response
}

/// A whole answer in JSON.
pub(crate) fn json(status: u16, body: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", body.to_string().into_bytes())
}
