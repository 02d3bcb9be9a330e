//! What the process costs, under the names that Prometheus clients of every language use. Read when it is asked for; what this system
//! does not tell (no `/proc`) is left out.

use std::fmt;

use identity::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Parts of a second in which Linux counts the time on CPU, whatever its own clock does.
const TICKS: u64 = 100;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) started: Timestamp,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name, help, unit: Option<&Unit>, value: Option<u64>| {
            let Some(value) = value.and_then(|value| i64::try_from(value).ok()) else {
                return Ok(());
            };
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)
        };
        gauge(
            "process_start_time",
            "When the process began, since 1970",
            Some(&Unit::Seconds),
            Some(self.started.0),
        )?;
        gauge(
            "process_resident_memory",
            "Memory in use",
            Some(&Unit::Bytes),
            read("status").and_then(|status| resident(&status)),
        )?;
        gauge(
            "process_open_fds",
            "Descriptors in use: connections, files",
            None,
            descriptors(),
        )?;
        gauge(
            "process_max_fds",
            "Descriptors there may be",
            None,
            read("limits").and_then(|limits| most_descriptors(&limits)),
        )?;
        let Some(ticks) = read("stat").and_then(|stat| ticks(&stat)) else {
            return Ok(());
        };
        #[expect(clippy::cast_precision_loss, reason = "in a million years of CPU time")]
        let cpu = ConstCounter::new(ticks as f64 / TICKS as f64);
        let unit = Some(&Unit::Seconds);
        let metric =
            encoder.encode_descriptor("process_cpu", "Time on CPU", unit, cpu.metric_type())?;
        cpu.encode(metric)
    }
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{file}")).ok()
}

fn descriptors() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(open).ok()?.checked_sub(1) // the one that reads the folder
}

/// `VmRSS:     1234 kB`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// `Max open files   soft   hard   files`: the first of both; `unlimited` is no number.
fn most_descriptors(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, the 14th and the 15th field. The second is a name in brackets, in which anything may stand.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let status = "Name:\tportcullis\nVmRSS:\t    2048 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(2 << 20));
        let stat = "42 (port) cullis) S 1 42 42 0 -1 4194560 900 0 0 0 170 30 0 0 20 0 3";
        assert_eq!(ticks(stat), Some(200));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(most_descriptors(limits), Some(1024));
        for nothing in [
            "",
            ")",
            "VmRSS:",
            "Max open files unlimited unlimited files",
        ] {
            assert_eq!(resident(nothing), None);
            assert_eq!(ticks(nothing), None);
            assert_eq!(most_descriptors(nothing), None);
        }
    }
}
