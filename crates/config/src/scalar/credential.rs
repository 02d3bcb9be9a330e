//! What the gateway shows to a provider, and how tokens begin.

use super::Scalar;
use crate::problem::Flaw;
use crate::secret::Secret;

/// Longer ones tell nothing more.
const LONGEST_PREFIX: usize = 64;

/// The name of a client at its provider.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClientId(pub(crate) Box<str>);

impl Scalar for ClientId {
    const EXPECTED: &'static str = "the id of a client";

    fn read(text: &str) -> Result<Self, Flaw> {
        sound(text)?;
        Ok(Self(text.into()))
    }
}

/// The secret of a client. The provider made it, so how good it is, is the provider's business.
#[derive(Debug, Clone)]
pub(crate) struct ClientSecret(pub(crate) Secret);

impl Scalar for ClientSecret {
    const EXPECTED: &'static str = "the secret of a client";
    const SHOWN: bool = false;

    fn read(text: &str) -> Result<Self, Flaw> {
        sound(text)?;
        Ok(Self(Secret::new(text)))
    }
}

fn sound(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    if text.chars().any(char::is_control) {
        return Err(Flaw::new("has control characters")
            .hint("a file often ends with a line break that does not belong to what it holds"));
    }
    Ok(())
}

/// How tokens begin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TokenPrefix(pub(crate) Box<str>);

impl Scalar for TokenPrefix {
    const EXPECTED: &'static str = "text like `corp_`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if text.is_empty() {
            return Err("is empty".into());
        }
        if !text.bytes().all(legal) {
            return Err("has characters that a bearer token cannot hold".into());
        }
        if text.len() > LONGEST_PREFIX {
            return Err("is longer than 64 characters".into());
        }
        Ok(Self(text.into()))
    }
}
