//! A provider that is asked about each token (RFC 7662).

use std::time::Duration;

use super::rules::{self, WrittenRules};
use crate::check::file;
use crate::checked::{AuthenticatorKind, Introspection, IntrospectionAuth};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::credential::{ClientId, ClientSecret, TokenPrefix};
use crate::scalar::url::EndpointUrl;
use crate::sources::Sources;
use crate::written::{Block, Text};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn introspection(
    place: &Place,
    raw: Block<raw::Introspection>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let endpoint = notes.required(&place.key("endpoint"), raw.endpoint.as_ref());
    let client_id = notes.required(&place.key("client_id"), raw.client_id.as_ref());
    let client_secret = notes.required(&place.key("client_secret"), raw.client_secret.as_ref());
    let client_auth = notes.text_or(
        &place.key("client_auth"),
        raw.client_auth.as_ref(),
        IntrospectionAuth::Basic,
    );
    let written = WrittenRules {
        issuer: raw.issuer,
        audiences: raw.audiences,
        shared_audience: raw.shared_audience,
        leeway: raw.leeway,
        claims: raw.claims,
        scope_map: raw.scope_map,
        trust_email: raw.trust_email,
    };
    let rules = rules::rules(place, written, notes);
    let cache = cache(&place.key("cache"), raw.cache.as_ref(), notes);
    let token_prefix = notes.text(&place.key("token_prefix"), raw.token_prefix.as_ref());
    let ca = file::certificates(
        &place.key("ca"),
        raw.ca.as_ref(),
        "it holds the root certificates believed for this provider, and nothing else is believed then",
        sources,
        notes,
    );
    let proxy = notes.text(&place.key("proxy"), raw.proxy.as_ref());
    let EndpointUrl(endpoint) = endpoint?;
    let ClientId(client_id) = client_id?;
    let ClientSecret(client_secret) = client_secret?;
    Some(AuthenticatorKind::Introspection(Introspection {
        rules: rules?,
        endpoint: endpoint.text,
        client_id,
        client_secret,
        client_auth,
        cache,
        token_prefix: token_prefix.map(|TokenPrefix(prefix)| prefix),
        ca,
        proxy,
    }))
}

/// Answers are counted in whole seconds, so what is shorter than one would be none.
fn cache(place: &Place, field: Option<&Text<Duration>>, notes: &mut Notes) -> Duration {
    let cache = notes.duration(place, field, 300 * SECOND, Duration::ZERO..=3600 * SECOND);
    if !cache.is_zero() && cache < SECOND {
        notes.wrong(
            place,
            Flaw::new("is shorter than 1s").hint("0s asks the provider for every request"),
        );
    }
    cache
}

#[cfg(test)]
mod tests;
