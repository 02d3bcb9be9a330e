//! Nonces for proofs (RFC 9449 sections 8 and 9), without a memory of those that were given out.
//!
//! A nonce is a MAC over the time, by a key that only this process has: it proves that a proof was made after the nonce was, and
//! while this process ran. All clients get the same one; it is no secret.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use crate::caller::Timestamp;

/// A nonce is given out for so many seconds, and counts for as many more.
const WINDOW: u64 = 300;
/// Of the MAC, in the nonce.
const BYTES: usize = 16;

/// The nonces of this process.
pub(crate) struct Nonces(hmac::Key);

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nonce {
    Current,
    /// It counts, but soon no longer: the client had better be given the next one.
    Ending,
    Stale,
}

impl Nonces {
    pub(crate) fn new() -> Self {
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        Self(key.expect("the system gives randomness for a key"))
    }

    /// The nonce to give out now.
    pub(crate) fn current(&self, now: Timestamp) -> HeaderValue {
        HeaderValue::try_from(self.of(now.0 / WINDOW)).expect("base64url is a header value")
    }

    pub(crate) fn judge(&self, presented: &str, now: Timestamp) -> Nonce {
        let window = now.0 / WINDOW;
        let is = |window| crate::constant_time_eq(self.of(window).as_bytes(), presented.as_bytes());
        if is(window) {
            Nonce::Current
        } else if window.checked_sub(1).is_some_and(is) {
            Nonce::Ending
        } else {
            Nonce::Stale
        }
    }

    fn of(&self, window: u64) -> String {
        let mac = hmac::sign(&self.0, &window.to_be_bytes());
        URL_SAFE_NO_PAD.encode(mac.as_ref().get(..BYTES).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9449_a_nonce_counts_in_its_window_and_in_the_next() {
        let nonces = Nonces::new();
        let begin = Timestamp(6_000_000 * WINDOW);
        let nonce = nonces.current(begin);
        let nonce = nonce.to_str().unwrap();
        let after = |seconds| nonces.judge(nonce, Timestamp(begin.0 + seconds));
        assert_eq!(after(0), Nonce::Current);
        assert_eq!(after(299), Nonce::Current);
        assert_eq!(after(300), Nonce::Ending);
        assert_eq!(after(599), Nonce::Ending);
        assert_eq!(after(600), Nonce::Stale);
        // it is not for a time before it was made either
        assert_eq!(nonces.judge(nonce, Timestamp(begin.0 - 1)), Nonce::Stale);
    }

    #[test]
    fn r9449_nonces_of_others_and_none_are_stale() {
        let now = Timestamp(1_800_000_000);
        let foreign = Nonces::new().current(now);
        let nonces = Nonces::new();
        for nonce in [foreign.to_str().unwrap(), "", "x", &"A".repeat(22)] {
            assert_eq!(nonces.judge(nonce, now), Nonce::Stale, "{nonce:?}");
        }
        assert_eq!(nonces.judge("", Timestamp(0)), Nonce::Stale);
    }
}
