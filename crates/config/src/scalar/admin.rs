//! Where the operator is listened to, and what the operator has to know.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Scalar;
use super::strength::weakness;
use crate::checked::AdminListen;
use crate::problem::Flaw;
use crate::secret::Secret;

/// What the address of a Unix socket holds, with the byte that ends it.
const SOCKET_PATH: usize = 108;
/// 192 bits in base64.
const SHORTEST_TOKEN: usize = 32;

impl Scalar for AdminListen {
    const EXPECTED: &'static str = "an address and port like 127.0.0.1:9090, or unix:/path";

    fn read(text: &str) -> Result<Self, Flaw> {
        let Some(path) = text.strip_prefix("unix:") else {
            return SocketAddr::read(text).map(Self::Tcp);
        };
        if !path.starts_with('/') {
            return Err(Flaw::new("is not an absolute path")
                .hint("it is written unix:/run/portcullis/admin.sock"));
        }
        if path.ends_with('/') {
            return Err("is not the path of a file".into());
        }
        if path.len() >= SOCKET_PATH {
            return Err("is longer than 107 bytes, which no socket's path can be".into());
        }
        Ok(Self::Unix(PathBuf::from(path)))
    }
}

/// `admin.token`.
#[derive(Debug, Clone)]
pub(crate) struct AdminToken(pub(crate) Secret);

impl Scalar for AdminToken {
    const EXPECTED: &'static str = "a secret of at least 32 characters";
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let body = text.trim_end_matches('=');
        let flaw = if body.is_empty() || !body.bytes().all(legal) {
            "has characters that a bearer token cannot hold"
        } else if text.len() < SHORTEST_TOKEN {
            "has fewer than 32 characters"
        } else if let Some(weakness) = weakness(body) {
            weakness
        } else {
            return Ok(Self(Secret::new(text)));
        };
        Err(Flaw::new(flaw)
            .hint("make one with `openssl rand -hex 32`, and put it in by ${ADMIN_TOKEN}"))
    }
}
