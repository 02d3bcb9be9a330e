//! What a body asks for. It is read only where a rule of the route depends on it, whatever its `Content-Type` says (X11), is held in
//! memory while it is judged, and goes to the upstream byte for byte.
//!
//! Where it is read it is understood or refused: what two parsers could read in two ways is refused, not guessed at (SEC-53).

mod gather;
mod memory;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use mcp::headers::Mirrored;
use mcp::message::{self, Messages};
use tokio::time::timeout;

use crate::plan::{Plan, Site};
use crate::stage::authorize::Admitted;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

pub(crate) use gather::{Unwhole, gather};
pub(crate) use memory::{Held, Memory, Most};

/// What is known of what a request asks for.
pub(crate) enum Call<'b> {
    /// Nothing that the route asks for depends on it, or there is no body.
    Unread,
    Read(Messages<'b>),
}

impl Call<'_> {
    /// As much of it as is judged again while its answer lasts: of each message what it wants. A name that neither a rule nor
    /// `public_tools` can speak of is like any other such.
    pub(crate) fn kept(&self) -> Call<'static> {
        match self {
            Call::Unread => Call::Unread,
            Call::Read(messages) => Call::Read(Messages {
                batch: messages.batch,
                messages: messages
                    .messages
                    .iter()
                    .map(|message| message.kept(config::LONGEST_TOOL_NAME))
                    .collect(),
            }),
        }
    }
}

/// A body that was read to its end, and its share of what all bodies may take together.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _held: Held,
}

/// Reads the body, if anything depends on it.
pub(crate) async fn body(
    plan: &Plan,
    site: &Site,
    admitted: &Admitted,
    arrival: &mut Arrival,
) -> Result<Option<Body>, Refusal> {
    if !site.reads || arrival.head.method != Method::POST {
        return Ok(None);
    }
    readable(&arrival.head.headers)?;
    let limit = site.injection.body_limit;
    let deadline = site.injection.body_deadline;
    let memory = &plan.shared.inspected;
    let held = memory.hold(plan.inspect_memory, admitted.caller(), arrival.client);
    let collected = collect(held, limit, arrival);
    let body = timeout(deadline, collected).await;
    let body = body.map_err(|_| Refusal::BodyTimeout(deadline))??;
    arrival.read = Some(body.bytes.clone());
    Ok(Some(body))
}

/// What it asks for.
pub(crate) fn call<'b>(body: Option<&'b Body>, headers: &HeaderMap) -> Result<Call<'b>, Refusal> {
    let Some(Body { bytes, .. }) = body else {
        return Ok(Call::Unread);
    };
    if says_form(headers) && bytes.iter().any(|byte| matches!(byte, b'&' | b';')) {
        return Err(Refusal::Ambiguous("JSON that is a form of several fields"));
    }
    Ok(Call::Read(message::read(bytes)?))
}

/// What headers repeat of the body must agree with it (HDR-3, SEC-58).
pub(crate) fn mirrored(headers: &HeaderMap, call: &Call<'_>) -> Result<(), Refusal> {
    let Call::Read(messages) = call else {
        return Ok(()); // the server compares
    };
    let lines = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect()
    };
    let mirrored = Mirrored {
        version: lines("mcp-protocol-version"),
        method: lines("mcp-method"),
        name: lines("mcp-name"),
    };
    Ok(mcp::headers::compare(&mirrored, messages)?)
}

async fn collect(mut held: Held, limit: u64, arrival: &mut Arrival) -> Result<Body, Refusal> {
    const UNWHOLE: Unwhole = Unwhole {
        too_long: |limit| Refusal::BodyTooLarge { limit },
        broken: || Refusal::BodyBroken,
    };
    let bytes = gather(&mut arrival.body, limit, &mut held, &UNWHOLE).await?;
    Ok(Body { bytes, _held: held })
}

/// Whether some server takes the body for a form, as those do that read forms beside JSON. To them `&`, to some `;`, parts it into
/// fields, also within a string of JSON, and they could be another message. Without one there is a single field, which is none.
fn says_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"urlencoded";
    headers.get_all(CONTENT_TYPE).iter().any(|line| {
        let mut parts = line.as_bytes().windows(FORM.len());
        parts.any(|part| part.eq_ignore_ascii_case(FORM))
    })
}

/// Only plain UTF-8 has one reading: a server may or may not heed another charset, and unpack what is packed.
pub(crate) fn readable(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_plain = |coding: &str| coding.trim().eq_ignore_ascii_case("identity");
    for line in headers.get_all(CONTENT_ENCODING) {
        if !line
            .to_str()
            .is_ok_and(|line| line.split(',').all(is_plain))
        {
            return Err(Refusal::UnsupportedMedia("the body is encoded"));
        }
    }
    for line in headers.get_all(CONTENT_TYPE) {
        let line = String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase();
        for (at, _) in line.match_indices("charset") {
            let rest = line.get(at + "charset".len()..).unwrap_or_default();
            let Some(value) = rest.trim_start().strip_prefix('=') else {
                continue;
            };
            let value = value.trim_start().trim_start_matches('"');
            let end = value.find(|c: char| matches!(c, ';' | '"' | ',') || c.is_whitespace());
            let value = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
            if !matches!(value, "utf-8" | "utf8" | "us-ascii") {
                return Err(Refusal::UnsupportedMedia("the charset is not UTF-8"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: http::HeaderName, value: &'static str, readable_: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(readable(&headers).is_ok(), readable_, "{value}");
    }

    #[test]
    fn sec_53_x11_bodies_in_other_encodings_are_refused_whatever_their_type() {
        check(CONTENT_TYPE, "application/json", true);
        check(CONTENT_TYPE, "text/plain", true);
        check(CONTENT_TYPE, "application/json; charset=utf-8", true);
        check(CONTENT_TYPE, "application/json; charset=\"UTF-8\"", true);
        check(CONTENT_TYPE, "application/json;charset=utf-16", false);
        check(CONTENT_TYPE, "application/json; charset = \"utf-7\"", false);
        check(CONTENT_TYPE, "a/b; charset=utf-8; charset=utf-16le", false);
        check(CONTENT_TYPE, "text/plain; CHARSET=latin1", false);
        check(CONTENT_ENCODING, "identity", true);
        check(CONTENT_ENCODING, "gzip", false);
        check(CONTENT_ENCODING, "identity, br", false);
        check(CONTENT_ENCODING, "", false);
    }
}
