//! Makes tokens of the operator's own, for trying things: whoever has the configuration has the secret.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{SharedSecret, TokenType};
use oauth::Scopes;
use serde_json::{Map, Value, json};

use crate::caller::Timestamp;
use crate::own::function;

/// What a token shall say.
#[derive(Debug)]
pub struct Order {
    pub subject: String,
    /// Each one scope.
    pub scopes: Vec<String>,
    /// `None`: the first that the authenticator takes.
    pub audience: Option<String>,
    /// How long it is good for; seconds count.
    pub ttl: Duration,
    /// These in addition, or in the place of the usual ones.
    pub claims: Vec<(String, Value)>,
}

/// Why a token cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    #[error("the subject is empty")]
    Subject,
    #[error("{0:?} is not one scope")]
    Scope(String),
    #[error("a token lives for at least a second")]
    TooShort,
    /// The gateway would refuse it.
    #[error("it would live for longer than the {} s that the authenticator takes (max_token_lifetime)", .0.as_secs())]
    TooLong(Duration),
    #[error("there is no audience to put in")]
    Audience,
    #[error("the system gives no randomness")]
    Randomness,
}

/// A token that the authenticator takes, unless the order's claims say otherwise.
pub fn mint(settings: &SharedSecret, order: &Order, now: Timestamp) -> Result<String, MintError> {
    let header = match typ(&settings.jwt.token_types) {
        Some(typ) => json!({ "alg": settings.algorithm.name(), "typ": typ }),
        None => json!({ "alg": settings.algorithm.name() }),
    };
    let claims = Value::Object(claims(settings, order, now)?);
    let text = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", text(&header), text(&claims));
    let key = hmac::Key::new(
        function(settings.algorithm),
        settings.secret.expose().as_bytes(),
    );
    let tag = hmac::sign(&key, signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)))
}

/// What most libraries write, where it is taken.
fn typ(taken: &[TokenType]) -> Option<&'static str> {
    if taken.contains(&TokenType::Jwt) {
        Some("JWT")
    } else if taken.contains(&TokenType::AtJwt) {
        Some("at+jwt")
    } else {
        None
    }
}

fn claims(
    settings: &SharedSecret,
    order: &Order,
    now: Timestamp,
) -> Result<Map<String, Value>, MintError> {
    let rules = &settings.jwt.rules;
    if order.subject.is_empty() {
        return Err(MintError::Subject);
    }
    for scope in &order.scopes {
        Scopes::from_tokens([scope.as_str()]).map_err(|_| MintError::Scope(scope.clone()))?;
    }
    if order.ttl < Duration::from_secs(1) {
        return Err(MintError::TooShort);
    }
    let longest = settings.jwt.max_token_lifetime;
    if let Some(longest) = longest.filter(|longest| order.ttl > *longest) {
        return Err(MintError::TooLong(longest));
    }
    let audience = order
        .audience
        .as_deref()
        .or(rules.audiences.first().map(|one| &**one));
    let audience = audience.ok_or(MintError::Audience)?;
    let mut id = [0; 16];
    rand::fill(&mut id).map_err(|_| MintError::Randomness)?;

    let mut claims = Map::new();
    let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    say("iss", rules.issuer.as_ref().into());
    say("sub", order.subject.as_str().into());
    say("aud", audience.into());
    say("iat", now.0.into());
    say("exp", now.0.saturating_add(order.ttl.as_secs()).into());
    say("jti", URL_SAFE_NO_PAD.encode(id).into());
    // a path that is a name as a whole is found as one
    say(rules.claims.subject.as_str(), order.subject.as_str().into());
    if let Some(path) = rules.claims.scopes.first() {
        match path.as_str() {
            "scope" => say("scope", order.scopes.join(" ").into()),
            other => say(other, order.scopes.clone().into()),
        };
    }
    for (name, value) in &order.claims {
        say(name, value.clone());
    }
    Ok(claims)
}
