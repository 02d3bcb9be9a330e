//! Lists of tools, prompts and resources on their way to somebody who may not see all of them (SEC-57).
//!
//! An answer is taken by its shape: wherever a message has a list in its `result`, entries that must not be shown are cut out of
//! its text. Everything else stays byte for byte: unknown fields, order, white space, numbers, `nextCursor`. What could be read in
//! two ways, so that some reader would find an entry that was not judged here, is refused as a whole.

mod keys;
mod reader;
mod splice;
mod visit;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::operation::Listed;

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate<'p> {
    Drop,
    Keep,
    /// Kept, and its `securitySchemes` are these (a JSON array), in the entry and in its `_meta`, where older clients look
    /// (SEP-1488). Whatever the server says there is replaced. For tools; other entries are kept as they are.
    Secured(Cow<'p, str>),
}

/// Who may see which entry.
pub struct Rules<'j, 'p> {
    /// Takes the decoded name, URI or template of an entry.
    pub judge: &'j mut dyn FnMut(Listed, &str) -> Fate<'p>,
    /// Whether the same list looks different to others: `cacheScope: "public"` becomes `"private"`, also where nothing was
    /// dropped (CACHE-4).
    pub varies: bool,
    /// Bytes that may come to an answer by all that is said of its entries.
    pub most_added: usize,
}

/// Why an answer cannot be shown to anybody: in it may be a list that was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear(pub &'static str);

impl std::fmt::Display for Unclear {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for Unclear {}

/// The answer as it may be shown: one JSON-RPC message or an array of them, without entries that must not be seen.
///
/// Borrowed when there was nothing to change.
pub fn rewrite<'a>(answer: &'a [u8], rules: Rules<'_, '_>) -> Result<Cow<'a, [u8]>, Unclear> {
    let text = std::str::from_utf8(answer).map_err(|_| Unclear("a list answer is not UTF-8"))?;
    // browsers and .NET take a BOM off before they read JSON
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut splices = reader::read(json, rules)?;
    if splices.is_empty() {
        return Ok(Cow::Borrowed(answer));
    }
    splice::shift(&mut splices, text.len() - json.len());
    Ok(Cow::Owned(splice::apply(text, splices)))
}
