//! Tokens that the operator's own services sign.

use super::{Algorithm, Jwt};
use crate::public_key::PublicKey;
use crate::secret::Secret;

/// Tokens signed with a secret that both sides know: whoever can check one can make one.
#[derive(Debug, Clone)]
pub struct SharedSecret {
    pub jwt: Jwt,
    /// The only one taken.
    pub algorithm: Hmac,
    pub secret: Secret,
}

/// Two configurations are compared when one replaces the other. Nobody who presents a credential gets here, so time tells nothing.
impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            jwt,
            algorithm,
            secret,
        } = self;
        *jwt == other.jwt
            && *algorithm == other.algorithm
            && secret.expose() == other.secret.expose()
    }
}

/// Tokens signed by the one key whose public half is here.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedByOne {
    pub jwt: Jwt,
    /// Never empty; all of them are for the key.
    pub algorithms: Vec<Algorithm>,
    pub key: PublicKey,
}

/// Algorithms of shared secrets. No key of a pair can be used with them, and no shared secret with an [`Algorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hmac {
    Hs256,
    Hs384,
    Hs512,
}

impl Hmac {
    /// The name by which it is registered.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Bytes that a secret must have: as many as the hash (RFC 7518 section 3.2).
    pub fn shortest_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}
