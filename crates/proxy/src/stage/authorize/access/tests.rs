use std::io;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use config::{AuthenticatorKind, Config, Sources};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use identity::{Authenticators, Evidence, Order, Presented, Timestamp};
use mcp::message;
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod kept;

const NOW: Timestamp = Timestamp(1_800_000_000);

/// What callers have: scopes, groups, and for how many seconds their token is over.
const PEOPLE: [(&[&str], &[&str], u64); 8] = [
    (&[], &[], 0),
    (&["a"], &[], 0),
    (&["b"], &["g"], 0),
    (&["mcp"], &[], 0),
    (&["mcp", "a"], &["h"], 0),
    (&["mcp", "a", "b"], &["g"], 0),
    (&["mcp", "a", "b"], &["g", "h"], 600),
    (&["mcp"], &["g"], 600),
];

struct Nothing;

impl Sources for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn has_folder(&self, _: &Path) -> bool {
        false
    }
}

fn configured(access: &str) -> Config {
    let text = format!(
        r#"
authenticators:
  own:
    dangerous: [expired_tokens]
    shared_secret: {{ expiry_grace: 1h, secret: "k7Zq1vB0xR5tY8uN3mC6pL9wE2aS4dF7", issuer: own, audiences: [tools] }}
routes:
  - path: /mcp
    upstream: "http://127.0.0.1:1/mcp"
    auth: {{ type: jwt, required_scopes: [mcp] }}
    access: {access}
"#
    );
    match config::load(&text, &Nothing) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:?} in {text}"),
    }
}

/// The callers of [`PEOPLE`], as the gateway would know them.
static CALLERS: LazyLock<Vec<Caller>> = LazyLock::new(callers);

fn people() -> &'static [Caller] {
    &CALLERS
}

