//! Which server made an MCP session: requests of a session have to go there, nobody else knows it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};

pub(super) const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Sessions of one generation. Two generations are kept.
const GENERATION: usize = 65_536;
/// When a generation is over even if it is not full, in milliseconds.
const LIFETIME: u64 = 12 * 60 * 60 * 1000;

/// Sessions by a keyed hash of their id and the route they belong to, with a mark of the server. What the servers of one route say of ids
/// is no word about those of another. Whoever asks for a session keeps it; what nobody asks for is
/// forgotten after 12 to 24 hours, or when as many newer ones have come.
pub(super) struct Sessions {
    hasher: RandomState,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
    begun: u64,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            generations: Mutex::default(),
        }
    }

    /// The server of a session. `now` in milliseconds.
    pub(super) fn find(&self, route: u64, id: &[u8], now: u64) -> Option<u64> {
        let key = self.hasher.hash_one((route, id));
        let mut generations = self.lock();
        generations.age(now);
        if let Some(server) = generations.young.get(&key) {
            return Some(*server);
        }
        let server = generations.old.remove(&key)?;
        generations.keep(key, server, now);
        Some(server)
    }

    /// Remembers who made a session.
    pub(super) fn learn(&self, route: u64, id: &[u8], server: u64, now: u64) {
        let key = self.hasher.hash_one((route, id));
        let mut generations = self.lock();
        generations.age(now);
        generations.keep(key, server, now);
    }

    pub(super) fn forget(&self, route: u64, id: &[u8]) {
        let key = self.hasher.hash_one((route, id));
        let mut generations = self.lock();
        generations.young.remove(&key);
        generations.old.remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn age(&mut self, now: u64) {
        let age = now.saturating_sub(self.begun);
        if age >= 2 * LIFETIME {
            self.young.clear(); // nobody has asked for anything since
        }
        if age >= LIFETIME {
            self.turn(now);
        }
    }

    fn keep(&mut self, key: u64, server: u64, now: u64) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&key) {
            self.turn(now);
        }
        self.young.insert(key, server);
    }

    fn turn(&mut self, now: u64) {
        self.old = std::mem::take(&mut self.young);
        self.begun = now;
    }
}

/// What a request says of its MCP session.
pub(super) struct Session {
    pub(super) id: HeaderValue,
    /// Whether it asks for the end of it.
    pub(super) is_ended: bool,
}

impl Session {
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        Some(Self {
            id: request.headers().get(MCP_SESSION_ID)?.clone(),
            is_ended: *request.method() == Method::DELETE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_until_it_is_forgotten() {
        let sessions = Sessions::new();
        assert_eq!(sessions.find(7, b"a", 0), None);
        sessions.learn(7, b"a", 1, 0);
        sessions.learn(7, b"b", 2, 0);
        assert_eq!(
            (sessions.find(7, b"a", 1), sessions.find(7, b"b", 1)),
            (Some(1), Some(2))
        );
        sessions.learn(7, b"a", 3, 2);
        assert_eq!(sessions.find(7, b"a", 3), Some(3));
        sessions.forget(7, b"a");
        assert_eq!(
            (sessions.find(7, b"a", 4), sessions.find(7, b"b", 4)),
            (None, Some(2))
        );
    }

    #[test]
    fn one_that_is_used_stays_and_one_that_is_not_goes() {
        let sessions = Sessions::new();
        sessions.learn(7, b"used", 1, 0);
        sessions.learn(7, b"left", 2, 0);
        for turn in 1..20 {
            assert_eq!(
                sessions.find(7, b"used", turn * LIFETIME),
                Some(1),
                "{turn}"
            );
        }
        assert_eq!(sessions.find(7, b"left", 20 * LIFETIME), None);
        assert_eq!(
            sessions.find(7, b"used", 22 * LIFETIME),
            None,
            "a day of silence"
        );
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let sessions = Sessions::new();
        let total = 3 * GENERATION;
        for number in 0..total {
            sessions.learn(7, &number.to_le_bytes(), 1, 0);
            let generations = sessions.lock();
            assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
        }
        assert_eq!(sessions.find(7, &0_usize.to_le_bytes(), 0), None);
        for number in total - GENERATION..total {
            assert_eq!(
                sessions.find(7, &number.to_le_bytes(), 0),
                Some(1),
                "{number}"
            );
        }
    }

    #[test]
    fn what_one_route_says_of_an_id_is_nothing_to_another() {
        let sessions = Sessions::new();
        sessions.learn(1, b"a", 10, 0);
        sessions.learn(2, b"a", 20, 0);
        sessions.forget(3, b"a");
        let found = [1, 2, 3].map(|route| sessions.find(route, b"a", 1));
        assert_eq!(found, [Some(10), Some(20), None]);
    }
}
