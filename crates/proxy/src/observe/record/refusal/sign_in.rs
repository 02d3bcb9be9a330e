//! Clients that log in for single tools (`access.tool_login`).
//!
//! A refusal is an HTTP status, and that is what clients step up after. `ChatGPT` does not: it opens its login for a tool only after a
//! tool result with `isError` and `_meta["mcp/www_authenticate"]` (SEP-1489, and the guide to authentication of its maker), and never after
//! a 401 to a call. So a client of that kind, which its `User-Agent` tells, gets its refusals in that form, and all others the status.
//! The header decides nothing but the form.

use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use mcp::message::Message;
use mcp::operation::{Called, Operation};
use serde_json::json;

use crate::observe::record::Era;
use crate::plan::Site;
use crate::stop::{Public, Refusal};

/// In which form a refusal of this message is a tool result, if it is one.
pub(in crate::observe::record) fn by_result(
    site: &Site,
    message: &Message<'_>,
    headers: &HeaderMap,
) -> Option<Era> {
    let is_call = matches!(message.operation(), Operation::Call(Called::Tool(_)));
    let is_asked = site.policy.access.tool_login() && site.takes_tokens();
    if !is_asked || !is_call || message.id.is_none() || !is_of_kind(headers) {
        return None;
    }
    Some(match message.version.as_deref() {
        Some(_) => Era::Modern, // only there do messages carry it
        None => Era::Legacy,
    })
}

/// Whether a client heeds tool results and no statuses.
fn is_of_kind(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    let agent = agent.unwrap_or_default().to_ascii_lowercase();
    let says = |word: &[u8]| agent.windows(word.len()).any(|part| part == word);
    says(b"chatgpt") || says(b"openai")
}

/// Whether a login would help.
pub(super) fn helps(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::MissingCredentials
            | Refusal::CallerNeeded { .. }
            | Refusal::InsufficientScope { .. }
    )
}

/// The result of a call that was refused. `id` is raw JSON.
pub(super) fn result(id: &str, era: Era, public: &Public, challenge: &str) -> String {
    let mut result = json!({
        "content": [{ "type": "text", "text": public.description }],
        "isError": true,
        "_meta": { "mcp/www_authenticate": [challenge] },
    });
    match era {
        Era::Legacy => {}
        Era::Modern => {
            if let Some(members) = result.as_object_mut() {
                members.insert("resultType".into(), "complete".into()); // in every result
            }
        }
    }
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(agent: &'static str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        assert_eq!(is_of_kind(&headers), expected, "{agent}");
    }

    #[test]
    fn a_result_has_the_form_of_its_era() {
        let public = Refusal::MissingCredentials.public();
        let legacy = result("\"a\"", Era::Legacy, &public, "Bearer error=\"x\"");
        assert_eq!(
            legacy,
            r#"{"jsonrpc":"2.0","id":"a","result":{"_meta":{"mcp/www_authenticate":["Bearer error=\"x\""]},"content":[{"text":"authentication is required","type":"text"}],"isError":true}}"#
        );
        let modern = result("7", Era::Modern, &public, "Bearer");
        assert!(modern.contains(r#""resultType":"complete""#), "{modern}");
    }

    #[test]
    fn i_12_who_heeds_results_says_so_in_its_name() {
        check("openai-mcp/1.0.0 (ChatGPT)", true);
        check("OpenAI-MCP/2", true);
        check("Mozilla/5.0 ChatGPT-User/1.0", true);
        check("claude-user/1.0", false);
        check("node", false);
        check("", false);
        assert!(!is_of_kind(&HeaderMap::new()));
    }
}
