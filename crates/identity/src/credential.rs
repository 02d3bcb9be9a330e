//! What a verified credential means, once for all routes, and what each route still has to ask at each use (SEC-12).

use std::sync::Arc;

use http::HeaderValue;
use oauth::Scopes;

use crate::api_keys::OfKey;
use crate::caller::{Kind, Timestamp};
use crate::failure::{Failure, excerpt};
use crate::keys::Key;
use crate::proof::Confirmation;
use crate::provider::Provider;
use crate::values::IdentityValues;

/// What one token or API key says.
pub(crate) struct Credential {
    pub(crate) provider: Arc<Provider>,
    pub(crate) life: Life,
    pub(crate) issuer: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) subject: Box<str>,
    pub(crate) client_id: Option<Box<str>>,
    /// `jti`.
    pub(crate) id: Option<Box<str>>,
    /// `cnf`: what has to be proven at each use. `None`: whoever has the token may use it.
    pub(crate) confirmation: Option<Box<Confirmation>>,
    pub(crate) scopes: Scopes,
    pub(crate) expires: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) audience: Audience,
    pub(crate) values: IdentityValues,
    /// For each further claim that some route asks for, its header value.
    pub(crate) extras: Box<[Option<HeaderValue>]>,
    /// Of API keys alone.
    pub(crate) key: Option<OfKey>,
}

/// What a credential's life hangs on, beside its own times.
pub(crate) enum Life {
    /// The key that verified it; when the provider drops the key, the credential is dead.
    Key(Arc<Key>),
    /// Nothing else: routes find it for as long as they take an authenticator with these very settings (SEC-12).
    Settings,
    /// What the provider said of it, which counts until then (X18).
    Until(Timestamp),
}

impl Life {
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Key(key) => !key.is_live(),
            Self::Settings => false,
            Self::Until(end) => now >= *end,
        }
    }

    /// Whether asking again may prolong it.
    pub(crate) fn is_renewed(&self) -> bool {
        match self {
            Self::Key(_) | Self::Settings => false,
            Self::Until(_) => true,
        }
    }
}

/// Whom a token is meant for.
pub(crate) enum Audience {
    /// `aud`; never empty.
    Aud(Box<[Box<str>]>),
    /// `client_id` in the place of `aud` (Cognito), and `aud` where the token has one all the same.
    Client {
        client_id: Box<str>,
        aud: Box<[Box<str>]>,
    },
    /// Nobody else ever gets to see it: an API key of ours.
    Ours,
}

/// The audiences that count at a route for one authenticator.
pub(crate) struct Expected {
    /// Compared byte for byte.
    pub(crate) exact: Box<[Box<str>]>,
    /// The route's own resource, stored without its closing slash: compared ignoring one (SEC-10).
    pub(crate) own: Box<[Box<str>]>,
    /// Whomever a token is meant for (X21).
    anybody: bool,
}

impl Credential {
    /// Judges what depends on the moment and on the route: at first sight and at every use of a cached credential.
    pub(crate) fn judge(&self, expected: &Expected, now: Timestamp) -> Result<(), Failure> {
        match self.in_time(now) {
            Err(Failure::Expired { .. }) if self.is_in_grace(now) => {}
            judged => judged?,
        }
        self.audience.judge(expected)
    }

    /// Tells the operator of each use of a token whose time is over (X3).
    pub(crate) fn tell_if_expired(&self, now: Timestamp) {
        if let Some(late) = self.late(now) {
            tracing::warn!(
                authenticator = %self.provider.name,
                sub = %excerpt(&self.subject),
                late,
                "an expired token counts (expired_tokens)"
            );
        }
    }

    /// Seconds since its end, where it may count all the same.
    pub(crate) fn late(&self, now: Timestamp) -> Option<u64> {
        self.provider.dangers.expiry_grace?;
        match self.in_time(now) {
            Err(Failure::Expired { late }) => Some(late),
            Err(_) | Ok(()) => None,
        }
    }

    /// Whether a token whose time is over counts for a while, as the operator wants it (X3). One that does not say when it was made
    /// never does.
    fn is_in_grace(&self, now: Timestamp) -> bool {
        let grace = self.provider.dangers.expiry_grace;
        grace.is_some_and(|grace| {
            let grace = grace.saturating_add(self.provider.rules.leeway);
            self.issued_at.is_some_and(|issued| issued.0 <= now.0)
                && self.not_before.is_none_or(|start| start.0 <= now.0)
                && now.0 < self.expires.0.saturating_add(grace.as_secs())
        })
    }

