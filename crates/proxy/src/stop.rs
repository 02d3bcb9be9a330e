//! How a request ends early, and what the caller is told.
//!
//! A refusal carries two messages: [`Display`](std::fmt::Display) says what happened, for the log; [`Refusal::public`] and [`Refusal::told`] say
//! what the caller may know. One exhaustive table maps each refusal to a status, so a new one does not compile until somebody has chosen.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use identity::Failure;
use mcp::headers::Contradiction;
use mcp::message::Unreadable;
use oauth::Scopes;
use oauth::error::ErrorCode;

use crate::body::Body;
use crate::stage::limit::Exceeded;

/// Why a request ends before the upstream sees it.
pub(crate) enum Stop {
    /// An answer of our own that is no refusal: a preflight, a document.
    Answer(Box<Response<Body>>),
    Refuse(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<Contradiction> for Refusal {
    fn from(contradiction: Contradiction) -> Self {
        match contradiction {
            Contradiction::Ambiguous(why) => Self::Unreadable(Unreadable::Ambiguous(why)),
            Contradiction::Mismatch(why) => Self::HeaderMismatch(why),
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Every way in which a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no credentials were presented")]
    MissingCredentials,
    #[error("{0}")]
    Unproven(#[from] Failure),
    /// The same, of something on a route where not everything needs them.
    #[error("no credentials were presented for what needs some{}", with(needed))]
    CallerNeeded { needed: Arc<Scopes> },
    #[error("the token has scopes [{held}], this needs [{needed}]")]
    InsufficientScope { held: String, needed: Arc<Scopes> },
    #[error(
        "token expired {late} s ago: it counts for a while (expired_tokens), but not for what needs [{needed}] by a rule of its own"
    )]
    ExpiredForThis { late: u64, needed: Arc<Scopes> },
    #[error("not permitted: {0}")]
    NotPermitted(&'static str),
    #[error("credential `{parameter}` in the query")]
    TokenInQuery { parameter: &'static str },
    #[error("ambiguous request: {0}")]
    Ambiguous(&'static str),
    #[error("ambiguous request: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("headers and body differ: {0}")]
    HeaderMismatch(&'static str),
    #[error("unsupported media: {0}")]
    UnsupportedMedia(&'static str),
    #[error(
        "the memory for request bodies, or this caller's share of it, is full (server.limits.inspect_memory)"
    )]
    InspectionFull,
    #[error("session refused: {0}")]
    ForeignSession(&'static str),
    #[error("path refused: {0}")]
    BadPath(&'static str),
    #[error(
        "host {authority:?} is none of ours: not in public_url, allowed_hosts or a route's host"
    )]
    Misdirected { authority: String },
    #[error("host {authority:?} has another certificate than the one of this connection")]
    OtherCertificate { authority: String },
    #[error("no route for this path")]
    NoRoute,
    #[error("method {} is not served here", method.as_str().get(..32).unwrap_or(method.as_str()))]
    MethodNotAllowed { method: Method, allow: &'static str },
    /// What clients do by themselves around a handshake that needed no credential: they open a stream, and end the session.
    #[error(
        "no {0} without a credential; clients ask for it by themselves, and are not sent to log in for it"
    )]
    Unprompted(&'static str),
    #[error("CONNECT is not offered")]
    NoTunnel,
    #[error("origin {origin:?} may not call this route")]
    OriginNotAllowed { origin: String },
    #[error("a service worker script was asked for")]
    ServiceWorker,
    #[error("plain HTTP from a peer that is not a trusted proxy saying https")]
    InsecureTransport,
    #[error(
        "a request over plain HTTP that is not redirected: it carries a credential or is no GET"
    )]
    InTheClear,
    #[error("{0}")]
    RateLimited(#[from] Exceeded),
    #[error("the identity headers would be over 8 KiB")]
    IdentityTooLarge,
    #[error("request body over {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("request body not complete after {0:?}")]
    BodyTimeout(Duration),
    #[error("request body broke off")]
    BodyBroken,
    #[error("no record of it can be kept: the audit trail takes none")]
    Unaccountable,
    #[error("upstream did not take the request: {0}")]
    UpstreamUnreachable(#[source] Cause),
    #[error("upstream sent no answer within {0:?}")]
    UpstreamLate(Duration),
    #[error("upstream answered {0}, which must not send clients to another login")]
    UpstreamUnauthorized(StatusCode),
    #[error("upstream answer refused: {0}")]
    UpstreamAnswer(&'static str),
    #[error("upstream stream refused: {0}")]
    UpstreamEndpoint(#[from] mcp::sse::endpoint::Unusable),
}

/// What the caller is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Public {
    pub(crate) status: StatusCode,
    /// The slug of contract section 4, the same in log, audit and metrics.
    pub(crate) reason: &'static str,
    /// One sentence.
    pub(crate) description: &'static str,
    pub(crate) challenge: Challenge,
}

/// Whether `WWW-Authenticate` is sent, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    None,
    /// Nothing was presented: no `error` attribute (ERR-3).
    Plain,
    /// With an `error` attribute (RFC 6750 section 3.1).
    Error(ErrorCode),
}

/// The scopes of a credential that is needed, if it needs any.
pub(crate) fn with(scopes: &Scopes) -> String {
    if scopes.is_empty() {
        return String::new();
    }
    format!(", with the scopes [{scopes}]")
}

/// What else the table says of a refusal. No refusal has two of these.
enum Besides<'r> {
    Nothing,
    /// The scopes that would help, where these are not just those of the route.
    Needs(&'r Scopes),
    /// The same, of a caller who lacks one of them.
    Lacks(&'r Scopes),
    /// When trying again makes sense.
    Again(Duration),
    /// It is an upstream's doing: the kind label of `portcullis_upstream_errors_total`.
    Upstream(&'static str),
    /// The methods that are taken (`Allow`).
    Takes(&'static str),
}

impl Refusal {
    /// The whole table of section 4 of the contract, for what exists so far.
    #[rustfmt::skip] // one row a line: a table is read downwards
    fn row(&self) -> (Public, Besides<'_>) {
        use Besides::{Again, Lacks, Needs, Nothing, Takes, Upstream};
        use Refusal as R;
        const NONE: Challenge = Challenge::None;
        const PLAIN: Challenge = Challenge::Plain;
        const INVALID_REQUEST: Challenge = Challenge::Error(ErrorCode::InvalidRequest);
        const INVALID_TOKEN: Challenge = Challenge::Error(ErrorCode::InvalidToken);
        const INSUFFICIENT: Challenge = Challenge::Error(ErrorCode::InsufficientScope);
        let (status, reason, description, challenge, besides) = match self {
            R::Unproven(failure) => return (unproven(failure), failure.retry_after().map_or(Nothing, Again)),
            R::MissingCredentials               => (401, "missing_credentials",   "authentication is required", PLAIN, Nothing),
            R::CallerNeeded { needed }          => (401, "missing_credentials",   "authentication is required for this", PLAIN, Needs(needed)),
            R::InsufficientScope { needed, .. } => (403, "insufficient_scope",    "the token lacks a scope that this needs", INSUFFICIENT, Lacks(needed)),
            R::ExpiredForThis { needed, .. }    => (401, "expired",               "Token expired", INVALID_TOKEN, Needs(needed)),
            R::NotPermitted(_)                  => (403, "not_permitted",         "this may not be called", NONE, Nothing),
            R::TokenInQuery { .. }              => (400, "token_in_query",        "credentials belong in the Authorization header, never in the query", INVALID_REQUEST, Nothing),
            R::Ambiguous(_)                     => (400, "ambiguous_request",     "the request can be read in two ways", INVALID_REQUEST, Nothing),
            R::Unreadable(_)                    => (400, "ambiguous_request",     "the message can be read in two ways, or in none", NONE, Nothing),
            R::HeaderMismatch(_)                => (400, "header_mismatch",       "MCP-Protocol-Version, Mcp-Method and Mcp-Name must say what the body says", NONE, Nothing),
            R::UnsupportedMedia(_)              => (415, "unsupported_media",     "send the message as plain UTF-8 JSON", NONE, Nothing),
            R::InspectionFull                   => (503, "inspection_full",       "too much is being looked at: try again later", NONE, Again(Duration::from_secs(1))),
            R::ForeignSession(_)                => (404, "mcp_session_of_another_caller", "Session not found: initialize again", NONE, Nothing),
            R::BadPath(_)                       => (400, "ambiguous_request",     "the path can be read in two ways", NONE, Nothing),
            R::Misdirected { .. }               => (421, "misdirected",           "this host is not served here", NONE, Nothing),
            R::OtherCertificate { .. }          => (421, "misdirected",           "this host is not served on this connection", NONE, Nothing),
            R::NoRoute                          => (404, "not_found",             "nothing is served at this path", NONE, Nothing),
            R::MethodNotAllowed { allow, .. }   => (405, "method_not_allowed",    "the method is not allowed here", NONE, Takes(allow)),
            R::Unprompted(_)                    => (405, "method_not_allowed",    "the method is not allowed here", NONE, Takes("POST, OPTIONS")),
            R::NoTunnel                         => (501, "method_not_allowed",    "tunnels are not offered", NONE, Nothing),
            R::OriginNotAllowed { .. }          => (403, "origin_not_allowed",    "this origin may not call the server", NONE, Nothing),
            R::ServiceWorker                    => (403, "service_worker",        "service workers are not served here", NONE, Nothing),
            R::InsecureTransport                => (403, "insecure_transport",    "use https", NONE, Nothing),
            R::InTheClear                       => (403, "insecure_transport",    "this is not redirected: use https from the start", NONE, Nothing),
            R::RateLimited(exceeded)            => (429, "rate_limited",          "too many requests: try again later", NONE, Again(exceeded.retry_after())),
            R::IdentityTooLarge                 => (403, "identity_too_large",    "the identity is too large to be passed on", NONE, Nothing),
            R::BodyTooLarge { .. }              => (413, "body_too_large",        "the request body is too large", NONE, Nothing),
            R::BodyTimeout(_)                   => (408, "body_timeout",          "the request body took too long", NONE, Nothing),
            R::BodyBroken                       => (400, "body_broken",           "the request body is not complete", NONE, Nothing),
            R::Unaccountable                    => (503, "audit_unavailable",     "the request cannot be recorded at the moment", NONE, Again(crate::observe::audit::PATIENCE)),
            R::UpstreamUnreachable(_)           => (502, "upstream_unreachable",  "the server behind the gateway cannot be reached", NONE, Upstream("unreachable")),
            R::UpstreamLate(_)                  => (504, "upstream_timeout",      "the server behind the gateway did not answer in time", NONE, Upstream("timeout")),
            R::UpstreamUnauthorized(_)          => (502, "upstream_unauthorized", "the server behind the gateway refused the gateway", NONE, Upstream("unauthorized")),
            R::UpstreamAnswer(_) | R::UpstreamEndpoint(_) => (502, "upstream_answer", "the server behind the gateway sent an unusable answer", NONE, Upstream("answer")),
        };
        (public(status, reason, description, challenge), besides)
    }

    /// What the caller is told.
    pub(crate) fn public(&self) -> Public {
        self.row().0
    }

    /// What the body of the answer says to its caller: that sentence, and which scopes are needed where one of them is missing. The
    /// challenge names them too, but many clients show their users no header. Nothing else that depends on the request is told (X23).
    pub(crate) fn told(&self) -> Cow<'static, str> {
        let (Public { description, .. }, besides) = self.row();
        match besides {
            Besides::Lacks(needed) => format!("{description}: {needed}").into(),
            Besides::Nothing
            | Besides::Needs(_)
            | Besides::Again(_)
            | Besides::Upstream(_)
            | Besides::Takes(_) => description.into(),
        }
    }

    /// The scopes that would help, where these are not just those of the route.
    pub(crate) fn needed(&self) -> Option<&Scopes> {
        match self.row().1 {
            Besides::Needs(scopes) | Besides::Lacks(scopes) => Some(scopes),
            Besides::Nothing | Besides::Again(_) | Besides::Upstream(_) | Besides::Takes(_) => None,
        }
    }

    /// Seconds after which trying again makes sense (`Retry-After`).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.row().1 {
            Besides::Again(after) => Some(after),
            Besides::Nothing
            | Besides::Needs(_)
            | Besides::Lacks(_)
            | Besides::Upstream(_)
            | Besides::Takes(_) => None,
        }
    }

    /// The kind label of `portcullis_upstream_errors_total`, for the refusals that are an upstream's doing.
    pub(crate) fn upstream_kind(&self) -> Option<&'static str> {
        match self.row().1 {
            Besides::Upstream(kind) => Some(kind),
            Besides::Nothing
            | Besides::Needs(_)
            | Besides::Lacks(_)
            | Besides::Again(_)
            | Besides::Takes(_) => None,
        }
    }

    /// The methods that are taken, where the one that came is not (`Allow`).
    pub(crate) fn allow(&self) -> Option<&'static str> {
        match self.row().1 {
            Besides::Takes(methods) => Some(methods),
            Besides::Nothing
            | Besides::Needs(_)
            | Besides::Lacks(_)
            | Besides::Again(_)
            | Besides::Upstream(_) => None,
        }
    }
}

/// A credential was presented and is bad. The description names the failure only where that helps an honest client and tells an
/// attacker nothing new (X23); the rest is in the log.
fn unproven(failure: &Failure) -> Public {
    let reason = failure.reason();
    if failure.retry_after().is_some() {
        return public(
            503,
            reason,
            "the credential cannot be checked at the moment",
            Challenge::None,
        );
    }
    let (description, error) = match failure {
        Failure::Expired { .. } => ("Token expired", ErrorCode::InvalidToken),
        Failure::ApiKeyExpired { .. } => ("API key expired", ErrorCode::InvalidToken),
        Failure::InvalidProof(_) => (
            "the DPoP proof was not accepted",
            ErrorCode::InvalidDpopProof,
        ),
        Failure::NonceNeeded(_) => ("the DPoP proof needs this nonce", ErrorCode::UseDpopNonce),
        Failure::MalformedCredentials(_)
        | Failure::MalformedApiKey(_)
        | Failure::UnknownApiKey(_)
        | Failure::IdentitiesDisagree { .. }
        | Failure::NotAJwt(_)
        | Failure::MalformedToken(_)
        | Failure::AlgorithmNotAllowed { .. }
        | Failure::TokenTypeNotAllowed(_)
        | Failure::CriticalHeader
        | Failure::UnknownKey(_)
        | Failure::InvalidSignature(_)
        | Failure::NotYetValid { .. }
        | Failure::MissingExpiry
        | Failure::LifetimeTooLong(_)
        | Failure::IssuerMismatch { .. }
        | Failure::AudienceMismatch { .. }
        | Failure::MissingSubject
        | Failure::ProofRequired(_)
        | Failure::OtherKey(_)
        | Failure::Inactive
        | Failure::Denied(_)
        | Failure::JwksUnreachable { .. }
        | Failure::IntrospectionFailed { .. }
        | Failure::ProofsFull(_) => ("the credential was not accepted", ErrorCode::InvalidToken),
    };
    let challenge = if failure.is_of_key() {
        Challenge::Plain // no token is at fault
    } else {
        Challenge::Error(error)
    };
    public(401, reason, description, challenge)
}

fn public(
    status: u16,
    reason: &'static str,
    description: &'static str,
    challenge: Challenge,
) -> Public {
    let status = StatusCode::from_u16(status).expect("the table holds valid statuses");
    Public {
        status,
        reason,
        description,
        challenge,
    }
}

#[cfg(test)]
mod tests;
