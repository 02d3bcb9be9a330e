//! Tokens that the operator's own services sign: with a secret that the gateway knows too, or with a private key.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Algorithm, AudienceClaim, Hmac, Jwt, SharedSecret, SignedByOne};

use crate::claims;
use crate::credential::{Credential, Life};
use crate::failure::{Failure, Stage};
use crate::jws::{Alg, Jws};
use crate::keys::Key;
use crate::provider::{Issuer, Provider};
use crate::steps;

/// How tokens of the operator's own are verified.
pub(crate) struct Own {
    jwt: Jwt,
    signer: Signer,
}

/// What their signatures are checked with.
enum Signer {
    Shared(Box<Shared>),
    Pair {
        key: Key,
        /// All of them fit the key.
        algorithms: Vec<Algorithm>,
    },
}

/// A shared secret, good for one algorithm alone (RFC 8725 section 3.1).
struct Shared {
    algorithm: Hmac,
    key: hmac::Key,
}

impl Own {
    pub(crate) fn shared_secret(settings: &SharedSecret) -> Self {
        Self {
            jwt: settings.jwt.clone(),
            signer: Signer::Shared(Box::new(Shared::new(settings))),
        }
    }

    /// The error says why the numbers are no key.
    pub(crate) fn public_key(settings: &SignedByOne) -> Result<Self, &'static str> {
        Ok(Self {
            jwt: settings.jwt.clone(),
            signer: Signer::Pair {
                key: Key::of_numbers(settings.key.numbers())?,
                algorithms: settings.algorithms.clone(),
            },
        })
    }

    /// Checks a token of this provider: header, signature, then everything in the claims that no route changes. A `kid` says
    /// nothing here, for there is no choice.
    pub(crate) fn verify(
        &self,
        provider: &Arc<Provider>,
        issuer: &Issuer,
        token: &Jws<'_>,
        vouched: bool,
    ) -> Result<Credential, Failure> {
        let header = &token.header;
        let is_good = self.signer.judges(header.algorithm)?;
        steps::passed(Stage::Algorithm, || {
            format!("{}, as configured", header.algorithm.name())
        });
        let token_type = claims::typ(header.typ.as_deref(), &self.jwt.token_types)?;
        if !vouched && !is_good.verifies(token) {
            return Err(Failure::InvalidSignature(""));
        }
        steps::passed(Stage::Signature, || match self.signer {
            _ if vouched => steps::VOUCHED.into(),
            Signer::Shared(_) => "made with the shared secret".into(),
            Signer::Pair { .. } => "that of the configured key".into(),
        });
        let marks = match self.signer {
            Signer::Shared(_) => claims::Marks::Foreign, // whoever knows the secret says what a token is (SEC-13)
            Signer::Pair { .. } => claims::Marks::All,
        };
        claims::judge_kind(token_type, &self.jwt, marks, &token.claims)?;
        steps::passed(Stage::Type, || claims::words(header.typ.as_deref()));
        claims::credential(
            provider,
            claims::Said {
                issuer,
                life: Life::Settings,
                audience: AudienceClaim::Aud,
                longest: self.jwt.max_token_lifetime,
                claims: &token.claims,
            },
        )
    }
}

/// What checks one token's signature.
enum Judge<'s> {
    Shared(&'s Shared),
    Pair(&'s Key, Algorithm),
}

impl Signer {
    fn judges(&self, alg: Alg) -> Result<Judge<'_>, Failure> {
        match (self, alg) {
            (Self::Shared(shared), Alg::Shared(hmac)) if shared.algorithm == hmac => {
                Ok(Judge::Shared(shared))
            }
            (Self::Pair { key, algorithms }, Alg::Pair(algorithm))
                if algorithms.contains(&algorithm) =>
            {
                Ok(Judge::Pair(key, algorithm))
            }
            (Self::Shared(_) | Self::Pair { .. }, _) => Err(self.not_allowed(alg)),
        }
    }

    fn not_allowed(&self, found: Alg) -> Failure {
        let allowed: Vec<&str> = match self {
            Self::Shared(shared) => vec![shared.algorithm.name()],
            Self::Pair { algorithms, .. } => {
                let algorithms = algorithms.iter();
                algorithms.map(|one| Alg::Pair(*one).name()).collect()
            }
        };
        Failure::algorithm_not_allowed(found.name(), &allowed)
    }
}

impl Judge<'_> {
    fn verifies(&self, token: &Jws<'_>) -> bool {
        match self {
            Self::Shared(shared) => shared.verifies(token.signed, token.signature),
            Self::Pair(key, algorithm) => key.verifies(*algorithm, token.signed, token.signature),
        }
    }
}

impl Shared {
    fn new(settings: &SharedSecret) -> Self {
        Self {
            algorithm: settings.algorithm,
            key: hmac::Key::new(
                function(settings.algorithm),
                settings.secret.expose().as_bytes(),
            ),
        }
    }

    /// The comparison takes as long for a signature that is nearly right as for any other of its length.
    fn verifies(&self, signed: &str, signature: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|tag| hmac::verify(&self.key, signed.as_bytes(), &tag).is_ok())
    }
}

/// The same algorithm in the provider's words.
pub(crate) fn function(algorithm: Hmac) -> hmac::Algorithm {
    match algorithm {
        Hmac::Hs256 => hmac::HMAC_SHA256,
        Hmac::Hs384 => hmac::HMAC_SHA384,
        Hmac::Hs512 => hmac::HMAC_SHA512,
    }
}
