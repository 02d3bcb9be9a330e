//! The body of an answer on its way to the peer: what of it is under way is known until the last byte has gone.
//!
//! hyper asks for a piece ahead of what the peer takes, and a body is over for it when the last piece is handed on. On h2 that may lie there
//! for as long as the peer likes. So each piece keeps the exchange open, with its deadline, and is short.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::server::deadline::Exchange;

/// Bytes of a piece on h2, whose frames hold as much.
pub(super) const PIECE: usize = 16 * 1024;

/// A body in pieces that note whether the peer takes them. Its exchange ends when the body is dropped and every piece of it.
pub(super) struct Sending<B> {
    body: B,
    /// What is left of the bytes that it gave last.
    rest: Bytes,
    exchange: Arc<Exchange>,
}

impl<B> Sending<B> {
    pub(super) fn new(body: B, exchange: Exchange) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            exchange: Arc::new(exchange),
        }
    }

    fn piece(&mut self) -> Frame<Piece> {
        let most = if self.exchange.is_multiplexed() {
            PIECE
        } else {
            usize::MAX
        };
        let bytes = self.rest.split_to(self.rest.len().min(most));
        Frame::data(Piece::new(bytes, &self.exchange))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sending<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(_)) => {} // none of our answers has trailers (SEC-33)
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(self.piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// Some bytes of an answer, for the peer until they are dropped: hyper and h2 drop what is written.
pub(super) struct Piece {
    bytes: Bytes,
    exchange: Arc<Exchange>,
}

impl Piece {
    fn new(bytes: Bytes, exchange: &Arc<Exchange>) -> Self {
        exchange.offered();
        Self {
            bytes,
            exchange: Arc::clone(exchange),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.exchange.taken();
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
