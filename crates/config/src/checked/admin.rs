//! The operator's listener.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct Admin {
    pub listen: AdminListen,
    /// What whoever asks for more than probes and metrics has to know. `None`: over TCP nobody may (SEC-79).
    pub token: Option<Secret>,
}

/// Two configurations are compared when one replaces the other. Nobody who presents a credential gets here, so time tells nothing.
impl PartialEq for Admin {
    fn eq(&self, other: &Self) -> bool {
        let token = |admin: &Self| admin.token.as_ref().map(|token| token.expose().to_owned());
        self.listen == other.listen && token(self) == token(other)
    }
}

/// Where the operator is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListen {
    Tcp(SocketAddr),
    /// The path of a socket that only the gateway's own user may open.
    Unix(PathBuf),
}

impl fmt::Display for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
