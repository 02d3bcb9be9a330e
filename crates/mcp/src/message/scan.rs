//! What the grammar does not judge: the encoding, the nesting of values that nobody looks into, and halves of surrogate pairs.
//!
//! Bodies are long and mostly text, so each question is first asked in a way that costs next to nothing.

use super::Unreadable;

/// The deepest nesting that is read; the message itself is the first level.
pub const MAX_NESTING: usize = 128;

/// The body as text that the grammar alone must still judge.
pub(super) fn text(body: &[u8]) -> Result<&str, Unreadable> {
    if body.starts_with(b"\xEF\xBB\xBF") {
        return Err(Unreadable::Ambiguous("a byte order mark"));
    }
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::NotJson("not UTF-8"))?;
    // more levels than brackets there cannot be
    if openings(body) > MAX_NESTING && nesting(body) > MAX_NESTING {
        return Err(Unreadable::Ambiguous("nested deeper than 128 levels"));
    }
    if may_name_surrogates(body) && has_lone_surrogate(text) {
        return Err(Unreadable::Ambiguous("half of a surrogate pair"));
    }
    Ok(text)
}

/// How many brackets open, in strings or out of them.
fn openings(body: &[u8]) -> usize {
    // `[` and `{` differ in one bit. Counts of one byte let the compiler take many bytes at a time.
    body.chunks(128)
        .map(|chunk| {
            usize::from(
                chunk
                    .iter()
                    .map(|byte| u8::from(byte | 0x20 == b'{'))
                    .sum::<u8>(),
            )
        })
        .sum()
}

/// Whether `\ud` is anywhere, with which all escapes of surrogates begin.
fn may_name_surrogates(body: &[u8]) -> bool {
    // without a way out of the loop, so that the compiler takes many bytes at a time
    let second = body.get(1..).unwrap_or_default();
    let third = body.get(2..).unwrap_or_default();
    let mut found = 0;
    for ((first, second), third) in body.iter().zip(second).zip(third) {
        found |=
            u8::from(*first == b'\\') & u8::from(*second == b'u') & u8::from(third | 0x20 == b'd');
    }
    found != 0
}

/// The deepest nesting outside strings.
fn nesting(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = body.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                // to the end of the string
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = rest.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// Whether a `\u` escape names half a surrogate pair without its other half. In JSON there are backslashes in strings only.
fn has_lone_surrogate(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, escape)) = rest.split_once('\\') {
        rest = match code_unit(escape) {
            Some(0xD800..=0xDBFF) => {
                let second = escape.get(5..).and_then(|after| after.strip_prefix('\\'));
                let Some(second) = second else { return true };
                if !matches!(code_unit(second), Some(0xDC00..=0xDFFF)) {
                    return true;
                }
                second.get(5..).unwrap_or_default()
            }
            Some(0xDC00..=0xDFFF) => return true,
            // one character at least, so that `\\` is one escape; if it is not ASCII, the grammar refuses it
            _ => escape.get(1..).unwrap_or(escape),
        };
    }
    false
}

/// The number of an escape `uXXXX`, given without its backslash.
fn code_unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    // `from_str_radix` takes a sign as well, which the grammar refuses later
    u16::from_str_radix(digits, 16).ok()
}
