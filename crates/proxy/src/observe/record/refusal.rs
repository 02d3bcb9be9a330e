//! A refusal as the caller, the log and the metrics see it.

mod sign_in;

use http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode, Version};
use identity::Failure;
use oauth::challenge::Scheme;
use oauth::error::ErrorCode;

use super::closing::shown;
use super::{Record, Spoken, nonce};
use crate::body::{Body, own};
use crate::observe::metrics::Outcome;
use crate::plan::Site;
use crate::plan::site::Form;
use crate::stage::limit::whole_seconds;
use crate::stop::{Challenge, Public, Refusal};

pub(super) use sign_in::by_result;

/// Somewhat more than a record shows of it, so that the record can tell that there was more.
const KEPT: usize = 512;

impl Record<'_> {
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Response<Body> {
        let public = refusal.public();
        let closing = &mut self.closing;
        closing.outcome = if public.status.is_server_error() {
            Outcome::Failed
        } else {
            Outcome::Refused
        };
        closing.reason = public.reason;
        let detail = refusal.to_string();
        let route = closing.route().to_owned();
        if let Some(kind) = refusal.upstream_kind() {
            closing.shared.metrics.upstream_error(&route, kind);
        }
        if let Refusal::Unproven(_) = refusal {
            closing.shared.metrics.unproven(public.reason);
        }
        let reference = closing.id.to_str().unwrap_or_default();
        let subject = closing.caller.as_ref().map(identity::Caller::subject);
        let subject = subject.map(shown);
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    reason = public.reason, status = public.status.as_u16(), %route, method = %shown(closing.method.as_str()), mcp_method = closing.mcp_method(), tool = closing.tool(), path = %shown(&closing.path),
                    subject = subject.as_deref(), client = %closing.client, reference, trace = closing.trace_id(), cause = %detail, "request refused"
                )
            };
        }
        // Every login begins without credentials, every use of a proof without a nonce, clients ask for a stream by themselves, and every
        // scanner asks for what is not there: none is a reason to be warned.
        if matches!(
            refusal,
            Refusal::MissingCredentials
                | Refusal::CallerNeeded { .. }
                | Refusal::NoRoute
                | Refusal::Unprompted(_)
                | Refusal::Unproven(Failure::NonceNeeded(_))
        ) {
            tell!(info);
        } else {
            tell!(warn);
        }
        if closing.shared.audit.is_some() {
            closing.detail = Some(kept(detail));
        }
        let description = refusal.told();
        let body = match &self.spoken {
            Some(spoken) => spoken.error(&public, &description, reference),
            None => plain(&public, &description, reference),
        };
        let mut answer = own(public.status, Body::from(body));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.challenges(refusal, &public, headers);
        if let Some(result) = self.as_result(refusal, &public) {
            *answer.body_mut() = Body::from(result);
            *answer.status_mut() = StatusCode::OK;
            answer.headers_mut().remove(WWW_AUTHENTICATE);
            return answer;
        }
        let headers = answer.headers_mut();
        if public.status == StatusCode::UNAUTHORIZED {
            nonce(self.plan, self.closing.site.as_deref(), headers);
        }
        if let Some(allow) = refusal.allow() {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(after) = refusal.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if let Refusal::RateLimited(exceeded) = refusal {
            exceeded.apply(headers);
        }
        if self.has_body && self.version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close")); // what is left of the body is nobody's request
        }
        answer
    }

    /// The refusal as a tool result, for clients that heed nothing else.
    fn as_result(&self, refusal: &Refusal, public: &Public) -> Option<String> {
        let spoken = self.spoken.as_ref()?;
        let era = spoken.by_result.filter(|_| sign_in::helps(refusal))?;
        let id = str::from_utf8(spoken.id.as_deref()?).ok()?;
        let site = self.closing.site.as_ref()?;
        let form = site.form(self.name, &self.closing.path)?;
        let error = match public.challenge {
            Challenge::Error(error) => error,
            // without an `error` the login is not opened
            Challenge::None | Challenge::Plain => ErrorCode::InvalidToken,
        };
        let scope = refusal.needed().or(Some(&site.policy.required));
        let challenge = oauth::challenge::Challenge {
            scheme: Scheme::Bearer,
            error: Some(error),
            description: Some(public.description),
            scope: scope.filter(|scopes| !scopes.is_empty()),
            resource_metadata: Some(&form.metadata_url),
        };
        Some(sign_in::result(id, era, public, &challenge.to_string()))
    }

    /// The `WWW-Authenticate` lines of contract section 4; none where no protected route is concerned.
    fn challenges(&self, refusal: &Refusal, public: &Public, headers: &mut HeaderMap) {
        let site = self.closing.site.as_ref();
        let Some(site) = site.filter(|site| site.is_protected()) else {
            return;
        };
        let Some(form) = site.form(self.name, &self.closing.path) else {
            return;
        };
        if site.takes_tokens() {
            // `Bearer` comes first: it is all that most clients look for
            if let Some(token) = challenge(site, form, self.with_proof, refusal, public) {
                headers.insert(WWW_AUTHENTICATE, token);
            }
            let is_offered = if let Refusal::Unproven(failure) = refusal {
                !self.with_proof && matches!(failure, Failure::ProofRequired(_))
            } else {
                public.challenge == Challenge::Plain && site.proofs.required // nothing was presented
            };
            if is_offered {
                headers.append(WWW_AUTHENTICATE, form.dpop.clone());
            }
        }
        if public.status == StatusCode::UNAUTHORIZED {
            for key in &form.key_challenges {
                headers.append(WWW_AUTHENTICATE, key.clone());
            }
        }
    }
}

