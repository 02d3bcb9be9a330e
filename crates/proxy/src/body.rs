//! The bodies that pass through: the caller's on its way up, and answers on their way down. None of them is
//! collected but what has to be looked at.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, HeaderMap, HeaderValue, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

use crate::stage::filter::Sieve;
use crate::stage::inspect::Held;
use crate::stage::stream::{Ended, Tended};
use crate::unread::Unread;
use crate::upstream::Download;

/// An answer of our own: kept by nobody, and nothing but what its type says. Every one is made here.
pub(crate) fn own<B>(status: StatusCode, body: B) -> Response<B> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Whether a message with a transfer coding has `chunked` and nothing else. Whatever else is applied to a body would be lost at this
/// hop: the coding is taken off, or read in two ways (RFC 9112 section 6.1), and its name with it.
pub(crate) fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let first = lines.next().map(HeaderValue::as_bytes);
    let alone = first.is_none_or(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    alone && lines.next().is_none()
}

/// The body of an answer.
pub(crate) enum Body {
    /// One of our own; `None` once it is sent.
    Own(Option<Bytes>),
    /// The upstream's, passed on as it comes.
    Passed(Download),
    /// The upstream's, collected, with its share of what all bodies may take together.
    Kept(Kept),
    /// An event stream with lists that its reader may not see all of.
    Sifted(Box<Sieve>),
    /// An event stream, looked after while it lasts.
    Tended(Box<Tended>),
}

/// What was collected of an answer. A connection may keep the last piece for long after it took it, and with it all of the memory: so
/// whoever has a piece has the share too.
pub(crate) struct Kept {
    /// Empty once it is taken.
    bytes: Bytes,
}

impl Kept {
    /// With its share of the memory for what is collected.
    pub(crate) fn new(bytes: Bytes, held: Held) -> Self {
        Self {
            bytes: Bytes::from_owner(Collected { bytes, _held: held }),
        }
    }
}

struct Collected {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Collected {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The next piece of what is long. A connection takes whatever it is given at once and asks for more when that is sent: so what
/// its peer does not read stays here, where it is counted.
pub(crate) fn piece(bytes: &mut Bytes) -> Option<Bytes> {
    const MOST: usize = 64 * 1024;
    let next = bytes.split_to(bytes.len().min(MOST));
    Some(next).filter(|next| !next.is_empty())
}

/// The upstream broke off, or the stream was ended on purpose without a clean end.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Own(None)
    }

    /// Why the gateway has ended it before its source did, once.
    pub(crate) fn take_ended(&mut self) -> Option<Box<Ended>> {
        match self {
            Self::Tended(tended) => tended.take_ended(),
            Self::Own(_) | Self::Passed(_) | Self::Kept(_) | Self::Sifted(_) => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Own(Some(bytes).filter(|b| !b.is_empty()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Kept(kept) => Poll::Ready(piece(&mut kept.bytes).map(|b| Ok(Frame::data(b)))),
            Self::Sifted(sieve) => sieve.poll_frame(cx),
            Self::Passed(incoming) => poll_data(incoming, cx),
            Self::Tended(tended) => tended.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Kept(kept) => kept.bytes.is_empty(),
            Self::Passed(incoming) => incoming.is_end_stream(),
            Self::Tended(tended) => tended.is_end_stream(),
            Self::Sifted(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Kept(kept) => SizeHint::with_exact(kept.bytes.len() as u64),
            Self::Passed(incoming) => incoming.size_hint(),
            Self::Sifted(_) | Self::Tended(_) => SizeHint::default(),
        }
    }
}

/// The next frame of data. Trailers are dropped in both directions (SEC-33).
pub(crate) fn poll_data<B>(
    incoming: &mut B,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>>
where
    B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
{
    loop {
        match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }
}

/// Why a request body ended before its time. Found again in the error that the HTTP client hands back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("request body over {0} bytes")]
    TooLarge(u64),
    #[error("request body not complete after {0:?}")]
    Late(Duration),
    #[error("request body broke off")]
    Broken,
}

/// A caller's body on its way up, counted and timed.
pub(crate) enum Upload {
    None,
    /// One that was read before; empty once it is sent.
    Read(Bytes),
    Counted(Box<Counted>),
}

pub(crate) struct Counted {
    incoming: Unread,
    limit: u64,
    left: u64,
    deadline: Duration,
    /// Made at the first wait: most bodies are there already when they are asked for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// `limit` in bytes; `deadline` from the first time the body is waited for to its end.
    pub(crate) fn new(incoming: Unread, limit: u64, deadline: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::None;
        }
        Self::Counted(Box::new(Counted {
            incoming,
            limit,
            left: limit,
            deadline,
            timer: None,
        }))
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::None => Poll::Ready(None),
            Self::Read(bytes) => Poll::Ready(match std::mem::take(bytes) {
                bytes if bytes.is_empty() => None,
                bytes => Some(Ok(Frame::data(bytes))),
            }),
            Self::Counted(counted) => counted.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Read(bytes) => bytes.is_empty(),
            Self::Counted(counted) => counted.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Read(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Counted(counted) => counted.incoming.size_hint(),
        }
    }
}

impl Counted {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match poll_data(&mut self.incoming, cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Cut::Broken))),
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Ok(frame)
                    }
                    None => Err(Cut::TooLarge(self.limit)),
                }))
            }
            Poll::Pending => {
                let timer = self
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.deadline)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(Cut::Late(self.deadline))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::stage::inspect::{Memory, Most};

    #[tokio::test]
    async fn sec_57_what_was_collected_is_handed_on_in_pieces_and_counts_until_the_last_is_sent() {
        let memory = Memory::new();
        let share = || memory.hold(Most::among(200_000, 200_000), None, [127, 0, 0, 1].into());
        let mut held = share();
        held.more(150_000).unwrap();
        let mut body = Body::Kept(Kept::new(vec![b'x'; 150_000].into(), held));
        let mut lengths = Vec::new();
        let mut last = Bytes::new();
        while !body.is_end_stream() {
            assert!(share().more(60_000).is_err(), "{lengths:?}");
            let piece = body.frame().await.unwrap().unwrap();
            last = piece.into_data().unwrap();
            lengths.push(last.len());
        }
        assert_eq!(lengths, [65_536, 65_536, 18_928]);
        drop(body);
        assert!(share().more(60_000).is_err(), "a piece is not yet sent");
        drop(last);
        share().more(200_000).unwrap();
    }
}
