//! Ids that an upstream made, bound to whoever they were made for (SBP-5, SEC-54).
//!
//! The gateway keeps nothing: what it hands to a client is the upstream's id behind a [`Seal`], and a seal is good only for the caller,
//! the route and the server that it was made for. `seal` `.` `id` is a session id ([`join`], [`split`]); the address that an `endpoint`
//! event names carries a seal of its own. What is sealed for one [`Use`] is nothing to the other.
//!
//! ```text
//! seal = base64url( version (1) | key id (3) | server (6) | MAC (32) ), 56 characters, no padding
//! MAC  = HMAC-SHA256( label | route | kind | issuer | subject | client_id | server | id ), a length before each
//! ```
//!
//! Of a caller there is what stays when a token is renewed: issuer, kind, subject and OAuth client; never a token's own id, its scopes
//! or the name under which the gateway was asked. There is no nonce: the same id is the same text however often it is handed out, so
//! that a client that compares finds no new session, and a nonce made of the other inputs would add nothing.
//!
//! No cryptography here: computing and comparing (in constant time) are functions of whoever has the key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The form of a seal, its first byte.
const VERSION: u8 = 1;
const BYTES: usize = 1 + 3 + 6 + 32;
/// Characters of a seal, each of `A-Z a-z 0-9 - _`.
pub const SEAL_LENGTH: usize = BYTES / 3 * 4;
/// Bytes of an upstream's session id at most.
pub const MAX_ID: usize = 512;

/// By what a key is found among several.
pub type KeyId = [u8; 3];
/// What stands for one server of a route. Derived with a secret, or it would tell clients of addresses.
pub type Server = [u8; 6];
/// HMAC-SHA256.
pub type Mac = [u8; 32];

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The value of `Mcp-Session-Id`.
    Session,
    /// The address to which a client of the HTTP+SSE transport posts its messages.
    Messages,
}

impl Use {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"portcullis session id 1",
            Self::Messages => b"portcullis message address 1",
        }
    }
}

/// Whose it is: the caller (SEC-1) and the OAuth client through which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'c> {
    /// Byte for byte as in the credential.
    pub issuer: &'c str,
    /// `user` or `client`.
    pub kind: &'c str,
    /// Within the issuer and kind.
    pub subject: &'c str,
    /// `None` where the credential names none, which is not the same as an empty one.
    pub client_id: Option<&'c str>,
}

/// All that a seal is made for.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// What is sealed.
    pub of: Use,
    /// The name of the route.
    pub route: &'t str,
    /// `None`: begun by somebody without a credential.
    pub holder: Option<Holder<'t>>,
    /// The server that made it.
    pub server: Server,
    /// What the upstream calls it.
    pub id: &'t [u8],
}

impl Terms<'_> {
    /// What the MAC is computed of. No two terms have the same.
    pub fn message(&self) -> Vec<u8> {
        let nobody = Holder {
            issuer: "",
            kind: "nobody",
            subject: "",
            client_id: None,
        };
        let holder = self.holder.unwrap_or(nobody);
        let (named, client_id) = match holder.client_id {
            Some(client_id) => (&b"named"[..], client_id),
            None => (&b"unnamed"[..], ""),
        };
        let parts = [
            self.of.label(),
            self.route.as_bytes(),
            holder.kind.as_bytes(),
            holder.issuer.as_bytes(),
            holder.subject.as_bytes(),
            named,
            client_id.as_bytes(),
            &self.server,
            self.id,
        ];
        let total = parts.iter().map(|part| part.len() + 8).sum();
        let mut message = Vec::with_capacity(total);
        for part in parts {
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        message
    }

    /// The seal that the key of this id makes of them.
    pub fn seal(&self, key: KeyId, mac: impl FnOnce(&[u8]) -> Mac) -> Seal {
        Seal {
            key,
            server: self.server,
            mac: mac(&self.message()),
        }
    }
}

/// The gateway's word that an id belongs to somebody. Worth nothing before [`fits`](Seal::fits) has said so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Of the key that made it.
    pub key: KeyId,
    /// The server that it names.
    pub server: Server,
    mac: Mac,
}

impl Seal {
    /// From its text, of which there is one spelling.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != SEAL_LENGTH {
            return None;
        }
        let mut bytes = [0; BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (&version, rest) = bytes.get(..length)?.split_first()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (server, mac) = rest.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        Some(Self {
            key: *key,
            server: *server,
            mac: mac.try_into().ok()?,
        })
    }

    /// Whether it was made for these terms. `verify` is given the message and the MAC, and compares in constant time.
    pub fn fits(&self, terms: &Terms<'_>, verify: impl FnOnce(&[u8], &Mac) -> bool) -> bool {
        self.server == terms.server && verify(&terms.message(), &self.mac)
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[VERSION][..], &self.key, &self.server, &self.mac];
        let mut whole = [0; BYTES];
        for (to, from) in whole.iter_mut().zip(bytes.into_iter().flatten()) {
            *to = *from;
        }
        let mut text = [0; SEAL_LENGTH];
        let length = URL_SAFE_NO_PAD
            .encode_slice(whole, &mut text)
            .map_err(|_| fmt::Error)?;
        let text = text.get(..length).ok_or(fmt::Error)?;
        f.write_str(str::from_utf8(text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)") // with it, somebody else's id is as good as one's own
    }
}

/// Whether an upstream may call a session so: visible ASCII (TL-3), and no more than [`MAX_ID`] bytes of it.
pub fn is_id(id: &[u8]) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// What a client is handed for an upstream's session id. `None` if that is none ([`is_id`]).
pub fn join(seal: &Seal, id: &[u8]) -> Option<String> {
    let id = str::from_utf8(id).ok().filter(|id| is_id(id.as_bytes()))?;
    Some(format!("{seal}.{id}"))
}

/// The seal and the upstream's id in what a client sends; `None` for everything that [`join`] never made.
pub fn split(handed_out: &[u8]) -> Option<(Seal, &[u8])> {
    let (seal, rest) = handed_out.split_at_checked(SEAL_LENGTH)?;
    let id = rest.strip_prefix(b".").filter(|id| is_id(id))?;
    Some((Seal::parse(seal)?, id))
}

#[cfg(test)]
mod tests;
