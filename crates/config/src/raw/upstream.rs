//! `routes[].upstream`, where it is more than a URL.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::name::FilePath;
use crate::scalar::upstream::{Authority, Location, ServerName};
use crate::written::{OneOrMany, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// An http or https URL or `unix:/path/to.sock`, or a list of them, all with the same path.
    #[schemars(required)]
    pub(crate) urls: Option<OneOrMany<Location>>,
    /// PEM file with the only root certificates believed. Default: the system's.
    pub(crate) ca: Option<Text<FilePath>>,
    /// PEM file with the certificate that the gateway shows, and those between it and its root.
    pub(crate) certificate: Option<Text<FilePath>>,
    /// PEM file with the key of that certificate.
    pub(crate) private_key: Option<Text<FilePath>>,
    /// The name that is asked for (SNI) and that the certificate must have. Default: the host of the URL.
    pub(crate) server_name: Option<Text<ServerName>>,
    /// The Host header that the server sees. Default: host and port of the URL, `localhost` behind a socket.
    pub(crate) host: Option<Text<Authority>>,
}
