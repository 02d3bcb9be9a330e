//! One public key in a PEM text (RFC 7468): its kind and its numbers, read far enough to say what is wrong with anything else.
//!
//! Whether a point lies on its curve is arithmetic, and no matter of this crate: `identity` finds out when it makes a key of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checked::Algorithm;
use crate::problem::Flaw;

mod der;

use der::Der;

/// Longest text looked at; a key of 8192 bits has about 1.5 KiB.
const LONGEST: usize = 16 * 1024;
const TO_PUBLIC: &str =
    "the gateway needs the public half alone: `openssl pkey -in key.pem -pubout`";

/// A public key that signatures are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    numbers: PublicNumbers,
    pem: Box<str>,
}

/// The numbers of a public key, big-endian.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicNumbers {
    /// Without leading zeros.
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    /// Each as long as the curve's field.
    P256 {
        x: Box<[u8]>,
        y: Box<[u8]>,
    },
    P384 {
        x: Box<[u8]>,
        y: Box<[u8]>,
    },
    /// RFC 8032.
    Ed25519(Box<[u8]>),
}

impl PublicKey {
    /// Reads a text with exactly one public key in it: `PUBLIC KEY` (RFC 5280) or `RSA PUBLIC KEY` (RFC 8017).
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        if text.len() > LONGEST {
            return Err("is longer than any public key".into());
        }
        // a variable of one line, as env files and container settings have it
        let text = text.replace("\\r", "").replace("\\n", "\n");
        let (label, body) = block(&text)?;
        let of_rsa = match label {
            "PUBLIC KEY" => false,
            "RSA PUBLIC KEY" => true,
            _ => return Err(foreign(label)),
        };
        let bytes: String = body.split_whitespace().collect();
        let bytes = STANDARD
            .decode(bytes)
            .map_err(|_| Flaw::new("is not base64 between its BEGIN and END"))?;
        let numbers = if of_rsa {
            rsa(&bytes)
        } else {
            of_any_kind(&bytes)
        }?;
        sound(&numbers)?;
        Ok(Self {
            numbers,
            pem: written(label, &bytes).into(),
        })
    }

    pub fn numbers(&self) -> &PublicNumbers {
        &self.numbers
    }

    /// The PEM text, as `openssl` writes it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What can be checked with it, the usual one first.
    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match self.numbers {
            PublicNumbers::Rsa { .. } => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
            PublicNumbers::P256 { .. } => &[Algorithm::Es256],
            PublicNumbers::P384 { .. } => &[Algorithm::Es384],
            PublicNumbers::Ed25519(_) => &[Algorithm::EdDsa],
        }
    }

    /// What it is called.
    pub(crate) fn kind(&self) -> &'static str {
        match self.numbers {
            PublicNumbers::Rsa { .. } => "an RSA key",
            PublicNumbers::P256 { .. } => "a P-256 key",
            PublicNumbers::P384 { .. } => "a P-384 key",
            PublicNumbers::Ed25519(_) => "an Ed25519 key",
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({})", self.kind())
    }
}

/// Whether a text is, or holds, what belongs under `public_key`: a PEM of any kind, a bare DER in base64, a JWK, a line of OpenSSH.
pub(crate) fn looks_like_one(text: &str) -> bool {
    let text = text.trim();
    let bare: String = text.split_whitespace().collect();
    let is_der = STANDARD
        .decode(&bare)
        .is_ok_and(|bytes| Der::new(&bytes).is_one_sequence());
    text.contains("-----BEGIN")
        || text.contains("\"kty\"")
        || ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"]
            .iter()
            .any(|start| text.starts_with(start))
        || is_der
}

/// The label and the body of the one block in a text. What stands around it is a remark (RFC 7468 section 2).
fn block(text: &str) -> Result<(&str, &str), Flaw> {
    let no_pem = || {
        Flaw::new("is not a PEM text").hint(
            "it begins with -----BEGIN PUBLIC KEY-----; a file is put in by ${file:/keys/jwt.pem}",
        )
    };
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(no_pem)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(no_pem)?;
    let (body, rest) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| Flaw::new("has a BEGIN without its END"))?;
    if rest.contains("-----BEGIN ") {
        return Err(Flaw::new("holds more than one block")
            .hint("one key each; a provider that rotates its keys is for the kind jwks"));
    }
    Ok((label, body))
}

