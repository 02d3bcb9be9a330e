//! JSON-RPC messages in a body, as far as policy must know them (SEC-53, X11).
//!
//! The gateway and the server behind it must see the same call in the same bytes. So whatever two readers could take in two ways is
//! refused rather than guessed at: duplicate keys, keys that another server would match as well, positional parameters, odd encodings.
//! Nothing is copied out of the body except strings with escapes in them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::operation;

mod keys;
mod scan;

#[cfg(test)]
mod tests;

use keys::Keys;
pub use scan::MAX_NESTING;

/// The longest batch that is read. Each element is judged and counted, so they must be few.
pub const MAX_BATCH: usize = 100;

/// The longest `id`, in bytes of JSON text. It comes back in refusals.
pub const MAX_ID: usize = 512;

/// What one body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages<'b> {
    /// Whether the messages came in an array (2025-03-26 alone has batches).
    pub batch: bool,
    /// From 1 to [`MAX_BATCH`], in the order of the body.
    pub messages: Vec<Message<'b>>,
}

/// One JSON-RPC message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'b> {
    pub kind: Kind,
    /// Empty for a response, and in what is [kept](Self::kept) of a method that policy does not know.
    pub method: Cow<'b, str>,
    /// The JSON text of the id as it stands in the body, at most [`MAX_ID`] bytes: a number, a string or `null`.
    pub id: Option<&'b str>,
    /// `params.name`
    pub name: Option<Cow<'b, str>>,
    /// `params.uri`
    pub uri: Option<Cow<'b, str>>,
    /// `params.taskId`
    pub task_id: Option<Cow<'b, str>>,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`
    pub version: Option<Cow<'b, str>>,
}

/// Which of the three a message is (JSON-RPC 2.0, sections 4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A method and an id. An id of `null` counts as one.
    Request,
    /// A method without an id.
    Notification,
    /// A result or an error, posted in answer to what the server asked on a stream (TL-12).
    Response,
}

/// Why a body is not forwarded. The words are for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Not one JSON text in UTF-8.
    NotJson(&'static str),
    /// JSON that two readers could understand in two ways, or that is no JSON-RPC message.
    Ambiguous(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(why) => write!(f, "not JSON: {why}"),
            Self::Ambiguous(why) => write!(f, "ambiguous: {why}"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads a whole body. What it says of its own media type does not matter (X11).
///
/// # Errors
///
/// Where the body is not a JSON-RPC message or batch with one reading only.
pub fn read(body: &[u8]) -> Result<Messages<'_>, Unreadable> {
    let text = scan::text(body)?;
    let why = Cell::new("no JSON-RPC message");
    let mut json = serde_json::Deserializer::from_str(text);
    let messages = json.deserialize_any(Body(&why)).map_err(|error| {
        // our own objections are of category `Data`; whoever makes one has noted it in `why` before
        match error.classify() {
            Category::Data => Unreadable::Ambiguous(why.get()),
            Category::Eof => Unreadable::NotJson("it ends within a value"),
            Category::Syntax | Category::Io => Unreadable::NotJson("a syntax error"),
        }
    })?;
    json.end()
        .map_err(|_| Unreadable::Ambiguous("bytes after the value"))?;
    Ok(messages)
}

/// Where an objection is noted before it is made: serde's errors carry allocated text only.
type Why<'w> = &'w Cell<&'static str>;

/// The end of reading, for this reason.
fn refuse<E: serde::de::Error>(why: Why<'_>, reason: &'static str) -> E {
    why.set(reason);
    E::custom(reason)
}

#[derive(Clone, Copy)]
struct Body<'w>(Why<'w>);

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Messages<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Messages {
            batch: false,
            messages: vec![OneMessage(self.0).visit_map(map)?],
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let why = self.0;
        let mut messages = Vec::new();
        loop {
            if messages.len() == MAX_BATCH {
                why.set("a batch of more than 100 messages");
                if elements.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
                return Err(A::Error::custom(why.get()));
            }
            why.set("an element of a batch is not an object");
            let Some(message) = elements.next_element_seed(OneMessage(why))? else {
                break;
            };
            if message.method == operation::INITIALIZE {
                return Err(refuse(why, "`initialize` within a batch"));
            }
            messages.push(message);
        }
        if messages.is_empty() {
            return Err(refuse(why, "an empty batch"));
        }
        Ok(Messages {
            batch: true,
            messages,
        })
    }
}

