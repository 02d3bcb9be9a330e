use crate::check::route::challenge::tests::challenge;
use crate::check::route::tests::{field, read, route};
use crate::testing::{good, problems, try_load, warnings, wrong};
use crate::{Access, Calls, ChallengeAt, Discovery, ListFilter, PolicyMode, ToolRule, Unlisted};

/// A route that asks nobody.
fn open(fields: &str) -> String {
    route(&format!(
        "auth: {{ type: none }}, dangerous: [anonymous_access], {fields}"
    ))
}

#[track_caller]
fn access(fields: &str) -> Access {
    read(&format!("access: {{ {fields} }}")).access
}

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

#[test]
fn s0_10_without_access_nothing_is_public_and_nothing_told_apart() {
    let default = read("").access;
    assert_eq!(default, Access::default());
    assert_eq!(default, access(""));
    assert_eq!(default, access("tools: [], public_tools: []"));
    assert!(!default.lets_anyone_in());
    assert_eq!(default.discovery, Discovery::Authenticated);
    assert_eq!(default.calls, Calls::Authenticated);
}

#[test]
fn s0_9_s3_11_s3_33_discovery_is_opened_in_one_line() {
    let discovery = |word: &str| access(&format!("discovery: {word}"));
    assert_eq!(discovery("public").discovery, Discovery::Public);
    assert_eq!(discovery("handshake").discovery, Discovery::Handshake);
    assert!(!discovery("authenticated").lets_anyone_in());
    assert!(discovery("handshake").lets_anyone_in());
    assert!(access("calls: public").lets_anyone_in());
    field(
        "access: { discovery: open }",
        "access.discovery",
        "`open` is not one of authenticated, handshake, public",
    );
    // Quotes would not make a word of it.
    let told = try_load(&route("access: { discovery: true }")).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("is true or false where one of authenticated, handshake, public belongs")
    );
    assert!(!told.contains("in quotes"), "{told}");
}

#[test]
fn s0_63_one_switch_overrides_what_is_public_and_can_be_thrown_alone() {
    let public = "discovery: public, calls: public, public_tools: [greeting], list_filter: public";
    let fields = format!("access: {{ {public}, require_authentication: true }}");
    assert!(!read(&fields).access.lets_anyone_in());
    assert_eq!(
        warnings(&route(&fields)),
        [
            "routes[0].access.require_authentication: overrides discovery, calls and public_tools: nothing is public here"
        ]
    );
    assert!(warnings(&route("access: { require_authentication: true }")).is_empty());
    // What stands beside it need not be changed with it.
    for auth in ["challenge: call", "challenge_path: /mcp/login"] {
        let fields = format!("{fields}, auth: {{ {auth} }}");
        assert_eq!(challenge(&fields).0, ChallengeAt::Call);
    }
}

#[test]
fn s0_57_tools_need_scopes_and_groups() {
    let found = access(
        "tools: [ { match: 'delete_*', scopes: ['mcp:admin', x], groups: [platform] }, { match: [a, 'b.*'], deny: true }, { match: '*' } ]",
    );
    let expected = [
        ToolRule {
            matches: names(&["delete_*"]),
            scopes: names(&["mcp:admin", "x"]),
            groups: names(&["platform"]),
            deny: false,
        },
        ToolRule {
            matches: names(&["a", "b.*"]),
            deny: true,
            ..ToolRule::default()
        },
        ToolRule {
            matches: names(&["*"]),
            ..ToolRule::default()
        },
    ];
    assert_eq!(found.tools, expected);
    assert_eq!(
        (found.unlisted, found.mode),
        (Unlisted::Deny, PolicyMode::Enforce)
    );
    let rule = "tools: [ { match: a } ]";
    let found = access(&format!("{rule}, unlisted: allow, mode: dry_run"));
    assert_eq!(
        (found.unlisted, found.mode),
        (Unlisted::Allow, PolicyMode::DryRun)
    );
}

#[test]
fn sec_51_a_rule_says_one_thing_of_some_tools() {
    let tools = |rules: &str, expected: &[(&str, &str)]| {
        let expected: Vec<String> = expected
            .iter()
            .map(|(place, reason)| format!("routes[0].access.tools{place}: {reason}"))
            .collect();
        let found = problems(&route(&format!("access: {{ tools: {rules} }}")));
        assert_eq!(found, expected, "{rules}");
    };
    tools("[ { scopes: [a] } ]", &[("[0].match", "is missing")]);
    tools("[ { match: [] } ]", &[("[0].match", "names no tool")]);
    tools(
        "[ { match: 'a?' } ]",
        &[("[0].match[0]", "`a?` has a `?` in it")],
    );
    tools(
        "[ { match: [a, b, A] } ]",
        &[("[0].match[2]", "is in the list already")],
    );
    tools(
        "[ { match: a, deny: true, scopes: [b] } ]",
        &[(
            "[0].deny",
            "keeps the tools from everybody, and there are scopes or groups beside it",
        )],
    );
    tools(
        "[ { match: a, scopes: ['b c', b, b], groups: [''] } ]",
        &[
            ("[0].scopes[0]", "`b c` has a blank in it"),
            ("[0].scopes[2]", "is in the list already"),
            ("[0].groups[0]", "`` is empty"),
        ],
    );
    tools(
        "[ 'delete_*' ]",
        &[("[0]", "is a single value where a mapping belongs")],
    );
    tools("{ match: a }", &[("", "is a mapping where a list belongs")]);
}

