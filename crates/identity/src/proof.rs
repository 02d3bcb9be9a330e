//! Proof of possession: whether a token is presented by whom it was issued to (SEC-15).
//!
//! A token with `cnf` counts only with the proof it asks for, at each request, however well it is remembered: a DPoP proof signed by
//! its key (RFC 9449), or the client certificate of the connection (RFC 8705). A proof is judged when the token is known to be good
//! here: otherwise anybody could fill the memory of used proofs.

mod confirmation;
mod dpop;
mod htu;
mod nonce;
mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::{Auth, Config, Requirement, SenderConstrained};
use http::HeaderValue;

use crate::caller::Timestamp;
use crate::evidence::Evidence;
use crate::failure::Failure;
pub(crate) use confirmation::Confirmation;
use htu::Target;
use nonce::{Nonce, Nonces};
use replay::{Replay, Taken};

/// What proofs may be signed with, best first.
pub const PROOF_ALGORITHMS: [&str; 10] = [
    "ES256", "EdDSA", "Ed25519", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512",
];

/// What one process remembers of proofs. It outlives configurations.
pub(crate) struct Proofs {
    used: Replay,
    nonces: Nonces,
    /// The longest that any route has let a proof count, in seconds: used ones are remembered for so long.
    kept: AtomicU64,
    /// Proofs that were made before are taken no more: they may have been used and forgotten, while they were kept for a shorter
    /// time than now.
    floor: AtomicU64,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    /// With a proof (RFC 9449 section 7.1).
    Dpop,
}

/// What one route asks of whoever presents a token.
pub(crate) struct Demand {
    memory: Arc<Proofs>,
    /// Whether tokens that are bound to nothing are refused.
    required: bool,
    /// Whether a proof needs a nonce of ours.
    nonce: bool,
    /// Seconds for which a proof counts.
    max_age: u64,
}

impl Proofs {
    pub(crate) fn new() -> Self {
        Self {
            used: Replay::new(),
            nonces: Nonces::new(),
            kept: AtomicU64::new(0),
            floor: AtomicU64::new(0),
        }
    }

    /// From here on routes let proofs count for as long as they do in this configuration.
    pub(crate) fn keep(&self, config: &Config, now: Timestamp) {
        let ages = config.routes.iter().filter_map(|route| match &route.auth {
            Auth::Anonymous => None,
            Auth::Required(requirement) => Some(requirement.dpop.max_age.as_secs()),
        });
        let max_age = ages.max().unwrap_or_default();
        let before = self.kept.fetch_max(max_age, Ordering::AcqRel);
        if before != 0 && before < max_age {
            let known = now.0.saturating_sub(before);
            self.floor.fetch_max(known, Ordering::AcqRel);
        }
    }
}

impl Demand {
    /// What a route asks that says nothing of it.
    pub(crate) fn of(memory: &Arc<Proofs>) -> Self {
        Self {
            memory: Arc::clone(memory),
            required: false,
            nonce: false,
            max_age: 60,
        }
    }

    pub(crate) fn set(&mut self, requirement: &Requirement) {
        self.required = match requirement.sender_constrained {
            SenderConstrained::Required => true,
            SenderConstrained::Optional => false,
        };
        self.nonce = requirement.dpop.nonce;
        self.max_age = requirement.dpop.max_age.as_secs();
    }

    /// The nonce to give out now; `None` if the route asks for none.
    pub(crate) fn nonce(&self, now: Timestamp) -> Option<HeaderValue> {
        self.nonce.then(|| self.memory.nonces.current(now))
    }

    /// Whether a token with this `cnf` may be presented here at all: what there is to ask of a credential without a request.
    pub(crate) fn takes(&self, cnf: Option<&Confirmation>) -> bool {
        cnf.is_some() || !self.required
    }

