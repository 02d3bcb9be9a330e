//! `Mcp-Session-Id`: whose session it is.

use http::Response;

use crate::body::Body;
use crate::plan::{Plan, Site};
use crate::stage::authorize::Granted;
use crate::stage::inspect::Call;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

/// What a request said about its session, for the answer.
pub(crate) struct Claimed;

/// On the way in.
#[expect(clippy::unnecessary_wraps, reason = "sessions are bound next")]
pub(crate) fn claim(
    _plan: &Plan,
    _site: &Site,
    _granted: &Granted,
    _call: &Call<'_>,
    _arrival: &mut Arrival,
) -> Result<Claimed, Refusal> {
    Ok(Claimed)
}

/// On the way out.
#[expect(clippy::unnecessary_wraps, reason = "sessions are bound next")]
pub(crate) fn hand_out(
    _plan: &Plan,
    _site: &Site,
    _claimed: Claimed,
    answer: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    Ok(answer)
}