/// The body of a refusal where nothing is known of JSON-RPC.
fn plain(public: &Public, description: &str, reference: &str) -> String {
    let body = serde_json::json!({
        "error": words(public),
        "error_description": description,
        "reference": reference,
    });
    body.to_string()
}

fn words(public: &Public) -> &'static str {
    public.status.canonical_reason().unwrap_or("Error")
}

impl Spoken {
    /// A JSON-RPC error with the id of the request that it answers (TM-13), without one where there is none or are several.
    fn error(&self, public: &Public, message: &str, reference: &str) -> String {
        let error = serde_json::json!({
            "code": code(public),
            "message": message,
            "data": { "error": words(public), "reason": public.reason, "reference": reference },
        });
        let id = self.id.as_deref().and_then(|id| str::from_utf8(id).ok());
        let id = id.map(|id| format!("\"id\":{id},")).unwrap_or_default();
        format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{error}}}")
    }
}

/// `HeaderMismatch` of 2026-07-28; texts before it had -32001 (OPEN-2).
const HEADER_MISMATCH: i32 = -32020;

/// One code for each status, of those that are free, but where the protocol has one of its own (TM-13).
fn code(public: &Public) -> i32 {
    if public.reason == "header_mismatch" {
        return HEADER_MISMATCH;
    }
    match public.status.as_u16() {
        401 | 404 => -32001, // what servers say of a session that they do not know (X24)
        403 => -32003,
        429 => -32004,
        400 => -32005,
        413 => -32006,
        408 => -32007,
        415 => -32008,
        502 => -32010,
        503 => -32011,
        504 => -32012,
        _ => -32000, // no other is met after a body was read
    }
}

/// What went wrong with a token, in the scheme in which it came.
fn challenge(
    site: &Site,
    form: &Form,
    with_proof: bool,
    refusal: &Refusal,
    public: &Public,
) -> Option<HeaderValue> {
    let error = match public.challenge {
        Challenge::None => return None,
        Challenge::Plain if refusal.needed().is_none() => return Some(form.challenge.clone()),
        Challenge::Plain => None,
        Challenge::Error(error) => Some(error),
    };
    let of_route = Some(&*site.policy.required);
    let scope = match error {
        None | Some(ErrorCode::InsufficientScope | ErrorCode::InvalidToken) => refusal
            .needed()
            .or(of_route)
            .filter(|scopes| !scopes.is_empty()),
        Some(ErrorCode::InvalidRequest | ErrorCode::InvalidDpopProof | ErrorCode::UseDpopNonce) => {
            None
        }
    };
    let algorithms = identity::PROOF_ALGORITHMS.join(" ");
    let challenge = oauth::challenge::Challenge {
        scheme: if with_proof {
            Scheme::Dpop {
                algorithms: &algorithms,
            }
        } else {
            Scheme::Bearer
        },
        error,
        description: error.map(|_| public.description), // ERR-3
        scope,
        resource_metadata: Some(&form.metadata_url),
    };
    HeaderValue::try_from(challenge.to_string()).ok()
}

/// What waits in a queue is bounded.
pub(super) fn kept(mut detail: String) -> Box<str> {
    detail.truncate(detail.floor_char_boundary(KEPT));
    detail.into()
}
