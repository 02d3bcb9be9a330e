//! A verified caller, and the time by which it is judged.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use oauth::Scopes;

use crate::credential::Credential;
use crate::pair::Pair;
use crate::values::{self, Group, IdentityValues};

/// Seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// After everything.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// So much later, in whole seconds.
    pub(crate) fn after(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }
}

/// The wall clock, handed in by whoever runs the program.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Whether a person stands behind the credential (SEC-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody who logged in.
    User,
    /// A program on its own behalf.
    Client,
}

impl Kind {
    /// The value of `X-Auth-Kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
        }
    }
}

/// Who calls: issuer, kind and subject (SEC-1), and what the credential says beyond that. A clone is three counters at most.
///
/// Only a [`RouteAuthenticator`](crate::RouteAuthenticator) makes one, from a credential whose signature and claims it has judged.
#[derive(Clone)]
pub struct Caller {
    pub(crate) credential: Arc<Credential>,
    /// For each further claim of the route, where its value lies in the credential.
    pub(crate) extras: Option<Arc<[Option<usize>]>>,
    /// What is left of the credential where an API key came with it.
    pub(crate) pair: Option<Arc<Pair>>,
    /// The header that held the token, where its provider has to be asked again while an event stream lasts.
    pub(crate) token: Option<HeaderValue>,
    pub(crate) nonce_due: bool,
    pub(crate) late: Option<u64>,
}

impl Caller {
    /// Keeps the header with the token, where that is needed later on.
    pub(crate) fn with_token(mut self, headers: &HeaderMap) -> Self {
        if self.credential.life.is_renewed() {
            self.token = headers.get(AUTHORIZATION).cloned();
            if let Some(token) = &mut self.token {
                token.set_sensitive(true);
            }
        }
        self
    }

    /// The issuer, byte for byte as in the token.
    pub fn issuer(&self) -> &str {
        &self.credential.issuer
    }

    /// User or client.
    pub fn kind(&self) -> Kind {
        self.credential.kind
    }

    /// The subject within the issuer and kind.
    pub fn subject(&self) -> &str {
        &self.credential.subject
    }

    /// The OAuth client the credential was issued to, where it says so.
    pub fn client_id(&self) -> Option<&str> {
        self.credential.client_id.as_deref()
    }

    /// The scopes, with what they imply.
    pub fn scopes(&self) -> &Scopes {
        match &self.pair {
            Some(pair) => &pair.scopes,
            None => &self.credential.scopes,
        }
    }

    /// When the credential ends, by its own words: without leeway. Of two, the first to end.
    pub fn expires(&self) -> Timestamp {
        match &self.pair {
            Some(pair) => pair.expires,
            None => self.credential.expires,
        }
    }

    /// The name the configuration gives the authenticator.
    pub fn authenticator(&self) -> &str {
        &self.credential.provider.name
    }

    /// The kind of authenticator, as in `X-Auth-Method`.
    pub fn method(&self) -> &'static str {
        self.credential.provider.method
    }

    /// The API key that came with the caller's token: its authenticator and its id.
    pub fn with_key(&self) -> Option<(&str, &str)> {
        let key = &self.pair.as_ref()?.key;
        Some((&key.provider.name, &key.subject))
    }

    /// Seconds since the end of a token that counts in its grace alone (X3); `None` for every other credential.
    pub fn late(&self) -> Option<u64> {
        self.late
    }

    /// Whether the answer should bring the next nonce: the one of this request's proof is about to end (RFC 9449 section 8.2).
    pub fn nonce_due(&self) -> bool {
        self.nonce_due
    }

    /// The identity as header values.
    pub fn values(&self) -> &IdentityValues {
        match &self.pair {
            Some(pair) => &pair.values,
            None => &self.credential.values,
        }
    }

    /// Whether the caller's provider counts it among a group.
    pub fn is_in(&self, group: &Group) -> bool {
        let groups = self.values().groups.as_ref();
        groups.is_some_and(|groups| group.is_among(groups))
    }

    /// The value of the route's `index`th further claim; `None` if the credential lacks it or it is no text.
    pub fn extra(&self, index: usize) -> Option<&HeaderValue> {
        let place = (*self.extras.as_ref()?.get(index)?)?;
        let extras = match &self.pair {
            Some(pair) => &pair.extras,
            None => &self.credential.extras,
        };
        extras.get(place)?.as_ref()
    }

    /// Whether the route's further claims together are more than an upstream is sent (SEC-35).
    pub fn extras_too_large(&self) -> bool {
        let Some(extras) = &self.extras else {
            return false;
        };
        let total: usize = (0..extras.len())
            .filter_map(|index| self.extra(index))
            .map(HeaderValue::len)
            .sum();
        total > values::MAX_BYTES
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("issuer", &self.issuer())
            .field("kind", &self.kind())
            .field("subject", &self.subject())
            .field("client_id", &self.client_id())
            .finish_non_exhaustive()
    }
}
