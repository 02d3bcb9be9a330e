//! A body that is needed whole, put together once: what is asked for, and the lists in answers.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::Held;
use crate::stop::Refusal;

/// What is said of a body that cannot be had.
pub(crate) struct Unwhole {
    /// Longer than it may be, or announced so: then not a byte of it is asked for.
    pub(crate) too_long: fn(u64) -> Refusal,
    /// It broke off.
    pub(crate) broken: fn() -> Refusal,
}

/// Every byte, `limit` at most; 503 where nothing is left of what `held` may take. One piece is taken as it is. Whoever waits for it
/// bounds the time.
pub(crate) async fn gather<B>(
    body: &mut B,
    limit: u64,
    held: &mut Held,
    unwhole: &Unwhole,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limit {
        return Err((unwhole.too_long)(limit)); // before a client that waits for `100 Continue` sends it
    }
    let (mut first, mut length) = (Bytes::new(), 0_u64);
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| (unwhole.broken)())?;
        let Ok(piece) = frame.into_data() else {
            continue; // trailers say nothing (SEC-33)
        };
        length = length.saturating_add(piece.len() as u64);
        if length > limit {
            return Err((unwhole.too_long)(limit));
        }
        held.more(piece.len())?;
        if first.is_empty() && pieces.is_empty() {
            first = piece;
            continue;
        }
        pieces.extend_from_slice(&std::mem::take(&mut first));
        pieces.extend_from_slice(&piece);
    }
    Ok(if pieces.is_empty() {
        first
    } else {
        pieces.freeze()
    })
}
