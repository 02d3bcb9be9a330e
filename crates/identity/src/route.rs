//! What one route takes for a credential.

mod again;

use std::net::IpAddr;
use std::sync::Arc;

use config::Requirement;
use http::HeaderValue;
use serde_json::Value;

use crate::api_keys::{self, KeyRing};
use crate::bearer;
use crate::cache::{Credentials, Digest, Found};
use crate::caller::{Caller, Clock, Timestamp};
use crate::credential::{Credential, Expected};
use crate::deny::DenyList;
use crate::evidence::Evidence;
use crate::failure::{Failure, Stage, excerpt};
use crate::introspection::{Form, Introspection, Question};
use crate::jws::Jws;
use crate::pair::Pair;
use crate::proof::{Demand, Scheme};
use crate::provider::{Issuer, Provider, Selected};
use crate::steps;

pub use again::Gone;

/// Answers, for one route, who is calling.
pub struct RouteAuthenticator {
    pub(crate) cache: Arc<Credentials>,
    pub(crate) clock: Clock,
    pub(crate) deny: Arc<DenyList>,
    pub(crate) demand: Demand,
    /// Those that the route accepts, and the audiences that count there for each.
    pub(crate) accepted: Box<[(Arc<Provider>, Expected)]>,
    /// The API keys that it accepts.
    pub(crate) keys: KeyRing,
    /// The number of the set of authenticators: credentials are remembered per set.
    pub(crate) realm: u32,
    /// For each further claim of the route, its place in a credential; `None` if the route has none.
    pub(crate) extras: Option<Arc<[Option<usize>]>>,
}

/// What a request brings to say who is calling.
pub enum Presented<'r> {
    Nothing,
    /// A credential that was verified before, and that still counts here.
    Known(Caller),
    /// One that says nothing yet.
    Unknown(Unverified<'r>),
}

/// A credential of which nothing is known but its form. [`RouteAuthenticator::caller`] finds out.
pub struct Unverified<'r> {
    token: &'r str,
    scheme: Scheme,
    digest: Digest,
    evidence: Evidence<'r>,
    /// The API key that came with it, which is good.
    key: Option<Arc<Credential>>,
    known: bool,
}

impl Unverified<'_> {
    /// Whether it was good the last time its provider was asked, a while ago.
    pub fn was_good(&self) -> bool {
        self.known
    }
}

