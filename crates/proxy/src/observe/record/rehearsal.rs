//! What is told of a call that the rules for tools would have refused, if they counted already (SEC-52).

use super::Record;
use super::closing::shown;
use super::refusal::kept;
use crate::stage::authorize::Granted;

impl Record<'_> {
    /// Log, metric and audit trail hear of it; the request goes on.
    pub(crate) fn granted(&mut self, granted: Granted) -> Granted {
        let Some(refusal) = granted.rehearsed() else {
            return granted;
        };
        let public = refusal.public();
        let detail = refusal.to_string();
        let closing = &mut self.closing;
        if let Some(site) = &closing.site {
            let rehearsals = &closing.shared.metrics.rehearsals;
            rehearsals.count(&site.name, public.reason);
        }
        let subject = closing.caller.as_ref().map(identity::Caller::subject);
        let subject = subject.map(shown);
        let tools = closing.heard.as_ref().and_then(|heard| heard.tools());
        let tools = tools.unwrap_or_default();
        tracing::info!(
            reason = public.reason, route = %closing.route(), tool = %shown(&tools), subject = subject.as_deref(), client = %closing.client,
            reference = closing.id.to_str().unwrap_or_default(), trace = closing.trace_id(), cause = %detail, "let through: dry_run"
        );
        closing.rehearsed = Some(public.reason);
        if closing.shared.audit.is_some() {
            closing.detail = Some(kept(detail));
        }
        granted
    }
}
