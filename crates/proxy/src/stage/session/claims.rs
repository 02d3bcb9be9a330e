//! Sessions that were begun without a credential, and whose they are since somebody with one has used them (SEC-54).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Timestamp;
use mcp::binding::Holder;

/// Claims at once. When there are as many, further ones are refused: to forget one would give a session away.
const MOST: usize = 65_536;
/// Seconds after its last use until a claim ends: no session lasts that long unused.
const LIFE: u64 = 24 * 60 * 60;
/// Seconds between two searches for claims that have ended.
const SWEEP: u64 = 60;

/// Whose they are, by keyed hashes of session and owner. Of this process alone.
pub(crate) struct Claims {
    hasher: RandomState,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_session: HashMap<u64, Claim>,
    swept: u64,
}

struct Claim {
    owner: u64,
    used: u64,
}

impl Claim {
    fn is_over(&self, now: u64) -> bool {
        now >= self.used.saturating_add(LIFE)
    }
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            taken: Mutex::default(),
        }
    }

    /// Whether the session of a route, by its upstream's id, still is anybody's who knows it.
    pub(super) fn is_free(&self, route: &str, id: &[u8], now: Timestamp) -> bool {
        let session = self.session(route, id);
        let claim = self
            .lock()
            .by_session
            .get(&session)
            .map(|it| it.is_over(now.0));
        claim.unwrap_or(true)
    }

    /// Makes it somebody's, or notes that its owner has used it. Else says why it is not theirs, in words for the log.
    pub(super) fn take(
        &self,
        route: &str,
        id: &[u8],
        holder: Holder<'_>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let (session, now) = (self.session(route, id), now.0);
        let owner = (holder.issuer, holder.kind, holder.subject, holder.client_id);
        let owner = self.hasher.hash_one(owner);
        let mut taken = self.lock();
        if let Some(claim) = taken.by_session.get_mut(&session) {
            if claim.owner != owner && !claim.is_over(now) {
                return Err("begun without a credential, and since then another caller's");
            }
            *claim = Claim { owner, used: now };
            return Ok(());
        }
        if taken.by_session.len() >= MOST && now >= taken.swept.saturating_add(SWEEP) {
            taken.by_session.retain(|_, claim| !claim.is_over(now));
            taken.swept = now;
        }
        if taken.by_session.len() >= MOST {
            return Err("begun without a credential, and there is no room to note whose it is now");
        }
        taken.by_session.insert(session, Claim { owner, used: now });
        Ok(())
    }

    fn session(&self, route: &str, id: &[u8]) -> u64 {
        self.hasher.hash_one((route, id))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Holder<'_> = Holder {
        issuer: "https://idp.example",
        kind: "user",
        subject: "ann",
        client_id: None,
    };
    const BOB: Holder<'_> = Holder {
        subject: "bob",
        ..ANN
    };

    fn take(claims: &Claims, id: &str, holder: Holder<'_>, now: u64) -> bool {
        let taken = claims.take("/mcp", id.as_bytes(), holder, Timestamp(now));
        taken.is_ok()
    }

    fn is_free(claims: &Claims, id: &str, now: u64) -> bool {
        claims.is_free("/mcp", id.as_bytes(), Timestamp(now))
    }

    #[test]
    fn sec_54_a_session_begun_by_nobody_is_the_first_callers() {
        let claims = Claims::new();
        assert!(is_free(&claims, "a", 0));
        assert!(take(&claims, "a", ANN, 0) && take(&claims, "a", ANN, 1));
        let editor = Holder {
            client_id: Some("editor"),
            ..ANN
        };
        assert!(!take(&claims, "a", BOB, 2) && !take(&claims, "a", editor, 2));
        assert!(!is_free(&claims, "a", 2));
        assert!(is_free(&claims, "b", 2) && take(&claims, "b", BOB, 2));
        assert!(claims.is_free("/other", b"a", Timestamp(2)));
    }

    #[test]
    fn sec_54_a_claim_ends_a_day_after_its_last_use() {
        let claims = Claims::new();
        for day in 0..5 {
            assert!(take(&claims, "a", ANN, day * (LIFE - 1)), "{day}");
        }
        let end = 4 * (LIFE - 1) + LIFE;
        assert!(!is_free(&claims, "a", end - 1) && !take(&claims, "a", BOB, end - 1));
        assert!(is_free(&claims, "a", end) && take(&claims, "a", BOB, end));
        assert!(!take(&claims, "a", ANN, end));
    }

    #[test]
    fn sec_54_when_there_is_no_room_nothing_is_forgotten() {
        let claims = Claims::new();
        for number in 0..MOST {
            assert!(take(&claims, &number.to_string(), ANN, 100));
        }
        for now in [100, 100 + SWEEP, 100 + LIFE - 1] {
            assert!(!take(&claims, "more", BOB, now), "{now}");
        }
        assert!(
            take(&claims, "7", ANN, 100 + LIFE - 1),
            "those that are there stay"
        );
        assert!(!take(&claims, "8", BOB, 100 + LIFE - 1));
        // all but the one used since
        assert!(take(&claims, "more", BOB, 100 + LIFE - 1 + SWEEP));
        assert_eq!(claims.lock().by_session.len(), 2);
    }
}
