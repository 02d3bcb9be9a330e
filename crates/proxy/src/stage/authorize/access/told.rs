//! What the rules say of one message, in words (`portcullis explain`).

use config::ToolRule;
use mcp::message::Message;
use mcp::operation::{Called, Operation};

use super::{Access, Rules};
use crate::stage::authorize::Policy;
use crate::stage::authorize::tools::{Never, Ruling};

/// Patterns of one rule that are shown.
const MOST_SHOWN: usize = 5;

impl Access {
    /// Whether nobody needs a credential for it, and which rule speaks of it. The rules are those that this was made of.
    pub(crate) fn told(
        &self,
        policy: &Policy,
        message: &Message<'_>,
        rules: &[ToolRule],
    ) -> (bool, String) {
        let counting = self.message(message, Rules::Count);
        let (subject, of_rules) = match message.operation() {
            Operation::Call(Called::Tool(name)) => {
                let of_rules = if self.open.tools.contains(name) {
                    "it is one of public_tools".to_owned()
                } else {
                    of_rules(counting.ruling, rules)
                };
                (format!("{} {name:?}", message.method), of_rules)
            }
            Operation::Call(Called::Prompt(_) | Called::Resource(_))
            | Operation::Handshake
            | Operation::List(_)
            | Operation::Response
            | Operation::Other => (format!("{:?}", message.method), "no rule is for it".into()),
        };
        let real = self.message(message, self.rules());
        let is_open = real.is_open || !policy.asks;
        let never = counting.never(policy).is_some();
        let needs = match is_open {
            _ if never => String::new(),
            true if counting.is_open || !policy.asks => "; nobody needs a credential for it".into(),
            _ if counting.needed(policy).is_empty() => "; it needs no scope".into(),
            _ => format!("; it needs [{}]", counting.needed(policy)),
        };
        let dry = match (self.rules(), counting.ruling) {
            (Rules::Count, _) | (Rules::AreSilent, Ruling::Silent) => "",
            (Rules::AreSilent, _) => "; rules do not count yet (mode: dry_run)",
        };
        (is_open, format!("{subject}: {of_rules}{needs}{dry}"))
    }
}

fn of_rules(ruling: Ruling<'_>, rules: &[ToolRule]) -> String {
    let (at, rule) = match ruling {
        Ruling::Silent if rules.is_empty() => return "there are no rules for tools".into(),
        Ruling::Silent => return "no rule names the tool, and unlisted ones are allowed".into(),
        Ruling::Unlisted => return Never::Unlisted.words().into(),
        Ruling::Unnameable => return Never::Unnameable.words().into(),
        Ruling::Rule(at, rule) => (at, rule),
    };
    let written = rules.get(at);
    let matches = written.map(|rule| &*rule.matches).unwrap_or_default();
    let shown: Vec<&str> = matches.iter().take(MOST_SHOWN).map(|it| &**it).collect();
    let more = if matches.len() > MOST_SHOWN {
        ", …"
    } else {
        ""
    };
    let patterns = shown.join(", ");
    let deed = if rule.denies() { "denies" } else { "names" };
    let groups = written.map(|rule| rule.groups.join(", "));
    let groups = groups.filter(|groups| !groups.is_empty());
    let groups = groups.map(|groups| format!(", for one of the groups {groups}"));
    let groups = groups.unwrap_or_default();
    format!("access.tools[{at}] ({patterns}{more}) {deed} it{groups}")
}
