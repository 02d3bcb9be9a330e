//! A provider's key set as it was published at one moment.

use std::sync::Arc;

use config::Algorithm;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::key::Key;
use crate::json;

/// Largest document taken.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// Most keys taken of one document; large providers publish about ten.
const MAX_KEYS: usize = 256;

/// The usable keys of one JWK set (RFC 7517 section 5).
#[derive(Default)]
pub(crate) struct KeySet {
    keys: Vec<Arc<Key>>,
}

/// Which keys a token may be checked with.
pub(crate) enum Choice {
    /// These, one after the other; never empty. More than one only where a provider gives several keys one `kid`.
    Keys(Vec<Arc<Key>>),
    /// There is such a key, but it is not for the token's algorithm.
    Misfit,
    /// No key has this `kid`, or the token names none and none fits: the set may be older than the key.
    Unknown,
    /// The token names no key, and several fit.
    Ambiguous,
}

impl KeySet {
    /// Reads a document. A key that is odd, for encryption or of a kind unknown here is left out and never spoils the rest.
    ///
    /// Keys that `previous` has too are taken over from there, so that what they verified stays good.
    pub(crate) fn read(document: &[u8], previous: Option<&Self>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document<'d> {
            #[serde(borrow)]
            keys: Vec<&'d RawValue>,
        }
        // serde would take a list of the members too
        if !document.trim_ascii_start().starts_with(b"{") {
            return Err("not a JSON object".into());
        }
        let document: Document<'_> =
            serde_json::from_slice(document).map_err(|error| format!("not a JWK set: {error}"))?;
        if document.keys.len() > MAX_KEYS {
            return Err(format!("more than {MAX_KEYS} keys"));
        }
        let mut keys: Vec<Arc<Key>> = Vec::new();
        for raw in document.keys {
            let key = json::object(raw.get().as_bytes())
                .map_err(|_| "not a strict JSON object")
                .and_then(|jwk| Key::read(&jwk));
            match key {
                // the very same key twice would make a token without kid ambiguous
                Ok(key) if keys.iter().any(|known| known.is_same(&key)) => {}
                Ok(key) => keys.push(
                    previous
                        .and_then(|set| set.same(&key))
                        .unwrap_or(Arc::new(key)),
                ),
                Err(why) => tracing::debug!(why, "key of a key set left out"),
            }
        }
        Ok(Self { keys })
    }

    fn same(&self, key: &Key) -> Option<Arc<Key>> {
        self.keys.iter().find(|known| known.is_same(key)).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys to try for a token. A `kid` is looked for in this issuer's set alone; a token without one is taken only where
    /// no choice has to be made (T-J8).
    pub(crate) fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Choice {
        let named = |key: &&Arc<Key>| kid.is_none() || key.kid() == kid;
        let fitting: Vec<_> = self
            .keys
            .iter()
            .filter(named)
            .filter(|key| key.fits(algorithm))
            .cloned()
            .collect();
        match (kid, fitting.len()) {
            (Some(_), 0) if self.keys.iter().any(|key| named(&key)) => Choice::Misfit,
            (_, 0) => Choice::Unknown,
            (None, 2..) => Choice::Ambiguous,
            (Some(_), _) | (None, 1) => Choice::Keys(fitting),
        }
    }

    /// Ends the keys that `next` does not have, and with them whatever they verified (SEC-12).
    pub(crate) fn retire_unless_in(&self, next: &Self) {
        for key in &self.keys {
            if !next.keys.iter().any(|kept| Arc::ptr_eq(kept, key)) {
                key.retire();
            }
        }
    }
}

#[cfg(test)]
mod tests;
