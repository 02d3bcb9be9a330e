//! The section `sessions`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::checked::EncryptionKey;
use crate::written::{List, Text};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Sessions {
    /// Keys of the gateway's own, from `portcullis key`. The first makes, all of them verify: a new one is appended everywhere, then
    /// moved to the front. Default: a random one, so that what the gateway gave out ends with the process.
    pub(crate) encryption_keys: Option<List<Text<EncryptionKey>>>,
}
