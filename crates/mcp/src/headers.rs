//! The headers that repeat what the body says (2026-07-28, Streamable HTTP, "Standard Request Headers"; tasks extension).
//!
//! Others on the way may believe them, so they must agree with the body. Nothing here is decided by them: policy reads the body
//! (HDR-6). `Mcp-Param-*` repeats arguments that only the server knows how to find; it passes and is never trusted (SEC-58).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::message::{Kind, Message, Messages};

/// The first version that has these headers.
const FIRST: &str = "2026-07-28";

/// Around a value that is not plain ASCII, or would lose something as a header. The markers are case-sensitive.
const ENCODED: (&[u8], &[u8]) = (b"=?base64?", b"?=");

/// The headers of one request that repeat its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored<'r> {
    /// `MCP-Protocol-Version`
    pub version: Lines<'r>,
    /// `Mcp-Method`
    pub method: Lines<'r>,
    /// `Mcp-Name`
    pub name: Lines<'r>,
}

/// The lines of one header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines<'r> {
    /// There is none.
    #[default]
    Absent,
    /// There is one, with this value.
    One(&'r [u8]),
    /// There are more: one reader takes the first, another the last.
    Several,
}

impl<'r> FromIterator<&'r [u8]> for Lines<'r> {
    fn from_iter<I: IntoIterator<Item = &'r [u8]>>(values: I) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::One(value),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

impl<'r> Lines<'r> {
    /// The value without the white space around it; `None` unless there is just one.
    fn value(self) -> Option<&'r [u8]> {
        match self {
            Self::One(value) => Some(trimmed(value)),
            Self::Absent | Self::Several => None,
        }
    }
}

/// Why headers and body do not go together. The words are for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Two readers could understand the request in two ways.
    Ambiguous(&'static str),
    /// `HeaderMismatch`, JSON-RPC error -32020 (HDR-3).
    Mismatch(&'static str),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous(why) => write!(f, "ambiguous: {why}"),
            Self::Mismatch(why) => write!(f, "headers and body differ: {why}"),
        }
    }
}

impl std::error::Error for Contradiction {}

/// Compares the headers with the body they came with.
///
/// What a request of an older version carries under these names means nothing and is not looked at, unless it is there twice (HDR-10,
/// HDR-11). A version that is no date is left to the server (VER-7).
///
/// # Errors
///
/// Where one of them is missing, ill-formed, twice there or says something else than the body.
pub fn compare(mirrored: &Mirrored<'_>, body: &Messages<'_>) -> Result<(), Contradiction> {
    body.messages
        .iter()
        .try_for_each(|message| one(mirrored, message, body.batch))
}

fn one(
    mirrored: &Mirrored<'_>,
    message: &Message<'_>,
    in_batch: bool,
) -> Result<(), Contradiction> {
    use Contradiction::{Ambiguous, Mismatch};

    let said_in_header = mirrored.version.value();
    let said_in_body = message.version.as_deref().map(str::as_bytes);
    let modern = said_in_body.or(said_in_header).is_some_and(is_modern);
    let request = message.kind == Kind::Request;

    for (lines, twice) in [
        (mirrored.version, "two lines of MCP-Protocol-Version"),
        (mirrored.method, "two lines of Mcp-Method"),
        (mirrored.name, "two lines of Mcp-Name"),
    ] {
        if lines == Lines::Several {
            return Err(if modern && request {
                Mismatch(twice)
            } else {
                Ambiguous(twice)
            });
        }
    }
    match (said_in_header, said_in_body) {
        (Some(header), Some(body)) if header != body => {
            return Err(Mismatch("MCP-Protocol-Version is not the one in `_meta`"));
        }
        (None, Some(_)) if modern && request => {
            return Err(Mismatch("MCP-Protocol-Version is missing"));
        }
        _ => {}
    }
    if !modern {
        return Ok(());
    }
    if in_batch {
        return Err(Ambiguous("a batch in a version that has none"));
    }
    match mirrored.method.value() {
        Some(method) if method != message.method.as_bytes() => {
            return Err(Mismatch("Mcp-Method is not the method"));
        }
        None if request => return Err(Mismatch("Mcp-Method is missing")),
        Some(_) | None => {}
    }
    let Some(member) = repeated(&message.method) else {
        return Ok(());
    };
    // whether it is there is asked of what was sent: an empty name is sent as `=?base64??=` and is compared like any other (TRAP-8)
    let sent = mirrored.name.value().filter(|value| !value.is_empty());
    match (sent, member(message)) {
        (Some(_), None) => Err(Mismatch("Mcp-Name names what the body does not")),
        (Some(sent), Some(name)) => match decoded(sent) {
            None => Err(Mismatch("Mcp-Name is ill-formed")),
            Some(sent) if *sent == *name.as_bytes() => Ok(()),
            Some(_) => Err(Mismatch("Mcp-Name is not what the body names")),
        },
        (None, Some(_)) if request => Err(Mismatch("Mcp-Name is missing")),
        (None, _) => Ok(()),
    }
}

/// The member that `Mcp-Name` repeats for this method; `None` where the header means nothing.
fn repeated(method: &str) -> Option<for<'m> fn(&'m Message<'_>) -> Option<&'m str>> {
    match method {
        "tools/call" | "prompts/get" => Some(|message| message.name.as_deref()),
        "resources/read" => Some(|message| message.uri.as_deref()),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some(|message| message.task_id.as_deref()),
        _ => None,
    }
}

/// Whether a version is one that has these headers: a date, and not too early a one.
fn is_modern(version: &[u8]) -> bool {
    let is_date = version.len() == FIRST.len()
        && version.iter().zip(FIRST.bytes()).all(|(byte, like)| {
            if like == b'-' {
                *byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    is_date && version >= FIRST.as_bytes()
}

/// Without optional white space (RFC 9110 section 5.6.3), which is not part of a value.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What a value stands for; `None` if it is ill-formed. A value with one marker only stands for itself.
fn decoded(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let encoded = value
        .strip_prefix(ENCODED.0)
        .and_then(|rest| rest.strip_suffix(ENCODED.1));
    if let Some(encoded) = encoded {
        // strict: with its padding, without other characters, and one way to write each value
        return STANDARD.decode(encoded).ok().map(Cow::Owned);
    }
    let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    value.iter().all(plain).then_some(Cow::Borrowed(value))
}

#[cfg(test)]
mod tests;
