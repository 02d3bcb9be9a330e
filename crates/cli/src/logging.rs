//! Log lines: to stderr, as text or as JSON.

mod writer;

use std::io::IsTerminal as _;

use config::{Level, LogFormat, Logging};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

pub(crate) use writer::Logs;

/// The crates whose lines follow `logging.level`. Libraries speak from `warn` on: below that they show heads of requests.
const OURS: [&str; 5] = ["portcullis", "proxy", "identity", "config", "testbed"];

/// Begins logging, until the first of both is dropped.
pub(crate) fn init(logging: &Logging) -> std::io::Result<(Logs, Dial)> {
    let (filter, dial) = reload::Layer::new(filter(logging.level));
    let gap = match logging.format {
        LogFormat::Text => text_gap,
        LogFormat::Json => json_gap,
    };
    let (queue, logs) = writer::begin(std::io::stderr(), gap)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(queue);
    let layer = match logging.format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let begun = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    let logs = if begun.is_ok() { logs } else { Logs::none() };
    Ok((logs, Dial(dial)))
}

fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|name| (name, level)))
}

/// Sets how much is told, while it is told.
pub(crate) struct Dial(reload::Handle<Targets, Registry>);

impl Dial {
    pub(crate) fn turn(&self, level: Level) {
        let _nobody_listens = self.0.reload(filter(level));
    }
}

fn text_gap(count: u64) -> String {
    format!(" WARN portcullis: log lines dropped, nobody reads them fast enough count={count}\n")
}

fn json_gap(count: u64) -> String {
    let line = serde_json::json!({
        "level": "WARN",
        "message": "log lines dropped, nobody reads them fast enough",
        "count": count,
        "target": "portcullis",
    });
    format!("{line}\n")
}