fn callers() -> Vec<Caller> {
    let config = configured("{}");
    let AuthenticatorKind::SharedSecret(settings) = &config.authenticators[0].kind else {
        panic!("it is a shared secret");
    };
    let authenticators = Authenticators::idle(&config, Arc::new(|| NOW)).unwrap();
    let route = authenticators.for_route(&[0], &[], &[], &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let caller = |(scopes, groups, late): (&[&str], &[&str], u64)| {
        let order = Order {
            subject: "somebody".into(),
            scopes: scopes.iter().map(|&scope| scope.into()).collect(),
            audience: None,
            ttl: Duration::from_mins(1),
            claims: vec![("groups".into(), json!(groups))],
        };
        let made = Timestamp(NOW.0 - late - 60);
        let token = identity::mint(settings, &order, made).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        let evidence = Evidence {
            headers: &headers,
            method: &Method::POST,
            secure: false,
            authority: "localhost",
            path: "/mcp",
            certificate: None,
            peer: [127, 0, 0, 1].into(),
            client: [127, 0, 0, 1].into(),
            peer_verified: false,
        };
        match route.look(&evidence, NOW).unwrap() {
            Presented::Unknown(unverified) => {
                runtime.block_on(route.caller(unverified, NOW)).unwrap()
            }
            Presented::Known(caller) => caller,
            Presented::Nothing => panic!("a token is presented"),
        }
    };
    PEOPLE.into_iter().map(caller).collect()
}

/// A route with these keys under `access`.
fn policy(access: &str) -> Policy {
    let config = configured(access);
    let route = &config.routes[0];
    let config::Auth::Required(requirement) = &route.auth else {
        panic!("it is protected");
    };
    let required = Scopes::parse("mcp").unwrap();
    Policy {
        asks: true,
        access: Access::of(&route.access, Some(requirement.challenge), &required).unwrap(),
        required: Arc::new(required),
    }
}

fn judge(policy: &Policy, caller: Option<&Caller>, body: &str) -> Result<(), Refusal> {
    let messages = message::read(body.as_bytes()).unwrap();
    policy.access.judge(policy, caller, &messages)
}

fn call(tool: &str) -> String {
    format!(r#"{{"id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
}

fn words(judged: Result<(), Refusal>) -> String {
    match judged {
        Ok(()) => "may".into(),
        Err(refusal) => {
            let public = refusal.public();
            let needed = refusal.needed().map(|it| format!(" [{it}]"));
            let status = public.status.as_u16();
            format!("{status} {}{}", public.reason, needed.unwrap_or_default())
        }
    }
}

#[test]
fn s0_57_scp_3_x3_one_call_by_everybody() {
    const ACCESS: &str = r#"{ discovery: public, public_tools: [greeting], tools: [ { match: "delete_*", scopes: [a, b], groups: [g] }, { match: hidden, deny: true }, { match: [echo, greeting], groups: [h] }, { match: "free_*" } ] }"#;
    let policy = policy(ACCESS);
    let people = people();
    let everybody = || [None].into_iter().chain(people.iter().map(Some));
    for (body, expected) in [
        (
            call("Delete_It"),
            [
                "401 missing_credentials [a b mcp]",
                "403 not_permitted",
                "403 not_permitted",
                "403 insufficient_scope [a b mcp]",
                "403 not_permitted",
                "403 not_permitted",
                "may",
                "401 expired [a b mcp]",
                "401 expired [a b mcp]",
            ],
        ),
        (
            call("echo"),
            [
                "401 missing_credentials [mcp]",
                "403 not_permitted",
                "403 not_permitted",
                "403 not_permitted",
                "403 not_permitted",
                "may",
                "403 not_permitted",
                "401 expired [mcp]",
                "401 expired [mcp]",
            ],
        ),
        (
            call("free_x"),
            [
                "401 missing_credentials [mcp]",
                "403 insufficient_scope [mcp]",
                "403 insufficient_scope [mcp]",
                "403 insufficient_scope [mcp]",
                "may",
                "may",
                "may",
                "may",
                "may",
            ],
        ),
        (call("greeting"), ["may"; 9]),
        (r#"{"method":"tools/list"}"#.into(), ["may"; 9]),
    ] {
        let found: Vec<_> = everybody()
            .map(|caller| words(judge(&policy, caller, &body)))
            .collect();
        assert_eq!(found, expected, "{body}");
    }
    for tool in ["hidden", "unheard-of", "no name"] {
        for caller in everybody() {
            let expected = match caller {
                None => "401 missing_credentials [mcp]",
                Some(_) => "403 not_permitted",
            };
            assert_eq!(
                words(judge(&policy, caller, &call(tool))),
                expected,
                "{tool}"
            );
        }
    }
}

/// Any `access`, as somebody may write it.
fn any_access() -> impl Strategy<Value = String> {
    let pattern = prop::sample::select(vec!["*", "a", "a*", "*b", "ab", "b*a", "B"]);
    let asked = prop::sample::select(vec![
        "",
        ", scopes: [a]",
        ", scopes: [a, b]",
        ", groups: [g]",
        ", groups: [h], scopes: [b]",
        ", deny: true",
    ]);
    let rule = (pattern, asked).prop_map(|(pattern, asked)| (pattern, asked));
    (
        prop::sample::select(vec!["authenticated", "handshake", "public"]),
        prop::sample::select(vec!["authenticated", "public"]),
        prop::sample::subsequence(vec!["a", "ab", "c"], 0..=3),
        any::<bool>(),
        prop::collection::vec(rule, 0..5),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(discovery, calls, public, require, rules, allow, rehearses)| {
            // a pattern that an earlier one leaves nothing to is an error of the configuration
            let mut seen = vec![];
            let mut text = String::new();
            for (pattern, asked) in rules {
                let lower = pattern.to_ascii_lowercase();
                let named = public.iter().any(|it| it.starts_with('a') || *it == "c");
                let never_counts = seen.iter().any(|it: &String| {
                    it == "*" || *it == lower || (it == "a*" && lower.starts_with('a')) || (it == "*b" && lower.ends_with('b'))
                });
                if never_counts || (named && asked.contains("deny")) {
                    continue;
                }
                seen.push(lower);
                let rule = format!("{{ match: \"{pattern}\"{asked} }}, ");
                text.push_str(&rule);
            }
            let rules = if text.is_empty() {
                String::new()
            } else {
                let unlisted = if allow { "allow" } else { "deny" };
                let mode = if rehearses { "dry_run" } else { "enforce" };
                format!(", tools: [{text}], unlisted: {unlisted}, mode: {mode}")
            };
            let public = public.join(", ");
            format!("{{ discovery: {discovery}, calls: {calls}, public_tools: [{public}], require_authentication: {require}{rules} }}")
        })
}

const METHODS: [&str; 14] = [
    "initialize",
    "server/discover",
    "ping",
    "notifications/initialized",
    "tools/list",
    "prompts/list",
    "resources/templates/list",
    "prompts/get",
    "resources/read",
    "completion/complete",
    "subscriptions/listen",
    "tasks/get",
    "logging/setLevel",
    "x/unheard-of",
];
const TOOLS: [&str; 8] = ["a", "A", "ab", "aB", "b", "ba", "c", "no name"];

fn bodies() -> Vec<String> {
    let methods = METHODS.iter().map(|method| {
        format!(r#"{{"id":1,"method":"{method}","params":{{"name":"n","uri":"u"}}}}"#)
    });
    let response = r#"{"id":1,"result":{}}"#.to_owned();
    let calls = TOOLS.iter().map(|tool| call(tool));
    methods.chain(calls).chain([response]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What a filtered list shows can be called, and what can be called is shown.
    #[test]
    fn scp_9_lists_and_calls_agree(access in any_access()) {
        let policy = policy(&access);
        let people = people();
        for caller in [None].into_iter().chain(people.iter().map(Some)) {
            for tool in TOOLS {
                let shown = policy.access.may_call(&policy, caller, Entry::Tool(tool));
                prop_assert_eq!(shown, judge(&policy, caller, &call(tool)).is_ok(), "{} {:?}", tool, caller);
            }
            let body = r#"{"id":1,"method":"prompts/get","params":{"name":"p"}}"#;
            let shown = policy.access.may_call(&policy, caller, Entry::Other);
            prop_assert_eq!(shown, judge(&policy, caller, body).is_ok());
        }
    }

    /// Whoever logs in loses nothing, unless a rule is about them; and without `access` nothing is open.
    #[test]
    fn sec_50_who_has_no_credential_may_do_no_more_than_others(access in any_access()) {
        let policy = policy(&access);
        let people = people();
        for body in bodies() {
            if judge(&policy, None, &body).is_err() {
                continue;
            }
            prop_assert!(policy.access.is_open());
            for caller in people {
                prop_assert!(judge(&policy, Some(caller), &body).is_ok(), "{} {:?}", body, caller);
            }
        }
        for body in bodies().iter().filter(|body| {
            ["completion/", "subscriptions/", "tasks/", "logging/", "x/", "result"].iter().any(|it| body.contains(it))
        }) {
            prop_assert!(judge(&policy, None, body).is_err(), "{}", body);
        }
    }

    /// A batch passes if each of its elements would; else nothing of it does.
    #[test]
    fn bat_2_a_batch_is_as_good_as_its_worst_element(
        access in any_access(),
        chosen in prop::collection::vec(0_usize..20, 1..4),
    ) {
        let policy = policy(&access);
        let people = people();
        let bodies: Vec<_> = bodies().into_iter().filter(|it| !it.contains("initialize")).collect();
        let chosen: Vec<_> = chosen.into_iter().filter_map(|at| bodies.get(at)).cloned().collect();
        prop_assume!(!chosen.is_empty());
        let batch = format!("[{}]", chosen.join(","));
        for caller in [None].into_iter().chain(people.iter().map(Some)) {
            let each = chosen.iter().all(|body| judge(&policy, caller, body).is_ok());
            prop_assert_eq!(judge(&policy, caller, &batch).is_ok(), each, "{} {:?}", batch, caller);
        }
    }

    /// A rehearsal lets through what there would be without rules, and tells what they would say.
    #[test]
    fn sec_52_a_rehearsal_changes_nothing_but_the_rules(access in any_access()) {
        prop_assume!(access.contains("mode: dry_run"));
        let rehearsing = policy(&access);
        let enforcing = policy(&access.replace("dry_run", "enforce"));
        let bare = policy(&format!("{} }}", access.split(", tools:").next().unwrap()));
        let people = people();
        for caller in [None].into_iter().chain(people.iter().map(Some)) {
            for body in bodies() {
                let judged = words(judge(&rehearsing, caller, &body));
                prop_assert_eq!(&judged, &words(judge(&bare, caller, &body)), "{} {:?}", body, caller);
                let messages = message::read(body.as_bytes()).unwrap();
                let told = rehearsing.access.rehearse(&rehearsing, caller, &messages);
                let told = told.map_or(Ok(()), Err);
                prop_assert_eq!(words(told), words(judge(&enforcing, caller, &body)));
            }
        }
    }
}
