//! How clients come to tokens: authorization code with PKCE, refresh, client credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Response;
use hyper::header::{self, HeaderValue};
use oauth::Scopes;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::keys::random_id;
use super::token::TokenBuilder;
use super::{DEFAULT_SCOPE, REMEMBERED, Shared, TOKEN_LIFETIME};
use crate::http_server::{self, Body};

/// Seconds in which a code must be used.
const CODE_LIFETIME: u64 = 60;

/// What is remembered between two requests; each map loses an entry rather than grow.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) clients: BTreeMap<String, Client>,
    codes: BTreeMap<String, Code>,
    refresh_tokens: BTreeMap<String, Grant>,
}

#[derive(Clone)]
pub(super) struct Client {
    pub(super) redirect_uris: Vec<String>,
    pub(super) secret: Option<String>,
}

/// What was granted to whom.
#[derive(Clone)]
struct Grant {
    client_id: String,
    resource: Option<String>,
    scope: String,
}

struct Code {
    grant: Grant,
    redirect_uri: String,
    challenge: String,
    expires: u64,
}

/// An OAuth error: status, code, description.
pub(super) struct Refused(
    pub(super) u16,
    pub(super) &'static str,
    pub(super) &'static str,
);

/// Parameters of a query or form; one that comes twice counts as missing, as does an empty one.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let mut found = self
            .0
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

impl Memory {
    fn client(&self, id: &str) -> Option<Client> {
        match id {
            // for machines
            "svc" => Some(Client {
                redirect_uris: Vec::new(),
                secret: Some("svc-secret".into()),
            }),
            // for people, without registration
            "pub" => Some(Client {
                redirect_uris: vec![
                    "http://127.0.0.1/callback".into(),
                    "http://localhost/callback".into(),
                ],
                secret: None,
            }),
            _ => self.clients.get(id).cloned(),
        }
    }
}

