//! The exchange with the upstream: one request up, one answer down, both streaming.
//!
//! Dropping the future or the answer's body aborts the exchange, so a client that leaves takes its upstream request along (TM-5).

use std::error::Error as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::Transport;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, SET_COOKIE, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::response::Parts;
use http::{Method, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as _;

use crate::body::{Body, Cut, is_chunked_alone};
use crate::plan::Site;
use crate::stage::inject::Outbound;
use crate::stop::Refusal;
use crate::upstream::{Download, Way};

/// How long the upstream took, so that the gateway's own time can be told apart.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Waited(pub(crate) Duration);

/// Sends and waits for the head of the answer.
pub(crate) async fn send(
    site: &Site,
    outbound: Outbound,
    way: &mut Way,
    waited: &mut Waited,
) -> Result<Response<Body>, Refusal> {
    let upstream = &site.upstream;
    let begun = Instant::now();
    let exchange = async {
        let passed_over = || {
            site.metrics.passed_over.inc();
        };
        let request = outbound.into_request();
        let is_message = site.transport == Transport::Sse && request.method() == Method::POST;
        let answer = upstream.send(request, begun, way, passed_over);
        receive(site, is_message, answer.await?).await
    };
    let answer = tokio::time::timeout(upstream.response_head, exchange).await;
    waited.0 = begun.elapsed();
    answer.unwrap_or_else(|_| {
        upstream.late(way, begun);
        Err(Refusal::UpstreamLate(upstream.response_head))
    })
}

/// A body that was cut on our side is the caller's doing, everything else the upstream's, told with its name and every cause.
pub(crate) fn failure(upstream: &str, error: &hyper::Error) -> Refusal {
    let mut text = format!("{upstream}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref::<Cut>() {
            Some(Cut::TooLarge(limit)) => return Refusal::BodyTooLarge { limit: *limit },
            Some(Cut::Late(deadline)) => return Refusal::BodyTimeout(*deadline),
            Some(Cut::Broken) => return Refusal::BodyBroken,
            None => {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
        }
    }
    Refusal::UpstreamUnreachable(text.into())
}

/// How long an answer to a message may be that is read to its end, in bytes.
const ACKNOWLEDGEMENT: usize = 4096;
/// How long its end is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Headers that an upstream has no say in (SEC-36).
const REMOVED: &[&str] = &[
    "www-authenticate",
    "dpop-nonce",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "service-worker-allowed",
    "nel",
    "report-to",
    "reporting-endpoints",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];
const REMOVED_PREFIXES: &[&str] = &["access-control-", "proxy-", "x-auth-"];
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

async fn receive(
    site: &Site,
    is_message: bool,
    answer: Response<Download>,
) -> Result<Response<Body>, Refusal> {
    let (mut head, body) = answer.into_parts();
    if head.status == StatusCode::UNAUTHORIZED
        || head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
    {
        return Err(Refusal::UpstreamUnauthorized(head.status));
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Refusal::UpstreamAnswer("it switches protocols unasked"));
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        if !is_chunked_alone(&head.headers) {
            return Err(Refusal::UpstreamAnswer("a transfer coding besides chunked"));
        }
        head.headers.remove(CONTENT_LENGTH); // the chunks count (RFC 9112 section 6.3); with it the answer would be cut there
    }
    head.version = Version::HTTP_11; // ours is the caller's connection's business, whatever the upstream speaks
    let hop = named_by_connection(&head.headers);
    let doomed: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| is_removed(name.as_str()) || hop.contains(name))
        .cloned()
        .collect();
    for name in doomed {
        head.headers.remove(name);
    }
    drop_foreign_cookies(&mut head.headers);
    if is_message && head.status.is_success() && media_type(&head.headers) == Kind::Other {
        acknowledged(&mut head, body).await;
        return Ok(Response::from_parts(head, Body::empty()));
    }
    let body = match site.transport {
        Transport::Http => Body::Passed(body),
        Transport::Mcp | Transport::Sse => {
            protocol_answer(head.status, &mut head.headers, body).await?
        }
    };
    Ok(Response::from_parts(head, body))
}

