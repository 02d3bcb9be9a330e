//! The section `deny`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::name::{FilePath, Identifier};
use crate::written::{Block, List, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Deny {
    /// YAML file with a list of further entries. Picked up again when it changes.
    pub(crate) file: Option<Text<FilePath>>,
    /// Who is turned away, each by one of subject, client, jti or key.
    pub(crate) entries: Option<List<Block<DenyEntry>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct DenyEntry {
    /// `iss` of the tokens that are meant, byte for byte. Required with `subject`; without it tokens of every issuer are.
    pub(crate) issuer: Option<Text<Identifier>>,
    /// Who the tokens name: `sub`, or whatever claim the authenticator takes for it.
    pub(crate) subject: Option<Text<Identifier>>,
    /// The OAuth client that the tokens were issued to.
    pub(crate) client: Option<Text<Identifier>>,
    /// One token, by its `jti`.
    pub(crate) jti: Option<Text<Identifier>>,
    /// An API key, by its id.
    pub(crate) key: Option<Text<Identifier>>,
    /// Whose key: the name of an authenticator. Without it the keys of this id in every one are meant.
    pub(crate) authenticator: Option<Text<Identifier>>,
}
