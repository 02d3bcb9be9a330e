//! What plain HTTP is told where everything is served over https.
//!
//! A browser that was given the wrong scheme is shown the right one. A credential that came in the clear is lost already; a redirect
//! would only teach the client to send it so again (R6797), so it is refused.

use config::Transport;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION};
use http::{Method, Response, StatusCode, request::Parts};

use crate::body::{Body, own};
use crate::plan::Plan;
use crate::plan::names::without_port;
use crate::stage::{identify, trust};
use crate::stop::Refusal;

/// Headers that carry credentials.
const CREDENTIALS: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("dpop"),
    HeaderName::from_static("x-api-key"),
];

/// The way to the same place over https.
pub(crate) fn answer(plan: &Plan, head: &Parts) -> Result<Response<Body>, Refusal> {
    trust::form(head)?;
    let asked = trust::authority(head)?;
    let query_is_free = head
        .uri
        .query()
        .is_none_or(|query| identify::credential_free(query, Transport::Mcp).is_ok());
    let carries = CREDENTIALS
        .iter()
        .chain(&plan.key_headers)
        .any(|name| head.headers.contains_key(name));
    let only_asks = matches!(head.method, Method::GET | Method::HEAD);
    if !only_asks || carries || !query_is_free {
        return Err(Refusal::InTheClear);
    }
    // The name comes from our own list: whoever writes the Host header chooses an entry and nothing else.
    let Some(authority) = plan.trust.names.served(without_port(asked)) else {
        return Err(Refusal::Misdirected {
            authority: asked.chars().take(128).collect(),
        });
    };
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let location = HeaderValue::try_from(format!("https://{authority}{target}"))
        .map_err(|_| Refusal::BadPath("not a path"))?;
    let mut answer = own(StatusCode::PERMANENT_REDIRECT, Body::empty());
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}
