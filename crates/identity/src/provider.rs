//! One authenticator: what the configuration says about a provider, its issuer strings, and how its credentials are verified.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use config::{Authenticator, AuthenticatorKind, ClaimPath, Dangers, Rules};
use http::HeaderValue;
use oauth::Scopes;

use crate::api_keys;
use crate::authenticators::StartError;
use crate::caller::Clock;
use crate::credential::Credential;
use crate::failure::Failure;
use crate::introspection::{Introspection, Question};
use crate::jws::Jws;
use crate::keys::Keys;
use crate::own::Own;
use crate::signed::Signed;
use crate::values;

/// A provider, as its tokens are judged.
pub(crate) struct Provider {
    /// Unlike that of any other provider of this process, whatever the configuration it is from.
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    /// As in `X-Auth-Method`.
    pub(crate) method: &'static str,
    pub(crate) rules: Rules,
    pub(crate) dangers: Dangers,
    /// Every further claim that some route asks for.
    pub(crate) extras: Arc<[ClaimPath]>,
    /// The issuer in the spelling that tokens must have: for discovery the document's own, once it is known (X22).
    spelling: OnceLock<Issuer>,
    /// Further exact issuer strings (Entra v1/v2).
    others: Vec<Issuer>,
    /// scope → everything it implies, however many steps away.
    implied: HashMap<Box<str>, Vec<Box<str>>>,
    /// Whether its issuer is an authorization server, which clients can be sent to.
    pub(crate) is_server: bool,
    pub(crate) verifier: Verifier,
}