    /// Whether `now` is between `nbf`, `iat` and `exp`, give or take the leeway.
    pub(crate) fn in_time(&self, now: Timestamp) -> Result<(), Failure> {
        let leeway = self.provider.rules.leeway;
        Failure::if_expired(self.expires, leeway, now).map_err(|failure| match failure {
            Failure::Expired { late } if self.key.is_some() => Failure::ApiKeyExpired { late },
            other => other,
        })?;
        let latest = now.0.saturating_add(leeway.as_secs());
        for (claim, start) in [("nbf", self.not_before), ("iat", self.issued_at)] {
            if let Some(start) = start.filter(|start| start.0 > latest) {
                return Err(Failure::NotYetValid {
                    claim,
                    early: start.0.saturating_sub(now.0),
                });
            }
        }
        Ok(())
    }

    /// About how many bytes the credential occupies, its key in the cache and the cache's own records included.
    pub(crate) fn weight(&self) -> u32 {
        /// Counters of the `Arc`, the digest, the cache's entry, its place in two lists and in the table.
        const CACHE: usize = 400;
        /// A header value that was cloned once has a counter of its own; a boxed text has the allocator's.
        const EACH: usize = 32;
        /// The node in which a set keeps up to eleven scopes.
        const SCOPES: usize = 192;

        let texts = self
            .audience
            .texts()
            .chain([&*self.subject])
            .chain(self.client_id.as_deref())
            .chain(self.id.as_deref())
            .chain(self.scopes.iter());
        let texts: usize = texts.map(|text| text.len() + EACH).sum();
        let extras = self.extras.iter().flatten().map(HeaderValue::len);
        let extras: usize = extras.map(|len| len + EACH).sum::<usize>()
            + self.extras.len() * size_of::<HeaderValue>();
        let bound = self.confirmation.as_ref().map_or(0, |cnf| cnf.weight());
        let total = bound
            + CACHE
            + size_of::<Self>()
            + texts
            + SCOPES
            + self.values.bytes()
            + 5 * EACH
            + extras;
        u32::try_from(total).unwrap_or(u32::MAX)
    }
}

impl Audience {
    pub(crate) fn judge(&self, expected: &Expected) -> Result<(), Failure> {
        let good = match self {
            Self::Aud(aud) => aud.iter().any(|one| expected.names(one)),
            Self::Client { client_id, aud } => {
                expected.names(client_id)
                    // an audience that is there and is not us means somebody else (RFC 7519 section 4.1.3)
                    && (aud.is_empty() || aud.iter().any(|one| expected.names(one)))
            }
            Self::Ours => true,
        };
        if good || expected.anybody {
            return Ok(());
        }
        let found: Vec<_> = self.texts().collect();
        Err(Failure::AudienceMismatch {
            expected: expected.to_text().into(),
            found: excerpt(&found.join(", ")),
        })
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let (client_id, aud): (_, &[Box<str>]) = match self {
            Self::Aud(aud) => (None, aud),
            Self::Client { client_id, aud } => (Some(client_id), aud),
            Self::Ours => (None, &[]),
        };
        client_id.into_iter().chain(aud.iter()).map(AsRef::as_ref)
    }
}

impl Expected {
    /// What counts at a route: the authenticator's own audiences where it has some, else the route's, else the route's resource.
    pub(crate) fn new(
        authenticator: &[Box<str>],
        route: &[Box<str>],
        resources: &[Box<str>],
    ) -> Self {
        let listed = if authenticator.is_empty() {
            route
        } else {
            authenticator
        };
        let named = if listed.is_empty() { resources } else { listed };
        let bare = |resource: &str| Box::from(resource.strip_suffix('/').unwrap_or(resource));
        let resources: Vec<Box<str>> = resources.iter().map(|resource| bare(resource)).collect();
        let is_own = |audience: &str| resources.contains(&bare(audience));
        let (own, exact): (Vec<_>, Vec<_>) =
            named.iter().cloned().partition(|audience| is_own(audience));
        Self {
            exact: exact.into(),
            own: own.iter().map(|audience| bare(audience)).collect(),
            anybody: false,
        }
    }

    /// No audience is asked for.
    pub(crate) fn anybody() -> Self {
        Self {
            exact: Box::default(),
            own: Box::default(),
            anybody: true,
        }
    }

    fn names(&self, audience: &str) -> bool {
        self.exact.iter().any(|one| **one == *audience)
            || self
                .own
                .iter()
                .any(|one| **one == *audience.strip_suffix('/').unwrap_or(audience))
    }

    pub(crate) fn to_text(&self) -> String {
        if self.anybody {
            return "any (any_audience)".into();
        }
        let all: Vec<&str> = self
            .exact
            .iter()
            .chain(&self.own)
            .map(AsRef::as_ref)
            .collect();
        format!("{all:?}")
    }
}
