//! One certificate chain and its key: read, and checked before anybody sees it.

use std::sync::Arc;

use config::Pair;
use identity::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::TlsError;

/// A chain and key that fit each other.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) place: Box<str>,
    pub(super) key: Arc<CertifiedKey>,
    /// DNS names in lower case, as the certificate has them; a wildcard begins with `*.`.
    pub(super) names: Vec<Box<str>>,
    /// Unix seconds after which the first certificate of the chain to expire has.
    pub(super) expires: i64,
}

/// Everything a client would find wrong with a pair, as far as it can be told without the client's roots.
pub(super) fn check(
    pair: &Pair,
    certificate: &[u8],
    private_key: &[u8],
    provider: &CryptoProvider,
    now: Timestamp,
) -> Result<Served, TlsError> {
    let at_certificate =
        |reason: String| TlsError::new(format!("{}.certificate", pair.place), reason);
    let at_key = |reason: String| TlsError::new(format!("{}.private_key", pair.place), reason);
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| at_certificate(format!("is not PEM: {error}")))?;
    let (names, expires) = look(&chain, now).map_err(at_certificate)?;
    let key = PrivateKeyDer::from_pem_slice(private_key)
        .map_err(|error| at_key(format!("is not a PEM private key: {error}")))?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            at_key(format!("is not the key of {}", pair.certificate.display()))
        }
        error => at_key(format!("cannot be used: {error}")),
    })?;
    Ok(Served {
        place: pair.place.clone(),
        key: Arc::new(key),
        names,
        expires,
    })
}

/// The names of the first certificate and the time until which the whole chain is good.
fn look(chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(Vec<Box<str>>, i64), String> {
    let mut read = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|_| format!("certificate {} cannot be read", index + 1))?;
        read.push(certificate);
    }
    let Some(first) = read.first() else {
        return Err("has no certificate in it".to_owned());
    };
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    let mut expires = i64::MAX;
    for (index, certificate) in read.iter().enumerate() {
        let number = index + 1;
        let validity = certificate.validity();
        if validity.not_before.timestamp() > now {
            return Err(format!(
                "certificate {number} is not valid before {}",
                validity.not_before
            ));
        }
        if validity.not_after.timestamp() <= now {
            return Err(format!(
                "certificate {number} has expired: {}",
                validity.not_after
            ));
        }
        expires = expires.min(validity.not_after.timestamp());
        if let Some(issuer) = read.get(number) {
            let signed = certificate.issuer() == issuer.subject()
                && certificate
                    .verify_signature(Some(issuer.public_key()))
                    .is_ok();
            if !signed {
                return Err(format!(
                    "certificate {number} is not signed by the one after it: the chain goes from the server's own towards the root"
                ));
            }
        }
    }
    Ok((names(first), expires))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = alternatives.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            _ => None, // addresses are not asked for by SNI
        })
        .collect()
}
