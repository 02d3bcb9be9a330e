//! What an API key looks like, and what is stored of it (SEC-81).
//!
//! A key of ours is `portcullis_`, 43 letters and digits out of a generator (256 bits), and 6 that are made from all before them: so
//! scanners of repositories and logs find a key that leaked, and a key that was not copied whole is told from a wrong one. Other
//! keys are taken as they are, if they are long enough. SHA-256 without salt and without stretching is right for random keys and for
//! nothing else, which is why the short and the patterned are refused.

use std::collections::HashSet;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{API_KEY_PREFIX as PREFIX, Secret};

/// Letters and digits alone: a double click selects the whole key.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 · log2(62) = 256.03 bits.
const RANDOM_CHARS: usize = 43;
/// 6 · log2(62) = 35.7: room for 32 bits.
const CHECK_CHARS: usize = 6;
/// Longest key: room for whatever somebody has already, and no way to send us megabytes.
pub(crate) const LONGEST: usize = 512;
/// Of a key that is not ours, counted as if it were random.
const LEAST_BITS: f64 = 128.0;
/// A random key of 128 bits in digits alone has fewer different ones once in a million times.
const LEAST_VARIETY: usize = 7;

/// A key in clear. It is shown once, to whoever made it.
#[derive(Debug)]
pub struct ApiKey(Secret);

/// Why a text is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is there.
    #[error("there is no key")]
    Empty,
    /// No header could hold it, or somebody would read it otherwise.
    #[error("the key has spaces, control characters or letters that are not ASCII")]
    Characters,
    /// More than 512 characters.
    #[error("the key is longer than 512 characters")]
    TooLong,
    /// Of our own form, but not one that `key new` made.
    #[error("the key is not as `portcullis key new` printed it: a character is missing or wrong")]
    Checksum,
    /// The stored form instead of the key.
    #[error("this is the stored form of a key, not a key")]
    Stored,
    /// Below 128 bits even if every character was chosen at random.
    #[error("the key has less than 128 bits: about {0}")]
    TooWeak(u32),
}

impl ApiKey {
    /// A new key of 256 bits; `None` if the system gives no randomness.
    pub fn generate() -> Option<Self> {
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_CHARS + CHECK_CHARS);
        text.push_str(PREFIX);
        let mut left = RANDOM_CHARS;
        while left > 0 {
            let mut bytes = [0; 64];
            aws_lc_rs::rand::fill(&mut bytes).ok()?;
            // six bits name one of 64: two of them none, so that no character is likelier than another
            let drawn = bytes
                .iter()
                .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
            for char in drawn.take(left) {
                text.push(char::from(*char));
                left -= 1;
            }
        }
        let check = checksum(&text);
        text.push_str(&check);
        Some(Self(Secret::new(text)))
    }

    /// A key that somebody has. One of our own form must have its checksum, any other 128 bits.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > LONGEST {
            return Err(KeyError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Characters);
        }
        if text.starts_with("sha256:") {
            return Err(KeyError::Stored);
        }
        if text.starts_with(PREFIX) {
            if !is_ours(text) {
                return Err(KeyError::Checksum);
            }
        } else if let Some(bits) = too_weak(text) {
            return Err(KeyError::TooWeak(bits));
        }
        Ok(Self(Secret::new(text)))
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What the configuration has of it: `sha256:` and lower-case hex.
    pub fn stored(&self) -> String {
        let mut stored = String::from("sha256:");
        for byte in sha256(self.expose().as_bytes()) {
            let _written = write!(stored, "{byte:02x}"); // a String takes everything
        }
        stored
    }
}

/// 32 random bytes, as `encryption_keys` and secrets take them: `base64:…`. `None` if the system gives no randomness.
pub fn encryption_key() -> Option<Secret> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Secret::new(format!("base64:{}", STANDARD.encode(bytes))))
}

/// The digest by which keys are known.
pub(crate) fn sha256(key: &[u8]) -> [u8; 32] {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, key).as_ref());
    sha256
}

/// Whether a text is a whole key that [`ApiKey::generate`] may have made.
pub(crate) fn is_ours(text: &str) -> bool {
    let is_long_enough = text.len() == PREFIX.len() + RANDOM_CHARS + CHECK_CHARS;
    let parts = text.split_at_checked(PREFIX.len() + RANDOM_CHARS);
    text.starts_with(PREFIX)
        && is_long_enough
        && parts.is_some_and(|(body, check)| checksum(body) == check)
}

/// The first 32 bits of the SHA-256, in our alphabet.
fn checksum(body: &str) -> String {
    let [a, b, c, d, ..] = sha256(body.as_bytes());
    let mut rest = u32::from_be_bytes([a, b, c, d]);
    let mut chars = [b'0'; CHECK_CHARS];
    for place in chars.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    chars.map(char::from).iter().collect()
}

