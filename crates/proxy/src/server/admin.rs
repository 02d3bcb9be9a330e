//! The operator's listener: an address, or a socket that only our own user may open.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as Knock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::AdminListen;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::endpoint::admin::{Door, answer};
use crate::server::shutdown::Drain;
use crate::server::{Terms, accept};
use crate::shared::PlanCell;

/// Connections of probes and operators at once.
const CONNECTIONS: usize = 64;
/// From accept to the end of a head.
const HEAD: Duration = Duration::from_secs(5);
/// A request with its answer; a reload may take three quarters of it.
const EXCHANGE: Duration = Duration::from_mins(1);
const HEAD_BYTES: usize = 16 * 1024;
const BACKLOG: i32 = 64;
/// After an error that is not one connection's own, accepting pauses.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) enum Listener {
    Tcp(TcpListener, Door),
    Unix(UnixListener, Own),
}

/// The socket's file; it goes with the listener.
pub(crate) struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

impl Listener {
    pub(crate) fn bind(listen: &AdminListen) -> io::Result<Self> {
        match listen {
            AdminListen::Tcp(address) => {
                let listener = accept::bind(*address)?;
                let address = listener.local_addr()?;
                tracing::info!(%address, "admin listening");
                Ok(Self::Tcp(listener, Door::Tcp(address)))
            }
            AdminListen::Unix(path) => {
                let listener = socket(path)?;
                tracing::info!(address = %listen, "admin listening");
                Ok(Self::Unix(listener, Own(path.clone())))
            }
        }
    }

    /// Answers until the future is dropped: probes are answered while the gateway drains, too.
    pub(crate) async fn serve(self, plans: Arc<PlanCell>) {
        match self {
            Self::Tcp(listener, door) => {
                let small = Terms::small();
                let slots = Arc::new(Semaphore::new(CONNECTIONS));
                let handle = move |_, request| {
                    let plan = plans.load();
                    async move { answer(&plan, door, &request).await }
                };
                let terms = move || Arc::clone(&small);
                // A drain of its own, which never begins.
                accept::run(listener, None, slots, terms, Drain::new(), handle).await;
            }
            Self::Unix(listener, _own) => through_the_socket(listener, plans).await,
        }
    }
}

/// Nobody else may open it, not even for the moment between its making and the change of its mode: it does not listen before.
fn socket(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Removes what a process that is no more has left; never another file, and never the socket of somebody who listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(()); // nothing there, or nothing that binding would not tell
    };
    let in_use = |why: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, why.to_owned()));
    if !found.file_type().is_socket() {
        return in_use("there is a file that is no socket");
    }
    match Knock::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => in_use("somebody listens there"),
    }
}

async fn through_the_socket(listener: UnixListener, plans: Arc<PlanCell>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return; // never closed
        };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let plans = Arc::clone(&plans);
                    connections.spawn(async move {
                        let _slot = slot;
                        let _late = timeout(EXCHANGE, one_exchange(stream, plans)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn one_exchange(stream: UnixStream, plans: Arc<PlanCell>) {
    let service = service_fn(move |request| {
        let plan = plans.load();
        async move { Ok::<_, Infallible>(answer(&plan, Door::Unix, &request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false);
    let ended = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(cause = %error, "admin connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sec_79_the_socket_is_the_users_alone_and_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listen = AdminListen::Unix(path.clone());
        let first = Listener::bind(&listen).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let taken = Listener::bind(&listen).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn sec_79_what_a_dead_process_left_is_taken_over_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listen = AdminListen::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // its file stays
        assert!(path.exists());
        drop(Listener::bind(&listen).unwrap());
        fs::write(&path, "somebody's").unwrap();
        assert!(Listener::bind(&listen).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
    }
}