#[test]
fn sec_51_a_rule_that_never_counts_is_found() {
    let never = |rules: &str, places: &[&str]| {
        let found = problems(&route(&format!("access: {{ tools: {rules} }}")));
        assert_eq!(found, places, "{rules}");
    };
    never(
        "[ { match: '*' }, { match: delete_x, deny: true } ]",
        &[
            "routes[0].access.tools[1].match[0]: never counts: tools[0] stands before it and decides these calls by `*`",
        ],
    );
    never(
        "[ { match: a }, { match: [b, A] } ]",
        &[
            "routes[0].access.tools[1].match[1]: never counts: tools[0] stands before it and decides these calls",
        ],
    );
    never(
        "[ { match: x }, { match: 'delete_*' }, { match: 'Delete_all*' } ]",
        &[
            "routes[0].access.tools[2].match[0]: never counts: tools[1] stands before it and decides these calls by `delete_*`",
        ],
    );
    never(
        "[ { match: '*_x' }, { match: 'a*b*' }, { match: [a_x, 'aXbX', 'a*c'] } ]",
        &[
            "routes[0].access.tools[2].match[0]: never counts: tools[0] stands before it and decides these calls by `*_x`",
            "routes[0].access.tools[2].match[1]: never counts: tools[1] stands before it and decides these calls by `a*b*`",
        ],
    );
    never(
        "[ { match: ['delete_x', 'delete_*'] }, { match: 'del*' }, { match: '*' } ]",
        &[],
    );
}

#[test]
fn rules_are_bounded() {
    let rules = |count: usize| {
        let rules: Vec<String> = (0..count).map(|n| format!("{{match: a{n}}}")).collect();
        route(&format!("access: {{ tools: [{}] }}", rules.join(",")))
    };
    assert_eq!(good(&rules(20_000)).routes[0].access.tools.len(), 20_000);
    wrong(
        &rules(20_001),
        &["routes[0].access.tools: has 20001 rules; there may be 20000"],
    );
}

#[test]
fn sec_51_patterns_that_are_tried_one_by_one_are_few() {
    let rules = |count: usize| {
        let rules: Vec<String> = (0..count)
            .map(|n| format!("{{match: [a{n}, 'b{n}_*', '*_c{n}', 'd{n}_*_e']}}"))
            .collect();
        route(&format!("access: {{ tools: [{}] }}", rules.join(",")))
    };
    good(&rules(256));
    wrong(
        &rules(300),
        &[
            "routes[0].access.tools[256].match: is one pattern too many with a `*` inside or several: there may be 256 in all rules",
        ],
    );
}

#[test]
fn s0_11_s0_64_public_tools() {
    assert_eq!(
        access("public_tools: [greeting, ping]").public_tools,
        names(&["greeting", "ping"])
    );
    field(
        "access: { public_tools: [greeting, ping, greeting] }",
        "access.public_tools[2]",
        "is in the list already",
    );
    field(
        "access: { public_tools: ['get_*'] }",
        "access.public_tools[0]",
        "`get_*` is a pattern",
    );
    field(
        "access: { public_tools: [ok, Delete_x], tools: [ { match: 'delete_y' }, { match: 'delete_*', deny: true } ] }",
        "access.public_tools[1]",
        "is denied to everybody by tools[1]",
    );
    let first = "{ match: delete_x, scopes: [a] }, { match: 'delete_*', deny: true }";
    access(&format!("public_tools: [delete_x], tools: [ {first} ]"));
    field(
        "access: { public_tools: ['get weather'], tools: [ { match: a } ] }",
        "access.public_tools[0]",
        "has characters that no tool's name may have where rules stand",
    );
    access("public_tools: ['get weather']");
}

