//! What the claims of a token say, once its signature is known to be good.
//!
//! All of this is ours and none of it jsonwebtoken's, which takes an `iss` that is an array, an `aud` that is a number, a `nbf` in
//! the future and any `typ`.

use std::sync::Arc;
use std::time::Duration;

use config::AudienceClaim;
use http::HeaderValue;
use serde_json::{Map, Value};

use crate::caller::{Kind, Timestamp};
use crate::credential::{Audience, Credential, Life};
use crate::explain;
use crate::failure::{Failure, Stage};
use crate::proof::Confirmation;
use crate::provider::{Issuer, Provider};
use crate::steps;
use crate::values::{self, IdentityValues};

mod identity;
mod kind;
mod time;

pub(crate) use kind::{Marks, judge as judge_kind, judge_foreign, typ, words};

/// What somebody whose word counts has said of a token.
pub(crate) struct Said<'c> {
    pub(crate) issuer: &'c Issuer,
    /// How long it counts.
    pub(crate) life: Life,
    /// Where the audience stands.
    pub(crate) audience: AudienceClaim,
    /// Longest `exp − iat` taken.
    pub(crate) longest: Option<Duration>,
    pub(crate) claims: &'c Map<String, Value>,
}

/// Judges everything in the claims that no route and no clock changes, and keeps what the rest needs.
pub(crate) fn credential(provider: &Arc<Provider>, said: Said<'_>) -> Result<Credential, Failure> {
    let Said {
        issuer,
        life,
        audience,
        longest,
        claims,
    } = said;
    let confirmation = Confirmation::read(claims)?;
    if confirmation.is_none() {
        steps::passed(Stage::Proof, || {
            "none is needed: the token is bound to no key".into()
        });
    }
    let times = time::read(claims, longest)?;
    let who = identity::who(&provider.rules.claims.subject, claims)?;
    steps::passed(Stage::Subject, || {
        explain::subject(
            who.kind,
            &who.subject,
            &issuer.text,
            who.client_id.as_deref(),
        )
    });
    let audience = self::audience(audience, claims)?;
    let scopes = identity::scopes(provider, claims)?;
    let values = IdentityValues {
        subject: values::single(&who.subject),
        issuer: issuer.value.clone(),
        kind: HeaderValue::from_static(who.kind.as_str()),
        method: HeaderValue::from_static(provider.method),
        email: identity::email(&provider.rules, claims),
        name: identity::text(&provider.rules.claims.name, claims).map(values::single),
        groups: identity::groups(provider, claims),
        scopes: values::joined(scopes.iter(), " "),
        client: who.client_id.as_deref().map(values::single),
        too_large: false,
    };
    Ok(Credential {
        provider: Arc::clone(provider),
        life,
        issuer: Arc::clone(&issuer.text),
        kind: who.kind,
        subject: who.subject,
        client_id: who.client_id,
        id: id(claims),
        confirmation,
        scopes,
        expires: times.expires,
        not_before: times.not_before,
        issued_at: times.issued_at,
        audience,
        values: values.measured(),
        extras: extras(provider, claims),
        key: None,
    })
}

/// The values of the further claims that routes ask for.
pub(crate) fn extras(
    provider: &Provider,
    claims: &Map<String, Value>,
) -> Box<[Option<HeaderValue>]> {
    let asked = provider.extras.iter();
    asked
        .map(|path| path.find(claims).and_then(identity::header))
        .collect()
}

/// What the token is called, for the deny list alone. It must be a string (RFC 7519 section 4.1.7); some issuers count.
fn id(claims: &Map<String, Value>) -> Option<Box<str>> {
    match claims.get("jti")? {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Who a token names.
pub(crate) struct Who {
    kind: Kind,
    subject: Box<str>,
    client_id: Option<Box<str>>,
}

/// When a token counts.
pub(crate) struct Times {
    expires: Timestamp,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
}

fn audience(claim: AudienceClaim, claims: &Map<String, Value>) -> Result<Audience, Failure> {
    let aud: Box<[Box<str>]> = match claims.get("aud") {
        None => Box::default(),
        Some(Value::String(one)) => [one.as_str().into()].into(),
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| one.as_str().map(Box::from))
            .collect::<Option<_>>()
            .ok_or_else(|| Failure::malformed("aud has an element that is not a string"))?,
        Some(_) => return Err(Failure::malformed("aud is neither a string nor an array")),
    };
    match claim {
        AudienceClaim::Aud => Ok(Audience::Aud(aud)),
        AudienceClaim::ClientId => {
            // the same pool signs ID tokens for the same client
            if claims.get("token_use").and_then(Value::as_str) != Some("access") {
                return Err(Failure::TokenTypeNotAllowed(
                    "token_use is not access".into(),
                ));
            }
            let client_id = string(claims, "client_id")?.unwrap_or_default();
            Ok(Audience::Client {
                client_id: client_id.into(),
                aud,
            })
        }
    }
}

/// An optional claim that must be a string.
pub(crate) fn string<'c>(
    claims: &'c Map<String, Value>,
    name: &str,
) -> Result<Option<&'c str>, Failure> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::malformed(format!("{name} is not a string"))),
    }
}
