//! What is counted of the audit trail.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{ResultLabels, SinkLabels};

/// Without an audit trail none of its series is shown.
pub(crate) struct AuditFamilies {
    records: Family<ResultLabels, Counter>,
    working: Family<SinkLabels, Gauge>,
}

/// The handles of the audit trail.
#[derive(Clone)]
pub(crate) struct AuditMetrics {
    pub(crate) written: Counter,
    pub(crate) dropped: Counter,
    /// 1 while the sink takes records.
    pub(crate) working: Gauge,
}

impl AuditFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let records = Family::default();
        registry.register(
            "audit_records",
            "Records of the audit trail, by what became of them",
            records.clone(),
        );
        let working = Family::default();
        registry.register(
            "audit_working",
            "Whether the sink of the audit trail takes records",
            working.clone(),
        );
        Self { records, working }
    }

    pub(crate) fn handles(&self, sink: &'static str) -> AuditMetrics {
        let records = |result| self.records.get_or_create(&ResultLabels { result }).clone();
        AuditMetrics {
            written: records("written"),
            dropped: records("dropped"),
            working: self.working.get_or_create(&SinkLabels { sink }).clone(),
        }
    }
}