#[test]
fn sec_52_without_rules_there_is_nothing_to_try_and_nothing_unlisted() {
    for (written, key) in [
        ("mode: dry_run", "mode"),
        ("unlisted: allow", "unlisted"),
        ("unlisted: deny, tools: []", "unlisted"),
    ] {
        field(
            &format!("access: {{ {written} }}"),
            &format!("access.{key}"),
            "has no effect without a rule under tools",
        );
    }
    access("mode: enforce");
    assert_eq!(
        warnings(&route("access: { mode: dry_run, tools: [ { match: a } ] }")),
        [
            "routes[0].access.mode: is dry_run: the rules under tools refuse nothing, and hide nothing from lists"
        ]
    );
    assert!(warnings(&route("access: { mode: enforce, tools: [ { match: a } ] }")).is_empty());
    // A rule that cannot be read may be one.
    wrong(
        &route("access: { mode: dry_run, unlisted: allow, tools: [ x ] }"),
        &["routes[0].access.tools[0]: is a single value where a mapping belongs"],
    );
}

#[test]
fn x27_lists_are_filtered_where_that_shows() {
    assert_eq!(
        access("list_filter: callable").list_filter,
        ListFilter::Callable
    );
    for discovery in ["", ", discovery: handshake"] {
        field(
            &format!("access: {{ list_filter: public, public_tools: [a]{discovery} }}"),
            "access.list_filter",
            "has no effect where lists are for those alone who have logged in",
        );
    }
    let shown = |more: &str| {
        warnings(&route(&format!(
            "access: {{ list_filter: public, discovery: public{more} }}"
        )))
    };
    assert_eq!(
        shown(""),
        [
            "routes[0].access.list_filter: shows empty lists to whoever has not logged in: nothing may be called without a credential"
        ]
    );
    assert!(shown(", public_tools: [a]").is_empty());
    assert!(shown(", calls: public").is_empty());
}

#[test]
fn x1_where_nobody_is_asked_only_denying_means_something() {
    let fields = "access: { tools: [ { match: 'a*', deny: true }, { match: b } ], unlisted: allow, mode: dry_run, list_filter: callable }";
    assert_eq!(good(&open(fields)).routes[0].access.tools.len(), 2);
    wrong(
        &open(
            "access: { discovery: public, calls: authenticated, public_tools: [], require_authentication: false, list_filter: public, tool_login: true }",
        ),
        &[
            "routes[0].access.discovery: has no effect with type: none",
            "routes[0].access.calls: has no effect with type: none",
            "routes[0].access.public_tools: has no effect with type: none",
            "routes[0].access.require_authentication: has no effect with type: none",
            "routes[0].access.list_filter: has no effect with type: none",
            "routes[0].access.tool_login: has no effect with type: none",
        ],
    );
    wrong(
        &open("access: { tools: [ { match: a, scopes: [x] }, { match: b, groups: [y] } ] }"),
        &[
            "routes[0].access.tools[0].scopes: can be had by nobody with type: none",
            "routes[0].access.tools[1].groups: can be had by nobody with type: none",
        ],
    );
    wrong(
        &route(
            "auth: { type: none, challenge: call, challenge_path: /x }, dangerous: [anonymous_access]",
        ),
        &[
            "routes[0].auth.challenge: has no effect with type: none",
            "routes[0].auth.challenge_path: has no effect with type: none",
        ],
    );
}

#[test]
fn access_is_for_mcp() {
    access("");
    let of_sse = read("transport: sse, access: { tools: [ { match: x } ] }");
    assert_eq!(of_sse.access.unlisted, Unlisted::Deny);
    for written in ["{ discovery: public }", "{}", "{ tools: [ x ] }"] {
        field(
            &format!("transport: http, access: {written}"),
            "access",
            "has no effect with transport http",
        );
    }
}

#[test]
fn x17_what_nobody_reads_is_an_error() {
    let problems = |fields: &str| try_load(&route(fields)).unwrap_err().to_string();
    let text = problems("access: { initialize: false, publicTools: [greeting] }");
    assert!(
        text.contains("routes[0].access.initialize    is not a known key"),
        "{text}"
    );
    assert!(
        text.contains("routes[0].access.publicTools   is not a known key"),
        "{text}"
    );
    assert!(text.contains("did you mean `public_tools`?"), "{text}");
    let text = problems("access: { tools: [ { name: a } ] }");
    assert!(text.contains("routes[0].access.tools[0].name "), "{text}");
}

#[test]
fn sec_50_x17_nothing_is_public_where_the_stream_needs_a_credential() {
    let told = "has no effect with transport sse: the stream itself needs a credential";
    for (key, fields) in [
        ("discovery", "discovery: handshake"),
        ("calls", "calls: public"),
        ("public_tools", "public_tools: [echo]"),
    ] {
        wrong(
            &route(&format!("transport: sse, access: {{ {fields} }}")),
            &[&format!("routes[0].access.{key}: {told}")],
        );
    }
    wrong(
        &route("transport: sse, access: { discovery: public, list_filter: public }"),
        &[
            &format!("routes[0].access.discovery: {told}"),
            &format!("routes[0].access.list_filter: {told}"),
        ],
    );
    good(&route(
        "transport: sse, access: { list_filter: callable, tools: [ { match: '*', scopes: [x] } ] }",
    ));
}
