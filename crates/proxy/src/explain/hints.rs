//! What to do about a refusal.

use config::Config;
use identity::{Failure, StartError};

use crate::stop::Refusal;

/// Somebody vouches for tokens of this issuer, but not on this route.
pub(super) fn not_accepted(config: &Config, refusal: &Refusal) -> Option<String> {
    let Refusal::Unproven(Failure::IssuerMismatch { found, .. }) = refusal else {
        return None;
    };
    let mut all = config.authenticators.iter();
    let its = all.find(|authenticator| {
        let rules = authenticator.kind.rules();
        rules.is_some_and(|rules| format!("{:?}", rules.issuer) == **found)
    })?;
    Some(format!(
        "this is the issuer of {}, which the route does not accept: name it under `accept`, with a `type` that takes it",
        its.name
    ))
}

/// Why a provider could not be asked.
pub(super) fn of_missed(missed: &[StartError]) -> impl Iterator<Item = String> {
    let hints = missed.iter().flat_map(|error| &error.hints);
    hints.map(|hint| (*hint).to_owned())
}

/// The way out of a refusal.
pub(super) fn of(refusal: &Refusal) -> Option<&'static str> {
    use Refusal as R;
    match refusal {
        R::Unproven(failure) => Some(failure.hint()),
        R::MissingCredentials => Some(
            "give --token or --api-key; where something is open to everybody, --method and --tool say what is asked",
        ),
        R::CallerNeeded { .. } => Some("give --token or --api-key"),
        R::InsufficientScope { .. } => Some(
            "ask whoever issues the credential for these scopes: a provider grants what the user and the client are entitled to, `portcullis token` takes --scope, a key has them in its entry. If another scope means the same, say so under `scope_map`",
        ),
        R::IdentityTooLarge => Some("have the provider write fewer groups into the token"),
        R::ExpiredForThis { .. } => Some(
            "log in anew: the grace of expired_tokens is for tools whose rule asks for nothing",
        ),
        R::NotPermitted(_) => Some(
            "another credential with more scopes would not help: see the rules under `access.tools`",
        ),
        // not met here, or explained where it is made
        #[rustfmt::skip]
        R::TokenInQuery { .. } | R::Ambiguous(_) | R::Unreadable(_) | R::HeaderMismatch(_) | R::UnsupportedMedia(_)
        | R::InspectionFull | R::ForeignSession(_) | R::BadPath(_) | R::Misdirected { .. } | R::OtherCertificate { .. }
        | R::NoRoute | R::MethodNotAllowed { .. } | R::Unprompted(_) | R::NoTunnel | R::OriginNotAllowed { .. } | R::ServiceWorker
        | R::InsecureTransport | R::InTheClear | R::RateLimited(_) | R::BodyTooLarge { .. } | R::BodyTimeout(_) | R::BodyBroken
        | R::Unaccountable | R::UpstreamUnreachable(_) | R::UpstreamLate(_) | R::UpstreamUnauthorized(_) | R::UpstreamAnswer(_)
        | R::UpstreamEndpoint(_) => None,
    }
}