#[derive(Clone, Copy)]
struct OneMessage<'w>(Why<'w>);

impl<'de> DeserializeSeed<'de> for OneMessage<'_> {
    type Value = Message<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneMessage<'_> {
    type Value = Message<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let why = self.0;
        let mut keys = Keys::of(&["jsonrpc", "method", "params", "id", "result", "error"]);
        let (mut method, mut id, mut answers) = (None, None, false);
        let mut params = Params::default();
        while let Some(key) = map.next_key_seed(Text)? {
            match keys.admit(key).map_err(|reason| refuse(why, reason))? {
                Some("method") => {
                    why.set("`method` is not a string");
                    method = Some(map.next_value_seed(Text)?);
                }
                Some("params") => {
                    why.set("`params` is not an object");
                    params = map.next_value_seed(TheParams(why))?;
                }
                Some("id") => id = Some(an_id(map.next_value()?).map_err(|r| refuse(why, r))?),
                other => {
                    answers |= matches!(other, Some("result" | "error"));
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let kind = match (&method, answers) {
            (Some(_), false) if id.is_some() => Kind::Request,
            (Some(_), false) => Kind::Notification,
            (None, true) => Kind::Response,
            (Some(_), true) => return Err(refuse(why, "a request and a response at once")),
            (None, false) => return Err(refuse(why, "neither a request nor a response")),
        };
        let message = Message {
            kind,
            method: method.unwrap_or_default(),
            id,
            name: params.name,
            uri: params.uri,
            task_id: params.task_id,
            version: params.version,
        };
        operation::clear(&message).map_err(|reason| refuse(why, reason))?;
        Ok(message)
    }
}

/// What is known of `params`.
#[derive(Default)]
struct Params<'b> {
    name: Option<Cow<'b, str>>,
    uri: Option<Cow<'b, str>>,
    task_id: Option<Cow<'b, str>>,
    version: Option<Cow<'b, str>>,
}

/// An object, or `null`, which some clients write where there are none.
#[derive(Clone, Copy)]
struct TheParams<'w>(Why<'w>);

impl<'de> DeserializeSeed<'de> for TheParams<'_> {
    type Value = Params<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for TheParams<'_> {
    type Value = Params<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Params::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let why = self.0;
        let mut keys = Keys::of(&["name", "uri", "taskId", "_meta"]);
        let mut params = Params::default();
        while let Some(key) = map.next_key_seed(Text)? {
            match keys.admit(key).map_err(|reason| refuse(why, reason))? {
                Some("name") => {
                    why.set("`params.name` is not a string");
                    params.name = Some(map.next_value_seed(Text)?);
                }
                Some("uri") => {
                    why.set("`params.uri` is not a string");
                    params.uri = Some(map.next_value_seed(Text)?);
                }
                Some("taskId") => {
                    why.set("`params.taskId` is not a string");
                    params.task_id = Some(map.next_value_seed(Text)?);
                }
                Some("_meta") => {
                    why.set("`params._meta` is not an object");
                    params.version = map.next_value_seed(TheMeta(why))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(params)
    }
}

/// `_meta` yields the protocol version it names.
#[derive(Clone, Copy)]
struct TheMeta<'w>(Why<'w>);

impl<'de> DeserializeSeed<'de> for TheMeta<'_> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for TheMeta<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let why = self.0;
        let mut keys = Keys::of(&["io.modelcontextprotocol/protocolVersion"]);
        let mut version = None;
        while let Some(key) = map.next_key_seed(Text)? {
            if keys
                .admit(key)
                .map_err(|reason| refuse(why, reason))?
                .is_some()
            {
                why.set("the protocol version in `_meta` is not a string");
                version = Some(map.next_value_seed(Text)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(version)
    }
}

/// A string; borrowed unless there are escapes in it.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The text of an id, if it is one (JSON-RPC 2.0, section 4).
fn an_id(raw: &RawValue) -> Result<&str, &'static str> {
    let text = raw.get();
    if text.len() > MAX_ID {
        return Err("an `id` of more than 512 bytes");
    }
    match text.as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9' | b'n') => Ok(text),
        _ => Err("`id` is neither a string nor a number"),
    }
}