/// How credentials are verified.
pub(crate) enum Verifier {
    /// By the signatures of keys that the provider publishes.
    Signed(Box<Signed>),
    /// By what the configuration holds.
    Own(Box<Own>),
    /// By asking the provider.
    Introspection(Box<Introspection>),
    /// By a table that requests are compared with before anything else: there is nothing to verify.
    ApiKeys,
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
    /// The error is that of a key that is none.
    pub(crate) fn new(
        authenticator: &Authenticator,
        extras: Arc<[ClaimPath]>,
    ) -> Result<Self, StartError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let rules_of_keys;
        let (method, rules, issuers, verifier) = match &authenticator.kind {
            AuthenticatorKind::Oidc {
                jwt,
                algorithms,
                fetch,
            } => (
                "oidc",
                &jwt.rules,
                &*jwt.issuers,
                Verifier::Signed(Box::new(Signed::new(jwt, algorithms, fetch))),
            ),
            AuthenticatorKind::Jwks {
                jwt,
                algorithms,
                fetch,
                keys: _,
            } => (
                "jwks",
                &jwt.rules,
                &*jwt.issuers,
                Verifier::Signed(Box::new(Signed::new(jwt, algorithms, fetch))),
            ),
            AuthenticatorKind::Introspection(settings) => (
                "introspection",
                &settings.rules,
                &[][..],
                Verifier::Introspection(Box::new(Introspection::new(settings))),
            ),
            AuthenticatorKind::ApiKeys(keys) => {
                rules_of_keys = api_keys::rules(&authenticator.name, keys);
                ("api_keys", &rules_of_keys, &[][..], Verifier::ApiKeys)
            }
            AuthenticatorKind::SharedSecret(settings) => (
                "shared_secret",
                &settings.jwt.rules,
                &*settings.jwt.issuers,
                Verifier::Own(Box::new(Own::shared_secret(settings))),
            ),
            AuthenticatorKind::PublicKey(settings) => {
                let own = Own::public_key(settings).map_err(|why| StartError {
                    authenticator: authenticator.name.clone(),
                    deed: "cannot use the public key of",
                    url: settings.jwt.rules.issuer.to_string(),
                    cause: why.into(),
                    hints: vec!["`openssl pkey -pubin -in key.pem -pubcheck -noout` says more"],
                })?;
                (
                    "public_key",
                    &settings.jwt.rules,
                    &*settings.jwt.issuers,
                    Verifier::Own(Box::new(own)),
                )
            }
        };
        let spelling = match &authenticator.kind {
            AuthenticatorKind::Oidc { .. } => OnceLock::new(),
            AuthenticatorKind::Jwks { .. }
            | AuthenticatorKind::Introspection(_)
            | AuthenticatorKind::SharedSecret(_)
            | AuthenticatorKind::PublicKey(_)
            | AuthenticatorKind::ApiKeys(_) => OnceLock::from(Issuer::new(&rules.issuer)),
        };
        let is_server = match &authenticator.kind {
            AuthenticatorKind::Oidc { .. }
            | AuthenticatorKind::Jwks { .. }
            | AuthenticatorKind::Introspection(_) => true,
            AuthenticatorKind::SharedSecret(_)
            | AuthenticatorKind::PublicKey(_)
            | AuthenticatorKind::ApiKeys(_) => false,
        };
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: authenticator.name.clone(),
            method,
            rules: rules.clone(),
            dangers: authenticator.dangers.clone(),
            extras,
            spelling,
            others: issuers.iter().map(|issuer| Issuer::new(issuer)).collect(),
            implied: closure(&rules.scope_map),
            is_server,
            verifier,
        })
    }

    /// Whether tokens may come from it; what is no token has an issuer that no token may claim.
    pub(crate) fn takes_tokens(&self) -> bool {
        match self.verifier {
            Verifier::Signed(_) | Verifier::Introspection(_) | Verifier::Own(_) => true,
            Verifier::ApiKeys => false,
        }
    }

    /// Every issuer string that it takes.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter().map(|issuer| &*issuer.text);
        [self.issuer()].into_iter().chain(others)
    }

    /// The issuer, in the provider's own spelling once that is known.
    pub(crate) fn issuer(&self) -> &str {
        self.spelling
            .get()
            .map_or(&*self.rules.issuer, |issuer| &issuer.text)
    }

    /// Takes the document's spelling; false if another one was taken before.
    pub(crate) fn spell(&self, issuer: &str) -> bool {
        let known = self.spelling.get_or_init(|| Issuer::new(issuer));
        *known.text == *issuer
    }

    /// Compares byte for byte (SEC-10 has the only exception, and it is not about issuers).
    pub(crate) fn select(&self, iss: &str) -> Selected<'_> {
        if !self.takes_tokens() {
            return Selected::No;
        }
        let known = self.spelling.get();
        if let Some(issuer) = known
            .into_iter()
            .chain(&self.others)
            .find(|issuer| *issuer.text == *iss)
        {
            return Selected::Issuer(issuer);
        }
        if known.is_none() && differ_by_one_slash_at_most(iss, &self.rules.issuer) {
            return Selected::NotYetKnown;
        }
        Selected::No
    }

    /// Checks a signed token of this provider, as its `iss` says it is. With `vouched` somebody else has checked its signature (X2).
    pub(crate) async fn verify(
        self: &Arc<Self>,
        issuer: &Issuer,
        token: &Jws<'_>,
        vouched: bool,
    ) -> Result<Credential, Failure> {
        match &self.verifier {
            Verifier::Signed(signed) => signed.verify(self, issuer, token, vouched).await,
            Verifier::Own(own) => own.verify(self, issuer, token, vouched),
            Verifier::ApiKeys => Err(Failure::NotAJwt("an API key is no token")),
            // whose tokens are never read here: a route selects it in another way
            Verifier::Introspection(_) => Err(Failure::InvalidSignature("")),
        }
    }

    /// What the provider says of a token.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        question: Question<'_>,
        clock: &Clock,
    ) -> Result<Arc<Credential>, Failure> {
        match &self.verifier {
            Verifier::Introspection(introspection) => {
                introspection.ask(self, question, clock).await
            }
            // nobody selects it for that
            Verifier::Signed(_) | Verifier::Own(_) | Verifier::ApiKeys => Err(self.unreachable()),
        }
    }

    pub(crate) fn unreachable(&self) -> Failure {
        Failure::JwksUnreachable {
            authenticator: self.name.clone(),
        }
    }

    /// Whether it can do its work, or need not yet.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.verifier {
            Verifier::Signed(signed) => signed.is_ready(),
            Verifier::Introspection(_) | Verifier::Own(_) | Verifier::ApiKeys => true,
        }
    }

    /// Its keys, where they are fetched.
    pub(crate) fn keys(&self) -> Option<&Arc<Keys>> {
        match &self.verifier {
            Verifier::Signed(signed) => Some(&signed.keys),
            Verifier::Introspection(_) | Verifier::Own(_) | Verifier::ApiKeys => None,
        }
    }

    /// How it is asked, where it is asked.
    pub(crate) fn introspection(&self) -> Option<&Introspection> {
        match &self.verifier {
            Verifier::Introspection(introspection) => Some(introspection),
            Verifier::Signed(_) | Verifier::Own(_) | Verifier::ApiKeys => None,
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
