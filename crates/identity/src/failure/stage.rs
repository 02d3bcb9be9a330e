//! At which stage of a decision a failure stands, and what to do about it: for `portcullis explain`.

use super::Failure;
use crate::api_keys::NO_TOKEN;

/// The stages at which a credential is judged, in the order in which most credentials come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// What is presented, and where.
    Credential,
    /// Whose API key it is.
    ApiKey,
    /// Parts, header and payload, as far as they can be read without a key.
    Form,
    /// Who says to have issued it, and so which authenticator judges it.
    Issuer,
    Algorithm,
    /// Whether it is an access token at all.
    Type,
    Key,
    Signature,
    /// What its provider says of it.
    Introspection,
    /// Whether it is bound to a key, and the proof of that key.
    Proof,
    /// Whom it names.
    Subject,
    /// What it allows, and what that implies.
    Scopes,
    Times,
    Audience,
    DenyList,
    /// Whether a token and an API key name one caller.
    Agreement,
}

impl Stage {
    /// Its name in the output of `explain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::ApiKey => "API key",
            Self::Form => "form",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Type => "token type",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Introspection => "introspection",
            Self::Proof => "proof",
            Self::Subject => "subject",
            Self::Scopes => "scopes",
            Self::Times => "times",
            Self::Audience => "audience",
            Self::DenyList => "deny list",
            Self::Agreement => "agreement",
        }
    }
}

impl Failure {
    /// The stage that a credential did not pass.
    pub fn stage(&self) -> Stage {
        match self {
            Self::MalformedCredentials(_) | Self::MalformedApiKey(_) => Stage::Credential,
            Self::UnknownApiKey(_) => Stage::ApiKey,
            Self::IdentitiesDisagree { .. } => Stage::Agreement,
            Self::NotAJwt(_) | Self::MalformedToken(_) | Self::CriticalHeader => Stage::Form,
            Self::AlgorithmNotAllowed { .. } => Stage::Algorithm,
            Self::TokenTypeNotAllowed(_) => Stage::Type,
            Self::UnknownKey(_) | Self::JwksUnreachable { .. } => Stage::Key,
            Self::InvalidSignature(_) => Stage::Signature,
            Self::Expired { .. }
            | Self::ApiKeyExpired { .. }
            | Self::NotYetValid { .. }
            | Self::MissingExpiry
            | Self::LifetimeTooLong(_) => Stage::Times,
            Self::IssuerMismatch { .. } => Stage::Issuer,
            Self::AudienceMismatch { .. } => Stage::Audience,
            Self::MissingSubject => Stage::Subject,
            Self::Inactive | Self::IntrospectionFailed { .. } => Stage::Introspection,
            Self::ProofRequired(_)
            | Self::InvalidProof(_)
            | Self::OtherKey(_)
            | Self::NonceNeeded(_)
            | Self::ProofsFull(_) => Stage::Proof,
            Self::Denied(_) => Stage::DenyList,
        }
    }

    /// What to do about it, for whoever runs the gateway or asked for the token.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MalformedCredentials(_) => "send one header `Authorization: Bearer <token>`",
            Self::MalformedApiKey(_) => {
                "send the key alone, once, in the header that the route names in its challenge"
            }
            Self::UnknownApiKey(_) => {
                "`portcullis key hash` prints what gateway.yaml has to have of a key: compare, and look at `accept` of the route"
            }
            Self::ApiKeyExpired { .. } => {
                "raise `expires` of the key's entry, or hand out a new key"
            }
            Self::IdentitiesDisagree { .. } => {
                "send only one of the two, or say under `acts_for` of the key whose tokens it may come with"
            }
            Self::NotAJwt(what) if *what == NO_TOKEN => {
                "send it in the header of API keys, which is X-API-Key if nothing else is configured; `explain` takes it with --api-key"
            }
            Self::NotAJwt(_) => {
                "ask the provider for an access token for this resource; opaque tokens need an authenticator that asks the provider about them"
            }
            Self::MalformedToken(_) => {
                "whoever issues the token writes it wrongly: look at the claim or part that is named"
            }
            Self::CriticalHeader => "have the provider leave `crit` out of the header",
            Self::AlgorithmNotAllowed { .. } => {
                "name the algorithm under `algorithms` of the authenticator, or have the provider sign with one that is there"
            }
            Self::TokenTypeNotAllowed(_) => {
                "send the access token and not the ID token; what counts as one is said by `token_types` of the authenticator"
            }
            Self::UnknownKey(_) => {
                "the key is not among those that the issuer publishes: compare the `kid` in the token's header with its JWKS"
            }
            Self::InvalidSignature(_) => {
                "the token was changed on its way or signed with another key or secret: compare them, and get a new token"
            }
            Self::Expired { .. } => {
                "get a new token; if it is new, compare the clocks of both machines"
            }
            Self::NotYetValid { .. } => {
                "compare the clocks of both machines; `leeway` takes at most 60s"
            }
            Self::MissingExpiry => "have the provider write `exp` into its access tokens",
            Self::LifetimeTooLong(_) => {
                "have the provider issue shorter tokens, or raise `max_token_lifetime`"
            }
            Self::IssuerMismatch { .. } => {
                "compare the token's `iss` with `issuer` of the route's authenticators: every character counts, also a slash at the end"
            }
            Self::AudienceMismatch { .. } => {
                "ask whoever issues it for a token for the expected resource (providers: `resource` or `audience`; `portcullis token`: --audience), or name what is written there under `audiences`"
            }
            Self::MissingSubject => {
                "have the provider write `sub`, or name another claim under `claims.subject`"
            }
            Self::ProofRequired(_) => {
                "a request with this token needs a proof of the key or certificate that it is bound to; without one it is of no use to anybody"
            }
            Self::InvalidProof(_) => {
                "each request needs a proof of its own, for its method and the URL that the client asked for (RFC 9449 section 4.3)"
            }
            Self::OtherKey(_) => {
                "the client has to prove the very key or certificate for which the token was issued"
            }
            Self::NonceNeeded(_) => {
                "the client has to make another proof, with the nonce of the answer (DPoP-Nonce)"
            }
            Self::ProofsFull(_) => "somebody sends far more proofs than anybody needs: see the log",
            Self::Denied(_) => "take it off the deny list, if it should count again",
            Self::Inactive => {
                "it was revoked, has ended, or is no token of this provider: get a new one"
            }
            Self::IntrospectionFailed { .. } => {
                "look at `endpoint`, `client_id`, `client_secret` and `client_auth` of the authenticator, and see that the provider can be reached from here"
            }
            Self::JwksUnreachable { .. } => "see that the provider can be reached from here",
        }
    }
}
