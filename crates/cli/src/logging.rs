//! Log lines: to stderr, as text or as JSON.

use std::io::IsTerminal as _;

use config::{Level, LogFormat, Logging};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates whose lines follow `logging.level`. Libraries speak from `warn` on: below that they show heads of requests.
const OURS: [&str; 5] = ["portcullis", "proxy", "identity", "config", "testbed"];

/// Begins logging. A second call changes nothing.
pub(crate) fn init(logging: &Logging) {
    let level = match logging.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|name| (name, level)));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match logging.format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let _already = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
}