/// Why a block is not a public key.
fn foreign(label: &str) -> Flaw {
    if label.ends_with("PRIVATE KEY") {
        Flaw::new("is a private key, which only whoever signs the tokens should have")
            .hint(TO_PUBLIC)
    } else if label.ends_with("CERTIFICATE") {
        Flaw::new("is a certificate, not a public key")
            .hint("take the key out of it: `openssl x509 -in cert.pem -noout -pubkey`")
    } else {
        Flaw::new("is a PEM text, and not one of a public key").hint(TO_PUBLIC)
    }
}

fn of_any_kind(bytes: &[u8]) -> Result<PublicNumbers, Flaw> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

    let info = Der::new(bytes).subject_public_key_info();
    let (algorithm, parameters, key) =
        info.ok_or_else(|| Flaw::new("is not a public key inside its PEM (RFC 5280)"))?;
    match algorithm {
        RSA => rsa(key),
        EC => elliptic(parameters, key),
        ED25519 if parameters.is_empty() && key.len() == 32 => {
            Ok(PublicNumbers::Ed25519(key.into()))
        }
        _ => Err(
            Flaw::new("is a public key of a kind that is not known here")
                .hint("RSA, P-256, P-384 and Ed25519 are"),
        ),
    }
}

fn rsa(key: &[u8]) -> Result<PublicNumbers, Flaw> {
    let (modulus, exponent) = Der::new(key)
        .two_integers()
        .ok_or_else(|| Flaw::new("is not an RSA key inside its PEM (RFC 8017)"))?;
    Ok(PublicNumbers::Rsa {
        modulus: modulus.into(),
        exponent: exponent.into(),
    })
}

fn elliptic(parameters: &[u8], point: &[u8]) -> Result<PublicNumbers, Flaw> {
    const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[6, 5, 0x2b, 0x81, 0x04, 0x00, 0x22];

    let field = match parameters {
        P256 => 32,
        P384 => 48,
        _ => {
            return Err(
                Flaw::new("is a key on a curve that is not known here").hint("P-256 and P-384 are")
            );
        }
    };
    let (form, numbers) = point.split_first().unwrap_or((&0, &[]));
    if *form != 4 || numbers.len() != 2 * field {
        return Err(Flaw::new("is not an uncompressed point of its curve")
            .hint("`openssl ec -pubin -in key.pem -conv_form uncompressed`"));
    }
    let (x, y) = numbers.split_at(field);
    let (x, y) = (x.into(), y.into());
    Ok(if field == 32 {
        PublicNumbers::P256 { x, y }
    } else {
        PublicNumbers::P384 { x, y }
    })
}

/// The sizes that are taken.
fn sound(numbers: &PublicNumbers) -> Result<(), Flaw> {
    match numbers {
        PublicNumbers::Rsa { modulus, exponent } => {
            let unused = modulus.first().map_or(0, |first| first.leading_zeros());
            let bits = modulus.len() * 8 - unused as usize;
            if bits < 2048 {
                return Err(
                    Flaw::new(format!("is an RSA key of {bits} bits, which is too weak"))
                        .hint("2048 to 8192 bits are taken"),
                );
            }
            if bits > 8192 {
                return Err(
                    Flaw::new("is an RSA key of more than 8192 bits, which is too slow")
                        .hint("2048 to 8192 bits are taken"),
                );
            }
            let odd = exponent.last().is_some_and(|last| last % 2 == 1);
            if !odd || **exponent == [1] || exponent.len() > 4 {
                return Err(
                    "is an RSA key whose exponent is not an odd number from 3 to 32 bits".into(),
                );
            }
            Ok(())
        }
        PublicNumbers::P256 { .. } | PublicNumbers::P384 { .. } | PublicNumbers::Ed25519(_) => {
            Ok(())
        }
    }
}

fn written(label: &str, bytes: &[u8]) -> String {
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    let mut rest = &*STANDARD.encode(bytes);
    while let Some((line, more)) = rest.split_at_checked(64) {
        lines.push(line.to_owned());
        rest = more;
    }
    if !rest.is_empty() {
        lines.push(rest.to_owned());
    }
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::P256;
