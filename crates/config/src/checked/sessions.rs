//! The section `sessions`.

use std::fmt;

/// What the gateway gives out and must know again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sessions {
    /// The first makes, all of them verify. Empty: a random one, which ends with the process.
    pub encryption_keys: Vec<EncryptionKey>,
}

/// Bytes that every other key of the gateway is derived from (SEC-72). Never shown.
#[derive(Clone)]
pub struct EncryptionKey {
    bytes: Box<[u8]>,
    is_text: bool,
}

impl EncryptionKey {
    /// What `base64:` or `hex:` stands for: at least 32 bytes, by chance each.
    pub(crate) fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        let bytes = bytes.into();
        EncryptionKey {
            bytes,
            is_text: false,
        }
    }

    /// Any other text of at least 32 characters, for development.
    pub(crate) fn text(text: &str) -> Self {
        EncryptionKey {
            bytes: text.as_bytes().into(),
            is_text: true,
        }
    }

    /// The key itself: what `base64:` or `hex:` stands for, else the bytes of the text.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether somebody may have thought of it: it has to be made costly to guess before it is a key.
    pub fn is_text(&self) -> bool {
        self.is_text
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EncryptionKey(…)")
    }
}

/// Two configurations are compared when one replaces the other. Nobody who presents a credential gets here, so time tells nothing.
impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.is_text == other.is_text
    }
}

impl Eq for EncryptionKey {}
