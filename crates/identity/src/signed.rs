//! Signed tokens of a provider that publishes its keys.

use std::sync::Arc;

use config::{Algorithm, Fetch, Jwt, Start};

use crate::claims::{self, Marks};
use crate::credential::{Credential, Life};
use crate::failure::{Failure, Stage, excerpt};
use crate::jws::{self, Alg, Jws};
use crate::keys::{Choice, Key, Keys, Refetch};
use crate::provider::{Issuer, Provider};
use crate::steps;

/// How the tokens of one provider are verified.
pub(crate) struct Signed {
    pub(crate) jwt: Jwt,
    algorithms: Vec<Algorithm>,
    pub(crate) fetch: Fetch,
    pub(crate) keys: Arc<Keys>,
}

/// What the keys at hand say of a token.
enum Tried {
    Signed(Arc<Key>),
    /// No, and a newer set would say the same.
    Refused(Failure),
    /// No, but the set may be older than the key.
    Outdated(Failure),
}

impl Signed {
    pub(crate) fn new(jwt: &Jwt, algorithms: &[Algorithm], fetch: &Fetch) -> Self {
        Self {
            jwt: jwt.clone(),
            algorithms: algorithms.to_vec(),
            fetch: fetch.clone(),
            keys: Arc::new(Keys::new()),
        }
    }

    /// Whether there are keys, or none are needed yet.
    pub(crate) fn is_ready(&self) -> bool {
        match self.fetch.start {
            Start::Required => self.keys.are_there(),
            Start::Lazy => true,
        }
    }

    /// Checks a token of this provider: header, key, signature, then everything in the claims that no route changes.
    pub(crate) async fn verify(
        &self,
        provider: &Arc<Provider>,
        issuer: &Issuer,
        token: &Jws<'_>,
        vouched: bool,
    ) -> Result<Credential, Failure> {
        let header = &token.header;
        let algorithm = match header.algorithm {
            Alg::Pair(algorithm) if self.algorithms.contains(&algorithm) => algorithm,
            other @ (Alg::Pair(_) | Alg::Shared(_)) => return Err(self.not_allowed(other)),
        };
        steps::passed(Stage::Algorithm, || {
            let all = self.taken().join(", ");
            format!("{}; the authenticator takes {all}", header.algorithm.name())
        });
        let token_type = claims::typ(header.typ.as_deref(), &self.jwt.token_types)?;
        let life = if vouched {
            steps::passed(Stage::Signature, || steps::VOUCHED.into());
            Life::Settings
        } else {
            let key = self.key(provider, algorithm, token).await?;
            steps::passed(Stage::Signature, || "the key's own".into());
            Life::Key(key)
        };
        claims::judge_kind(token_type, &self.jwt, Marks::All, &token.claims)?;
        steps::passed(Stage::Type, || claims::words(header.typ.as_deref()));
        claims::credential(
            provider,
            claims::Said {
                issuer,
                life,
                audience: self.jwt.audience_claim,
                longest: self.jwt.max_token_lifetime,
                claims: &token.claims,
            },
        )
    }

    /// The key of this provider whose signature the token has; a newer set is asked for where that may help.
    async fn key(
        &self,
        provider: &Provider,
        algorithm: Algorithm,
        token: &Jws<'_>,
    ) -> Result<Arc<Key>, Failure> {
        let failure = match self.known_key(provider, algorithm, token)? {
            Tried::Signed(key) => return Ok(key),
            Tried::Refused(failure) => return Err(failure),
            Tried::Outdated(failure) => failure,
        };
        if self.keys.refetch().await == Refetch::Failed {
            // whether such a key exists nobody can tell; whether the one we know signed this, we can
            return Err(match failure {
                Failure::UnknownKey(_) => provider.unreachable(),
                other => other,
            });
        }
        match self.known_key(provider, algorithm, token)? {
            Tried::Signed(key) => Ok(key),
            Tried::Refused(failure) | Tried::Outdated(failure) => Err(failure),
        }
    }

    fn known_key(
        &self,
        provider: &Provider,
        algorithm: Algorithm,
        token: &Jws<'_>,
    ) -> Result<Tried, Failure> {
        let header = &token.header;
        let set = self.keys.current().ok_or_else(|| provider.unreachable())?;
        let keys = match set.choose(header.kid.as_deref(), algorithm) {
            Choice::Keys(keys) => keys,
            Choice::Misfit => {
                return Ok(Tried::Refused(Failure::AlgorithmNotAllowed {
                    found: jws::name(algorithm).into(),
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
        steps::passed(Stage::Key, || {
            let kid = header.kid.as_deref().map(excerpt);
            let kid = kid.map_or("no kid".into(), |kid| format!("kid {kid}"));
            format!(
                "{kid}; of {} keys {} may have signed it",
                set.len(),
                keys.len()
            )
        });
        let signed = keys
            .into_iter()
            .find(|key| key.verifies(algorithm, token.signed, token.signature));
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

    fn not_allowed(&self, found: Alg) -> Failure {
        Failure::algorithm_not_allowed(found.name(), &self.taken())
    }

    fn taken(&self) -> Vec<&'static str> {
        self.algorithms.iter().map(|one| jws::name(*one)).collect()
    }
}
