//! Proofs of possession, as written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::checked::CertificateFormat;
use crate::scalar::name::HeaderName;
use crate::written::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Dpop {
    /// Whether a proof needs a nonce that the gateway gave out lately. Default false.
    pub(crate) nonce: Option<Text<bool>>,
    /// How long after its `iat` a proof counts. Default 60s, at most 5m.
    pub(crate) max_age: Option<Text<Duration>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ClientCertificate {
    /// The header that the TLS terminator sets, or removes, on every request. Believed from `trusted_proxies` alone.
    #[schemars(required)]
    pub(crate) header: Option<Text<HeaderName>>,
    /// rfc9440 (default): base64 between colons. pem: URL-encoded PEM, as of nginx. xfcc: the Hash of Envoy's x-forwarded-client-cert.
    pub(crate) format: Option<Text<CertificateFormat>>,
}
