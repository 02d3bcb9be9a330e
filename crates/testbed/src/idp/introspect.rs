//! Introspection (RFC 7662) and revocation (RFC 7009): what resource servers and clients ask about tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, Response};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::grants::{self, Client, Parameters, Refused};
use super::{Idp, REMEMBERED, Shared};
use crate::http_server::{self, Body};

pub(super) const PATH: &str = "/introspect";

/// What came to `/introspect`.
#[derive(Debug, Clone)]
pub struct Introspected {
    pub method: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As sent.
    pub body: String,
}

impl Introspected {
    /// The value of the one header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The parameters in their order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

/// Tokens that only the provider can read, tokens that were taken back, and who asked; each bounded.
#[derive(Default)]
pub(super) struct Memory {
    opaque: BTreeMap<String, Map<String, Value>>,
    revoked: BTreeSet<String>,
    asked: Vec<Introspected>,
}

impl Memory {
    pub(super) fn note(&mut self, request: &Request<Bytes>) {
        if self.asked.len() >= REMEMBERED {
            return;
        }
        let headers = request.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        self.asked.push(Introspected {
            method: request.method().to_string(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
        });
    }
}

impl Idp {
    /// What came to `/introspect`, from the first on: at most a thousand of them.
    pub fn introspected(&self) -> Vec<Introspected> {
        self.shared.state().introspection.asked.clone()
    }

    /// From now on the token is not active.
    pub fn revoke(&self, token: &str) {
        self.shared.forget(token);
    }

    /// A client with a secret, whatever characters either has.
    pub fn add_client(&self, id: &str, secret: &str) {
        let client = Client {
            redirect_uris: Vec::new(),
            secret: Some(secret.to_owned()),
        };
        let clients = &mut self.shared.state().grants.clients;
        grants::remember(clients, id.to_owned(), client);
    }
}

impl Shared {
    pub(super) fn issue_opaque(&self, token: &str, claims: Map<String, Value>) {
        let opaque = &mut self.state().introspection.opaque;
        grants::remember(opaque, token.to_owned(), claims);
    }

    fn forget(&self, token: &str) {
        let revoked = &mut self.state().introspection.revoked;
        if revoked.len() < REMEMBERED {
            revoked.insert(token.to_owned());
        }
    }

    pub(super) fn introspect(
        self: &Arc<Self>,
        authorization: Option<&HeaderValue>,
        form: &[u8],
    ) -> Response<Body> {
        let asked = match self.about_a_token(authorization, form) {
            Ok(asked) => asked,
            Err(refused) => return refused.into(),
        };
        let claims = asked.one("token").and_then(|token| self.active(token));
        let answer = match claims {
            Some(mut claims) => {
                claims.insert("active".into(), true.into());
                claims.entry("token_type").or_insert("Bearer".into());
                Value::Object(claims)
            }
            None => json!({"active": false}),
        };
        grants::no_store(http_server::json(200, &answer))
    }

    pub(super) fn revoke(
        self: &Arc<Self>,
        authorization: Option<&HeaderValue>,
        form: &[u8],
    ) -> Response<Body> {
        match self.about_a_token(authorization, form) {
            Ok(asked) => {
                self.forget(asked.one("token").unwrap_or_default());
                http_server::plain(200, "")
            }
            Err(refused) => refused.into(),
        }
    }

    /// Only clients that show a secret may ask about tokens.
    fn about_a_token(
        &self,
        authorization: Option<&HeaderValue>,
        form: &[u8],
    ) -> Result<Parameters, Refused> {
        let asked = Parameters::parse(form);
        let (_, client) = self.client(&asked, authorization)?;
        if client.secret.is_none() {
            return Err(Refused(401, "invalid_client", "only with a secret"));
        }
        if asked.one("token").is_none() {
            return Err(Refused(400, "invalid_request", "token is missing"));
        }
        Ok(asked)
    }

    /// The claims of a token that the provider issued, that lasts, and that was not taken back.
    fn active(&self, token: &str) -> Option<Map<String, Value>> {
        let now = (self.clock)();
        let state = self.state();
        let memory = &state.introspection;
        if memory.revoked.contains(token) {
            return None;
        }
        let claims = match memory.opaque.get(token) {
            Some(claims) => claims.clone(),
            None => signed(token, |kid, message, signature| {
                state.keys.verifies(kid, message, signature)
            })?,
        };
        // claims of other types are a test's doing, and told as they are
        let ended = claims
            .get("exp")
            .and_then(Value::as_u64)
            .is_some_and(|exp| exp <= now);
        (!ended).then_some(claims)
    }
}

/// The claims of a signed token of ours.
fn signed(
    token: &str,
    verifies: impl FnOnce(&str, &[u8], &[u8]) -> bool,
) -> Option<Map<String, Value>> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !verifies(header.get("kid")?.as_str()?, message.as_bytes(), &signature) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

#[cfg(test)]
mod tests;
