//! Why a credential that was presented does not count.

mod stage;

use std::time::Duration;

use crate::caller::Timestamp;
use crate::introspection;

pub use stage::Stage;

/// When to ask again while a provider's keys are out of reach. The background fetch tries at least this often at first.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest piece of a stranger's text in the log.
const EXCERPT_CHARS: usize = 120;

/// How the deny list names an entry about an API key.
pub(crate) const BY_KEY: &str = "key";

/// Why a credential is refused. `Display` is precise and meant for the operator's log alone; what the caller may know is decided
/// where refusals become HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The `Authorization` header is not one bearer token.
    #[error("malformed credentials: {0}")]
    MalformedCredentials(&'static str),
    /// What stands in the header of API keys is none.
    #[error("malformed credentials: the header of the API key: {0}")]
    MalformedApiKey(&'static str),
    /// Nobody has this key.
    #[error("unknown API key{0}")]
    UnknownApiKey(&'static str),
    /// The holder's time is over.
    #[error("API key has expired: {late} s ago")]
    ApiKeyExpired {
        /// Seconds since then.
        late: u64,
    },
    /// A token and a key, both good, of two callers (SEC-2).
    #[error(
        "identities disagree: the token is {token}, the API key is {key} and does not act for that one"
    )]
    IdentitiesDisagree {
        /// Whom the token names.
        token: Box<str>,
        /// Whose key it is.
        key: Box<str>,
    },
    /// No three parts of base64url: opaque, encrypted, or something else.
    #[error("token is not a valid JWT format: {0}")]
    NotAJwt(&'static str),
    /// Header or payload is not one strict JSON object, or a member that is judged has the wrong type.
    #[error("malformed token: {0}")]
    MalformedToken(Box<str>),
    /// The algorithm is none of the authenticator's, or does not fit the key.
    #[error("algorithm {found} not allowed, {allowed}")]
    AlgorithmNotAllowed {
        /// What the header says.
        found: Box<str>,
        /// What would be.
        allowed: Box<str>,
    },
    /// `typ`, or the marks of SEC-13, say that this is no access token.
    #[error("token type not allowed: {0}")]
    TokenTypeNotAllowed(Box<str>),
    /// The header demands extensions (RFC 7515 section 4.1.11); none is known here.
    #[error("critical header: the token demands extensions that are not known here")]
    CriticalHeader,
    /// No key of the issuer's set is the one named.
    #[error("unknown key: {0}")]
    UnknownKey(Box<str>),
    /// The key is the issuer's, the signature is not that key's.
    #[error("invalid token signature{0}")]
    InvalidSignature(&'static str),
    /// Past `exp` and leeway.
    #[error("token has expired: {late} s ago")]
    Expired {
        /// Seconds since `exp`.
        late: u64,
    },
    /// Before `nbf` or `iat` and leeway.
    #[error("token not yet valid: {claim} is {early} s ahead")]
    NotYetValid {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// Seconds until then.
        early: u64,
    },
    /// Without `exp`.
    #[error("token has no expiry")]
    MissingExpiry,
    /// `exp − iat` is more than the authenticator takes.
    #[error("token lifetime too long: {0}")]
    LifetimeTooLong(Box<str>),
    /// None of the issuers that the route accepts.
    #[error("issuer mismatch: expected {expected}, got {found}")]
    IssuerMismatch {
        /// Those that the route accepts.
        expected: Box<str>,
        /// What the token says.
        found: Box<str>,
    },
    /// Meant for somebody else (AUD-2).
    #[error("token audience invalid: expected {expected}, got {found}")]
    AudienceMismatch {
        /// What counts at the route.
        expected: Box<str>,
        /// What the token says.
        found: Box<str>,
    },
    /// Nobody is named: no subject, no client.
    #[error("token names neither a subject nor a client")]
    MissingSubject,
    /// The token, or the route, asks for a proof of possession that was not given (SEC-15).
    #[error("proof required: {0}")]
    ProofRequired(&'static str),
    /// The DPoP proof is not what RFC 9449 section 4.3 asks for, or was used before.
    #[error("invalid DPoP proof: {0}")]
    InvalidProof(Box<str>),
    /// A proof was given, and the token is not bound to its key, or to this certificate.
    #[error("invalid proof: {0}")]
    OtherKey(&'static str),
    /// The DPoP proof is good, and lacks a nonce that counts (RFC 9449 section 9).
    #[error("the proof needs another nonce: {0}")]
    NonceNeeded(&'static str),
    /// The DPoP proof is good, and it cannot be remembered that it was used.
    #[error("no room to remember more proofs of {0}")]
    ProofsFull(&'static str),
    /// Good, and the operator's deny list names it all the same (SEC-80).
    #[error("denied: its {0} is on the deny list")]
    Denied(&'static str),
    /// The provider says that the token does not count (RFC 7662 section 2.2).
    #[error("token is not active, says the provider")]
    Inactive,
    /// The provider was not asked, or its answer is none.
    #[error("provider of authenticator {authenticator} cannot be asked about the token: {cause}")]
    IntrospectionFailed {
        /// Whose.
        authenticator: Box<str>,
        /// What came of it.
        cause: Box<str>,
    },
    /// There are no keys to check with.
    #[error("keys of authenticator {authenticator} cannot be reached")]
    JwksUnreachable {
        /// Whose.
        authenticator: Box<str>,
    },
}

impl Failure {
    /// The slug of contract section 4: for audit and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MalformedCredentials(_) | Self::MalformedApiKey(_) => "malformed_credentials",
            Self::UnknownApiKey(_) => "unknown_api_key",
            Self::IdentitiesDisagree { .. } => "identities_disagree",
            Self::NotAJwt(_) => "not_a_jwt",
            Self::MalformedToken(_) => "malformed_token",
            Self::AlgorithmNotAllowed { .. } => "algorithm_not_allowed",
            Self::TokenTypeNotAllowed(_) => "token_type_not_allowed",
            Self::CriticalHeader => "critical_header",
            Self::UnknownKey(_) => "unknown_key",
            Self::InvalidSignature(_) => "invalid_signature",
            Self::Expired { .. } | Self::ApiKeyExpired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::MissingExpiry => "missing_expiry",
            Self::LifetimeTooLong(_) => "lifetime_too_long",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::AudienceMismatch { .. } => "audience_mismatch",
            Self::MissingSubject => "missing_subject",
            Self::ProofRequired(_) => "proof_required",
            Self::InvalidProof(_) | Self::OtherKey(_) => "invalid_proof",
            Self::NonceNeeded(_) => "nonce_required",
            Self::ProofsFull(_) => "proofs_full",
            Self::Denied(_) => "denied",
            Self::Inactive => "inactive",
            Self::IntrospectionFailed { .. } => "introspection_failed",
            Self::JwksUnreachable { .. } => "jwks_unreachable",
        }
    }

    /// When it is worth asking again: only for failures that are ours and not the caller's (503).
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::JwksUnreachable { .. } | Self::ProofsFull(_) => Some(RETRY_AFTER),
            Self::IntrospectionFailed { .. } => Some(introspection::RETRY_AFTER),
            Self::MalformedCredentials(_)
            | Self::MalformedApiKey(_)
            | Self::UnknownApiKey(_)
            | Self::ApiKeyExpired { .. }
            | Self::IdentitiesDisagree { .. }
            | Self::NotAJwt(_)
            | Self::MalformedToken(_)
            | Self::AlgorithmNotAllowed { .. }
            | Self::TokenTypeNotAllowed(_)
            | Self::CriticalHeader
            | Self::UnknownKey(_)
            | Self::InvalidSignature(_)
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::MissingExpiry
            | Self::LifetimeTooLong(_)
            | Self::IssuerMismatch { .. }
            | Self::AudienceMismatch { .. }
            | Self::MissingSubject
            | Self::ProofRequired(_)
            | Self::InvalidProof(_)
            | Self::OtherKey(_)
            | Self::NonceNeeded(_)
            | Self::Inactive
            | Self::Denied(_) => None,
        }
    }

    /// Not one of these.
    pub(crate) fn algorithm_not_allowed(found: &str, allowed: &[&str]) -> Self {
        Self::AlgorithmNotAllowed {
            found: found.into(),
            allowed: format!("the authenticator takes {}", allowed.join(", ")).into(),
        }
    }

    /// Whether it is about an API key alone: then no token has anything to do with it.
    pub fn is_of_key(&self) -> bool {
        match self {
            Self::MalformedApiKey(_) | Self::UnknownApiKey(_) | Self::ApiKeyExpired { .. } => true,
            Self::Denied(by) => *by == BY_KEY,
            Self::MalformedCredentials(_)
            | Self::IdentitiesDisagree { .. }
            | Self::NotAJwt(_)
            | Self::MalformedToken(_)
            | Self::AlgorithmNotAllowed { .. }
            | Self::TokenTypeNotAllowed(_)
            | Self::CriticalHeader
            | Self::UnknownKey(_)
            | Self::InvalidSignature(_)
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::MissingExpiry
            | Self::LifetimeTooLong(_)
            | Self::IssuerMismatch { .. }
            | Self::AudienceMismatch { .. }
            | Self::MissingSubject
            | Self::ProofRequired(_)
            | Self::InvalidProof(_)
            | Self::OtherKey(_)
            | Self::NonceNeeded(_)
            | Self::Inactive
            | Self::JwksUnreachable { .. }
            | Self::IntrospectionFailed { .. }
            | Self::ProofsFull(_) => false,
        }
    }

    /// What is malformed may be quoted in `what`, so it is cut.
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::MalformedToken(cut(what.into(), 2 * EXCERPT_CHARS).into())
    }

    /// What is wrong with a proof; it may be quoted, so it is cut.
    pub(crate) fn invalid_proof(what: impl Into<String>) -> Self {
        Self::InvalidProof(cut(what.into(), 4 * EXCERPT_CHARS).into())
    }

    /// Expired at `now`, `leeway` after `exp` (RFC 7519 section 4.1.4: on or after that moment it must not be taken).
    pub(crate) fn if_expired(
        expires: Timestamp,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<(), Self> {
        if now.0 < expires.0.saturating_add(leeway.as_secs()) {
            return Ok(());
        }
        Err(Self::Expired {
            late: now.0.saturating_sub(expires.0),
        })
    }
}

/// Text out of a token, cut and escaped, so that a stranger can neither flood nor forge a log line.
pub(crate) fn excerpt(text: &str) -> Box<str> {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(EXCERPT_CHARS).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{head:?}{more}").into()
}

/// Text that quotes somebody, escaped already, at a bearable length.
pub(crate) fn cut(mut text: String, chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_token_is_cut_and_escaped() {
        assert_eq!(&*excerpt("a\nb"), r#""a\nb""#);
        let long = excerpt(&"é".repeat(500));
        assert_eq!(long.chars().count(), EXCERPT_CHARS + 3, "{long}");
    }

    #[test]
    fn what_is_malformed_is_quoted_at_a_bearable_length() {
        let failure = Failure::malformed("é".repeat(5000));
        assert_eq!(
            failure.to_string().chars().count(),
            "malformed token: ".len() + 241
        );
        assert_eq!(cut("abc".into(), 3), "abc");
        assert_eq!(cut("abcd".into(), 3), "abc…");
    }

    #[test]
    fn s3_47_only_unreachable_keys_are_worth_a_second_try() {
        let unreachable = Failure::JwksUnreachable {
            authenticator: "corp".into(),
        };
        assert_eq!(unreachable.retry_after(), Some(RETRY_AFTER));
        assert_eq!(Failure::MissingExpiry.retry_after(), None);
    }
}
