//! Which of several servers has to get a request, because it belongs to a session.

use std::time::Instant;

use http::{Response, StatusCode};

use super::member::Member;
use super::sessions::{MCP_SESSION_ID, Session};
use super::{Chosen, Upstream};

/// Where a request has to go, and where it went.
pub(crate) struct Way {
    wanted: Wanted,
    /// The place of the server that was asked last.
    pub(super) taken: Option<usize>,
}

enum Wanted {
    /// To the server in whose answers the request's session id was seen.
    Learned,
    /// To the one at this place.
    Told(Option<usize>),
}

impl Way {
    /// For requests that carry a server's own session id, or none.
    pub(crate) fn learned() -> Self {
        Self {
            wanted: Wanted::Learned,
            taken: None,
        }
    }

    /// To the server at this place, if a connection to it can be made; to any without one.
    pub(crate) fn to(server: Option<usize>) -> Self {
        Self {
            wanted: Wanted::Told(server),
            taken: None,
        }
    }

    /// The place of the server that answers.
    pub(crate) fn taken(&self) -> Option<usize> {
        self.taken
    }

    pub(super) fn is_learned(&self) -> bool {
        match self.wanted {
            Wanted::Learned => true,
            Wanted::Told(_) => false,
        }
    }
}

impl Upstream {
    /// The server that is to be asked before all others.
    pub(super) fn first(
        &self,
        way: &Way,
        session: Option<&Session>,
        now: Instant,
    ) -> Option<usize> {
        match way.wanted {
            Wanted::Told(server) => server.filter(|server| *server < self.targets.len()),
            Wanted::Learned => {
                let id = session?.id.as_bytes();
                let mark = self.all.sessions.find(self.mark, id, self.all.time(now))?;
                let is_it = |target: &Chosen| target.member.mark == mark;
                self.targets.iter().position(is_it)
            }
        }
    }

    /// What an answer's head says about sessions.
    pub(super) fn learn<B>(
        &self,
        answer: &Response<B>,
        session: Option<&Session>,
        member: &Member,
        now: Instant,
    ) {
        let sessions = &self.all.sessions;
        if let Some(id) = answer.headers().get(MCP_SESSION_ID) {
            sessions.learn(self.mark, id.as_bytes(), member.mark, self.all.time(now));
        }
        let Some(session) = session else { return };
        let is_over = match answer.status() {
            StatusCode::NOT_FOUND => {
                sessions.find(self.mark, session.id.as_bytes(), self.all.time(now))
                    == Some(member.mark)
            }
            status => session.is_ended && status.is_success(),
        };
        if is_over {
            sessions.forget(self.mark, session.id.as_bytes());
        }
    }
}
