//! Keys of the gateway's own (SEC-72).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Scalar;
use super::strength::{weakness, weakness_of_bytes};
use crate::checked::EncryptionKey;
use crate::problem::Flaw;
use crate::public_key;

/// 256 bits, if every one of them counts.
const SHORTEST: usize = 32;
const LONGEST: usize = 4096;

/// Both alphabets, with and without `=` at the end: whoever made the bytes meant them.
const ENGINES: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&alphabet::STANDARD, ANY_END),
    GeneralPurpose::new(&alphabet::URL_SAFE, ANY_END),
];
const ANY_END: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl Scalar for EncryptionKey {
    const EXPECTED: &'static str = "a key of at least 32 bytes, like base64:…";
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        let flaw = if let Some(encoded) = text.strip_prefix("base64:") {
            let mut engines = ENGINES.iter();
            match engines.find_map(|engine| engine.decode(encoded).ok()) {
                Some(bytes) => return random(bytes),
                None => "is not base64 after `base64:`",
            }
        } else if let Some(encoded) = text.strip_prefix("hex:") {
            match unhex(encoded) {
                Some(bytes) => return random(bytes),
                None => "is not hexadecimal after `hex:`",
            }
        } else if public_key::looks_like_one(text) {
            "is a key of a pair or a certificate, which others may know"
        } else if let Some(weakness) = weakness(text) {
            weakness
        } else if text.chars().count() < SHORTEST {
            "has fewer than 32 characters"
        } else if text.len() > LONGEST {
            "has more than 4096 bytes"
        } else if text.trim() != text {
            "has blanks or line ends around it, which would be part of it"
        } else {
            return Ok(EncryptionKey::text(text));
        };
        Err(refused(flaw))
    }
}

fn random(bytes: Vec<u8>) -> Result<EncryptionKey, Flaw> {
    if bytes.len() < SHORTEST {
        return Err(refused("stands for fewer than 32 bytes"));
    }
    if bytes.len() > LONGEST {
        return Err(refused("stands for more than 4096 bytes"));
    }
    match weakness_of_bytes(&bytes) {
        Some(weakness) => Err(refused(weakness)),
        None => Ok(EncryptionKey::new(bytes)),
    }
}

fn refused(reason: &str) -> Flaw {
    Flaw::new(reason).hint("make one with `portcullis key`, and put it in by ${ENCRYPTION_KEY}")
}

/// Bytes of pairs of hexadecimal digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|[high, low]| {
        let byte = digit(high)? << 4 | digit(low)?;
        u8::try_from(byte).ok()
    });
    if rest.is_empty() {
        pairs.collect()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        let flaw = EncryptionKey::read(text).unwrap_err();
        assert_eq!(flaw.reason, reason, "{text}");
        assert!(flaw.hint.unwrap().contains("portcullis key"), "{text}");
    }

    #[test]
    fn sec_72_keys_are_bytes_or_for_trying_text() {
        let of = |text: &str| {
            let key = EncryptionKey::read(text).unwrap();
            (key.expose().to_vec(), key.is_text())
        };
        assert_eq!(of(TEXT), (TEXT.as_bytes().to_vec(), true));
        let (bytes, text) = of(&format!("hex:{HEX}"));
        assert_eq!(
            (bytes.len(), bytes[0], bytes[31], text),
            (32, 0x9f, 0x08, false)
        );
        assert_eq!(of(&format!("hex:{}", HEX.to_uppercase())).0, bytes);
        for encoded in [
            "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
            "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg",
            "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
        ] {
            assert_eq!(of(&format!("base64:{encoded}")), (bytes.clone(), false));
        }
    }

    #[test]
    fn sec_72_s0_20_short_keys_and_such_that_are_none() {
        refused(&TEXT[1..], "has fewer than 32 characters");
        refused("", "has fewer than 32 characters");
        refused(
            &format!("hex:{}", &HEX[2..]),
            "stands for fewer than 32 bytes",
        );
        refused(
            &format!("hex:{}", &HEX[1..]),
            "is not hexadecimal after `hex:`",
        );
        refused("hex:", "stands for fewer than 32 bytes");
        refused("hex:+f", "is not hexadecimal after `hex:`");
        refused("base64:AAAA", "stands for fewer than 32 bytes");
        refused("base64:n4bQ gYhM", "is not base64 after `base64:`");
        refused(
            &format!("{TEXT}\n"),
            "has blanks or line ends around it, which would be part of it",
        );
        refused(
            &format!("hex:{}", HEX.repeat(129)),
            "stands for more than 4096 bytes",
        );
        refused(
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnaJb\n-----END PUBLIC KEY-----",
            "is a key of a pair or a certificate, which others may know",
        );
    }

    #[test]
    fn x4_s0_20_what_everybody_knows_is_no_key_in_any_form() {
        let example = "is a published example, which everybody knows";
        let pattern = "repeats a short pattern";
        refused("dev-key-min-32-chars-required!!", example);
        refused("change-me-change-me-now-please-0", example);
        refused(&"ab".repeat(32), pattern);
        refused(&format!("hex:{}", "00".repeat(32)), pattern);
        refused(&format!("hex:{}", "0123".repeat(16)), pattern);
        let climbing: Vec<String> = (0..32).map(|byte| format!("{byte:02x}")).collect();
        refused(&format!("hex:{}", climbing.concat()), example);
        // "change-me-change-me-now-please-0"
        refused(
            "base64:Y2hhbmdlLW1lLWNoYW5nZS1tZS1ub3ctcGxlYXNlLTA=",
            example,
        );
    }
}
