//! Proofs of possession.

use serde_yaml::Value;

use super::{block, duration, text, word};
use crate::checked::{ClientCertificate, Dpop};

pub(super) fn dpop(dpop: &Dpop) -> Value {
    block([
        ("nonce", Value::Bool(dpop.nonce)),
        ("max_age", duration(dpop.max_age)),
    ])
}

pub(super) fn client_certificate(certificate: &ClientCertificate) -> Value {
    block([
        ("header", text(&certificate.header)),
        ("format", word(&certificate.format)),
    ])
}
