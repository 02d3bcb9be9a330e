//! The operator's listener. Probes and metrics are for whoever reaches it; everything else for the operator alone (SEC-79). Never on
//! the public listener.

mod guard;
mod status;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::body::own;
use crate::plan::Plan;
use guard::Denied;
pub(crate) use guard::Door;

type Answer = Response<Full<Bytes>>;

/// What there is.
#[derive(Clone, Copy)]
enum Page {
    Alive,
    Ready,
    Metrics,
    Status,
    Reload,
}

impl Page {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Alive,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/status" => Self::Status,
            "/reload" => Self::Reload,
            _ => return None,
        })
    }

    fn is_open(self) -> bool {
        match self {
            Self::Alive | Self::Ready | Self::Metrics => true,
            Self::Status | Self::Reload => false,
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Alive | Self::Ready | Self::Metrics | Self::Status => {
                matches!(*method, Method::GET | Method::HEAD)
            }
            Self::Reload => *method == Method::POST,
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Alive | Self::Ready | Self::Metrics | Self::Status => "GET, HEAD",
            Self::Reload => "POST",
        }
    }
}

/// Answers one request of an operator or a probe.
pub(crate) async fn answer(plan: &Plan, door: Door, request: &Request<Incoming>) -> Answer {
    let Some(page) = Page::find(request.uri().path()) else {
        return not_found();
    };
    if !page.is_open()
        && let Err(denied) = guard::admit(door, plan.admin_token.as_ref(), request.headers())
    {
        tracing::warn!(path = request.uri().path(), ?door, reason = ?denied, "admin request refused");
        return refused(denied);
    }
    if !page.takes(request.method()) {
        let methods = page.methods();
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods}\n"));
        let allow = HeaderValue::from_static(methods);
        answer.headers_mut().insert(ALLOW, allow);
        return answer;
    }
    match page {
        Page::Alive => text(StatusCode::OK, "ok\n".into()),
        Page::Ready => match plan.hindrance() {
            None => text(StatusCode::OK, "ready\n".into()),
            Some(why) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {why}\n"),
            ),
        },
        Page::Metrics => metrics(plan),
        Page::Status => {
            tracing::info!(path = "/status", ?door, "admin request");
            document(StatusCode::OK, &status::of(plan))
        }
        Page::Reload => {
            tracing::info!(path = "/reload", ?door, "admin request");
            reload(plan).await
        }
    }
}

async fn reload(plan: &Plan) -> Answer {
    match plan.shared.reloads.ask().await {
        Ok(Ok(())) => document(StatusCode::OK, &json!({ "result": "ok" })),
        Ok(Err(cause)) => {
            let refused = json!({ "result": "refused", "cause": cause });
            document(StatusCode::UNPROCESSABLE_ENTITY, &refused)
        }
        Err(_busy) => {
            let mut answer = text(
                StatusCode::SERVICE_UNAVAILABLE,
                "another reload is under way\n".into(),
            );
            let soon = HeaderValue::from_static("5");
            answer.headers_mut().insert(RETRY_AFTER, soon);
            answer
        }
    }
}

fn metrics(plan: &Plan) -> Answer {
    let shared = &plan.shared;
    match shared.metrics.text(
        &plan.authenticators,
        &shared.slots,
        shared.tls.as_deref(),
        &plan.sites,
    ) {
        Ok(metrics) => {
            let mut answer = text(StatusCode::OK, metrics);
            let kind = HeaderValue::from_static(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            );
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written\n".into(),
        ),
    }
}

fn refused(denied: Denied) -> Answer {
    match denied {
        // Without a token these pages are not there.
        Denied::NoToken => not_found(),
        Denied::Host => text(
            StatusCode::MISDIRECTED_REQUEST,
            "ask by the listener's address or localhost\n".into(),
        ),
        Denied::Origin => text(
            StatusCode::FORBIDDEN,
            "not for pages of other origins\n".into(),
        ),
        Denied::Credentials => {
            let mut answer = text(StatusCode::UNAUTHORIZED, "admin.token is needed\n".into());
            let bearer = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            answer
        }
    }
}

fn not_found() -> Answer {
    text(
        StatusCode::NOT_FOUND,
        "not found: /healthz /readyz /metrics, and with admin.token or a Unix socket /status /reload\n".into(),
    )
}

fn document(status: StatusCode, document: &Value) -> Answer {
    let mut answer = own(status, Full::new(Bytes::from(document.to_string())));
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = own(status, Full::new(Bytes::from(text)));
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}