/// The bits that a text has at most, if that is too little: as if its characters were drawn at random from the kinds that occur. Of a
/// pattern that repeats one round counts.
fn too_weak(text: &str) -> Option<u32> {
    let bare: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let all = |is: fn(&u8) -> bool| bare.iter().all(is);
    let has = |is: fn(&u8) -> bool, kinds: f64| if bare.iter().any(is) { kinds } else { 0.0 };
    let is_one_case =
        !(bare.iter().any(u8::is_ascii_uppercase) && bare.iter().any(u8::is_ascii_lowercase));
    let is_hex = is_one_case && all(u8::is_ascii_hexdigit);
    let (chars, kinds) = if all(u8::is_ascii_digit) {
        (&*bare, 10.0)
    } else if is_hex {
        (&*bare, 16.0)
    } else {
        let kinds = has(u8::is_ascii_digit, 10.0)
            + has(u8::is_ascii_uppercase, 26.0)
            + has(u8::is_ascii_lowercase, 26.0)
            + has(u8::is_ascii_punctuation, 2.0);
        (text.as_bytes(), kinds)
    };
    let repeats = |round: &usize| {
        chars
            .iter()
            .zip(chars.iter().skip(*round))
            .all(|(a, b)| a == b)
    };
    let round = (1..=chars.len() / 2).find(repeats).unwrap_or(chars.len());
    let variety = chars.iter().collect::<HashSet<_>>().len();
    let counted = if variety < LEAST_VARIETY {
        variety
    } else {
        round
    };
    let bits = f64::from(u32::try_from(counted).unwrap_or(u32::MAX)) * f64::log2(kinds);
    let is_uuid = is_hex && chars.len() == 32 && text.len() == 36; // of version 4, at the best: six bits are fixed
    let bits = if is_uuid { bits - 6.0 } else { bits };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 512 times the logarithm of 64"
    )]
    (bits < LEAST_BITS).then_some(bits.max(0.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc` (FIPS 180-4).
    const ABC: [u8; 4] = [0xba, 0x78, 0x16, 0xbf];

    #[track_caller]
    fn refused(text: &str, why: KeyError) {
        assert_eq!(ApiKey::read(text).err(), Some(why), "{text}");
    }

    #[test]
    fn sec_81_a_new_key_has_256_bits_a_prefix_and_a_checksum() {
        let key = ApiKey::generate().unwrap();
        let text = key.expose();
        assert_eq!(text.len(), 60);
        let body = text.strip_prefix("portcullis_").unwrap();
        assert!(
            body.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{text}"
        );
        assert!(is_ours(text));
        assert_ne!(ApiKey::generate().unwrap().expose(), text);
        // each of its 62 characters turns up at every place: nothing is fixed but the prefix
        let mut seen = [const { std::collections::BTreeSet::new() }; 49];
        for _ in 0..2000 {
            let key = ApiKey::generate().unwrap();
            for (char, seen) in key.expose()[11..].chars().zip(&mut seen) {
                seen.insert(char);
            }
        }
        assert!(seen[..43].iter().all(|seen| seen.len() == 62));
    }

    #[test]
    fn sec_81_one_wrong_missing_or_swapped_character_is_noticed() {
        let key = ApiKey::generate().unwrap();
        let text = key.expose();
        assert!(ApiKey::read(text).is_ok());
        for at in 11..text.len() {
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            refused(
                &format!("{}{other}{}", &text[..at], &text[at + 1..]),
                KeyError::Checksum,
            );
            refused(
                &format!("{}{}", &text[..at], &text[at + 1..]),
                KeyError::Checksum,
            );
        }
        refused(&format!("{text}x"), KeyError::Checksum);
        refused("portcullis_", KeyError::Checksum);
    }

    #[test]
    fn sec_81_the_form_of_a_key_does_not_change() {
        // written down once: keys that were handed out have to stay good
        let known = "portcullis_0000000000000000000000000000000000000000000";
        assert_eq!(checksum(known), "2ObRJM");
        let [a, b, c, d, ..] = sha256(b"abc");
        assert_eq!([a, b, c, d], ABC);
    }

    #[test]
    fn t_ak_sec_81_the_stored_form_is_the_sha_256_in_lower_case_hex() {
        let key = ApiKey::read("7f83b1657ff1fc53b92dc18148a1d65d").unwrap();
        assert_eq!(
            key.stored(),
            "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756"
        );
    }

    #[test]
    fn sec_81_less_than_128_bits_are_refused() {
        for (text, bits) in [
            ("secret", 23),
            ("correct-horse-battery-sta", 117),
            ("7f83b1657ff1fc53b92dc18148a1d65", 124),
            ("0123456789abcdef0123456789abcdef", 64),
            ("passwordpasswordpasswordpassword", 37),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz", 9),
            ("4c2b0cb7-9b1a-4d64-8a52-6f0e6b9f3a11", 122),
        ] {
            refused(text, KeyError::TooWeak(bits));
        }
        for good in [
            "7f83b1657ff1fc53b92dc18148a1d65d",
            "7F83B1657FF1FC53B92DC18148A1D65D",
            "3PpkjmzmyLbhYQ0LztUcKw==",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "314159265358979323846264338327950288419",
        ] {
            assert!(ApiKey::read(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_no_header_holds_is_no_key() {
        refused("", KeyError::Empty);
        for text in ["a b", "a\tb", "a\nb", "schlüssel", "a\u{7f}b", " a"] {
            refused(text, KeyError::Characters);
        }
        refused(&"a1B".repeat(171), KeyError::TooLong);
        refused(
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            KeyError::Stored,
        );
    }

    #[test]
    fn an_encryption_key_is_32_bytes() {
        let key = encryption_key().unwrap();
        let text = key.expose().strip_prefix("base64:").unwrap();
        assert_eq!(STANDARD.decode(text).unwrap().len(), 32);
        assert_ne!(encryption_key().unwrap().expose(), key.expose());
    }
}
