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

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use tokio::time::{Duration, timeout};

    use super::*;
    use crate::server::Allowance;
    use crate::server::deadline::{Activity, Watch};

    /// An answer of so many bytes, and what watches over its connection.
    fn answer(length: usize, multiplexed: bool) -> (Sending<Full<Bytes>>, Watch) {
        let activity = Activity::new();
        let body = Full::new(Bytes::from(vec![b'x'; length]));
        let sending = Sending::new(body, activity.exchange(multiplexed));
        let allowance = Allowance {
            request_head: Duration::from_secs(1000),
            idle: Duration::from_secs(1000),
            stalled: Duration::from_secs(10),
            header_bytes: 0,
            streams: 0,
        };
        (sending, Watch::new(activity, allowance, multiplexed))
    }

    async fn next(sending: &mut Sending<Full<Bytes>>) -> Piece {
        let frame = sending.frame().await.unwrap().unwrap();
        frame.into_data().ok().unwrap()
    }

    /// Whether the connection is over within so many seconds.
    async fn is_over(watch: &mut Watch, seconds: u64) -> bool {
        let over = std::future::poll_fn(|cx| watch.poll(cx));
        timeout(Duration::from_secs(seconds), over).await.is_ok()
    }

    #[tokio::test]
    async fn tm_11_pieces_are_short_where_streams_share_a_connection() {
        for (multiplexed, expected) in [
            (true, vec![(16_384, 23_616), (16_384, 7232), (7232, 0)]),
            (false, vec![(40_000, 0)]),
        ] {
            let (mut sending, _watch) = answer(40_000, multiplexed);
            let mut pieces = Vec::new();
            while !sending.is_end_stream() {
                let piece = next(&mut sending).await.remaining();
                pieces.push((piece, sending.size_hint().exact().unwrap()));
            }
            assert_eq!(pieces, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tm_11_a_piece_has_its_deadline_until_it_is_written() {
        let (mut sending, mut watch) = answer(40_000, true);
        assert!(!is_over(&mut watch, 100).await, "there is nothing to take");
        let (first, second) = (next(&mut sending).await, next(&mut sending).await);
        assert!(!is_over(&mut watch, 9).await);
        drop(first);
        assert!(!is_over(&mut watch, 9).await, "the second has its own time");
        drop(second);
        assert!(!is_over(&mut watch, 100).await, "all of it is taken");
        let last = next(&mut sending).await;
        assert!(sending.frame().await.is_none());
        drop(sending);
        assert!(!is_over(&mut watch, 9).await);
        assert!(is_over(&mut watch, 2).await, "nobody takes the last one");
        drop(last);
    }

    #[tokio::test(start_paused = true)]
    async fn tm_11_a_piece_has_no_more_time_for_those_behind_it() {
        let (mut sending, mut watch) = answer(40_000, true);
        let _first = next(&mut sending).await;
        assert!(!is_over(&mut watch, 9).await);
        let _second = next(&mut sending).await;
        assert!(is_over(&mut watch, 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn tm_11_an_answer_is_under_way_until_its_last_piece_is_written() {
        let (mut sending, mut watch) = answer(10, false);
        let last = next(&mut sending).await;
        drop(sending);
        assert!(!is_over(&mut watch, 2000).await, "it is not idle");
        drop(last);
        assert!(!is_over(&mut watch, 999).await);
        assert!(is_over(&mut watch, 2).await);
    }
}
