//! The request that a question is about: what it asks for, and the credentials that it has.

use config::{Config, Secret};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use identity::Failure;
use mcp::message::{Kind, Message, Messages};

use super::Question;
use crate::stage::inspect::Call;
use crate::stop::Refusal;

/// The message that would be sent.
pub(super) fn asked_for(question: &Question) -> Call<'_> {
    let (method, name) = &question.call;
    if method.is_none() && name.is_none() {
        return Call::Unread;
    }
    let message = Message {
        kind: Kind::Request,
        method: method.as_deref().unwrap_or("tools/call").into(),
        id: None,
        name: name.as_deref().map(Into::into),
        uri: None,
        task_id: None,
        version: None,
    };
    Call::Read(Messages {
        batch: false,
        messages: vec![message],
    })
}

/// Where a route looks for API keys first.
pub(super) fn key_header(config: &Config, accepted: &[usize]) -> HeaderName {
    let mut accepted = accepted.iter();
    let header = accepted.find_map(|index| {
        let keys = config.authenticators.get(*index)?.kind.api_keys()?;
        keys.header.parse().ok()
    });
    header.unwrap_or(HeaderName::from_static("x-api-key"))
}

/// The headers that a request would have.
pub(super) fn headers(question: &Question, key: HeaderName) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        let mut value =
            HeaderValue::from_str(value).map_err(|_| Failure::MalformedCredentials("not ASCII"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok::<_, Refusal>(())
    };
    if let Some(token) = &question.token {
        put(AUTHORIZATION, &format!("Bearer {}", token.expose()))?;
    }
    if let Some(value) = &question.api_key {
        put(key, value.expose())?;
    }
    Ok(headers)
}

pub(super) fn presented(question: &Question) -> String {
    let bytes = |secret: &Secret| secret.expose().len();
    match (&question.token, &question.api_key) {
        (None, None) => "none".into(),
        (Some(token), None) => format!("a bearer token of {} bytes", bytes(token)),
        (None, Some(key)) => format!("an API key of {} bytes", bytes(key)),
        (Some(token), Some(key)) => format!(
            "a bearer token of {} bytes and an API key of {}",
            bytes(token),
            bytes(key)
        ),
    }
}
