//! The body of a request, until it has been read to its end.
//!
//! A stream of HTTP/2 whose body nobody wants is reset after the answer (RFC 9113 section 8.1). Some clients that are still sending
//! report the reset and not the answer: curl before 8.0 hides a 401 in this way. So what is on its way is read for a moment and thrown
//! away; most bodies end within it, and then nothing is reset. HTTP/1.1 has its own way, which is the connection's (`server`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// For how long what nobody wants is read.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many bytes of it at most: what a client may send without asking, if it was told nothing else (RFC 9113 section 6.9.2).
const MOST: usize = 65_535;

/// A body. What is left of it is thrown away when this is dropped.
pub(crate) struct Unread {
    /// `None` once it is being thrown away.
    body: Option<Incoming>,
    /// Whether other requests share the connection.
    multiplexed: bool,
}

impl Unread {
    pub(crate) fn new(body: Incoming, version: Version) -> Self {
        Self {
            body: Some(body),
            multiplexed: version == Version::HTTP_2,
        }
    }
}

impl Body for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_default()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let left = self.body.take();
        let Some(left) = left.filter(|body| self.multiplexed && !body.is_end_stream()) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(PATIENCE, discard(left)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            break;
        }
    }
}
