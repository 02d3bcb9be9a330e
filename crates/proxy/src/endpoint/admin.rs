//! The admin listener: liveness, readiness, metrics. Never on the public listener.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::body::own;
use crate::plan::Plan;

/// Answers one request of an operator or a probe.
pub(crate) fn answer(plan: &Plan, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" if plan.is_ready() => text(StatusCode::OK, "ready\n".into()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
        "/metrics" => match plan.shared.metrics.text(
            &plan.authenticators,
            &plan.shared.slots,
            plan.shared.tls.as_deref(),
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
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "not found: /healthz /readyz /metrics\n".into(),
        ),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = own(status, Full::new(Bytes::from(text)));
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}
