//! With which keys the gateway knows again what it handed out, and for whom it did (SEC-54, SEC-72).
//!
//! What is handed out is the upstream's own id behind a seal ([`mcp::binding`]); nothing is kept. Gateways with the same
//! `sessions.encryption_keys`, `public_url` and route names know each other's; without keys one is made up, which ends with the process.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::pbkdf2;
use config::{Config, EncryptionKey};
use identity::Caller;
use mcp::binding::{Holder, KeyId, Mac, Seal, Server, Terms, Use};

/// How often a key is stretched that somebody may have thought of: a tenth of a second for each guess.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(600_000).expect("not 0");

/// The key of a process to which none was given. The same throughout all reloads.
pub(crate) struct OwnKey([u8; 32]);

impl OwnKey {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system gives randomness for a key");
        Self(bytes)
    }
}

/// All keys in use. The first makes, all of them verify.
pub(crate) struct Keys(Box<[Key]>);

/// What is derived of one key.
struct Key {
    id: KeyId,
    seals: hmac::Key,
    servers: hmac::Key,
}

impl Keys {
    /// Takes a moment for each key that is text. Never empty.
    pub(crate) fn of(config: &Config, own: &OwnKey) -> Arc<Self> {
        let issuer = config.server.public_url.as_ref();
        let issuer = issuer.map(ToString::to_string).unwrap_or_default();
        let given = &config.sessions.encryption_keys;
        let mut materials: Vec<Vec<u8>> = given.iter().map(material).collect();
        if materials.is_empty() {
            materials.push(own.0.to_vec());
        }
        Self::made(&materials, &issuer)
    }

    fn made(materials: &[Vec<u8>], issuer: &str) -> Arc<Self> {
        let keys = materials.iter().map(|material| Key::of(material, issuer));
        Arc::new(Self(keys.collect()))
    }
}

/// What a key is made of. A text is stretched first (SEC-72).
fn material(key: &EncryptionKey) -> Vec<u8> {
    if !key.is_text() {
        return key.expose().to_vec();
    }
    let mut stretched = vec![0; 32];
    // The salt is the same everywhere, or replicas would not agree.
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        b"portcullis encryption key",
        key.expose(),
        &mut stretched,
    );
    stretched
}

impl Key {
    fn of(material: &[u8], issuer: &str) -> Self {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(material);
        let derive = |label: &str| -> [u8; 32] {
            let info = [label.as_bytes(), b"\0", b"1", b"\0", issuer.as_bytes()]; // SEC-72: label, version, issuer
            let mut bytes = [0; 32];
            let derived = extracted.expand(&info, HKDF_SHA256);
            let filled = derived.and_then(|derived| derived.fill(&mut bytes));
            filled.expect("HKDF gives 32 bytes");
            bytes
        };
        let [a, b, c, ..] = derive("portcullis session ids: name of the key");
        let key = |label| hmac::Key::new(HMAC_SHA256, &derive(label));
        Self {
            id: [a, b, c],
            seals: key("portcullis session ids"),
            servers: key("portcullis session ids: servers"),
        }
    }

    fn server(&self, name: &str) -> Server {
        let tag = hmac::sign(&self.servers, name.as_bytes());
        let mut server = Server::default();
        for (to, from) in server.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        server
    }

    fn mac(&self, message: &[u8]) -> Mac {
        let tag = hmac::sign(&self.seals, message);
        let tag = tag.as_ref().try_into();
        tag.expect("HMAC-SHA256 has 32 bytes")
    }
}

/// The seals of one route.
pub(crate) struct Seals {
    keys: Arc<Keys>,
    route: Box<str>,
    /// For each key what stands for each server, in the order of the servers.
    servers: Box<[Box<[Server]>]>,
}

/// What a seal says that was made for whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// The place of its server among those of the route; `None` when that is no longer there.
    pub(crate) server: Option<usize>,
}

impl Seals {
    /// `servers`: names that do not change from one process to the next, in order.
    pub(crate) fn new<'s>(
        keys: &Arc<Keys>,
        route: &str,
        servers: impl Iterator<Item = &'s str>,
    ) -> Self {
        let servers: Vec<&str> = servers.collect();
        let of_key = |key: &Key| servers.iter().map(|name| key.server(name)).collect();
        Self {
            keys: Arc::clone(keys),
            route: route.into(),
            servers: keys.0.iter().map(of_key).collect(),
        }
    }

    /// The name of the route.
    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    /// Binds what the server at this place calls `id` to somebody; `None` stands for everybody who has no credential, and is the answer
    /// where there is no such server.
    pub(crate) fn seal(
        &self,
        of: Use,
        holder: Option<Holder<'_>>,
        server: usize,
        id: &[u8],
    ) -> Option<Seal> {
        let key = self.keys.0.first()?;
        let server = *self.servers.first()?.get(server)?;
        let terms = Terms {
            of,
            route: &self.route,
            holder,
            server,
            id,
        };
        Some(terms.seal(key.id, |message| key.mac(message)))
    }

    /// `None` if it is not theirs: made for somebody else, elsewhere, with a key that is no longer in use, or by the client.
    pub(crate) fn open(
        &self,
        of: Use,
        holder: Option<Holder<'_>>,
        seal: &Seal,
        id: &[u8],
    ) -> Option<Known> {
        let terms = Terms {
            of,
            route: &self.route,
            holder,
            server: seal.server,
            id,
        };
        let keys = self.keys.0.iter().zip(&self.servers);
        let mut of_id = keys.filter(|(key, _)| key.id == seal.key);
        let (_, servers) = of_id.find(|(key, _)| {
            seal.fits(&terms, |message, mac| {
                hmac::verify(&key.seals, message, mac).is_ok() // in constant time
            })
        })?;
        let server = servers.iter().position(|server| *server == seal.server);
        Some(Known { server })
    }
}

/// Of a caller what a seal is made for.
pub(crate) fn holder(caller: &Caller) -> Holder<'_> {
    Holder {
        issuer: caller.issuer(),
        kind: caller.kind().as_str(),
        subject: caller.subject(),
        client_id: caller.client_id(),
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seals(…)")
    }
}

#[cfg(test)]
mod tests;
