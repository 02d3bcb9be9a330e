//! What one scalar can be read as. Reasons follow the value in a sentence ("`x` is not …") and never repeat it themselves.

pub(crate) mod admin;
pub(crate) mod credential;
pub(crate) mod encryption_key;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod network;
pub(crate) mod own;
pub(crate) mod path;
pub(crate) mod rate;
pub(crate) mod strength;
pub(crate) mod tool;
pub(crate) mod unit;
pub(crate) mod upstream;
pub(crate) mod url;
pub(crate) mod word;

use schemars::Schema;
use serde_json::{Value, json};

use crate::problem::Flaw;

/// Something that is written as one scalar.
pub(crate) trait Scalar: Sized {
    /// What belongs there, for a value of the wrong shape: "a list stands where {EXPECTED} belongs".
    const EXPECTED: &'static str;

    /// Whether the value may be shown when it is refused.
    const SHOWN: bool = true;

    /// Whether a bare `true` or `false` is meant and not a forgotten pair of quotes.
    const TAKES_BOOL: bool = false;

    fn read(text: &str) -> Result<Self, Flaw>;

    /// What an editor checks while the file is written.
    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

/// In a schema, text that will be put in is taken whatever the field is.
pub(crate) const INTERPOLATED: &str = r"\$\{";

/// A schema for a field that has a form of its own or is put in.
pub(crate) fn or_interpolated(own: &Value) -> Value {
    json!({ "anyOf": [own, { "type": "string", "pattern": INTERPOLATED }] })
}

pub(crate) fn to_schema(value: Value) -> Schema {
    // Our own literals are objects; anything else would be the schema that takes everything.
    Schema::try_from(value).unwrap_or_default()
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";
    const TAKES_BOOL: bool = true;

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Flaw::new("is neither true nor false")),
        }
    }

    fn schema() -> Value {
        or_interpolated(&json!({ "enum": [true, false, "true", "false"] }))
    }
}
