//! The keys of one object whose members decide something (SEC-53).
//!
//! Servers find members in many ways: byte for byte, in any case (Go, and with it U+017F for `s` and U+212A for `k`), with `_` and
//! `-` taken away (common mappers of other languages), up to a NUL (C); and of two equal keys the first or the last. Where all of them
//! must see the same, a key that only some would take for one of ours is refused.

use std::borrow::Cow;

/// The most members of such an object. What the protocol defines is about ten.
pub(super) const MAX_MEMBERS: usize = 128;

/// The keys seen so far of one object.
pub(super) struct Keys<'b> {
    judged: &'static [&'static str],
    /// One bit for each of `judged`.
    seen: u32,
    others: Vec<Cow<'b, str>>,
}

impl<'b> Keys<'b> {
    /// For an object in which these keys are looked at.
    pub(super) fn of(judged: &'static [&'static str]) -> Self {
        Self {
            judged,
            seen: 0,
            others: Vec::new(),
        }
    }

    /// Takes the next key, decoded. `Some` is the judged key that it is.
    pub(super) fn admit(
        &mut self,
        key: Cow<'b, str>,
    ) -> Result<Option<&'static str>, &'static str> {
        for (&judged, bit) in self.judged.iter().zip(0..) {
            if key == judged {
                if self.seen & (1 << bit) != 0 {
                    return Err("a key that is there twice");
                }
                self.seen |= 1 << bit;
                return Ok(Some(judged));
            }
        }
        if !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err("a key that is not printable ASCII");
        }
        if self
            .judged
            .iter()
            .any(|judged| folded(judged).eq(folded(&key)))
        {
            return Err("a key in another spelling");
        }
        if self.others.contains(&key) {
            return Err("a key that is there twice");
        }
        if self.others.len() == MAX_MEMBERS {
            return Err("an object with more than 128 other members");
        }
        self.others.push(key);
        Ok(None)
    }
}

/// A key as the most lenient reader compares it. ASCII only: other keys have been refused before.
fn folded(key: &str) -> impl Iterator<Item = u8> {
    key.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-'))
        .map(|byte| byte.to_ascii_lowercase())
}
