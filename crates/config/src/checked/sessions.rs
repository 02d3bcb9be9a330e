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
pub struct EncryptionKey(Box<[u8]>);

impl EncryptionKey {
    /// At least 32 bytes.
    #[expect(dead_code, reason = "the key of the file comes next")]
    pub(crate) fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        EncryptionKey(bytes.into())
    }

    /// The key itself: what `base64:` or `hex:` stands for, else the bytes of the text.
    pub fn expose(&self) -> &[u8] {
        &self.0
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
        self.0 == other.0
    }
}

impl Eq for EncryptionKey {}
