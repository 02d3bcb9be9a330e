//! What was asked for in MCP, as far as it is told of: in log, audit trail, metrics and traces. Names, never arguments.
//!
//! A record may wait for its writer, so it keeps no more than fits: what is longer ends with a mark. Whoever writes it escapes it.

use std::borrow::Cow;
use std::sync::Arc;

use mcp::message::{Message, Messages};
use mcp::operation::{Called, Operation};

use super::audit::cut;
use super::metrics::{Tool, Tools};

/// Bytes of one name.
const LONGEST: usize = 256;
/// Bytes of all names of one kind in a batch: 40 for each of a hundred.
const TOGETHER: usize = 4096;

/// What clients ask in MCP, in all versions; the most frequent one first.
#[rustfmt::skip]
const METHODS: &[&str] = &[
    "tools/call", "tools/list", "initialize", "notifications/initialized", "ping", "server/discover", "prompts/list", "prompts/get",
    "resources/list", "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe",
    "completion/complete", "logging/setLevel", "subscriptions/listen", "notifications/cancelled", "notifications/progress",
    "notifications/roots/list_changed", "tasks/get", "tasks/result", "tasks/list", "tasks/update", "tasks/cancel",
];

/// The messages of one request.
pub(crate) struct Heard {
    pub(crate) batch: bool,
    pub(crate) messages: Box<[Wish]>,
}

/// One message.
pub(crate) struct Wish {
    /// A method of MCP is kept without its text.
    method: Option<Cow<'static, str>>,
    tool: Option<Box<str>>,
    /// By which the call is counted; `None`: under `other`, unless its name is learned.
    label: Option<Arc<Tool>>,
}

impl Heard {
    pub(crate) fn of(heard: &Messages<'_>, tools: &Tools) -> Arc<Self> {
        let longest = (TOGETHER / heard.messages.len().max(1)).min(LONGEST);
        let wish = |message| Wish::of(message, tools, longest);
        Arc::new(Self {
            batch: heard.batch,
            messages: heard.messages.iter().map(wish).collect(),
        })
    }

    /// The message, where there is no batch.
    pub(crate) fn single(&self) -> Option<&Wish> {
        match &*self.messages {
            [one] if !self.batch => Some(one),
            _ => None,
        }
    }

    /// The methods, for a line that shows them together.
    pub(crate) fn methods(&self) -> Option<Cow<'_, str>> {
        together(self.messages.iter().filter_map(Wish::method))
    }

    /// The tools likewise.
    pub(crate) fn tools(&self) -> Option<Cow<'_, str>> {
        together(self.messages.iter().filter_map(Wish::tool))
    }
}

impl Wish {
    fn of(message: &Message<'_>, tools: &Tools, longest: usize) -> Self {
        let kept = |text: &str| cut(text, longest).into_owned();
        let method = match &*message.method {
            "" => None, // a posted response
            method => Some(known(method).map_or_else(|| kept(method).into(), Cow::Borrowed)),
        };
        let tool = match message.operation() {
            Operation::Call(Called::Tool(name)) => Some(name),
            Operation::Handshake
            | Operation::List(_)
            | Operation::Call(Called::Prompt(_) | Called::Resource(_))
            | Operation::Response
            | Operation::Other => None,
        };
        Self {
            method,
            tool: tool.map(|name| kept(name).into()),
            label: tool.and_then(|name| tools.find(name)),
        }
    }

    /// What was asked; `None` for a posted response.
    pub(crate) fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The same, if it is a method of MCP.
    pub(crate) fn known_method(&self) -> Option<&'static str> {
        match self.method {
            Some(Cow::Borrowed(method)) => Some(method),
            Some(Cow::Owned(_)) | None => None,
        }
    }

    /// The tool that was called.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    pub(crate) fn label(&self) -> Option<&Arc<Tool>> {
        self.label.as_ref()
    }
}

fn known(method: &str) -> Option<&'static str> {
    METHODS.iter().copied().find(|known| *known == method)
}

/// A line that shows them cuts it off anyway, so what comes after that is left out.
fn together<'t>(mut texts: impl Iterator<Item = &'t str>) -> Option<Cow<'t, str>> {
    let first = texts.next()?;
    let Some(second) = texts.next() else {
        return Some(first.into());
    };
    let mut all = first.to_owned();
    for text in std::iter::once(second).chain(texts) {
        if all.len() > LONGEST {
            break;
        }
        all.push(',');
        all.push_str(text);
    }
    Some(all.into())
}

#[cfg(test)]
mod tests {
    use config::Access;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::observe::metrics::ToolCalls;

    fn heard(body: &str) -> Arc<Heard> {
        let access = Access {
            public_tools: vec!["greeting".into()],
            ..Access::default()
        };
        let tools = ToolCalls::register(&mut Registry::default()).of_route("/mcp", &access);
        Heard::of(&mcp::message::read(body.as_bytes()).unwrap(), &tools)
    }

    fn call(tool: &str) -> String {
        let tool = serde_json::Value::from(tool);
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{tool},"arguments":{{"x":"secret"}}}}}}"#
        )
    }

    #[test]
    fn sec_78_method_and_tool_are_heard_and_nothing_else() {
        let heard = heard(&call("greeting"));
        let wish = heard.single().unwrap();
        assert_eq!(wish.method(), Some("tools/call"));
        assert_eq!(wish.known_method(), Some("tools/call"));
        assert_eq!(wish.tool(), Some("greeting"));
        assert_eq!(wish.label().map(|label| label.name()), Some("greeting"));
    }

    #[test]
    fn sec_78_only_calls_of_tools_have_one_and_responses_have_no_method() {
        for (body, method, known) in [
            (
                r#"{"id":1,"method":"prompts/get","params":{"name":"x"}}"#,
                Some("prompts/get"),
                true,
            ),
            (
                r#"{"id":1,"method":"made/up","params":{"name":"x"}}"#,
                Some("made/up"),
                false,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, None, false),
        ] {
            let heard = heard(body);
            let wish = heard.single().unwrap();
            assert_eq!(wish.method(), method, "{body}");
            assert_eq!(wish.known_method().is_some(), known, "{body}");
            assert_eq!(wish.tool(), None, "{body}");
        }
    }

    #[test]
    fn sec_78_what_is_kept_is_bounded_however_many_and_long_names_are() {
        let long = "é".repeat(1000);
        let one = heard(&call(&long));
        let tool = one.single().unwrap().tool().unwrap();
        assert!(tool.len() <= 256 && tool.ends_with("é…"), "{tool}");
        let made_up = format!(r#"{{"id":1,"method":"{}"}}"#, "m".repeat(5000));
        let one = heard(&made_up);
        assert_eq!(one.single().unwrap().method().unwrap().len(), 256);
        let batch = heard(&format!("[{}]", vec![call(&long); 100].join(",")));
        assert_eq!(batch.messages.len(), 100);
        let kept: usize = batch
            .messages
            .iter()
            .map(|wish| wish.tool().unwrap().len())
            .sum();
        assert!(kept <= 4096, "{kept}");
        assert!(batch.tools().unwrap().len() <= 512);
        assert!(batch.single().is_none());
    }

    #[test]
    fn bat_2_every_message_of_a_batch_is_heard() {
        let ping = r#"{"id":1,"method":"ping"}"#;
        let heard = heard(&format!("[{},{ping},{}]", call("a"), call("b")));
        assert_eq!(
            heard.methods().as_deref(),
            Some("tools/call,ping,tools/call")
        );
        assert_eq!(heard.tools().as_deref(), Some("a,b"));
    }
}
