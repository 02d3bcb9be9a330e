//! References of requests.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HeaderValue;

/// Makes references for requests: unique in this process, unlike those of another. No secret, so no randomness is spent on each.
pub(crate) struct RequestIds {
    process: RandomState,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self {
            process: RandomState::new(),
            next: AtomicU64::new(0),
        }
    }

    pub(super) fn next(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mixed = [self.process.hash_one(count), self.process.hash_one(!count)];
        let mut text = [0_u8; 32];
        for (i, slot) in text.iter_mut().enumerate() {
            let word = mixed.get(i / 16).copied().unwrap_or_default();
            let nibble = usize::try_from((word >> ((i % 16) * 4)) & 0xf).unwrap_or_default();
            *slot = DIGITS.get(nibble).copied().unwrap_or(b'0');
        }
        HeaderValue::from_bytes(&text).expect("hexadecimal digits are a header value")
    }
}