impl Shared {
    /// Alice is always there and always says yes.
    pub(super) fn authorize(&self, query: &str) -> Response<Body> {
        let asked = Parameters::parse(query.as_bytes());
        // until client and address are known to belong together nothing may be redirected
        let client_id = asked.one("client_id").unwrap_or_default();
        let Some(client) = self.state().grants.client(client_id) else {
            return Refused(400, "invalid_request", "no such client").into();
        };
        let redirect_uri = asked.one("redirect_uri").unwrap_or_default();
        let Some(mut back) = Url::parse(redirect_uri)
            .ok()
            .filter(|_| client.may_redirect(redirect_uri))
        else {
            return Refused(
                400,
                "invalid_request",
                "redirect_uri is not one of the client's",
            )
            .into();
        };
        let outcome = if asked.one("response_type") != Some("code") {
            Err("unsupported_response_type")
        } else if asked.one("code_challenge_method") != Some("S256")
            || asked.one("code_challenge").is_none()
        {
            Err("invalid_request")
        } else if asked
            .one("scope")
            .is_some_and(|scope| Scopes::parse(scope).is_err())
        {
            Err("invalid_scope")
        } else {
            let code = random_id();
            let granted = Code {
                grant: Grant {
                    client_id: client_id.to_owned(),
                    resource: asked.one("resource").map(str::to_owned),
                    scope: asked.one("scope").unwrap_or(DEFAULT_SCOPE).to_owned(),
                },
                redirect_uri: redirect_uri.to_owned(),
                challenge: asked.one("code_challenge").unwrap_or_default().to_owned(),
                expires: (self.clock)() + CODE_LIFETIME,
            };
            remember(&mut self.state().grants.codes, code.clone(), granted);
            Ok(code)
        };
        {
            let mut answer = back.query_pairs_mut();
            match outcome {
                Ok(code) => answer.append_pair("code", &code),
                Err(error) => answer.append_pair("error", error),
            };
            if let Some(state) = asked.one("state") {
                answer.append_pair("state", state);
            }
            answer.append_pair("iss", &self.issuer);
        }
        let mut response = http_server::plain(302, "");
        if let Ok(location) = HeaderValue::try_from(back.as_str()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        no_store(response)
    }

    pub(super) fn token(
        self: &Arc<Self>,
        authorization: Option<&HeaderValue>,
        form: &[u8],
    ) -> Response<Body> {
        let asked = Parameters::parse(form);
        match self.grant(&asked, authorization) {
            Ok((grant, user)) => no_store(http_server::json(200, &self.issue(grant, user))),
            Err(refused) => refused.into(),
        }
    }

    /// The client that asks: one with a secret has shown it, by either of the two ways.
    pub(super) fn client(
        &self,
        asked: &Parameters,
        authorization: Option<&HeaderValue>,
    ) -> Result<(String, Client), Refused> {
        let basic = authorization.and_then(basic_credentials);
        let (id, secret) = match &basic {
            Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
            None => (asked.one("client_id"), asked.one("client_secret")),
        };
        let id = id.ok_or(Refused(401, "invalid_client", "client_id is missing"))?;
        let client = self.state().grants.client(id).ok_or(Refused(
            401,
            "invalid_client",
            "no such client",
        ))?;
        if client.secret.is_some() && client.secret.as_deref() != secret {
            return Err(Refused(401, "invalid_client", "the secret is wrong"));
        }
        Ok((id.to_owned(), client))
    }

    /// What may be granted, and whether a user stands behind it.
    fn grant(
        &self,
        asked: &Parameters,
        authorization: Option<&HeaderValue>,
    ) -> Result<(Grant, bool), Refused> {
        let (id, client) = self.client(asked, authorization)?;
        let id = id.as_str();
        let mut state = self.state();
        let memory = &mut state.grants;
        let mut granted = match asked.one("grant_type") {
            Some("authorization_code") => {
                let code = asked.one("code").and_then(|code| memory.codes.remove(code));
                let code = code.ok_or(Refused(400, "invalid_grant", "no such code"))?;
                let verifier = asked.one("code_verifier").unwrap_or_default();
                let challenge =
                    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
                if code.expires < (self.clock)() || code.grant.client_id != id {
                    return Err(Refused(
                        400,
                        "invalid_grant",
                        "the code is late or another client's",
                    ));
                }
                if asked
                    .one("redirect_uri")
                    .is_some_and(|uri| uri != code.redirect_uri)
                {
                    return Err(Refused(
                        400,
                        "invalid_grant",
                        "the code came to another redirect_uri",
                    ));
                }
                if challenge != code.challenge {
                    return Err(Refused(
                        400,
                        "invalid_grant",
                        "the code verifier does not fit",
                    ));
                }
                code.grant
            }
            Some("refresh_token") => {
                let found = asked
                    .one("refresh_token")
                    .and_then(|token| memory.refresh_tokens.remove(token));
                found.filter(|grant| grant.client_id == id).ok_or(Refused(
                    400,
                    "invalid_grant",
                    "no such refresh token",
                ))?
            }
            Some("client_credentials") if client.secret.is_some() => {
                let scope = asked.one("scope").unwrap_or(DEFAULT_SCOPE).to_owned();
                let resource = asked.one("resource").map(str::to_owned);
                return Ok((
                    Grant {
                        client_id: id.to_owned(),
                        resource,
                        scope,
                    },
                    false,
                ));
            }
            Some("client_credentials") => {
                return Err(Refused(400, "unauthorized_client", "only with a secret"));
            }
            _ => {
                return Err(Refused(
                    400,
                    "unsupported_grant_type",
                    "not one of the three",
                ));
            }
        };
        match (&granted.resource, asked.one("resource")) {
            (Some(before), Some(now)) if before != now => {
                return Err(Refused(
                    400,
                    "invalid_target",
                    "another resource than the one that was authorized",
                ));
            }
            (None, Some(now)) => granted.resource = Some(now.to_owned()),
            _ => {}
        }
        Ok((granted, true))
    }

    fn issue(self: &Arc<Self>, grant: Grant, user: bool) -> Value {
        let mut token = TokenBuilder::new(self.clone())
            .audience(grant.resource.as_deref().unwrap_or(&grant.client_id))
            .scope(&grant.scope)
            .claim("client_id", grant.client_id.as_str());
        token = if user {
            token
                .claim("email", "alice@example.com")
                .claim("email_verified", true)
                .claim("name", "Alice")
        } else {
            token.subject(&grant.client_id)
        };
        let mut answer = json!({
            "access_token": token.sign(),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME,
            "scope": grant.scope,
        });
        if let (true, Some(members)) = (user, answer.as_object_mut()) {
            let refresh_token = random_id();
            members.insert("refresh_token".into(), refresh_token.as_str().into());
            remember(
                &mut self.state().grants.refresh_tokens,
                refresh_token,
                grant,
            );
        }
        answer
    }
}

impl From<Refused> for Response<Body> {
    fn from(Refused(status, error, description): Refused) -> Self {
        let body = json!({"error": error, "error_description": description});
        let mut response = no_store(http_server::json(status, &body));
        if status == 401 {
            let basic = HeaderValue::from_static("Basic realm=\"token\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

pub(super) fn no_store(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Names are random, so the one that must go is nobody's in particular.
pub(super) fn remember<T>(map: &mut BTreeMap<String, T>, name: String, value: T) {
    if map.len() >= REMEMBERED {
        map.pop_first();
    }
    map.insert(name, value);
}

/// Client and secret of an `Authorization: Basic` line, which RFC 6749 has form-encoded first.
fn basic_credentials(line: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |part: &str| {
        let mut pairs = form_urlencoded::parse(part.as_bytes());
        pairs
            .next()
            .map(|(text, _)| text.into_owned())
            .unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}
