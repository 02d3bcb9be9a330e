//! What a request brings that may say who is calling.

use std::net::IpAddr;

use http::{HeaderMap, Method};

/// A request, as far as a credential or a proof may be about it. Nothing in it is believed yet but what `trust` has settled.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'r> {
    /// All of its headers.
    pub headers: &'r HeaderMap,
    /// Its method.
    pub method: &'r Method,
    /// Whether the URL that the caller asked for begins with https.
    pub secure: bool,
    /// Host and port as the caller knows them.
    pub authority: &'r str,
    /// The path as the caller asked for it, without query.
    pub path: &'r str,
    /// SHA-256 of the client certificate in base64url (`x5t#S256`, RFC 8705 section 3.1), where one was verified.
    pub certificate: Option<&'r str>,
    /// Who opened the connection: a proxy of ours, or the caller.
    pub peer: IpAddr,
    /// Who calls, as far as trusted proxies say.
    pub client: IpAddr,
    /// Whether they have shown a certificate of their own that was verified; `certificate` may be their client's.
    pub peer_verified: bool,
}
