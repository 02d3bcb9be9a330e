//! The error codes a protected resource may use (RFC 6750 section 3.1, RFC 9449 sections 7.1 and 9).

use std::fmt;

/// Why a request for a protected resource is refused, in the one word clients act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request itself is wrong: repeated or contradicting credentials (400).
    InvalidRequest,
    /// The token is expired, foreign, revoked or malformed; a new one may help (401).
    InvalidToken,
    /// The token is good and does not reach far enough (403).
    InsufficientScope,
    /// The DPoP proof is none, or is not for this request (401).
    InvalidDpopProof,
    /// The DPoP proof needs the nonce that this answer brings (401).
    UseDpopNonce,
}

impl ErrorCode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