/// Headers that the upstream meant for this hop alone (RFC 9110 section 7.6.1); what describes the body is not among them.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name: &HeaderName| !name.as_str().starts_with("content-"))
        .collect()
}

fn is_removed(name: &str) -> bool {
    REMOVED.contains(&name)
        || REMOVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// A cookie with a Domain would reach other hosts than this one.
fn drop_foreign_cookies(headers: &mut HeaderMap) {
    let foreign = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        text.split(';')
            .skip(1)
            .any(|attribute| attribute.split('=').next().map(str::trim) == Some("domain"))
    };
    if !headers.get_all(SET_COOKIE).iter().any(foreign) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|value| !foreign(value))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

/// That a message of HTTP+SSE has arrived is all that an answer to it says: what words a server has for that (`Accepted`) is nothing to
/// clients. A few of them are read to their end, since the connection is of use then.
async fn acknowledged(head: &mut Parts, body: Download) {
    describe_nothing(&mut head.headers);
    harmless(&mut head.headers);
    // what breaks off, or goes on, is dropped, and its connection with it
    let words = Limited::new(body, ACKNOWLEDGEMENT).collect();
    let _ = tokio::time::timeout(PATIENCE, words).await;
}

/// What an MCP route lets through: JSON, event streams, and nothing. Redirects and pages would run on the gateway's own origin.
async fn protocol_answer(
    status: StatusCode,
    headers: &mut HeaderMap,
    mut body: Download,
) -> Result<Body, Refusal> {
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        return Err(Refusal::UpstreamAnswer("a redirect on an MCP route"));
    }
    let kind = media_type(headers);
    let body = match kind {
        Kind::Json => Body::Passed(body),
        Kind::EventStream => {
            headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no")); // TM-8
            Body::Passed(body)
        }
        Kind::Other if body.is_end_stream() => Body::empty(),
        // Servers that write the head of a 202 before they know its body send an empty one in chunks.
        Kind::Other if status.is_success() && ends_at_once(&mut body).await => Body::empty(),
        // The status of an error tells a client what to do next (404: begin a new session), its page does not.
        Kind::Other if !status.is_success() => {
            describe_nothing(headers);
            Body::empty()
        }
        Kind::Other => {
            return Err(Refusal::UpstreamAnswer(
                "neither JSON nor an event stream on an MCP route",
            ));
        }
    };
    harmless(headers);
    Ok(body)
}

/// What is left of an answer without its body.
fn describe_nothing(headers: &mut HeaderMap) {
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        headers.remove(name);
    }
}

/// To a browser, a page of nothing.
fn harmless(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
}

/// Whether a body of unknown length turns out to be none. The caller bounds the time.
async fn ends_at_once(body: &mut Download) -> bool {
    while let Some(frame) = body.frame().await {
        if !frame.is_ok_and(|frame| frame.data_ref().is_none_or(Bytes::is_empty)) {
            return false;
        }
    }
    true
}

/// What an answer's `Content-Type` says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    EventStream,
    Other,
}

pub(crate) fn media_type(headers: &HeaderMap) -> Kind {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else {
        return Kind::Other; // of several, browsers take the last
    };
    let value = value.to_str().unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") || is_some_json(kind) {
        Kind::Json
    } else if kind.eq_ignore_ascii_case("text/event-stream") {
        Kind::EventStream
    } else {
        Kind::Other
    }
}

/// `type/subtype+json` (RFC 6839). Browsers read `text/html,x+json` as a list, and it as a page.
fn is_some_json(kind: &str) -> bool {
    let word = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    kind.split_once('/').is_some_and(|(main, sub)| {
        word(main) && word(sub) && sub.to_ascii_lowercase().ends_with("+json")
    })
}
