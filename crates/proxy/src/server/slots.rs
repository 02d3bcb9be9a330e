//! How many of something there may be at once: connections on all public listeners together, TLS handshakes.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// A number of slots that can change.
pub(crate) struct Slots {
    semaphore: Arc<Semaphore>,
    size: Mutex<usize>,
}

impl Slots {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(size)),
            size: Mutex::new(size),
        }
    }

    /// Where a slot is taken.
    pub(crate) fn semaphore(&self) -> Arc<Semaphore> {
        Arc::clone(&self.semaphore)
    }

    /// How many are taken; while slots are being given up, at most their new number.
    pub(crate) fn taken(&self) -> usize {
        let size = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        size.saturating_sub(self.semaphore.available_permits())
    }

    /// Changes the number. Nobody is cut off: with fewer slots than connections, as many end before another one begins.
    pub(crate) fn resize(&self, size: usize) {
        let mut current = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if size > *current {
            self.semaphore.add_permits(size - *current);
        }
        let fewer = *current - size.min(*current);
        *current = size;
        if let Ok(fewer @ 1..) = u32::try_from(fewer) {
            let semaphore = self.semaphore();
            tokio::spawn(async move {
                if let Ok(taken) = semaphore.acquire_many(fewer).await {
                    taken.forget();
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fewer_slots_cut_nobody_off_and_more_let_others_in() {
        let slots = Slots::new(2);
        let take = || slots.semaphore().try_acquire_owned().ok();
        let (first, second) = (take(), take());
        assert!(first.is_some() && second.is_some() && take().is_none());
        assert_eq!(slots.taken(), 2);
        slots.resize(1);
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(take().is_none(), "the slot that came back is one too many");
        drop(second);
        let only = take();
        assert!(only.is_some() && take().is_none());
        slots.resize(3);
        assert!(take().is_some());
        assert_eq!(slots.semaphore().available_permits(), 2);
        assert_eq!(slots.taken(), 1, "the only one");
    }
}
