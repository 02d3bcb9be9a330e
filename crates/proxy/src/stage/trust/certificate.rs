//! The certificate that a client has shown: to us, or to a TLS terminator that says so in a header (RFC 8705 section 6.5).
//!
//! Only its SHA-256 is kept. Whether anybody vouches for it is the terminator's business; that whoever shows it has its key is what
//! the handshake proves, and all that a token bound to it needs.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use config::{CertificateFormat, ClientCertificate};
use http::{HeaderMap, HeaderName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::stage::identify::decoded;
use crate::stop::Refusal;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Who says which certificate it is.
pub(crate) enum Certificate {
    /// The connection itself, if anybody.
    OfConnection,
    /// A proxy that ended the client's TLS. `None`: the client has shown none. The connection's own certificate is the proxy's then.
    Forwarded(Option<Box<str>>),
}

/// Where trusted proxies say so.
pub(crate) struct Told {
    header: HeaderName,
    format: CertificateFormat,
}

impl Told {
    /// `None` for a name that is none; `check` lets no such name through.
    pub(crate) fn of(settings: &ClientCertificate) -> Option<Self> {
        Some(Self {
            header: settings.header.parse().ok()?,
            format: settings.format,
        })
    }

    /// Reads the header of a request that comes from a trusted proxy. One that says two things, or that cannot be read, is refused: to
    /// take it for none would let a token that is bound to something else pass.
    pub(super) fn read(&self, headers: &HeaderMap) -> Result<Certificate, Refusal> {
        let mut lines = headers.get_all(&self.header).iter();
        let Some(line) = lines.next() else {
            return Ok(Certificate::Forwarded(None));
        };
        if lines.next().is_some() {
            return Err(Refusal::Ambiguous("two client certificates"));
        }
        if line.is_empty() {
            return Ok(Certificate::Forwarded(None));
        }
        let text = line.to_str().ok();
        let hash = text.and_then(|text| match self.format {
            CertificateFormat::Rfc9440 => structured(text),
            CertificateFormat::Pem => pem(text),
            CertificateFormat::Xfcc => envoy(text),
        });
        match hash {
            Some(hash) => Ok(Certificate::Forwarded(Some(hash))),
            None => Err(Refusal::Ambiguous("a client certificate that is none")),
        }
    }
}

/// `:MIIB…:`
fn structured(text: &str) -> Option<Box<str>> {
    let bytes = text
        .trim_matches(' ')
        .strip_prefix(':')?
        .strip_suffix(':')?;
    thumbprint(&BASE64_STANDARD.decode(bytes).ok()?)
}

/// `-----BEGIN%20CERTIFICATE-----%0AMIIB…`: the first certificate is the client's, those behind it led to its root.
fn pem(text: &str) -> Option<Box<str>> {
    let text = decoded(text);
    let (body, _) = text.trim_start().strip_prefix(BEGIN)?.split_once(END)?;
    let body: String = body.split_ascii_whitespace().collect();
    thumbprint(&BASE64_STANDARD.decode(body).ok()?)
}

/// `By=…;Hash=9ba6…;Subject="CN=a, O=b"`. Of several elements one would have to know who wrote which.
fn envoy(text: &str) -> Option<Box<str>> {
    let mut hash = None;
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if name.trim().eq_ignore_ascii_case("hash") {
            if hash.is_some() {
                return None;
            }
            hash = Some(hexadecimal(value)?);
        }
        if after.is_empty() {
            return Some(BASE64_URL_SAFE_NO_PAD.encode(hash?).into());
        }
        rest = after.strip_prefix(';')?;
    }
}

/// A value in quotes or without, and what follows it.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', '"']).unwrap_or(text.len());
        return Some(text.split_at(end));
    };
    let mut escaped = false;
    let end = quoted.char_indices().find(|(_, character)| {
        let is_end = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        is_end
    });
    let (value, rest) = quoted.split_at(end?.0);
    Some((value, rest.strip_prefix('"')?))
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    Some(bytes)
}

/// In base64url; `None` if it is not exactly one certificate.
fn thumbprint(der: &[u8]) -> Option<Box<str>> {
    let (rest, _) = X509Certificate::from_der(der).ok()?;
    rest.is_empty()
        .then(|| BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, der)).into())
}

#[cfg(test)]
mod tests;
