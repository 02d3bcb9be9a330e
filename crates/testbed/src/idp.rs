//! An OpenID provider that does as it is told.
//!
//! It approves every login as alice, registers every client that asks, and otherwise keeps to the rules: PKCE with S256, codes
//! and refresh tokens good once, redirect addresses compared whole (loopback ports excepted), `resource` becomes the audience.
//! Tests script the rest: keys that rotate, answers that are late, wrong or missing.

mod grants;
mod introspect;
mod keys;
mod registration;
mod serve;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use self::introspect::Introspected;
pub use self::keys::Algorithm;
use self::keys::KeySet;
pub(crate) use self::keys::random_id;
pub use self::token::TokenBuilder;
use crate::clock::{self, Clock};
use crate::http_server::{self, HttpServer};

/// What a token is good for unless something else was asked for.
pub const DEFAULT_SCOPE: &str = "mcp:tools";
/// Seconds an access token lives.
pub(crate) const TOKEN_LIFETIME: u64 = 3600;
/// Entries of each map that a client can fill.
const REMEMBERED: usize = 1000;

/// A running provider; dropping it ends it.
pub struct Idp {
    shared: Arc<Shared>,
    server: HttpServer,
}

/// What a provider is before it runs.
#[must_use]
pub struct Builder {
    clock: Clock,
    path: String,
    closing_slash: bool,
}

/// What the endpoints and the token builder see.
struct Shared {
    /// `http://127.0.0.1:<port>`.
    base: String,
    /// Path of the issuer, without closing slash: empty or `/realms/x`.
    path: String,
    issuer: String,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    keys: KeySet,
    extra_keys: Vec<Value>,
    changed_members: Map<String, Value>,
    omitted_members: BTreeSet<String>,
    answers: BTreeMap<String, Answer>,
    delay: Duration,
    /// By path, in the place of the one for all.
    delays: BTreeMap<String, Duration>,
    /// Paths that are answered by closing the connection.
    broken: BTreeSet<String>,
    introspection: introspect::Memory,
    fetches: BTreeMap<String, usize>,
    grants: grants::Memory,
}

/// An answer laid down by a test.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Builder {
    /// The issuer gets a path, like `/realms/x`.
    pub fn issuer_path(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.path);
        self
    }

    /// The issuer ends in a slash, in its document and in its tokens.
    pub fn closing_slash(mut self) -> Self {
        self.closing_slash = true;
        self
    }

    /// Another clock than that of this machine.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Listens on a free port of 127.0.0.1.
    pub async fn start(self) -> io::Result<Idp> {
        let (listener, address) = http_server::bind().await?;
        let base = format!("http://{address}");
        let issuer = format!(
            "{base}{}{}",
            self.path,
            if self.closing_slash { "/" } else { "" }
        );
        let state = State {
            keys: KeySet::after(0),
            extra_keys: Vec::new(),
            changed_members: Map::new(),
            omitted_members: BTreeSet::new(),
            answers: BTreeMap::new(),
            delay: Duration::ZERO,
            delays: BTreeMap::new(),
            broken: BTreeSet::new(),
            introspection: introspect::Memory::default(),
            fetches: BTreeMap::new(),
            grants: grants::Memory::default(),
        };
        let shared = Arc::new(Shared {
            base,
            path: self.path,
            issuer,
            clock: self.clock,
            state: Mutex::new(state),
        });
        let server = HttpServer::serve(listener, shared.clone());
        Ok(Idp { shared, server })
    }
}

impl Idp {
    /// A provider whose issuer is `http://127.0.0.1:<port>`.
    ///
    /// # Panics
    /// When loopback cannot be listened on; [`Builder::start`] reports it instead.
    pub async fn start() -> Self {
        Self::builder()
            .start()
            .await
            .expect("a port of 127.0.0.1 is free")
    }

    /// A provider with other ways than the usual ones.
    pub fn builder() -> Builder {
        Builder {
            clock: clock::system(),
            path: String::new(),
            closing_slash: false,
        }
    }

    /// The issuer, as in the document and in tokens.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// The URL of one of its paths, given without the path of the issuer: `/jwks`, `/token`, `/authorize`, `/register`.
    pub fn url(&self, path: &str) -> String {
        self.shared.url(path)
    }

    /// A token in the making.
    pub fn token(&self) -> TokenBuilder {
        TokenBuilder::new(self.shared.clone())
    }

    /// The name of the key that signs with this algorithm now.
    pub fn kid(&self, algorithm: Algorithm) -> String {
        self.shared.state().keys.kid(algorithm)
    }

    /// The key set as served now.
    pub fn jwks(&self) -> Value {
        self.shared.jwks()
    }

    /// The public RSA key as PEM, for attempts to use it as a shared secret.
    pub fn rsa_public_pem(&self) -> String {
        self.shared.state().keys.rsa_pem()
    }

    /// New keys with new names; the old ones are gone from the key set.
    pub fn rotate_keys(&self) {
        let mut state = self.shared.state();
        state.keys = KeySet::after(state.keys.generation());
    }

    /// Puts these in front of the real keys of the key set.
    pub fn extra_jwks_keys(&self, keys: Vec<Value>) {
        self.shared.state().extra_keys = keys;
    }

    /// Gives a member of the metadata document another value.
    pub fn change_document(&self, member: &str, value: impl Into<Value>) {
        self.shared
            .state()
            .changed_members
            .insert(member.to_owned(), value.into());
    }

    /// Leaves a member out of the metadata document.
    pub fn omit_from_document(&self, member: &str) {
        self.shared
            .state()
            .omitted_members
            .insert(member.to_owned());
    }

    /// From now on this path (without the path of the issuer) gets this answer.
    pub fn answer(
        &self,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.shared.state().answers.insert(
            path.to_owned(),
            Answer {
                status,
                headers,
                body: body.into(),
            },
        );
    }

    /// Takes [`Idp::answer`] back.
    pub fn answer_normally(&self, path: &str) {
        self.shared.state().answers.remove(path);
    }

    /// Every connection is closed without an answer, as behind a crashed provider.
    pub fn go_down(&self) {
        self.server.set_away(true);
    }

    /// Ends [`Idp::go_down`].
    pub fn come_back(&self) {
        self.server.set_away(false);
    }

    /// Every answer comes this much later.
    pub fn slow_down(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Answers of this path (without the path of the issuer) come this much later; zero is at once.
    pub fn slow_down_at(&self, path: &str, delay: Duration) {
        self.shared.state().delays.insert(path.to_owned(), delay);
    }

    /// Requests for this path (without the path of the issuer) are read, and then the connection is closed.
    pub fn break_off_at(&self, path: &str, broken: bool) {
        let mut state = self.shared.state();
        if broken {
            state.broken.insert(path.to_owned());
        } else {
            state.broken.remove(path);
        }
    }

    /// How often this path (without the path of the issuer) was asked for and the request arrived.
    pub fn fetches(&self, path: &str) -> usize {
        self.shared
            .state()
            .fetches
            .get(path)
            .copied()
            .unwrap_or_default()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.base, self.path)
    }

    fn jwks(&self) -> Value {
        let state = self.state();
        let ours = Algorithm::ALL.map(|algorithm| state.keys.jwk(algorithm));
        let keys: Vec<_> = state.extra_keys.iter().cloned().chain(ours).collect();
        json!({ "keys": keys })
    }
}

#[cfg(test)]
mod tests;
