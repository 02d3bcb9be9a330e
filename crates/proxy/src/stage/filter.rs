//! What of a list its reader sees. Never the only guard: each call is judged by itself (SCP-9).

use http::Response;

use crate::body::Body;
use crate::plan::{Plan, Site};
use crate::stage::authorize::Granted;
use crate::stage::inspect::Call;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

/// What has to be done to the answer.
pub(crate) struct Filter;

/// Before the request is forwarded.
pub(crate) fn wanted(
    _site: &Site,
    _granted: &Granted,
    _call: &Call<'_>,
    _arrival: &mut Arrival,
) -> Option<Filter> {
    None
}

/// What the caller gets.
#[expect(clippy::unused_async, reason = "answers will be collected")]
pub(crate) async fn answer(
    _plan: &Plan,
    _site: &Site,
    _filter: Option<Filter>,
    answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    Ok(answer)
}
