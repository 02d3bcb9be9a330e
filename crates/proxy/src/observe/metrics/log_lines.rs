//! Log lines that nobody could read. They are counted where the log is written, which is not here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

/// The count, once it is known who keeps it.
#[derive(Debug, Default, Clone)]
pub(crate) struct LogLines(Arc<OnceLock<Arc<AtomicU64>>>);

impl LogLines {
    /// The first count stays.
    pub(crate) fn are_counted_by(&self, dropped: Arc<AtomicU64>) {
        let _second = self.0.set(dropped);
    }
}

impl Collector for LogLines {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(dropped) = self.0.get() else {
            return Ok(());
        };
        let counter = ConstCounter::new(dropped.load(Ordering::Relaxed));
        let metric = encoder.encode_descriptor(
            "log_lines_dropped",
            "Log lines that were dropped because nobody read them fast enough",
            None,
            counter.metric_type(),
        )?;
        counter.encode(metric)
    }
}
