//! Rules for the tools of a server, by what it says of each.
//!
//! Everything that a server says is a stranger's text: names become rules only where they are names, and words become comments of one
//! line each, in which nothing is left that an editor or a terminal would act on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proxy::Tool;

/// Characters of a server's words that a comment repeats.
const WORDS: usize = 90;

/// How much a tool may do, by its own words. What is unclear is the worst (the protocol's own default).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Reads,
    Writes,
    Destroys,
}

impl Reach {
    fn of(tool: &Tool) -> Self {
        match (tool.read_only, tool.destructive) {
            (true, _) => Self::Reads,
            (false, false) => Self::Writes,
            (false, true) => Self::Destroys,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Reads => "Tools that only read (readOnlyHint).",
            Self::Writes => {
                "Tools that change something and destroy nothing (destructiveHint: false)."
            }
            Self::Destroys => {
                "Tools that may destroy something, or do not say that they do not: a scope for each, so that it is granted on purpose."
            }
        }
    }

    fn scope(self, tool: &str) -> String {
        match self {
            Self::Reads => "mcp:read".to_owned(),
            Self::Writes => "mcp:write".to_owned(),
            Self::Destroys => format!("mcp:tool:{tool}"),
        }
    }
}

/// What `access` has below it, to stand in a route.
pub(super) fn rules(tools: &[Tool]) -> String {
    let mut text = String::from(
        "      # Made of what the server says of its tools. Such annotations are hints that nobody has checked, and not to be trusted: read\n\
         \x20     # every rule before you rely on it, and again when the server changes. The first rule that names a tool decides; `*` stands\n\
         \x20     # for any characters. A call needs these scopes and the `required_scopes` above. Whoever issues your tokens has to know\n\
         \x20     # them, or the authenticator's scope_map.\n\
         \x20     tools:\n",
    );
    let (ruled, others) = by_name(tools);
    for reach in [Reach::Reads, Reach::Writes, Reach::Destroys] {
        let of_reach = ruled.values().filter(|(found, _)| *found == reach);
        for (index, (_, tool)) in of_reach.enumerate() {
            if index == 0 {
                line(&mut text, &format!("        # {}", reach.words()));
            }
            if let Some(words) = words(tool) {
                line(&mut text, &format!("        #   {words}"));
            }
            let (name, scope) = (&tool.name, reach.scope(&tool.name));
            line(
                &mut text,
                &format!("        - {{ match: \"{name}\", scopes: [\"{scope}\"] }}"),
            );
        }
    }
    for name in others {
        let name = harmless(name);
        line(
            &mut text,
            &format!("        # Cannot be called: no rule can have this name: {name}"),
        );
    }
    text.push_str(
        "      unlisted: deny                # tools that come to the server later\n\
         \x20     mode: enforce                 # dry_run: only log what the rules would refuse, to try them\n\
         \x20     list_filter: all              # callable: lists show each caller what they may call\n",
    );
    text
}

fn line(text: &mut String, line: &str) {
    let _written = writeln!(text, "{line}"); // a String takes everything
}

/// Tools by their names in lower case, in which rules compare them; of two that rules cannot tell apart the one with the wider reach.
/// And names that no rule can have.
fn by_name(tools: &[Tool]) -> (BTreeMap<String, (Reach, &Tool)>, Vec<&str>) {
    let mut ruled: BTreeMap<String, (Reach, &Tool)> = BTreeMap::new();
    let mut others = Vec::new();
    for tool in tools {
        if !config::is_ruled(&tool.name) {
            others.push(&*tool.name);
            continue;
        }
        let reach = Reach::of(tool);
        let entry = ruled.entry(tool.name.to_ascii_lowercase());
        let known = entry.or_insert((reach, tool));
        if reach > known.0 {
            *known = (reach, tool);
        }
    }
    (ruled, others)
}

/// Title and description in one line.
fn words(tool: &Tool) -> Option<String> {
    let parts = [&tool.title, &tool.description];
    let parts = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.trim().is_empty());
    let parts: Vec<&str> = parts.map(String::as_str).collect();
    (!parts.is_empty()).then(|| harmless(&parts.join(": ")))
}

/// One short line of a stranger's text: blanks of all kinds are one, and what is neither a letter, a digit nor plain ASCII is spelt out.
fn harmless(text: &str) -> String {
    let mut line = String::new();
    // blanks count for nothing, so that no megabytes of them are looked through for a word
    for (index, char) in text.chars().take(WORDS * 4).enumerate() {
        if line.chars().count() >= WORDS || index + 1 == WORDS * 4 {
            line.push('…');
            break;
        }
        if char.is_whitespace() {
            if !line.ends_with(' ') && !line.is_empty() {
                line.push(' ');
            }
        } else if char.is_ascii_graphic() || char.is_alphanumeric() {
            line.push(char);
        } else {
            line.extend(char.escape_unicode());
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, read_only: bool, destructive: bool) -> Tool {
        Tool {
            name: name.to_owned(),
            title: None,
            description: None,
            read_only,
            destructive,
        }
    }

    fn lines(tools: &[Tool]) -> Vec<String> {
        let text = rules(tools);
        let rules = text.lines().filter(|line| line.contains("match:"));
        rules.map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn a_tool_needs_a_scope_by_what_it_says_of_itself() {
        let tools = [
            tool("drop", false, true),
            tool("put", false, false),
            tool("get", true, true),
            tool("look", true, false),
        ];
        assert_eq!(
            lines(&tools),
            [
                r#"- { match: "get", scopes: ["mcp:read"] }"#,
                r#"- { match: "look", scopes: ["mcp:read"] }"#,
                r#"- { match: "put", scopes: ["mcp:write"] }"#,
                r#"- { match: "drop", scopes: ["mcp:tool:drop"] }"#,
            ]
        );
    }

    #[test]
    fn names_that_rules_cannot_tell_apart_get_the_narrower_rule() {
        let tools = [
            tool("Get", true, true),
            tool("get", false, true),
            tool("GET", false, false),
        ];
        assert_eq!(
            lines(&tools),
            [r#"- { match: "get", scopes: ["mcp:tool:get"] }"#]
        );
    }

    #[test]
    fn names_that_are_none_make_no_rule() {
        let long = "a".repeat(129);
        for name in [
            "*",
            "a b",
            "a\"] }\n  unlisted: allow",
            "",
            "é",
            "a:b",
            &long,
        ] {
            assert_eq!(lines(&[tool(name, true, true)]), [""; 0], "{name}");
        }
    }

    #[test]
    fn words_are_one_harmless_line() {
        for (text, expected) in [
            ("Says it again.", "Says it again."),
            ("a\r\n\tb\u{85}c\u{2028}d  e", "a b c d e"),
            ("\n- { match: x }", "- { match: x }"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{202e}txet", "\\u{202e}txet"),
            ("Grüße, 世界", "Grüße, 世界"),
        ] {
            assert_eq!(harmless(text), expected);
        }
        let long = harmless(&"word ".repeat(1000));
        assert!(
            long.ends_with('…') && long.chars().count() == WORDS + 1,
            "{long}"
        );
        assert!(harmless(&"\n".repeat(100_000)).len() < 4);
    }
}
