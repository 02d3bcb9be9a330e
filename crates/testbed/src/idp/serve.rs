//! The endpoints of the provider.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use oauth::well_known;
use serde_json::{Value, json};

use super::keys::Algorithm;
use super::{Answer, DEFAULT_SCOPE, REMEMBERED, Shared, introspect};
use crate::http_server::{self, Body, Handler};

impl Handler for Shared {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Response<Body> {
        let asked = request.uri().path();
        let path = asked
            .strip_prefix(self.path.as_str())
            .unwrap_or(asked)
            .to_owned();
        let (delay, broken, laid_down) = {
            let mut state = self.state();
            if state.fetches.len() < REMEMBERED || state.fetches.contains_key(&path) {
                *state.fetches.entry(path.clone()).or_default() += 1;
            }
            if path == introspect::PATH {
                state.introspection.note(&request);
            }
            let delay = state.delays.get(&path).copied().unwrap_or(state.delay);
            let broken = state.broken.contains(&path);
            (delay, broken, state.answers.get(&path).cloned())
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if broken {
            return http_server::broken_off();
        }
        let mut response = match laid_down {
            Some(answer) => laid(answer),
            None if request.method() == Method::OPTIONS => preflight(),
            None => self.endpoint(&path, asked, &request),
        };
        let any = HeaderValue::from_static("*");
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        response
    }
}

impl Shared {
    fn endpoint(
        self: &Arc<Self>,
        path: &str,
        asked: &str,
        request: &Request<Bytes>,
    ) -> Response<Body> {
        let post = request.method() == Method::POST;
        let get = request.method() == Method::GET;
        match path {
            "/jwks" if get => http_server::json(200, &self.jwks()),
            "/authorize" if get => self.authorize(request.uri().query().unwrap_or_default()),
            "/token" if post => {
                self.token(request.headers().get(header::AUTHORIZATION), request.body())
            }
            "/register" if post => self.register(request.body()),
            introspect::PATH if post => {
                self.introspect(request.headers().get(header::AUTHORIZATION), request.body())
            }
            "/revoke" if post => {
                self.revoke(request.headers().get(header::AUTHORIZATION), request.body())
            }
            "/jwks" | "/authorize" | "/token" | "/register" | introspect::PATH | "/revoke" => {
                http_server::json(405, &json!({"error": "invalid_request"}))
            }
            _ if get && self.is_document(asked) => http_server::json(200, &self.document()),
            _ => http_server::json(404, &json!({"error": "not_found"})),
        }
    }

    /// Both documents, in every form a client may derive from the issuer.
    fn is_document(&self, asked: &str) -> bool {
        let issuer = format!("{}{}", self.base, self.path);
        let ours = well_known::discovery_candidates(&issuer);
        ours.iter()
            .any(|url| url.strip_prefix(self.base.as_str()) == Some(asked))
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.url("/authorize"),
            "token_endpoint": self.url("/token"),
            "jwks_uri": self.url("/jwks"),
            "registration_endpoint": self.url("/register"),
            "introspection_endpoint": self.url(introspect::PATH),
            "revocation_endpoint": self.url("/revoke"),
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["openid", "offline_access", DEFAULT_SCOPE],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": Algorithm::ALL.map(Algorithm::as_str),
        });
        let state = self.state();
        if let Some(members) = document.as_object_mut() {
            members.extend(state.changed_members.clone());
            members.retain(|member, _| !state.omitted_members.contains(member));
        }
        document
    }
}

fn laid(answer: Answer) -> Response<Body> {
    let mut response = http_server::respond(answer.status, "application/json", answer.body);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = hyper::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST"),
    );
    let allowed = HeaderValue::from_static("Authorization, Content-Type, MCP-Protocol-Version");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    response
}
