mod properties;

use std::time::{Duration, Instant};

use super::*;

/// What is seen of an answer by somebody who may see the given names only.
fn seen(answer: &str, names: &[&str]) -> Result<String, &'static str> {
    let mut judge = |_: Listed, name: &str| {
        if names.contains(&name) {
            Fate::Keep
        } else {
            Fate::Drop
        }
    };
    told(answer, true, &mut judge)
}

fn told<'p>(
    answer: &str,
    varies: bool,
    judge: &mut dyn FnMut(Listed, &str) -> Fate<'p>,
) -> Result<String, &'static str> {
    let rules = Rules {
        judge,
        varies,
        most_added: 1000,
    };
    let rewritten = rewrite(answer.as_bytes(), rules);
    let bytes = rewritten.map_err(|unclear| unclear.0)?.into_owned();
    Ok(String::from_utf8(bytes).unwrap())
}

#[track_caller]
fn check(answer: &str, names: &[&str], expected: &str) {
    assert_eq!(seen(answer, names).as_deref(), Ok(expected));
}

#[track_caller]
fn untouched(answer: &str) {
    check(answer, &[], answer);
}

#[track_caller]
fn refused(answer: &str) {
    assert!(seen(answer, &["a"]).is_err(), "{answer}");
}

#[test]
fn x27_what_may_not_be_seen_is_cut_out_and_nothing_else_changes() {
    let answer = r#" {"jsonrpc":"2.0", "id":1.0,"result":{ "x":[1e2,"\u00e9"], "tools" : [ {"name":"a","y":{"z":[]}} , {"name":"b"},
        {"title":"C","name":"c"}	] ,"nextCursor":"b"},"more":"é"} "#;
    let all = ["a", "b", "c"];
    check(answer, &all, answer);
    let [head, a, to_b, b, to_c, c, tail] = [
        " {\"jsonrpc\":\"2.0\", \"id\":1.0,\"result\":{ \"x\":[1e2,\"\\u00e9\"], \"tools\" : [ ",
        "{\"name\":\"a\",\"y\":{\"z\":[]}}",
        " , ",
        "{\"name\":\"b\"}",
        ",\n        ",
        "{\"title\":\"C\",\"name\":\"c\"}",
        "\t] ,\"nextCursor\":\"b\"},\"more\":\"é\"} ",
    ];
    assert_eq!([head, a, to_b, b, to_c, c, tail].concat(), answer);
    check(answer, &["a", "b"], &[head, a, to_b, b, tail].concat());
    check(answer, &["a", "c"], &[head, a, to_c, c, tail].concat());
    check(answer, &["b", "c"], &[head, b, to_c, c, tail].concat());
    check(answer, &["a"], &[head, a, tail].concat());
    check(answer, &["b"], &[head, b, tail].concat());
    check(answer, &["c"], &[head, c, tail].concat());
    check(answer, &[], &[head, tail].concat());
}

#[test]
fn every_kind_of_list_is_known_by_its_own_word() {
    check(
        r#"{"result":{"prompts":[{"name":"a"},{"name":"b"}]}}"#,
        &["a"],
        r#"{"result":{"prompts":[{"name":"a"}]}}"#,
    );
    check(
        r#"{"result":{"resources":[{"uri":"f:a","name":"f:b"},{"uri":"f:b","name":"f:a"}]}}"#,
        &["f:b"],
        r#"{"result":{"resources":[{"uri":"f:b","name":"f:a"}]}}"#,
    );
    check(
        r#"{"result":{"resourceTemplates":[{"uriTemplate":"f:{a}"},{"uriTemplate":"f:{b}"}]}}"#,
        &["f:{a}"],
        r#"{"result":{"resourceTemplates":[{"uriTemplate":"f:{a}"}]}}"#,
    );
    let mut asked = Vec::new();
    let mut judge = |listed, name: &str| {
        asked.push((listed, name.to_owned()));
        Fate::Keep
    };
    let all = r#"{"result":{"tools":[{"name":"t"}],"prompts":[{"name":"p"}],"resources":[{"uri":"r"}],"resourceTemplates":[{"uriTemplate":"u"}]}}"#;
    assert_eq!(told(all, true, &mut judge).as_deref(), Ok(all));
    let expected = [
        (Listed::Tools, "t"),
        (Listed::Prompts, "p"),
        (Listed::Resources, "r"),
        (Listed::ResourceTemplates, "u"),
    ];
    assert_eq!(
        asked,
        expected.map(|(listed, name)| (listed, name.to_owned()))
    );
}

