//! Where the requests of a route go.

use std::fmt;
use std::path::PathBuf;

use crate::origin::Origin;

/// The servers of one route, and how they are spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Never empty, and no two alike.
    pub members: Vec<Member>,
    /// Replaces the route's path, on every member; `None` keeps the request's.
    pub path: Option<Box<str>>,
    /// Says nothing where no member is https.
    pub tls: UpstreamTls,
    /// The `Host` that every member sees; `None` = each its own authority, `localhost` behind a socket.
    pub host: Option<Box<str>>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Member {
    Http(Origin),
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

/// How https members are spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// PEM file of the only roots believed; `None` = the system's.
    pub ca: Option<PathBuf>,
    /// What the gateway shows of itself.
    pub own: Option<OwnCertificate>,
    /// The name that is asked for and checked; `None` = the URL's own.
    pub server_name: Option<Box<str>>,
}

/// A certificate chain of the gateway's own, and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnCertificate {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

impl fmt::Display for Member {
    /// As it is written, without a path.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Http(origin) => origin.fmt(out),
            Member::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}
