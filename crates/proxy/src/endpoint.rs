//! The gateway's own URLs on the public listener: the one list of what it answers itself.
//!
//! Paths of parts that are not configured belong to the gateway all the same (SEC-39): they answer JSON 404 and never reach a route.

pub(crate) mod admin;
mod discovery;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::body::{Body, own};
use crate::plan::Plan;
use crate::stage::cors::OWN_METHODS;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

/// Liveness, for anybody.
pub(crate) const HEALTH: &str = "/health";

/// One of our own URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// RFC 9728 documents: the well-known path with or without a route's path behind it.
    ProtectedResource,
    Health,
    /// `OPTIONS *`, which `cors` has answered; other methods were refused before.
    Asterisk,
    /// Reserved for the authorization server, the browser login and `/auth/verify`.
    Reserved,
}

/// Paths that are ours with everything below them.
const RESERVED_TREES: &[&str] = &["/.well-known", "/oauth", "/auth"];
/// Paths that are ours alone.
const RESERVED: &[&str] = &["/register", "/authorize", "/token"];

impl Endpoint {
    /// Whose path this is. Routes are asked only when it is nobody's.
    pub(crate) fn find(path: &str) -> Option<Self> {
        if path == HEALTH {
            return Some(Self::Health);
        }
        if path == "*" {
            return Some(Self::Asterisk);
        }
        if below(path, oauth::well_known::PROTECTED_RESOURCE) {
            return Some(Self::ProtectedResource);
        }
        let reserved =
            RESERVED_TREES.iter().any(|tree| below(path, tree)) || RESERVED.contains(&path);
        reserved.then_some(Self::Reserved)
    }

    /// Answers a GET or HEAD.
    pub(crate) fn answer(self, plan: &Plan, arrival: &Arrival) -> Result<Response<Body>, Refusal> {
        match (self, &arrival.head.method) {
            (Self::Reserved | Self::Asterisk, _) => Err(Refusal::NoRoute),
            (Self::ProtectedResource, &Method::GET | &Method::HEAD) => {
                discovery::protected_resource(plan, arrival)
            }
            (Self::Health, &Method::GET | &Method::HEAD) => {
                Ok(json(br#"{"status":"ok"}"#.to_vec(), "no-store"))
            }
            (Self::ProtectedResource | Self::Health, method) => Err(Refusal::MethodNotAllowed {
                method: method.clone(),
                allow: OWN_METHODS,
            }),
        }
    }
}

fn below(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn json(document: Vec<u8>, caching: &'static str) -> Response<Body> {
    let mut answer = own(StatusCode::OK, Body::from(bytes::Bytes::from(document)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    answer
}
