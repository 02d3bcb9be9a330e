//! By which names the tool calls of a route are counted.
//!
//! A caller can write anything where a tool's name stands, so a name is a label only if the configuration writes it out, or if a proven
//! caller's call of it was answered with success: those are as many as a route may learn, and no more. All others are `other` together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::ToolLabels;
use super::series::Series;
use crate::observe::outcome::Outcome;

/// Names that a route learns, beside those of the configuration.
const MOST_LEARNED: usize = 100;
/// The label of all that have none of their own.
const OTHER: &str = "other";

/// One label.
pub(crate) struct Tool {
    name: Box<str>,
    /// What most calls are counted by.
    allowed: OnceLock<Counter>,
}

impl Tool {
    fn of(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            allowed: OnceLock::new(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The labels of one route.
#[derive(Clone)]
pub(crate) struct Tools {
    /// As they are written in the configuration.
    written: Arc<HashMap<Box<str>, Arc<Tool>>>,
    /// Names of rules in lower case: rules do not look at case (SEC-51).
    of_rules: Arc<HashMap<Box<str>, Arc<Tool>>>,
    learned: Learned,
}

/// Outlives reloads: else a route could learn as many again with each.
#[derive(Clone, Default)]
struct Learned(Arc<RwLock<HashMap<Box<str>, Arc<Tool>>>>);

impl Tools {
    fn of(access: &config::Access, learned: Learned) -> Self {
        let mut written = HashMap::new();
        for name in &access.public_tools {
            written.insert(name.clone(), Tool::of(name));
        }
        let mut of_rules = HashMap::new();
        let names = access.tools.iter().flat_map(|rule| &rule.matches);
        for name in names.filter(|name| !name.contains('*')) {
            let tool = of_rules
                .entry(name.to_ascii_lowercase().into())
                .or_insert_with(|| Tool::of(name));
            written.insert(name.clone(), Arc::clone(tool));
        }
        Self {
            written: Arc::new(written),
            of_rules: Arc::new(of_rules),
            learned,
        }
    }

    /// The label of a tool, if it has one of its own.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Tool>> {
        if let Some(tool) = self.written.get(name) {
            return Some(Arc::clone(tool));
        }
        if !self.of_rules.is_empty()
            && let Some(tool) = self.of_rules.get(&*name.to_ascii_lowercase())
        {
            return Some(Arc::clone(tool));
        }
        self.learned.find(name)
    }

    /// The same after a proven caller has called it with success.
    pub(crate) fn learn(&self, name: &str) -> Option<Arc<Tool>> {
        self.learned.learn(name)
    }

    fn has(&self, name: &str) -> bool {
        name == OTHER || self.find(name).is_some_and(|tool| *tool.name == *name)
    }
}

impl Learned {
    fn find(&self, name: &str) -> Option<Arc<Tool>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map(Arc::clone)
    }

    /// A label for this name, if it is one that MCP would have a tool called by, and there is room.
    fn learn(&self, name: &str) -> Option<Arc<Tool>> {
        if !config::is_ruled(name) {
            return None;
        }
        if let Some(tool) = self.find(name) {
            return Some(tool);
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_LEARNED && !known.contains_key(name) {
            return None;
        }
        let tool = known.entry(name.into()).or_insert_with(|| Tool::of(name));
        Some(Arc::clone(tool))
    }
}

/// Tool calls of all routes.
pub(crate) struct ToolCalls {
    calls: Series<ToolLabels, Counter>,
    learned: Mutex<HashMap<Box<str>, Learned>>,
}

impl ToolCalls {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let calls = Family::default();
        registry.register(
            "tool_calls",
            "Calls of tools, of routes whose bodies are read, by how their requests ended",
            calls.clone(),
        );
        Self {
            calls: Series::of(calls),
            learned: Mutex::default(),
        }
    }

    pub(crate) fn of_route(&self, route: &str, access: &config::Access) -> Tools {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        Tools::of(access, learned.entry(route.into()).or_default().clone())
    }

    /// Counts one call.
    pub(crate) fn count(&self, route: &str, tool: Option<&Tool>, outcome: Outcome) {
        let series = |name: &str| {
            self.calls.handle(&ToolLabels {
                route: route.to_owned(),
                tool: name.to_owned(),
                outcome: outcome.as_str(),
            })
        };
        match (tool, outcome) {
            (Some(tool), Outcome::Allowed) => {
                tool.allowed.get_or_init(|| series(&tool.name)).inc();
            }
            (Some(tool), _) => _ = series(&tool.name).inc(),
            (None, _) => _ = series(OTHER).inc(),
        }
    }

    /// Lets go of what belongs to none of these routes.
    pub(super) fn keep_only(&self, routes: &HashMap<&str, &Tools>) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.retain(|route, _| routes.contains_key(&**route));
        drop(learned);
        self.calls.retain(|labels| {
            let tools = routes.get(&*labels.route);
            tools.is_some_and(|tools| tools.has(&labels.tool))
        });
    }
}

