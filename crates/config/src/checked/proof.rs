//! Whether a token has to be presented by whom it was issued to (RFC 9449, RFC 8705).

use std::time::Duration;

/// Whether tokens that are bound to nothing count on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SenderConstrained {
    #[default]
    /// They do. A token that is bound to a key or a certificate needs the proof all the same.
    Optional,
    Required,
}

/// What a route asks of DPoP proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dpop {
    /// Whether a proof needs a nonce of the gateway's (RFC 9449 section 9).
    pub nonce: bool,
    /// How long a proof counts, in whole seconds.
    pub max_age: Duration,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            nonce: false,
            max_age: Duration::from_mins(1),
        }
    }
}

/// Where a TLS terminator writes the certificate of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// In lower case.
    pub header: Box<str>,
    pub format: CertificateFormat,
}

/// How it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFormat {
    /// Bytes of a structured field (RFC 9440).
    Rfc9440,
    /// PEM, percent-encoded as in a URL.
    Pem,
    /// Envoy's `x-forwarded-client-cert`.
    Xfcc,
}
