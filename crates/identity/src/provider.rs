//! One authenticator: what the configuration says about a provider, its issuer strings and its keys.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use config::{Authenticator, AuthenticatorKind, ClaimPath, Jwt};
use http::HeaderValue;
use oauth::Scopes;

use crate::claims;
use crate::credential::Credential;
use crate::failure::{Failure, excerpt};
use crate::jws::{self, Jws};
use crate::keys::{Choice, Key, Keys, Refetch};
use crate::values;

/// A provider, as its tokens are judged.
pub(crate) struct Provider {
    /// Unlike that of any other provider of this process, whatever the configuration it is from.
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    /// As in `X-Auth-Method`.
    pub(crate) method: &'static str,
    pub(crate) jwt: Jwt,
    pub(crate) keys: Arc<Keys>,
    /// Every further claim that some route asks for.
    pub(crate) extras: Arc<[ClaimPath]>,
    /// The issuer in the spelling that tokens must have: for discovery the document's own, once it is known (X22).
    spelling: OnceLock<Issuer>,
    /// Further exact issuer strings (Entra v1/v2).
    others: Vec<Issuer>,
    /// scope → everything it implies, however many steps away.
    implied: HashMap<Box<str>, Vec<Box<str>>>,
}

/// An issuer, and its header value.
pub(crate) struct Issuer {
    pub(crate) text: Arc<str>,
    pub(crate) value: HeaderValue,
}

impl Issuer {
    fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            value: values::single(text),
        }
    }
}

/// Whether a token's `iss` selects a provider.
pub(crate) enum Selected<'p> {
    /// It does, and this is the provider's spelling.
    Issuer(&'p Issuer),
    /// It may, once the provider's document is known.
    NotYetKnown,
    No,
}

/// What the keys at hand say of a token.
enum Tried {
    Signed(Arc<Key>),
    /// No, and a newer set would say the same.
    Refused(Failure),
    /// No, but the set may be older than the key.
    Outdated(Failure),
}

impl Provider {
    pub(crate) fn new(authenticator: &Authenticator, extras: Arc<[ClaimPath]>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (method, jwt, spelling) = match &authenticator.kind {
            AuthenticatorKind::Oidc(jwt) => ("oidc", jwt, OnceLock::new()),
            AuthenticatorKind::Jwks(jwt, _) => {
                ("jwks", jwt, OnceLock::from(Issuer::new(&jwt.issuer)))
            }
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: authenticator.name.clone(),
            method,
            jwt: jwt.clone(),
            keys: Arc::new(Keys::new()),
            extras,
            spelling,
            others: jwt
                .issuers
                .iter()
                .map(|issuer| Issuer::new(issuer))
                .collect(),
            implied: closure(&jwt.scope_map),
        }
    }

    /// The issuer, in the provider's own spelling once that is known.
    pub(crate) fn issuer(&self) -> &str {
        self.spelling
            .get()
            .map_or(&*self.jwt.issuer, |issuer| &issuer.text)
    }

    /// Takes the document's spelling; false if another one was taken before.
    pub(crate) fn spell(&self, issuer: &str) -> bool {
        let known = self.spelling.get_or_init(|| Issuer::new(issuer));
        *known.text == *issuer
    }

