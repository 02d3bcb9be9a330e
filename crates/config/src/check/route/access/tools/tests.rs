use crate::check::route::tests::{read, route};
use crate::testing::{Fixed, warnings};
use crate::{load, resolved};

#[test]
fn sec_51_an_empty_list_of_rules_is_no_rule_and_said_so() {
    let open = "routes[0].access.tools: is an empty list: every tool is open to whoever is let in";
    assert_eq!(warnings(&route("access: { tools: [] }")), [open]);
    for nothing_empty in ["", "access: {}", "access: { tools: [ { match: a } ] }"] {
        assert!(warnings(&route(nothing_empty)).is_empty());
    }
    // The way out is in the hint, and works.
    let loaded = crate::testing::try_load(&route("access: { tools: [] }")).unwrap();
    let hint = loaded.warnings[0].hint.clone().unwrap_or_default();
    assert!(hint.contains(r#"[{ match: "*", deny: true }]"#), "{hint}");
    let none = read(r#"access: { tools: [{ match: "*", deny: true }] }"#).access;
    assert!(none.tools[0].deny);
}

#[test]
fn sec_51_an_empty_list_of_groups_asks_for_none_and_is_said_so() {
    let rule = |fields: &str| {
        route(&format!(
            "access: {{ tools: [ {{ match: a, {fields} }} ] }}"
        ))
    };
    assert_eq!(
        warnings(&rule("groups: []")),
        ["routes[0].access.tools[0].groups: is an empty list: the rule asks for no group"]
    );
    for other in ["groups: [ops]", "scopes: []", "deny: false"] {
        assert!(warnings(&rule(other)).is_empty(), "{other}");
    }
}

/// Whoever never wrote the list is not warned of it after `check --resolved` has written the file anew.
#[test]
fn s0_2_what_is_resolved_has_no_empty_list_of_rules() {
    for written in ["", "access: { discovery: public, tools: [] }"] {
        let config = crate::testing::good(&route(written));
        let printed = resolved(&config);
        assert!(!printed.contains(" tools:"), "{printed}");
        let again = load(&printed, &Fixed::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(again.config, config);
        assert_eq!(again.warnings, []);
    }
}

/// The rule would name no tool that there is, and leave what it should deny to the next one.
#[test]
fn sec_51_a_pattern_that_looks_like_a_regular_expression_is_warned_of() {
    let told = |pattern: &str| {
        warnings(&route(&format!(
            "access: {{ tools: [ {{ match: '{pattern}', deny: true }}, {{ match: '*' }} ] }}"
        )))
    };
    for pattern in ["delete_.*", ".*_prod", "drop-.*"] {
        assert_eq!(
            told(pattern),
            [
                "routes[0].access.tools[0].match[0]: reads like a regular expression, and is none: the dot stands for itself"
            ]
        );
    }
    for pattern in ["delete_*", "fs.*", "a.b*", "*.x"] {
        assert!(told(pattern).is_empty(), "{pattern}");
    }
}

#[test]
fn s0_11_a_public_tool_with_a_rule_of_its_own_is_warned_of() {
    let warned = |rule: &str| {
        let access = format!("public_tools: [Delete_x], tools: [ {rule} ]");
        warnings(&route(&format!("access: {{ {access} }}")))
    };
    let told =
        "routes[0].access.public_tools[0]: is public: what tools[0] asks for it, nobody needs";
    assert_eq!(warned("{ match: [a, delete_x], scopes: [b] }"), [told]);
    assert_eq!(warned("{ match: delete_x, groups: [b] }"), [told]);
    assert!(warned("{ match: delete_x }").is_empty());
    assert!(warned("{ match: 'delete_*', scopes: [b] }").is_empty());
}
