//! `run`: serve until told to stop.

mod reload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use identity::{Clock, Timestamp};
use proxy::{AuditError, Gateway, PlanError, ServeError, Tracing};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sources::Origin;
use crate::{End, logging, report};
use reload::Reload;

/// The same number on every system that we know.
const SIGXFSZ: i32 = 25;

/// From a file.
pub(crate) fn file(option: Option<PathBuf>, env_file: Option<&Path>) -> End {
    serve(Origin::file(option, env_file))
}

/// Beside one server, from variables alone (S4).
pub(crate) fn sidecar(upstream: &str, env_file: Option<&Path>) -> End {
    serve(Origin::upstream(upstream, env_file))
}

fn serve(origin: Origin) -> End {
    let reading = origin.read();
    let mark = reading.mark;
    let (config, traces) = match reading.accept() {
        Ok(accepted) => accepted,
        Err(end) => return end,
    };
    let begun = logging::init(&config.logging).and_then(|logs| Ok((logs, runtime()?)));
    let ((logs, dial), runtime) = match begun {
        Ok(begun) => begun,
        Err(error) => return report::failure(&error),
    };
    let served = runtime.block_on(async {
        // A write beyond a limit on file sizes is an error to be told, not a reason to be killed.
        let _beyond_limit = signal(SignalKind::from_raw(SIGXFSZ));
        let reload = Reload::listen(origin, mark);
        let tracing = traces.map(|settings| Tracing {
            settings,
            clock: since_1970,
        });
        let gateway = Gateway::start(config, clock(), since_1970, tracing).await?;
        gateway.count_dropped_lines(logs.dropped());
        let reloading = tokio::spawn(reload.run(gateway.reloader(), gateway.trail(), dial));
        serve_until_told(gateway).await;
        reloading.abort();
        Ok(())
    });
    // A thread that reads from a file system or a name server that hangs cannot be ended, and must not hold up the end.
    runtime.shutdown_background();
    drop(logs); // what was logged stands before what is said at the end
    match served {
        Ok(()) => End::Good,
        Err(error) => refuse(&error),
    }
}

/// Says why the gateway does not start, with a way out where there is one.
pub(crate) fn refuse(error: &ServeError) -> End {
    let end = report::failure(error);
    match error {
        // What the configuration names is part of it.
        ServeError::Tls(_) | ServeError::Plan(PlanError::Tls(_)) => return End::Misconfigured,
        ServeError::Authenticator(error) => error.hints.iter().for_each(|hint| report::hint(hint)),
        ServeError::Listen { .. } => report::hint(
            "another program may have the port; choose one by server.listen or admin.listen",
        ),
        ServeError::Audit(AuditError::Open { .. }) => {
            report::hint(
                "the folder has to be there, and the user the gateway runs as has to be able to write in it",
            );
            return End::Misconfigured;
        }
        ServeError::Audit(AuditError::Write(_)) | ServeError::Plan(PlanError::Value { .. }) => {}
    }
    end
}

/// With a single core there is nobody to share work with, and a runtime that does not try saves about a twelfth of each request.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = if cores == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

/// Time for judging: whole seconds.
pub(crate) fn clock() -> Clock {
    Arc::new(|| Timestamp(since_1970().as_secs()))
}

/// Time for telling when something was: the one place where the wall clock is read.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that is handed in everywhere else"
)]
pub(crate) fn since_1970() -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the drain at once: somebody waits at a terminal.
pub(crate) async fn serve_until_told(gateway: Gateway) {
    let mut signals = Signals::listen();
    let trail = gateway.trail();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let served = gateway.serve(async {
        let _told_or_gone = stopped.await;
    });
    tokio::select! {
        () = served => {}
        () = async {
            signals.next().await;
            let _already_stopped = stop.send(());
            signals.next().await;
        } => tracing::warn!("a second signal: what is still open is cut"),
    }
    trail.end().await;
}

/// The signals that mean the end. One that came before anybody waited counts too: whoever reads "ready" in the log may send it at once.
struct Signals {
    terminate: std::io::Result<Signal>,
    interrupt: std::io::Result<Signal>,
}

impl Signals {
    fn listen() -> Self {
        Self {
            terminate: signal(SignalKind::terminate()),
            interrupt: signal(SignalKind::interrupt()),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = arrival(&mut self.terminate) => {}
            () = arrival(&mut self.interrupt) => {}
        }
    }
}

/// Where a signal cannot be listened to, the default (an immediate end) stays in force.
async fn arrival(signal: &mut std::io::Result<Signal>) {
    match signal {
        Ok(signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