    /// Whether an API key counts here, which has nothing to prove it by.
    pub(crate) fn of_key(&self) -> Result<(), Failure> {
        if self.required {
            return Err(Failure::ProofRequired(
                "the route takes no API key without a token that is bound (cnf)",
            ));
        }
        Ok(())
    }

    /// Judges whether a good token comes from whom it was issued to, and uses the proof up. `hash` is the token's SHA-256.
    ///
    /// A bearer token that is bound to nothing passes with a look at two fields; a `DPoP` header beside it means nothing (RFC 9449
    /// section 7.1 knows it with its own scheme alone). True if the client should be given the next nonce.
    pub(crate) fn judge(
        &self,
        cnf: Option<&Confirmation>,
        scheme: Scheme,
        hash: &[u8; 32],
        evidence: &Evidence<'_>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        match (cnf, scheme) {
            (None, Scheme::Bearer) if !self.required => Ok(false),
            (None, Scheme::Bearer) => Err(Failure::ProofRequired(
                "the route takes no token that is bound to nothing (no cnf)",
            )),
            (None, Scheme::Dpop) => Err(UNBOUND),
            (Some(cnf), scheme) => self.prove(cnf, scheme, hash, evidence, now),
        }
    }

    fn prove(
        &self,
        cnf: &Confirmation,
        scheme: Scheme,
        hash: &[u8; 32],
        evidence: &Evidence<'_>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        cnf.holds_certificate(evidence.certificate)?;
        match (&cnf.jkt, scheme) {
            (None, Scheme::Bearer) => Ok(false),
            // the stripped-down token of RFC 9449 section 7.2
            (Some(_), Scheme::Bearer) => Err(Failure::ProofRequired(
                "the token is bound to a key (cnf.jkt) and came as a bearer token",
            )),
            (None, Scheme::Dpop) => Err(UNBOUND),
            (Some(jkt), Scheme::Dpop) => self.possesses(jkt, hash, evidence, now),
        }
    }

    fn possesses(
        &self,
        jkt: &[u8; 32],
        hash: &[u8; 32],
        evidence: &Evidence<'_>,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let wanted = dpop::Wanted {
            method: evidence.method.as_str(),
            target: Target {
                secure: evidence.secure,
                authority: evidence.authority,
                path: evidence.path,
            },
            token: hash,
            jkt,
            max_age: self.max_age,
            now,
        };
        let proof = dpop::check(dpop::header(evidence.headers)?, &wanted)?;
        let ending = self.nonce && self.fresh(proof.nonce.as_deref(), now)?;
        let memory = &self.memory;
        if proof.issued_at.0 < memory.floor.load(Ordering::Acquire) {
            return Err(Failure::invalid_proof(
                "it was made before proofs counted for so long",
            ));
        }
        let kept = memory.kept.load(Ordering::Acquire).max(self.max_age);
        // a clock that is set back must not make it good again
        let until = proof.issued_at.0.saturating_add(kept + dpop::AHEAD);
        match memory.used.take(jkt, &proof.jti, Timestamp(until), now) {
            Ok(()) => Ok(ending),
            Err(Taken::Before) => Err(Failure::invalid_proof("it was used before")),
            Err(Taken::Full) => Err(Failure::ProofsFull("all clients together")),
            Err(Taken::Share) => Err(Failure::ProofsFull("this client's key")),
        }
    }

    /// Whether the nonce is about to end.
    fn fresh(&self, nonce: Option<&str>, now: Timestamp) -> Result<bool, Failure> {
        let Some(nonce) = nonce else {
            return Err(Failure::NonceNeeded("it has none"));
        };
        match self.memory.nonces.judge(nonce, now) {
            Nonce::Current => Ok(false),
            Nonce::Ending => Ok(true),
            Nonce::Stale => Err(Failure::NonceNeeded("it is none of this gateway's latest")),
        }
    }
}

/// Whoever sends a proof means that the token is worth nothing without it. This one is.
const UNBOUND: Failure =
    Failure::OtherKey("the token came with a proof and is bound to no key (no cnf.jkt)");
