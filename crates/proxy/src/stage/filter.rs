//! What of a list its reader sees. Never the only guard: each call is judged by itself (SCP-9).
//!
//! Answers to list requests are taken by their shape (SEC-57). One in JSON is collected and shown as it may be; of an event stream
//! whole events are passed on, each as it may be shown. An answer that cannot be filtered is shown to nobody.

mod sieve;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    ETAG, HeaderName, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{Method, Response};
use mcp::operation::Operation;
use tokio::time::timeout;

use crate::body::{Body, Kept};
use crate::plan::{Plan, Site};
use crate::stage::authorize::Granted;
use crate::stage::forward::{Kind, media_type};
use crate::stage::inspect::{Call, Held, Unwhole, gather, readable};
use crate::stage::trust::Arrival;
use crate::stop::Refusal;
use crate::upstream::Download;

pub(crate) use sieve::Sieve;
use view::View;

/// What has to be done to the answer.
pub(crate) struct Filter {
    view: View,
    /// The caller's share of what all bodies may take together.
    held: Held,
}

/// What describes the bytes that the upstream sent, and not those that are shown.
const OF_OTHER_BYTES: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    ETAG,
    LAST_MODIFIED,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Before the request is forwarded: whether its answer may hold a list, and that it must come in plain bytes then.
pub(crate) fn wanted(
    plan: &Plan,
    site: &Arc<Site>,
    granted: &Granted,
    call: &Call<'_>,
    arrival: &mut Arrival,
) -> Option<Filter> {
    if !site.policy.access.changes_lists() {
        return None;
    }
    if !may_list(call, arrival.head.method == Method::GET) {
        return None;
    }
    let headers = &mut arrival.head.headers;
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    let memory = &plan.shared.inspected;
    Some(Filter {
        view: View::of(site, granted.caller()),
        held: memory.hold(plan.inspect_memory, granted.caller(), arrival.client),
    })
}

/// Whether the answer may hold a list.
pub(crate) fn may_list(call: &Call<'_>, is_get: bool) -> bool {
    match call {
        // every answer of HTTP+SSE comes on a stream, and those of a broken one on the next (`Last-Event-ID`)
        Call::Unread => is_get,
        Call::Read(messages) => messages
            .messages
            .iter()
            .any(|message| matches!(message.operation(), Operation::List(_))),
    }
}

/// What the caller gets.
pub(crate) async fn answer(
    plan: &Plan,
    site: &Site,
    filter: Option<Filter>,
    answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    let Some(Filter { view, held }) = filter else {
        return Ok(answer);
    };
    let (mut head, body) = answer.into_parts();
    let incoming = match body {
        Body::Passed(incoming) => incoming,
        // nothing came, or nothing of the upstream's
        body @ (Body::Own(_) | Body::Kept(_) | Body::Sifted(_) | Body::Tended(_)) => {
            return Ok(Response::from_parts(head, body));
        }
    };
    let shown = match media_type(&head.headers) {
        _ if readable(&head.headers).is_err() => Err(Refusal::UpstreamAnswer(
            "a list is encoded, although it was asked for in plain UTF-8",
        )),
        Kind::EventStream => Ok(Body::Sifted(Box::new(Sieve::new(
            plan, view, held, incoming,
        )))),
        Kind::Json => {
            if view.varies() {
                head.headers
                    .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            let late = site.upstream.response_head;
            let shown = timeout(late, whole(plan, &view, held, incoming)).await;
            shown.unwrap_or(Err(Refusal::UpstreamLate(late)))
        }
        Kind::Other => Err(Refusal::UpstreamAnswer(
            "a list that is neither JSON nor an event stream",
        )),
    };
    for name in OF_OTHER_BYTES {
        head.headers.remove(name);
    }
    let body = match shown {
        Ok(body) => body,
        Err(refusal) if head.status.is_success() => return Err(refusal),
        // the status of an error tells a client what to do next, its text does not
        Err(_) => {
            head.headers.remove(CONTENT_TYPE);
            Body::empty()
        }
    };
    Ok(Response::from_parts(head, body))
}

/// An answer in JSON, read to its end.
async fn whole(
    plan: &Plan,
    view: &View,
    mut held: Held,
    mut incoming: Download,
) -> Result<Body, Refusal> {
    const UNWHOLE: Unwhole = Unwhole {
        too_long: |_| Refusal::UpstreamAnswer("a list answer over server.limits.list_bytes"),
        broken: || Refusal::UpstreamAnswer("a list answer broke off"),
    };
    let bytes = gather(&mut incoming, plan.list_bytes, &mut held, &UNWHOLE).await?;
    if bytes.is_empty() {
        return Ok(Body::empty());
    }
    let most_added = usize::try_from(plan.list_bytes).unwrap_or(usize::MAX);
    let shown = match view.shown(&bytes, most_added) {
        Ok(Cow::Borrowed(_)) => bytes,
        Ok(Cow::Owned(shown)) => shown.into(),
        Err(unclear) => return Err(Refusal::UpstreamAnswer(unclear.0)),
    };
    held.keep(shown.len())?;
    Ok(Body::Kept(Kept::new(shown, held)))
}