#[cfg(test)]
mod tests {
    use config::{Access, ToolRule};

    use super::*;

    fn rule(names: &[&str]) -> ToolRule {
        ToolRule {
            matches: names.iter().map(|name| Box::from(*name)).collect(),
            ..ToolRule::default()
        }
    }

    fn access() -> Access {
        Access {
            public_tools: vec!["greeting".into()],
            tools: vec![rule(&["delete_all", "read_*"]), rule(&["Echo", "*"])],
            ..Access::default()
        }
    }

    fn calls() -> ToolCalls {
        ToolCalls::register(&mut Registry::default())
    }

    fn found(tools: &Tools, name: &str) -> Option<String> {
        tools.find(name).map(|tool| tool.name().to_owned())
    }

    #[test]
    fn s3_38_names_that_the_configuration_writes_out_are_labels() {
        let tools = calls().of_route("/mcp", &access());
        for (name, label) in [
            ("greeting", Some("greeting")),
            ("Greeting", None), // another tool than the public one
            ("delete_all", Some("delete_all")),
            ("DELETE_ALL", Some("delete_all")),
            ("echo", Some("Echo")),
            ("read_file", None),
            ("read_*", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(found(&tools, name).as_deref(), label, "{name}");
        }
    }

    #[test]
    fn s3_38_a_route_learns_so_many_names_and_no_more_and_not_again_after_a_reload() {
        let calls = calls();
        let tools = calls.of_route("/mcp", &access());
        for i in 0..1000 {
            let name = format!("noise{i}");
            let learned = tools.learn(&name).is_some();
            assert_eq!(learned, i < 100, "{name}");
            assert_eq!(found(&tools, &name).is_some(), learned);
        }
        let reloaded = calls.of_route("/mcp", &Access::default());
        assert!(reloaded.learn("more").is_none());
        assert_eq!(found(&reloaded, "noise7").as_deref(), Some("noise7"));
        let other = calls.of_route("/other", &Access::default());
        assert_eq!(found(&other, "noise7"), None);
    }

    #[test]
    fn s3_38_only_what_a_tool_may_be_called_is_learned() {
        let calls = calls();
        let tools = calls.of_route("/mcp", &access());
        let long = "x".repeat(129);
        for name in ["", "a b", "a\n", "a\"", "é", "a{b}", &long] {
            assert!(tools.learn(name).is_none(), "{name:?}");
        }
        assert!(tools.learn("Get.file-2/x_y").is_some());
    }

    #[test]
    fn s3_38_labels_go_with_the_configuration_that_had_them() {
        let calls = calls();
        let tools = calls.of_route("/mcp", &access());
        let gone = calls.of_route("/gone", &access());
        let learned = tools.learn("learned");
        for (route, tool) in [
            ("/mcp", tools.find("greeting")),
            ("/mcp", tools.find("delete_all")),
            ("/mcp", learned),
            ("/mcp", None),
            ("/gone", gone.find("greeting")),
            ("/gone", None),
        ] {
            for outcome in [Outcome::Allowed, Outcome::Refused] {
                calls.count(route, tool.as_deref(), outcome);
            }
        }
        let now = Access {
            public_tools: vec!["greeting".into()],
            ..Access::default()
        };
        let tools = calls.of_route("/mcp", &now);
        calls.keep_only(&HashMap::from([("/mcp", &tools)]));
        let kept = std::cell::RefCell::new(Vec::new());
        calls.calls.retain(|labels| {
            let labels = (labels.route.clone(), labels.tool.clone(), labels.outcome);
            kept.borrow_mut().push(labels);
            true
        });
        let mut kept = kept.into_inner();
        kept.sort();
        let labels = |tool: &str, outcome| ("/mcp".to_owned(), tool.to_owned(), outcome);
        assert_eq!(
            kept,
            [
                labels("greeting", "allowed"),
                labels("greeting", "refused"),
                labels("learned", "allowed"),
                labels("learned", "refused"),
                labels("other", "allowed"),
                labels("other", "refused"),
            ]
        );
        assert_eq!(calls.learned.lock().unwrap().len(), 1);
    }
}
