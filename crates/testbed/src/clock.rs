//! What time it is, handed in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of this machine.
pub fn system() -> Clock {
    Arc::new(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the test bed looks at the real clock"
        )]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    })
}
