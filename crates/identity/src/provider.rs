//! One authenticator: what the configuration says about a provider, its issuer strings and its keys.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use config::{Authenticator, AuthenticatorKind, ClaimPath, Jwt, TokenType};
use http::HeaderValue;
use oauth::Scopes;

use crate::claims;
use crate::credential::Credential;
use crate::failure::{Excerpt, Failure};
use crate::jws::{self, Jws};
use crate::keys::{Choice, Key, Keys, Refetch};
use crate::values;

/// A provider, as its tokens are judged.
pub(crate) struct Provider {
    pub(crate) index: usize,
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

impl Provider {
    pub(crate) fn new(
        index: usize,
        authenticator: &Authenticator,
        extras: Arc<[ClaimPath]>,
    ) -> Self {
        let (method, jwt, spelling) = match &authenticator.kind {
            AuthenticatorKind::Oidc(jwt) => ("oidc", jwt, OnceLock::new()),
            AuthenticatorKind::Jwks(jwt, _) => {
                ("jwks", jwt, OnceLock::from(Issuer::new(&jwt.issuer)))
            }
        };
        Self {
            index,
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
        self.read(issuer, key, token_type, token)
    }

    fn read(
        self: &Arc<Self>,
        issuer: &Issuer,
        key: Arc<Key>,
        token_type: TokenType,
        token: &Jws<'_>,
    ) -> Result<Credential, Failure> {
        claims::credential(self, issuer, key, token_type, &token.claims)
    }

    /// The key of this provider whose signature the token has.
    async fn key(&self, token: &Jws<'_>) -> Result<Arc<Key>, Failure> {
        let header = &token.header;
        let candidates = match self.choose(token)? {
            Choice::NoSuchKid => match self.keys.refetch().await {
                Refetch::Done | Refetch::TooSoon => self.choose(token)?,
                Refetch::Failed => return Err(self.unreachable()),
            },
            choice => choice,
        };
        match candidates {
            Choice::Keys(keys) => keys
                .into_iter()
                .find(|key| key.verifies(header.algorithm, token.signed, token.signature))
                .ok_or(Failure::InvalidSignature(if header.has_nonce {
                    "; a nonce in the header marks a token of Microsoft Graph, which only Graph can check"
                } else {
                    ""
                })),
            Choice::Misfit => Err(Failure::AlgorithmNotAllowed {
                found: Excerpt::said(jws::name(header.algorithm)),
                allowed: "the key named is not for it".into(),
            }),
            Choice::NoSuchKid => {
                let kid = header.kid.as_deref().unwrap_or_default();
                Err(Failure::UnknownKey(Excerpt::of(kid).to_string().into()))
            }
            Choice::Ambiguous => Err(Failure::UnknownKey(
                "the token names none, and not exactly one of the set fits".into(),
            )),
        }
    }

    fn choose(&self, token: &Jws<'_>) -> Result<Choice, Failure> {
        let keys = self.keys.current().ok_or_else(|| self.unreachable())?;
        Ok(keys.choose(token.header.kid.as_deref(), token.header.algorithm))
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
            found: Excerpt::said(jws::name(algorithm)),
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
