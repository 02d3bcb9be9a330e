//! The identity of a caller as header values, encoded in one way (SEC-35).
//!
//! `%`, comma, controls, everything outside ASCII and spaces at the ends become `%XX` of their UTF-8; groups are encoded one by
//! one before a comma joins them. So a value can be split and decoded without guessing, and no claim can pretend to be two.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::HeaderValue;

/// More than this in all is refused by the gateway, never cut.
pub(crate) const MAX_BYTES: usize = 8 * 1024;

/// Made once for each verified credential.
#[derive(Debug, Clone)]
pub struct IdentityValues {
    /// The subject.
    pub subject: HeaderValue,
    /// The issuer.
    pub issuer: HeaderValue,
    /// `user` or `client`.
    pub kind: HeaderValue,
    /// The kind of authenticator.
    pub method: HeaderValue,
    /// Only if the provider says it is verified, or is trusted to (SEC-4).
    pub email: Option<HeaderValue>,
    /// A name for people.
    pub name: Option<HeaderValue>,
    /// Joined by commas.
    pub groups: Option<HeaderValue>,
    /// Joined by spaces.
    pub scopes: Option<HeaderValue>,
    /// The OAuth client.
    pub client: Option<HeaderValue>,
    /// Over 8 KiB in all: the gateway answers 403 `identity_too_large`.
    pub too_large: bool,
}

impl IdentityValues {
    fn all(&self) -> impl Iterator<Item = &HeaderValue> {
        [&self.subject, &self.issuer, &self.kind, &self.method]
            .into_iter()
            .chain(
                [
                    &self.email,
                    &self.name,
                    &self.groups,
                    &self.scopes,
                    &self.client,
                ]
                .into_iter()
                .flatten(),
            )
    }

    /// Bytes of all values together.
    pub(crate) fn bytes(&self) -> usize {
        self.all().map(HeaderValue::len).sum()
    }

    /// Sets [`IdentityValues::too_large`] from what is there.
    pub(crate) fn measured(mut self) -> Self {
        self.too_large = self.bytes() > MAX_BYTES;
        self
    }
}

/// One value.
pub(crate) fn single(text: &str) -> HeaderValue {
    header(&encode(text))
}

/// Several values, joined by `separator`; `None` for none.
pub(crate) fn joined<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    separator: &str,
) -> Option<HeaderValue> {
    let mut all = String::new();
    let mut any = false;
    for text in texts {
        if any {
            all.push_str(separator);
        }
        any = true;
        all.push_str(&encode(text));
    }
    any.then(|| header(&all))
}

fn header(encoded: &str) -> HeaderValue {
    HeaderValue::from_str(encoded)
        .expect("only visible ASCII and inner spaces are left by encoding")
}

/// A group, as it stands among those of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(Box<str>);

impl Group {
    /// As a provider writes it.
    pub fn of(name: &str) -> Self {
        Self(encode(name).into())
    }

    /// Whether it is one of these, which were encoded one by one before a comma joined them.
    pub(crate) fn is_among(&self, groups: &HeaderValue) -> bool {
        let mut groups = groups.as_bytes().split(|byte| *byte == b',');
        groups.any(|group| group == self.0.as_bytes())
    }
}

fn encode(text: &str) -> Cow<'_, str> {
    let last = text.len().saturating_sub(1);
    let plain = |at: usize, byte: u8| match byte {
        b' ' => at != 0 && at != last,
        b'%' | b',' => false,
        _ => byte.is_ascii_graphic(),
    };
    if text.bytes().enumerate().all(|(at, byte)| plain(at, byte)) {
        return Cow::Borrowed(text);
    }
    // of several spaces at an end each one is an outer one
    let inner = text.trim_matches(' ');
    let start = text.len() - text.trim_start_matches(' ').len();
    let inside = start..start + inner.len();
    let mut encoded = String::with_capacity(text.len() + 16);
    for (at, byte) in text.bytes().enumerate() {
        if (byte == b' ' && inside.contains(&at)) || (byte != b' ' && plain(at, byte)) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes every write");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(single(text).to_str().unwrap(), expected);
    }

    #[test]
    fn sec_35_plain_text_stays() {
        check("auth0|42", "auth0|42");
        check("Ada Lovelace", "Ada Lovelace");
        check("a  b", "a  b");
        check("", "");
    }

    #[test]
    fn sec_35_what_no_header_can_hold_is_percent_encoded() {
        check("100%", "100%25");
        check("%41", "%2541");
        check("a,b", "a%2Cb");
        check("Zoë", "Zo%C3%AB");
        check("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1");
        check("\0\u{7f}\t", "%00%7F%09");
        check(" a b ", "%20a b%20");
        check("  ", "%20%20");
        check("  a  ", "%20%20a%20%20");
        check("人", "%E4%BA%BA");
    }

    #[test]
    fn sec_35_groups_are_encoded_before_they_are_joined() {
        let groups = joined(["a,b", "c", " d"], ",").unwrap();
        assert_eq!(groups, "a%2Cb,c,%20d");
        assert_eq!(joined([], ","), None);
        // one group whose name is empty is not the same as none
        assert_eq!(joined([""], ",").unwrap(), "");
    }
}