    /// Compares byte for byte (SEC-10 has the only exception, and it is not about issuers).
    pub(crate) fn select(&self, iss: &str) -> Selected<'_> {
        let known = self.spelling.get();
        if let Some(issuer) = known
            .into_iter()
            .chain(&self.others)
            .find(|issuer| *issuer.text == *iss)
        {
            return Selected::Issuer(issuer);
        }
        if known.is_none() && differ_by_one_slash_at_most(iss, &self.jwt.issuer) {
            return Selected::NotYetKnown;
        }
        Selected::No
    }

    /// Checks a token of this provider: header, key, signature, then everything in the claims that no route changes.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        issuer: &Issuer,
        token: &Jws<'_>,
    ) -> Result<Credential, Failure> {
        let header = &token.header;
        if !self.jwt.algorithms.contains(&header.algorithm) {
            return Err(self.not_allowed(header.algorithm));
        }
        let token_type = claims::typ(header.typ.as_deref(), &self.jwt.token_types)?;
        let key = self.key(token).await?;
        claims::credential(self, issuer, key, token_type, &token.claims)
    }

    /// The key of this provider whose signature the token has; a newer set is asked for where that may help.
    async fn key(&self, token: &Jws<'_>) -> Result<Arc<Key>, Failure> {
        let failure = match self.known_key(token)? {
            Tried::Signed(key) => return Ok(key),
            Tried::Refused(failure) => return Err(failure),
            Tried::Outdated(failure) => failure,
        };
        if self.keys.refetch().await == Refetch::Failed {
            // whether such a key exists nobody can tell; whether the one we know signed this, we can
            return Err(match failure {
                Failure::UnknownKey(_) => self.unreachable(),
                other => other,
            });
        }
        match self.known_key(token)? {
            Tried::Signed(key) => Ok(key),
            Tried::Refused(failure) | Tried::Outdated(failure) => Err(failure),
        }
    }

    fn known_key(&self, token: &Jws<'_>) -> Result<Tried, Failure> {
        let header = &token.header;
        let set = self.keys.current().ok_or_else(|| self.unreachable())?;
        let keys = match set.choose(header.kid.as_deref(), header.algorithm) {
            Choice::Keys(keys) => keys,
            Choice::Misfit => {
                return Ok(Tried::Refused(Failure::AlgorithmNotAllowed {
                    found: jws::name(header.algorithm).into(),
                    allowed: "the key named is not for it".into(),
                }));
            }
            Choice::Unknown => {
                let kid = header.kid.as_deref();
                let kid = kid.map_or_else(|| "none is named, and none fits".into(), excerpt);
                return Ok(Tried::Outdated(Failure::UnknownKey(kid)));
            }
            Choice::Ambiguous => {
                let why = "none is named, and several fit".into();
                return Ok(Tried::Refused(Failure::UnknownKey(why)));
            }
        };
        let signed = keys
            .into_iter()
            .find(|key| key.verifies(header.algorithm, token.signed, token.signature));
        let failure = Failure::InvalidSignature(if header.has_nonce {
            "; a nonce in the header marks a token of Microsoft Graph, which only Graph can check"
        } else {
            ""
        });
        Ok(match signed {
            Some(key) => Tried::Signed(key),
            // where keys have no names, the next one looks like this one with a bad signature
            None if header.kid.is_none() => Tried::Outdated(failure),
            None => Tried::Refused(failure),
        })
    }

    pub(crate) fn unreachable(&self) -> Failure {
        Failure::JwksUnreachable {
            authenticator: self.name.clone(),
        }
    }

    fn not_allowed(&self, algorithm: config::Algorithm) -> Failure {
        let allowed: Vec<_> = self
            .jwt
            .algorithms
            .iter()
            .map(|one| jws::name(*one))
            .collect();
        Failure::AlgorithmNotAllowed {
            found: jws::name(algorithm).into(),
            allowed: format!("the authenticator takes {}", allowed.join(", ")).into(),
        }
    }

    /// Adds what the scopes imply.
    pub(crate) fn imply(&self, scopes: &mut Scopes) {
        if self.implied.is_empty() {
            return;
        }
        let held: Vec<Box<str>> = scopes.iter().map(Box::from).collect();
        for implied in held.iter().filter_map(|scope| self.implied.get(scope)) {
            for scope in implied {
                // the configuration is checked: each of them is a scope
                let _ = scopes.insert(scope);
            }
        }
    }
}

/// A configured issuer may differ from the document's by one closing slash and by nothing else (S4-11, X22).
pub(crate) fn differ_by_one_slash_at_most(one: &str, other: &str) -> bool {
    one == other
        || one.strip_suffix('/').is_some_and(|one| one == other)
        || other.strip_suffix('/').is_some_and(|other| other == one)
}

/// Follows the map until nothing new is implied. It ends because each scope is added once.
fn closure(map: &[(Box<str>, Vec<Box<str>>)]) -> HashMap<Box<str>, Vec<Box<str>>> {
    let direct: HashMap<&str, &Vec<Box<str>>> = map
        .iter()
        .map(|(scope, implied)| (&**scope, implied))
        .collect();
    let follow = |scope: &str| {
        let mut all: Vec<Box<str>> = Vec::new();
        let mut open: Vec<&str> = vec![scope];
        while let Some(scope) = open.pop() {
            for implied in direct.get(scope).into_iter().copied().flatten() {
                if !all.contains(implied) {
                    all.push(implied.clone());
                    open.push(implied);
                }
            }
        }
        all
    };
    map.iter()
        .map(|(scope, _)| (scope.clone(), follow(scope)))
        .collect()
}
