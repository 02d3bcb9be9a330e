//! Leaves a provider alone that does not answer.
//!
//! After [`FAILURES`] failures in a row nobody asks any more, and everybody has an answer at once. After [`PAUSE`] one may try, and
//! decides for all. Only what says that the provider is out of order counts: no connection, no answer in time, a status of 500 and
//! above. An answer that refuses the token, or refuses us, is an answer (SEC-17).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// In a row, until nobody asks any more.
pub(crate) const FAILURES: u32 = 5;
/// Until one may try again.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// Whether a provider may be asked now.
pub(crate) struct Breaker(Mutex<State>);

enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// Leave to ask once. Dropped without a word it leaves things as they are: whoever tried has not come back.
pub(crate) struct Leave<'b> {
    breaker: &'b Breaker,
    probe: bool,
    told: bool,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }

    /// `None`: not now.
    pub(crate) fn leave(&self) -> Option<Leave<'_>> {
        let mut state = self.state();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if Instant::now() >= until => {
                *state = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => return None,
        };
        Some(Leave {
            breaker: self,
            probe,
            told: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave<'_> {
    /// The provider answered, whatever it said. True if nobody was asking before.
    pub(crate) fn answered(mut self) -> bool {
        self.told = true;
        let before = std::mem::replace(&mut *self.breaker.state(), State::Closed { failures: 0 });
        !matches!(before, State::Closed { .. })
    }

    /// It is out of order. True if from here on nobody asks.
    pub(crate) fn failed(mut self) -> bool {
        self.told = true;
        let mut state = self.breaker.state();
        let failures = match *state {
            State::Closed { failures } => failures + 1,
            State::Probing if self.probe => FAILURES,
            // one that began before: the pause has begun already
            State::Open { .. } | State::Probing => return false,
        };
        if failures < FAILURES {
            *state = State::Closed { failures };
            return false;
        }
        *state = State::Open {
            until: Instant::now() + PAUSE,
        };
        true
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.told || !self.probe {
            return;
        }
        let mut state = self.breaker.state();
        if let State::Probing = *state {
            *state = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.leave().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sec_17_five_failures_in_a_row_open_it_and_one_tries_after_two_seconds() {
        let breaker = Breaker::new();
        fail(&breaker, 4);
        assert!(!breaker.leave().unwrap().answered());
        fail(&breaker, 4);
        assert!(breaker.leave().unwrap().failed(), "the fifth");
        assert!(breaker.leave().is_none());
        advance(Duration::from_millis(1999)).await;
        assert!(breaker.leave().is_none());
        advance(Duration::from_millis(1)).await;
        let probe = breaker.leave().unwrap();
        assert!(breaker.leave().is_none(), "one at a time");
        assert!(probe.failed());
        assert!(breaker.leave().is_none());
        advance(PAUSE).await;
        assert!(breaker.leave().unwrap().answered());
        fail(&breaker, 4);
        assert!(breaker.leave().is_some(), "counted from the start");
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_nobody_finished_is_tried_again() {
        let breaker = Breaker::new();
        fail(&breaker, 5);
        advance(PAUSE).await;
        drop(breaker.leave().unwrap());
        assert!(breaker.leave().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_opened_does_not_prolong_the_pause() {
        let breaker = Breaker::new();
        let late = breaker.leave().unwrap();
        fail(&breaker, 5);
        advance(PAUSE / 2).await;
        assert!(!late.failed());
        advance(PAUSE / 2).await;
        let probe = breaker.leave().unwrap();
        assert!(probe.answered());
    }
}
