//! Sessions that were begun without a credential, and whose they are since somebody with one has used them (SEC-54).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Timestamp;
use mcp::binding::Holder;

/// Claims at once. When there are as many, further ones are refused: to forget one would give a session away.
const MOST: usize = 65_536;
/// Of these one caller's, through whatever clients: or one could keep everybody else from logging in within a session.
const MOST_OF_ONE: usize = MOST / 16;
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
    /// How many of each caller are among them.
    of_caller: HashMap<u64, usize>,
    swept: u64,
}

struct Claim {
    /// The caller, through one OAuth client.
    owner: u64,
    /// The caller, through whichever.
    caller: u64,
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
        let caller = (holder.issuer, holder.kind, holder.subject);
        let owner = self.hasher.hash_one((caller, holder.client_id));
        let caller = self.hasher.hash_one(caller);
        let mut taken = self.lock();
        if let Some(claim) = taken.by_session.get_mut(&session) {
            if claim.owner == owner {
                claim.used = now;
                return Ok(());
            }
            if !claim.is_over(now) {
                return Err("begun without a credential, and since then another caller's");
            }
            taken.forget(session);
        }
        if !taken.has_room_for(caller) && now >= taken.swept.saturating_add(SWEEP) {
            taken.sweep(now);
        }
        if !taken.has_room_for(caller) {
            return Err("begun without a credential, and there is no room to note whose it is now");
        }
        let used = now;
        taken.note(
            session,
            Claim {
                owner,
                caller,
                used,
            },
        );
        Ok(())
    }

    fn session(&self, route: &str, id: &[u8]) -> u64 {
        self.hasher.hash_one((route, id))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn has_room_for(&self, caller: u64) -> bool {
        let own = self.of_caller.get(&caller).copied().unwrap_or_default();
        self.by_session.len() < MOST && own < MOST_OF_ONE
    }

    fn note(&mut self, session: u64, claim: Claim) {
        *self.of_caller.entry(claim.caller).or_default() += 1;
        self.by_session.insert(session, claim);
    }

    fn forget(&mut self, session: u64) {
        let Some(claim) = self.by_session.remove(&session) else {
            return;
        };
        if let Entry::Occupied(mut own) = self.of_caller.entry(claim.caller) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }

    fn sweep(&mut self, now: u64) {
        let ended = self.by_session.iter().filter(|(_, it)| it.is_over(now));
        let ended: Vec<u64> = ended.map(|(&session, _)| session).collect();
        for session in ended {
            self.forget(session);
        }
        self.swept = now;
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
            let subject = format!("one of many {}", number % 16);
            let one = Holder {
                subject: &subject,
                ..ANN
            };
            assert!(take(&claims, &number.to_string(), one, 100));
        }
        let first = Holder {
            subject: "one of many 0",
            ..ANN
        };
        for now in [100, 100 + SWEEP, 100 + LIFE - 1] {
            assert!(!take(&claims, "more", BOB, now), "{now}");
        }
        assert!(
            take(&claims, "16", first, 100 + LIFE - 1),
            "those that are there stay"
        );
        assert!(!take(&claims, "8", BOB, 100 + LIFE - 1));
        // all but the one used since
        assert!(take(&claims, "more", BOB, 100 + LIFE - 1 + SWEEP));
        assert_eq!(claims.lock().by_session.len(), 2);
        assert_eq!(claims.lock().of_caller.len(), 2);
    }

    #[test]
    fn sec_54_one_caller_leaves_room_for_all_others() {
        let claims = Claims::new();
        let clients: Vec<String> = (0..MOST_OF_ONE).map(|it| it.to_string()).collect();
        for client in &clients {
            let through = Holder {
                client_id: Some(client),
                ..ANN
            };
            assert!(take(&claims, client, through, 100));
        }
        assert!(!take(&claims, "more", ANN, 100));
        assert!(is_free(&claims, "more", 100));
        assert!(take(&claims, "more", BOB, 100));
        // what was somebody's a day ago and is another's now counts for that one
        assert!(take(&claims, "7", BOB, 100 + LIFE));
        assert!(take(&claims, "new", ANN, 100 + LIFE));
        let taken = claims.lock();
        let counted: usize = taken.of_caller.values().sum();
        assert_eq!(counted, taken.by_session.len());
    }
}
