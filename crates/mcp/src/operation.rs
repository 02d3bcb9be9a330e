//! What a message wants, in the words of policy: the method map of both eras (X8, TM-14).

use std::borrow::Cow;

use crate::message::{Kind, Message};

/// Never within a batch (BAT-1).
pub(crate) const INITIALIZE: &str = "initialize";

/// What a message is to policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'m> {
    /// Getting to know each other: `initialize`, `notifications/initialized`, `ping`, `server/discover`.
    Handshake,
    /// Asking what there is.
    List(Listed),
    /// Using something that has a name.
    Call(Called<'m>),
    /// A posted response to what the server asked (TL-12).
    Response,
    /// Every other method, known or not. Never for somebody unknown.
    Other,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
}

/// What is used, by its name or URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called<'m> {
    /// `tools/call`
    Tool(&'m str),
    /// `prompts/get`
    Prompt(&'m str),
    /// `resources/read`
    Resource(&'m str),
}

/// A method that policy knows, before its parameters.
#[derive(Clone, Copy)]
enum Known {
    Handshake,
    List(Listed),
    Tool,
    Prompt,
    Resource,
}

/// The methods that are more than [`Operation::Other`]. `initialize` and `ping` have gone from 2026-07-28, `server/discover` came.
const METHODS: &[(&str, Known)] = &[
    ("tools/call", Known::Tool),
    ("tools/list", Known::List(Listed::Tools)),
    (INITIALIZE, Known::Handshake),
    ("notifications/initialized", Known::Handshake),
    ("ping", Known::Handshake),
    ("server/discover", Known::Handshake),
    ("prompts/get", Known::Prompt),
    ("prompts/list", Known::List(Listed::Prompts)),
    ("resources/read", Known::Resource),
    ("resources/list", Known::List(Listed::Resources)),
    (
        "resources/templates/list",
        Known::List(Listed::ResourceTemplates),
    ),
];

fn known(method: &str) -> Option<Known> {
    METHODS
        .iter()
        .find(|(name, _)| *name == method)
        .map(|(_, known)| *known)
}

impl Message<'_> {
    /// What this message wants. It depends on the method alone: without an id, servers may act all the same.
    pub fn operation(&self) -> Operation<'_> {
        if self.kind == Kind::Response {
            return Operation::Response;
        }
        let name = self.name.as_deref().unwrap_or_default();
        let uri = self.uri.as_deref().unwrap_or_default();
        match known(&self.method) {
            Some(Known::Handshake) => Operation::Handshake,
            Some(Known::List(listed)) => Operation::List(listed),
            Some(Known::Tool) => Operation::Call(Called::Tool(name)),
            Some(Known::Prompt) => Operation::Call(Called::Prompt(name)),
            Some(Known::Resource) => Operation::Call(Called::Resource(uri)),
            None => Operation::Other,
        }
    }

    /// What tells the operation, for longer than the body is there. A name or URI of more than `longest` bytes is left out, and so is a
    /// method that policy does not know.
    pub fn kept(&self, longest: usize) -> Message<'static> {
        let mut methods = METHODS.iter().map(|(name, _)| *name);
        let method = methods.find(|name| *name == self.method);
        let kept = |text: &Option<Cow<'_, str>>| {
            let text = text.as_deref().filter(|text| text.len() <= longest)?;
            Some(Cow::Owned(text.to_owned()))
        };
        Message {
            kind: self.kind,
            method: method.unwrap_or_default().into(),
            id: None,
            name: kept(&self.name),
            uri: kept(&self.uri),
            task_id: None,
            version: None,
        }
    }
}

/// Whether every server understands the method as it is understood here, and what it needs is there (SEC-53).
pub(crate) fn clear(message: &Message<'_>) -> Result<(), &'static str> {
    let strings = [&message.name, &message.uri, &message.task_id];
    if strings
        .into_iter()
        .flatten()
        .any(|text| text.contains('\0'))
    {
        return Err("a name with a NUL, at which some would end it");
    }
    if message.kind == Kind::Response {
        return Ok(());
    }
    let method = &*message.method;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a method that is not printable ASCII");
    }
    let Some(known) = known(method) else {
        let in_another_case = |(name, _): &(&str, Known)| name.eq_ignore_ascii_case(method);
        return if METHODS.iter().any(in_another_case) {
            Err("a known method in another spelling")
        } else {
            Ok(())
        };
    };
    match known {
        Known::Tool | Known::Prompt if message.name.is_none() => {
            Err("a call without `params.name`")
        }
        Known::Resource if message.uri.is_none() => Err("a call without `params.uri`"),
        Known::Handshake | Known::List(_) | Known::Tool | Known::Prompt | Known::Resource => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, expected: Operation<'_>) {
        for id in [r#""id":1,"#, ""] {
            let body = format!(r#"{{{id}"method":"{method}","params":{{"name":"n","uri":"u"}}}}"#);
            let read = crate::message::read(body.as_bytes()).unwrap();
            assert_eq!(read.messages[0].operation(), expected, "{body}");
        }
    }

    #[test]
    fn x8_what_each_method_wants() {
        check("initialize", Operation::Handshake);
        check("notifications/initialized", Operation::Handshake);
        check("ping", Operation::Handshake);
        check("tools/list", Operation::List(Listed::Tools));
        check("prompts/list", Operation::List(Listed::Prompts));
        check("resources/list", Operation::List(Listed::Resources));
        check(
            "resources/templates/list",
            Operation::List(Listed::ResourceTemplates),
        );
        check("tools/call", Operation::Call(Called::Tool("n")));
        check("prompts/get", Operation::Call(Called::Prompt("n")));
        check("resources/read", Operation::Call(Called::Resource("u")));
    }

    #[test]
    fn tm_14_both_vocabularies_are_known_and_the_rest_is_other() {
        check("server/discover", Operation::Handshake);
        for method in [
            "completion/complete",
            "logging/setLevel",
            "resources/subscribe",
            "resources/unsubscribe",
            "subscriptions/listen",
            "tasks/get",
            "tasks/update",
            "tasks/cancel",
            "tasks/list",
            "tasks/result",
            "notifications/cancelled",
            "notifications/progress",
            "notifications/roots/list_changed",
            "tools",
            "tools/",
            "tools/call/x",
            "tools/calls",
            "x-vendor/anything",
            "rpc.discover",
        ] {
            check(method, Operation::Other);
        }
    }

    #[test]
    fn sbp_7_what_a_client_says_of_itself_changes_nothing() {
        let read = |meta: &str| {
            let body = format!(
                r#"{{"id":1,"method":"tools/call","params":{{"name":"n","clientInfo":{{"name":"admin"}},"_meta":{{{meta}}}}}}}"#
            );
            let read = crate::message::read(body.as_bytes()).unwrap();
            let message = &read.messages[0];
            (format!("{:?}", message.operation()), format!("{message:?}"))
        };
        assert_eq!(
            read(""),
            read(r#""io.modelcontextprotocol/clientInfo":{"name":"trusted","version":"9"}"#)
        );
    }
}
