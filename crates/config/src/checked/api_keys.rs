//! Keys that the operator hands out.

/// How a key begins that `portcullis key new` made: what a scanner looks for, and what must not stand in a file.
pub const API_KEY_PREFIX: &str = "portcullis_";

/// What the issuer of every API key begins with; the name of its authenticator follows (SEC-1). No issuer of tokens begins so.
pub const API_KEY_ISSUER: &str = "urn:portcullis:key:";

/// Whoever sends one of these keys in this header is who the key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeys {
    /// As it was written; case does not count.
    pub header: Box<str>,
    /// Never empty; no two with one id, none with the key of another.
    pub keys: Vec<KeyHolder>,
    /// scope → scopes it implies (SCP-5).
    pub scope_map: Vec<(Box<str>, Vec<Box<str>>)>,
}

/// A program, the keys it may use, and what they are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    /// The subject of the caller.
    pub id: Box<str>,
    /// SHA-256 of each of its keys: several while they are rotated. Never empty.
    pub hashes: Vec<[u8; 32]>,
    pub scopes: Vec<Box<str>>,
    /// Seconds since 1970-01-01 UTC, from which on the keys count no longer.
    pub expires: Option<u64>,
    /// Whose token the key may come with (SEC-2).
    pub acts_for: Option<ActsFor>,
    pub name: Option<Box<str>>,
    pub email: Option<Box<str>>,
    pub groups: Vec<Box<str>>,
}

/// Somebody else, byte for byte as in their tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActsFor {
    pub issuer: Box<str>,
    pub subject: Box<str>,
}