impl RouteAuthenticator {
    /// Looks at what is presented without verifying anything: that costs, and whoever asks may want to be paid first.
    ///
    /// A bad credential is a failure, whatever stands beside it; two good ones have to agree (SEC-2).
    pub fn look<'r>(
        &self,
        evidence: &Evidence<'r>,
        now: Timestamp,
    ) -> Result<Presented<'r>, Failure> {
        let key = self.keys.presented(evidence.headers)?;
        if let Some(key) = &key {
            self.judge(key, now)?;
        }
        let Some((scheme, token)) = bearer::token(evidence.headers)? else {
            let Some(key) = key else {
                return Ok(Presented::Nothing);
            };
            self.demand.of_key()?;
            return Ok(Presented::Known(self.admit(key, None, false, now)?));
        };
        let digest = Digest::of(self.realm, token);
        let found = self.cache.find(&digest, now);
        let unverified = Unverified {
            token,
            scheme,
            digest,
            evidence: *evidence,
            key,
            known: matches!(found, Found::Over),
        };
        let Found::Good(credential) = found else {
            return Ok(Presented::Unknown(unverified));
        };
        self.judge(&credential, now)?;
        let nonce_due = self.prove(&credential, &unverified, now)?;
        let caller = self.admit(credential, unverified.key, nonce_due, now)?;
        Ok(Presented::Known(caller.with_token(evidence.headers)))
    }

    /// Who is calling, by a credential that has to be verified. It may take as long as it takes to fetch keys.
    pub async fn caller(
        &self,
        unverified: Unverified<'_>,
        now: Timestamp,
    ) -> Result<Caller, Failure> {
        let (digest, known) = (unverified.digest, unverified.known);
        let caller = self.verified(unverified, now).await;
        if let Err(failure) = &caller
            && known
            && failure.retry_after().is_none()
            && failure.stage() != Stage::Proof
        {
            self.cache.forget(&digest); // it was good, and is no more: from here on it pays before anybody is asked about it (SEC-70)
        }
        caller
    }

    async fn verified(
        &self,
        unverified: Unverified<'_>,
        now: Timestamp,
    ) -> Result<Caller, Failure> {
        let (token, evidence) = (unverified.token, &unverified.evidence);
        let (credential, vouched) = if let Some(provider) = self.asked(token)? {
            steps::passed(Stage::Form, || {
                format!("not read here: {} is asked about it", provider.name)
            });
            let question = Question {
                token,
                key: unverified.digest.sha256(),
                client: evidence.client,
                now,
            };
            let credential = provider.ask(question, &self.clock).await?;
            steps::passed(Stage::Introspection, || {
                format!("{} says that it is active", provider.name)
            });
            (credential, false)
        } else {
            let peer = (evidence.peer, evidence.peer_verified);
            let (credential, vouched) = self.verify(token, peer).await?;
            (Arc::new(credential), vouched)
        };
        // a verification that waited for keys may end later than it began
        let now = now.max((self.clock)());
        self.judge(&credential, now)?;
        if let Some(key) = &unverified.key {
            self.judge(key, now)?;
        }
        // not before it is good here: tokens meant for others must not fill the memory; and a peer's word is good for this peer alone
        if !vouched {
            self.cache.keep(unverified.digest, &credential);
        }
        let nonce_due = self.prove(&credential, &unverified, now)?;
        let headers = unverified.evidence.headers;
        let caller = self.admit(credential, unverified.key, nonce_due, now)?;
        Ok(caller.with_token(headers))
    }

    /// Asks of whoever presents a token what the configuration says; else a token that is bound needs its proof, and others need none.
    #[must_use]
    pub fn demanding(mut self, requirement: &Requirement) -> Self {
        self.demand.set(requirement);
        self
    }

    /// The nonce for the next DPoP proof; `None` where proofs need none (RFC 9449 section 9).
    pub fn nonce(&self, now: Timestamp) -> Option<HeaderValue> {
        self.demand.nonce(now)
    }

    /// The authorization servers to name to clients, each once, in its document's own spelling once that is known (S3-27). None where
    /// only credentials count that the operator hands out.
    pub fn issuers(&self) -> Vec<Box<str>> {
        let mut issuers: Vec<Box<str>> = Vec::with_capacity(self.accepted.len());
        let servers = self
            .accepted
            .iter()
            .filter(|(provider, _)| provider.is_server);
        for (provider, _) in servers {
            // one that signs some of its tokens and is asked about others is two authenticators
            if !issuers.iter().any(|known| **known == *provider.issuer()) {
                issuers.push(provider.issuer().into());
            }
        }
        issuers
    }

    /// Whether tokens are accepted, and not API keys alone.
    pub fn takes_tokens(&self) -> bool {
        self.accepted
            .iter()
            .any(|(provider, _)| provider.takes_tokens())
    }

    /// The last thing asked of a token that is good and counts here: whether it comes from whom it was issued to, at every use
    /// (SEC-12, SEC-15).
    fn prove(
        &self,
        credential: &Credential,
        presented: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let Unverified {
            scheme,
            digest,
            evidence,
            ..
        } = presented;
        let cnf = credential.confirmation.as_deref();
        let nonce_due = self
            .demand
            .judge(cnf, *scheme, &digest.sha256, evidence, now)
            .inspect_err(|_| steps::known(|| self.known(credential, now)))?;
        if cnf.is_some() {
            steps::passed(Stage::Proof, || {
                "it comes from whom it was issued to (cnf)".into()
            });
        }
        Ok(nonce_due)
    }

    fn admit(
        &self,
        credential: Arc<Credential>,
        key: Option<Arc<Credential>>,
        nonce_due: bool,
        now: Timestamp,
    ) -> Result<Caller, Failure> {
        let pair = match key {
            Some(key) => Some(Arc::new(Pair::of(&credential, key)?)),
            None => None,
        };
        Ok(Caller {
            late: credential.late(now),
            credential,
            extras: self.extras.clone(),
            pair,
            token: None,
            nonce_due,
        })
    }

    fn judge(&self, credential: &Credential, now: Timestamp) -> Result<(), Failure> {
        self.judged(credential, now)
            .inspect_err(|_| steps::known(|| self.known(credential, now)))
    }

    fn judged(&self, credential: &Credential, now: Timestamp) -> Result<(), Failure> {
        match self.expected(credential) {
            Some(expected) => credential.judge(expected, now)?,
            None => return Err(self.mismatch(excerpt(&credential.issuer))),
        }
        if let Some(by) = self.deny.denies(credential) {
            return Err(Failure::Denied(by));
        }
        credential.tell_if_expired(now);
        Ok(())
    }

    /// The audiences that count here for whoever verified a credential; `None` if the route does not take that one.
    pub(crate) fn expected(&self, credential: &Credential) -> Option<&Expected> {
        let verified = |provider: &Provider| provider.id == credential.provider.id;
        let mut accepted = self.accepted.iter();
        let (_, expected) = accepted.find(|(provider, _)| verified(provider))?;
        Some(expected)
    }

    /// What a token says, and whether that is the word of the peer that brings it.
    async fn verify(
        &self,
        token: &str,
        (peer, has_certificate): (IpAddr, bool),
    ) -> Result<(Credential, bool), Failure> {
        if api_keys::looks_like_one(token) {
            // before anybody is asked about it: it is nobody else's business
            return Err(Failure::NotAJwt(api_keys::NO_TOKEN));
        }
        let token = Jws::read(token)?;
        steps::passed(Stage::Form, || "a JWT: three parts, one reading".into());
        let (provider, issuer) = self.select(&token)?;
        let vouched = provider.dangers.vouches(peer, has_certificate);
        let credential = provider.verify(issuer, &token, vouched).await?;
        tracing::debug!(
            authenticator = %provider.name,
            sub = %excerpt(&credential.subject),
            scope = %credential.scopes,
            "token claims"
        );
        Ok((credential, vouched))
    }

    /// The token says who issued it, and that alone selects whose keys and rules are used, before any key is tried (S3-32, X20).
    fn select(&self, token: &Jws<'_>) -> Result<(&Arc<Provider>, &Issuer), Failure> {
        let iss = match token.claims.get("iss") {
            Some(Value::String(iss)) => iss,
            Some(_) => return Err(Failure::malformed("iss is not a string")),
            None => return Err(self.mismatch("none".into())),
        };
        for (provider, _) in self.reading() {
            match provider.select(iss) {
                Selected::Issuer(issuer) => {
                    steps::passed(Stage::Issuer, || self.chosen(iss, provider));
                    return Ok((provider, issuer));
                }
                Selected::NotYetKnown => return Err(provider.unreachable()),
                Selected::No => {}
            }
        }
        Err(self.mismatch(excerpt(iss)))
    }

    /// Who is asked about this token; `None` where it is read here. That a token did not pass here is never a reason to ask (SEC-17).
    fn asked(&self, token: &str) -> Result<Option<&Arc<Provider>>, Failure> {
        let mut asked = self.asking().peekable();
        if asked.peek().is_none() || api_keys::looks_like_one(token) {
            return Ok(None); // a key is nobody else's business
        }
        let begins = |asked: &(&Arc<Provider>, &Introspection)| token.starts_with(asked.1.prefix());
        match Form::of(token) {
            Form::Opaque => {
                let longest = asked.filter(begins).max_by_key(|one| one.1.prefix().len());
                longest
                    .map(|(provider, _)| Some(provider))
                    .ok_or(Failure::NotAJwt(
                        "opaque, and it begins like the tokens of no authenticator",
                    ))
            }
            Form::Jwt(None) => Ok(None),
            Form::Jwt(Some(iss)) => {
                let mut reading = self.reading();
                if reading.any(|(provider, _)| !matches!(provider.select(&iss), Selected::No)) {
                    return Ok(None);
                }
                let its_own = asked
                    .filter(begins)
                    .filter(|(provider, _)| *provider.issuer() == *iss);
                let longest = its_own.max_by_key(|one| one.1.prefix().len());
                Ok(longest.map(|(provider, _)| provider))
            }
        }
    }

    /// Those that are asked about tokens.
    fn asking(&self) -> impl Iterator<Item = (&Arc<Provider>, &Introspection)> {
        let accepted = self.accepted.iter();
        accepted.filter_map(|(provider, _)| Some((provider, provider.introspection()?)))
    }

    /// Those whose tokens are read here.
    fn reading(&self) -> impl Iterator<Item = &(Arc<Provider>, Expected)> {
        let accepted = self.accepted.iter();
        accepted.filter(|(provider, _)| provider.introspection().is_none())
    }

    fn mismatch(&self, found: Box<str>) -> Failure {
        let expected: Vec<_> = self
            .accepted
            .iter()
            .filter(|(provider, _)| provider.takes_tokens())
            .flat_map(|(provider, _)| provider.issuers())
            .collect();
        Failure::IssuerMismatch {
            expected: format!("{expected:?}").into(),
            found,
        }
    }
}
