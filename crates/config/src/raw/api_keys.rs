//! Authenticators of kind `api_keys`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::key::{KeyHash, KeyHeader, KeyId, Label, Moment};
use crate::scalar::name::{Identifier, Scope};
use crate::written::{Block, List, OneOrMany, Table, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ApiKeys {
    /// The header that carries the key. Default X-API-Key.
    pub(crate) header: Option<Text<KeyHeader>>,
    /// Who may use a key. Make one with `portcullis key new`.
    #[schemars(required)]
    pub(crate) keys: Option<List<Block<ApiKey>>>,
    /// Scopes that imply others.
    pub(crate) scope_map: Option<Table<List<Text<Scope>>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ApiKey {
    /// Who the caller is called in logs, in the audit trail and towards the server.
    #[schemars(required)]
    pub(crate) id: Option<Text<KeyId>>,
    /// What `portcullis key new` or `key hash` printed; a list of several while the key is changed.
    #[schemars(required)]
    pub(crate) hash: Option<OneOrMany<KeyHash>>,
    /// What the caller may do. Default: nothing that needs a scope.
    pub(crate) scopes: Option<List<Text<Scope>>>,
    /// From when on the keys count no longer: a date (its first moment, UTC) or a date and time. Default: never.
    pub(crate) expires: Option<Text<Moment>>,
    /// Whose token the key may come with. Without it a request with a key and a token is refused.
    pub(crate) acts_for: Option<Block<ActsFor>>,
    /// A name for people.
    pub(crate) name: Option<Text<Label>>,
    /// Told to the server as it stands.
    pub(crate) email: Option<Text<Label>>,
    /// Told to the server.
    pub(crate) groups: Option<List<Text<Label>>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ActsFor {
    /// `iss` of the token, byte for byte.
    #[schemars(required)]
    pub(crate) issuer: Option<Text<Identifier>>,
    /// Who the token names.
    #[schemars(required)]
    pub(crate) subject: Option<Text<Identifier>>,
}