#[test]
fn a_page_that_becomes_empty_keeps_its_cursor() {
    check(
        r#"{"result":{"tools":[{"name":"b"}],"nextCursor":"2"}}"#,
        &[],
        r#"{"result":{"tools":[],"nextCursor":"2"}}"#,
    );
}

#[test]
fn names_are_compared_decoded() {
    let answer = r#"{"result":{"tools":[{"name":"\u0061"},{"name":"b\/c"}]}}"#;
    check(
        answer,
        &["a"],
        r#"{"result":{"tools":[{"name":"\u0061"}]}}"#,
    );
    check(
        answer,
        &["b/c"],
        r#"{"result":{"tools":[{"name":"b\/c"}]}}"#,
    );
}

#[test]
fn every_message_of_a_batch_is_looked_at() {
    check(
        r#"[{"id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}, 7,{"id":2,"result":{"tools":[{"name":"b"}]}}]"#,
        &["a"],
        r#"[{"id":1,"result":{"tools":[{"name":"a"}]}}, 7,{"id":2,"result":{"tools":[]}}]"#,
    );
    refused(r#"[[{"id":1,"result":{"tools":[{"name":"b"}]}}]]"#);
    refused(r#"[{"id":1,"result":{"tools":[]}},{"id":2,"result":{"Tools":[]}}]"#);
}

#[test]
fn what_is_no_list_passes() {
    untouched(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"tools","data":{"tools":[{"name":"b"}]}}}"#,
    );
    untouched(r#"{"method":"sampling/createMessage","params":{"tools":[{"name":"b"}]}}"#);
    untouched(r#"{"result":{"capabilities":{"tools":{"listChanged":true},"prompts":{}}}}"#);
    untouched(r#"{"result":{"structuredContent":{"tools":[{"name":"b"}]}}}"#);
    untouched(r#"{"result":{}}"#);
    untouched(r#"{"result":null}"#);
    untouched(r#"{"result":[{"tools":[{"name":"b"}]}]}"#);
    untouched(r#"{"result":{"tools":null,"_tools":[{"name":"b"}],"tools2":1}}"#);
    untouched("7");
    untouched(" \"tools\" ");
    untouched("[]");
}

#[test]
fn sec_57_two_readings_are_none() {
    // of two, some take the first and some the last
    refused(r#"{"result":{"tools":[]},"result":{"tools":[{"name":"b"}]}}"#);
    refused(r#"{"result":null,"result":{"tools":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"tools":[{"name":"b"}],"tools":[]}}"#);
    refused(r#"{"result":{"tools":[{"name":"a","name":"b"}]}}"#);
    // Go, .NET and Jackson match without regard to case, protobuf also in snake case
    refused(r#"{"Result":{"tools":[{"name":"b"}]}}"#);
    refused(r#"{"reſult":{"tools":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"TOOLS":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"toolſ":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"resource_templates":[{"uriTemplate":"b"}]}}"#);
    refused(r#"{"result":{"resourcetemplates":[{"uriTemplate":"b"}]}}"#);
    refused(r#"{"result":{"tools":[{"name":"a","NAME":"b"}]}}"#);
    refused(r#"{"result":{"tools":[{"Name":"b","name":"a"}]}}"#);
    refused(r#"{"result":{"resourceTemplates":[{"uriTemplate":"a","uri_template":"b"}]}}"#);
    // where a key written with escapes stands is not known, and no server writes one so
    refused(r#"{"r\u0065sult":{"tools":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"\u0074ools":[{"name":"b"}]}}"#);
    refused(r#"{"result":{"tools":[{"n\u0061me":"b"}]}}"#);
    refused(r#"{"result":{"T\u006Fols":[{"name":"b"}]}}"#);
}

#[test]
fn an_entry_is_an_object_with_one_name() {
    refused(r#"{"result":{"tools":[{}]}}"#);
    refused(r#"{"result":{"tools":[{"title":"b"}]}}"#);
    refused(r#"{"result":{"tools":[{"name":7}]}}"#);
    refused(r#"{"result":{"tools":[{"name":null}]}}"#);
    refused(r#"{"result":{"tools":[{"name":"\ud800"}]}}"#);
    refused(r#"{"result":{"tools":["b"]}}"#);
    refused(r#"{"result":{"tools":[null]}}"#);
    refused(r#"{"result":{"tools":[[{"name":"b"}]]}}"#);
    refused(r#"{"result":{"tools":{"b":{"name":"b"}}}}"#);
    refused(r#"{"result":{"tools":"[{}]"}}"#);
    refused(r#"{"result":{"resources":[{"name":"a"}]}}"#);
}

#[test]
fn what_is_no_json_passes_nobody() {
    for broken in [
        "",
        " ",
        "{",
        r#"{"result":{"tools":[{"name":"a"}]}"#,
        r#"{"result":{"tools":[{"name":"a"},]}}"#,
        r#"{"result":{"tools":[{"name":"a"}]}} {"result":{"tools":[{"name":"b"}]}}"#,
        r#"{"result":{"x":NaN,"tools":[{"name":"b"}]}}"#,
        r#"{"result":{"tools":[{"name":"b"}]},}"#,
        r#"{"result":{"tools":[{"name":"b"}]}/**/}"#,
        r"{'result':{}}",
        "data: {}",
    ] {
        refused(broken);
    }
    let latin = b"{\"result\":{\"x\":\"\xe9\"}}";
    let mut judge = |_: Listed, _: &str| Fate::Keep;
    let judge = &mut judge;
    assert!(
        rewrite(
            latin,
            Rules {
                judge,
                varies: true,
                most_added: usize::MAX
            }
        )
        .is_err()
    );
}

#[test]
fn a_bom_is_no_reason_to_show_more() {
    check(
        "\u{feff}{\"result\":{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
        &["b"],
        "\u{feff}{\"result\":{\"tools\":[{\"name\":\"b\"}]}}",
    );
    refused("\u{feff}\u{feff}{}");
}

#[test]
fn cache_4_what_varies_is_private() {
    let public = r#"{"result":{"cacheScope":"public","ttlMs":5,"tools":[{"name":"a"}]}}"#;
    let private = r#"{"result":{"cacheScope":"private","ttlMs":5,"tools":[{"name":"a"}]}}"#;
    check(public, &["a"], private);
    check(private, &["a"], private);
    check(
        r#"{"result":{"tools":[{"name":"b"}],"cacheScope": "pu\u0062lic" ,"cache_scope":"Public","CacheScope":7}}"#,
        &["a"],
        r#"{"result":{"tools":[],"cacheScope": "private" ,"cache_scope":"private","CacheScope":7}}"#,
    );
    // not a list
    untouched(r#"{"result":{"cacheScope":"public","contents":[]}}"#);
    let mut keep = |_: Listed, _: &str| Fate::Keep;
    assert_eq!(
        told(public, false, &mut keep).as_deref(),
        Ok(public),
        "the same for everybody"
    );
}

#[test]
fn a_tool_says_what_it_takes_to_call_it() {
    let schemes = r#"[{"type":"oauth2","scopes":["files:write"]}]"#;
    let noauth = r#"[{"type":"noauth"}]"#;
    let mut judge = |_: Listed, name: &str| match name {
        "hidden" => Fate::Drop,
        "plain" => Fate::Keep,
        "open" => Fate::Secured(noauth.into()),
        _ => Fate::Secured(schemes.into()),
    };
    let mut tools = |before: &str| {
        told(
            &format!(r#"{{"result":{{"tools":[{before}]}}}}"#),
            false,
            &mut judge,
        )
    };
    let mut check = |before: &str, after: &str| {
        let expected = format!(r#"{{"result":{{"tools":[{after}]}}}}"#);
        assert_eq!(tools(before).as_deref(), Ok(&*expected));
        assert_eq!(
            tools(after).as_deref(),
            Ok(&*expected),
            "once is as good as twice"
        );
    };
    check(
        r#"{"name":"a"} ,{"name":"hidden"},{"name":"plain"},{ "name":"open" }"#,
        &format!(
            r#"{{"name":"a","securitySchemes":{schemes},"_meta":{{"securitySchemes":{schemes}}}}},{{"name":"plain"}},{{ "name":"open","securitySchemes":{noauth},"_meta":{{"securitySchemes":{noauth}}} }}"#
        ),
    );
    check(
        r#"{"securitySchemes":[{"type":"noauth"}],"_meta":{"x":1},"name":"a"}"#,
        &format!(
            r#"{{"securitySchemes":{schemes},"_meta":{{"securitySchemes":{schemes},"x":1}},"name":"a"}}"#
        ),
    );
    check(
        r#"{"_meta":{ },"name":"a","securitySchemes":null}"#,
        &format!(
            r#"{{"_meta":{{"securitySchemes":{schemes} }},"name":"a","securitySchemes":{schemes}}}"#
        ),
    );
    check(
        r#"{"_meta":null,"name":"a"}"#,
        &format!(
            r#"{{"_meta":{{"securitySchemes":{schemes}}},"name":"a","securitySchemes":{schemes}}}"#
        ),
    );
    check(
        r#"{"_meta":{"securitySchemes":[],"securitySchemes":{"x":[]}},"name":"a"}"#,
        &format!(
            r#"{{"_meta":{{"securitySchemes":{schemes},"securitySchemes":{schemes}}},"name":"a","securitySchemes":{schemes}}}"#
        ),
    );
    let prompts = r#"{"result":{"prompts":[{"name":"a"}]}}"#;
    assert_eq!(told(prompts, false, &mut judge).as_deref(), Ok(prompts));
}

#[test]
fn sec_57_what_is_said_of_tools_makes_no_list_longer_than_it_may_be() {
    let schemes = "[]";
    let mut judge = |_: Listed, _: &str| Fate::Secured(schemes.into());
    let mut tools = |number: usize| {
        let tools = vec![r#"{"name":"a"}"#; number].join(",");
        let answer = format!(r#"{{"result":{{"tools":[{tools}]}}}}"#);
        told(&answer, false, &mut judge).map(|shown| shown.len() - answer.len())
    };
    // each gets ,"securitySchemes":[] and ,"_meta":{"securitySchemes":[]}, 52 bytes
    assert_eq!(tools(19), Ok(988));
    assert_eq!(
        tools(20),
        Err("a list that is too long with what is said of its entries")
    );
    let scopes = r#"{"result":{"tools":[],"cacheScope":"public"}}"#;
    let mut keep = |_: Listed, _: &str| Fate::Keep;
    let rules = Rules {
        judge: &mut keep,
        varies: true,
        most_added: 8,
    };
    assert!(rewrite(scopes.as_bytes(), rules).is_err());
    // of one entry too
    let twice = format!(
        r#"{{"result":{{"tools":[{{"name":"a"{}}}]}}}}"#,
        r#","securitySchemes":0"#.repeat(501)
    );
    assert!(told(&twice, false, &mut judge).is_err());
}

#[test]
#[ignore = "a measurement: cargo test --release -p mcp --lib listing::tests::five -- --ignored"]
fn five_hundred_tools_take_less_than_a_millisecond() {
    let schema = r#"{"type":"object","properties":{"path":{"type":"string","description":"where it is"},"depth":{"type":"integer","minimum":0}},"required":["path"]}"#;
    let tools: Vec<String> = (0..500)
        .map(|n| format!(r#"{{"name":"tool_{n}","title":"Tool {n}","description":"{}","inputSchema":{schema},"annotations":{{"readOnlyHint":true}}}}"#, "what it does, when to use it, and when not. ".repeat(4)))
        .collect();
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#,
        tools.join(",")
    );
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let begun = Instant::now();
        let mut judge = |_: Listed, name: &str| {
            if name.ends_with('7') {
                Fate::Drop
            } else {
                Fate::Keep
            }
        };
        let judge = &mut judge;
        let shown = rewrite(
            answer.as_bytes(),
            Rules {
                judge,
                varies: true,
                most_added: usize::MAX,
            },
        )
        .unwrap();
        best = best.min(begun.elapsed());
        assert!(shown.len() < answer.len());
    }
    eprintln!("{} bytes, 500 tools: {best:?}", answer.len());
    assert!(best < Duration::from_millis(1), "{best:?}");
}
