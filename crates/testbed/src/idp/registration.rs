//! Who may be redirected where: registration of clients (RFC 7591) and their addresses.

use hyper::Response;
use serde_json::{Value, json};
use url::Url;

use super::Shared;
use super::grants::{Client, Refused, no_store, remember};
use super::keys::random_id;
use crate::http_server::{self, Body};

impl Client {
    /// Whole comparison; on loopback the port is the client's choice (RFC 8252 section 7.3).
    pub(super) fn may_redirect(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == asked
                || without_loopback_port(registered)
                    .is_some_and(|uri| without_loopback_port(asked) == Some(uri))
        })
    }
}

impl Shared {
    pub(super) fn register(&self, body: &[u8]) -> Response<Body> {
        let wish: Value = serde_json::from_slice(body).unwrap_or_default();
        let redirect_uris: Vec<String> = wish
            .get("redirect_uris")
            .and_then(Value::as_array)
            .map(|uris| {
                uris.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        if redirect_uris.is_empty()
            || redirect_uris.len() > 20
            || redirect_uris.iter().any(|uri| !is_redirect(uri))
        {
            return Refused(
                400,
                "invalid_redirect_uri",
                "redirect_uris must be a list of absolute URLs",
            )
            .into();
        }
        let method = wish
            .get("token_endpoint_auth_method")
            .and_then(Value::as_str)
            .unwrap_or("client_secret_basic");
        let secret = (method != "none").then(random_id);
        let id = random_id();
        let mut answer = json!({
            "client_id": id,
            "client_id_issued_at": (self.clock)(),
            "redirect_uris": redirect_uris,
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        if let (Some(members), Some(secret)) = (answer.as_object_mut(), &secret) {
            members.insert("client_secret".into(), secret.as_str().into());
            members.insert("client_secret_expires_at".into(), 0.into());
        }
        if let (Some(members), Some(name)) = (answer.as_object_mut(), wish.get("client_name")) {
            members.insert("client_name".into(), name.clone());
        }
        remember(
            &mut self.state().grants.clients,
            id,
            Client {
                redirect_uris,
                secret,
            },
        );
        no_store(http_server::json(201, &answer))
    }
}

/// Absolute, no fragment, and no scheme that a browser would run.
fn is_redirect(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| {
        url.fragment().is_none()
            && !matches!(
                url.scheme(),
                "javascript" | "data" | "vbscript" | "file" | "blob"
            )
    })
}

fn without_loopback_port(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    if url.scheme() != "http"
        || !matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
    {
        return None;
    }
    url.set_port(None).ok()?;
    Some(url)
}
