//! Changes to a text at known places.

use std::borrow::Cow;
use std::ops::Range;

/// What stands at `place` becomes `text`. Places are in bytes and never overlap.
pub(super) struct Splice<'p> {
    pub(super) place: Range<usize>,
    pub(super) text: Cow<'p, str>,
}

/// For places that were found `by` bytes into the text.
pub(super) fn shift(splices: &mut [Splice<'_>], by: usize) {
    if by == 0 {
        return;
    }
    for splice in splices {
        splice.place = splice.place.start + by..splice.place.end + by;
    }
}

pub(super) fn apply(text: &str, mut splices: Vec<Splice<'_>>) -> Vec<u8> {
    splices.sort_by_key(|splice| splice.place.start);
    let grown: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut out = Vec::with_capacity(text.len() + grown);
    let mut at = 0;
    for splice in &splices {
        out.extend_from_slice(between(text, at..splice.place.start));
        out.extend_from_slice(splice.text.as_bytes());
        at = splice.place.end;
    }
    out.extend_from_slice(between(text, at..text.len()));
    out
}

fn between(text: &str, place: Range<usize>) -> &[u8] {
    text.as_bytes().get(place).unwrap_or_default()
}
