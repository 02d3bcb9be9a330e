//! How much all bodies that are held at once may take (SEC-57).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::stop::Refusal;

/// What is held now, in bytes.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<AtomicU64>);

/// A share of it, given back when dropped.
pub(crate) struct Held {
    memory: Memory,
    bytes: u64,
    /// As of the plan of the request.
    most: u64,
}

impl Memory {
    /// Nothing yet, of at most so many bytes in all.
    pub(crate) fn hold(&self, most: u64) -> Held {
        Held {
            memory: self.clone(),
            bytes: 0,
            most,
        }
    }
}

impl Held {
    /// So many bytes more, or 503.
    pub(crate) fn more(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes as u64;
        let before = self.memory.0.fetch_add(more, Relaxed);
        self.bytes += more;
        if before.saturating_add(more) > self.most {
            return Err(Refusal::InspectionFull);
        }
        Ok(())
    }
}

impl Held {
    /// So many bytes from now on, whatever it was before, or 503.
    pub(crate) fn keep(&mut self, bytes: usize) -> Result<(), Refusal> {
        let now = bytes as u64;
        if let Some(less) = self.bytes.checked_sub(now) {
            self.memory.0.fetch_sub(less, Relaxed);
            self.bytes = now;
            return Ok(());
        }
        self.more(bytes - usize::try_from(self.bytes).unwrap_or(bytes))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_57_what_is_held_at_once_is_bounded_and_given_back() {
        let memory = Memory::default();
        let mut one = memory.hold(100);
        let mut other = memory.hold(100);
        one.more(60).unwrap();
        other.more(40).unwrap();
        assert!(matches!(other.more(1), Err(Refusal::InspectionFull)));
        drop(other);
        one.more(40).unwrap();
        one.keep(30).unwrap();
        assert_eq!(memory.0.load(Relaxed), 30);
        one.keep(100).unwrap();
        assert!(matches!(one.keep(101), Err(Refusal::InspectionFull)));
        drop(one);
        assert_eq!(memory.0.load(Relaxed), 0);
    }
}
