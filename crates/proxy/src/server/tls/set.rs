//! All certificates in use, and which of them a name gets.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::TlsError;
use super::pair::Served;

/// Never empty; the first certificate is for every name that no other one has.
#[derive(Debug)]
pub(crate) struct Set {
    served: Vec<Served>,
    by_name: HashMap<Box<str>, usize>,
}

impl Set {
    pub(super) fn new(served: Vec<Served>) -> Result<Self, TlsError> {
        let mut by_name = HashMap::new();
        for (index, one) in served.iter().enumerate() {
            if index > 0 && one.names.is_empty() {
                return Err(TlsError::new(
                    format!("{}.certificate", one.place),
                    "has no DNS name (subjectAltName), so nobody would ever get it",
                ));
            }
            for name in &one.names {
                by_name.entry(name.clone()).or_insert(index);
            }
        }
        Ok(Self { served, by_name })
    }

    /// The certificate for a name: its own, else that of the wildcard over its first label, else the first one.
    pub(super) fn choose(&self, name: &str) -> usize {
        if self.served.len() < 2 {
            return 0;
        }
        let name = name.to_ascii_lowercase();
        let wildcard = || {
            let (_, rest) = name.split_once('.')?;
            self.by_name.get(&*format!("*.{rest}"))
        };
        self.by_name
            .get(&*name)
            .or_else(wildcard)
            .copied()
            .unwrap_or(0)
    }

    /// Where each certificate is configured, and the Unix second after which its chain is no longer good.
    pub(crate) fn expiries(&self) -> impl Iterator<Item = (&str, i64)> {
        self.served.iter().map(|one| (&*one.place, one.expires))
    }
}

impl ResolvesServerCert for Set {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = hello.server_name().map_or(0, |name| self.choose(name));
        self.served.get(index).map(|one| Arc::clone(&one.key))
    }
}
