//! What two readers could understand in two ways.

use super::*;

#[test]
fn sec_53_a_duplicate_key_is_refused_at_each_judged_level() {
    let twice = Ambiguous("a key that is there twice");
    for members in [
        r#""method":"ping""#,
        r#""\u006dethod":"ping""#,
        r#""params":{}"#,
        r#""id":1"#,
        r#""jsonrpc":"2.0""#,
        r#""x":1,"x":1"#,
        r#""x":1,"\u0078":1"#,
    ] {
        refused(with_members(members), twice);
    }
    refused(r#"{"id":1,"result":1,"result":1}"#, twice);
    refused(r#"{"id":1,"error":1,"error":1}"#, twice);
    for members in [
        r#""name":"echo""#,
        r#""n\u0061me":"echo""#,
        r#""uri":"a:","uri":"a:""#,
        r#""taskId":"a","taskId":"a""#,
        r#""_meta":{},"_meta":{}"#,
        r#""arguments":{},"arguments":{}"#,
    ] {
        refused(with_params(members), twice);
    }
    for members in [
        r#""a":1,"a":1"#,
        r#""io.modelcontextprotocol/protocolVersion":"a","io.modelcontextprotocol\/protocolVersion":"a""#,
    ] {
        refused(with_meta(members), twice);
    }
    // where nothing is judged, duplicates are the server's business
    assert_eq!(
        one(&with_params(r#""arguments":{"name":1,"name":2}"#))
            .name
            .as_deref(),
        Some("echo")
    );
}

#[test]
fn sec_53_a_judged_key_in_another_spelling_is_refused() {
    let spelling = Ambiguous("a key in another spelling");
    for key in [
        "Method",
        "METHOD",
        "met_hod",
        "me-thod",
        "_method",
        "method_",
        "Params",
        "PARAMS",
        "-params",
        "Id",
        "ID",
        "iD",
        "_id",
        "Result",
        "Error",
        "JSONRPC",
        "json_rpc",
        "\\u004dethod",
    ] {
        refused(with_members(&format!(r#""{key}":1"#)), spelling);
    }
    for key in [
        "Name", "NAME", "n_ame", "Uri", "URI", "u-r-i", "taskid", "TaskId", "task_id", "task-id",
        "TASK_ID", "meta", "Meta", "__meta", "_Meta",
    ] {
        refused(with_params(&format!(r#""{key}":1"#)), spelling);
    }
    for key in [
        "io.modelcontextprotocol/protocolversion",
        "io.modelcontextprotocol/protocol_version",
        "IO.ModelContextProtocol/protocolVersion",
        "io.model-context-protocol/protocolVersion",
    ] {
        refused(with_meta(&format!(r#""{key}":"2026-07-28""#)), spelling);
    }
    for key in ["names", "nam", "na me", "x-name", "name.", ""] {
        assert_eq!(
            one(&with_params(&format!(r#""{key}":1"#))).name.as_deref(),
            Some("echo"),
            "{key}"
        );
    }
}

#[test]
fn sec_53_a_key_that_is_not_printable_ascii_is_refused_at_each_judged_level() {
    let not_ascii = Ambiguous("a key that is not printable ASCII");
    // long s and the Kelvin sign: Go folds them to s and k
    for key in [
        "param\u{17F}",
        "param\\u017f",
        "ta\u{17F}kId",
        "tas\u{212A}Id",
        "ключ",
        "é",
        "name\\u0000",
        "\\u0000",
        "name\\u007f",
        "na\\nme",
        "\u{FEFF}name",
        "na\u{200B}me",
        "😀",
        "\\ud83d\\ude00",
    ] {
        refused(with_members(&format!(r#""{key}":1"#)), not_ascii);
        refused(with_params(&format!(r#""{key}":1"#)), not_ascii);
        refused(with_meta(&format!(r#""{key}":1"#)), not_ascii);
    }
    assert_eq!(
        one(&with_params(r#""arguments":{"ключ":"é"}"#))
            .name
            .as_deref(),
        Some("echo")
    );
}

#[test]
fn sec_53_wrong_types_are_refused() {
    for value in ["null", "1", "true", "{}", "[]", r#"["tools/call"]"#] {
        refused(
            format!(r#"{{"id":1,"method":{value}}}"#),
            Ambiguous("`method` is not a string"),
        );
        refused(
            format!(r#"{{"id":1,"method":"a","params":{{"name":{value}}}}}"#),
            Ambiguous("`params.name` is not a string"),
        );
        refused(
            format!(r#"{{"id":1,"method":"a","params":{{"uri":{value}}}}}"#),
            Ambiguous("`params.uri` is not a string"),
        );
        refused(
            format!(r#"{{"id":1,"method":"a","params":{{"taskId":{value}}}}}"#),
            Ambiguous("`params.taskId` is not a string"),
        );
        refused(
            with_meta(&format!(
                r#""io.modelcontextprotocol/protocolVersion":{value}"#
            )),
            Ambiguous("the protocol version in `_meta` is not a string"),
        );
    }
    for value in ["1", "true", "[]", r#"["echo"]"#, r#""x""#] {
        refused(
            format!(r#"{{"id":1,"method":"a","params":{value}}}"#),
            Ambiguous("`params` is not an object"),
        );
        refused(
            with_params(&format!(r#""_meta":{value}"#)),
            Ambiguous("`params._meta` is not an object"),
        );
    }
    for value in ["true", "false", "{}", "[]", "[1]"] {
        refused(
            format!(r#"{{"id":{value},"method":"a"}}"#),
            Ambiguous("`id` is neither a string nor a number"),
        );
    }
    for body in ["1", "null", "true", r#""tools/call""#] {
        refused(body, Ambiguous("no JSON-RPC message"));
    }
}

#[test]
fn sec_53_a_call_says_what_it_calls() {
    for method in ["tools/call", "prompts/get"] {
        for params in [
            "",
            r#","params":null"#,
            r#","params":{}"#,
            r#","params":{"uri":"a:","arguments":{"name":"echo"}}"#,
        ] {
            refused(
                format!(r#"{{"id":1,"method":"{method}"{params}}}"#),
                Ambiguous("a call without `params.name`"),
            );
            refused(
                format!(r#"{{"method":"{method}"{params}}}"#),
                Ambiguous("a call without `params.name`"),
            );
        }
    }
    refused(
        r#"{"id":1,"method":"resources/read","params":{"name":"x"}}"#,
        Ambiguous("a call without `params.uri`"),
    );
    assert_eq!(
        one(r#"{"id":1,"method":"tools/call","params":{"name":""}}"#).operation(),
        Operation::Call(Called::Tool("")),
        "an empty name is a name"
    );
}

#[test]
fn sec_53_a_method_has_one_spelling() {
    for method in [
        "Tools/Call",
        "TOOLS/CALL",
        "tools/Call",
        "Initialize",
        "Prompts/get",
        "resources/Read",
        "tools/LIST",
    ] {
        refused(
            format!(r#"{{"id":1,"method":"{method}","params":{{"name":"x","uri":"x"}}}}"#),
            Ambiguous("a known method in another spelling"),
        );
    }
    for method in [
        "",
        " tools/call",
        "tools/call ",
        "tools/call\\u0000",
        "tool\u{17F}/call",
        "tools\\n/call",
        "\\ufefftools/call",
    ] {
        refused(
            format!(r#"{{"id":1,"method":"{method}","params":{{"name":"x"}}}}"#),
            Ambiguous("a method that is not printable ASCII"),
        );
    }
}

#[test]
fn sec_53_nesting_over_128_levels_is_refused_wherever_it_is() {
    let deep = |levels: usize| {
        with_params(&format!(
            r#""arguments":{}{}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    assert_eq!(one(&deep(126)).name.as_deref(), Some("echo"));
    refused(deep(127), Ambiguous("nested deeper than 128 levels"));
    refused(
        "[".repeat(1_000_000),
        Ambiguous("nested deeper than 128 levels"),
    );
    refused(
        format!(r#"{{"id":1,"result":{}"#, r#"{"a":"#.repeat(200)),
        Ambiguous("nested deeper than 128 levels"),
    );
    // brackets in strings and beside each other are no nesting
    let flat = with_params(&format!(
        r#""arguments":[{}"\"{}"]"#,
        "[],".repeat(200),
        "[".repeat(200)
    ));
    assert_eq!(one(&flat).name.as_deref(), Some("echo"));
    // and closing ones in strings do not make room
    let hidden = with_params(&format!(
        r#""arguments":{}{}"#,
        r#"["]]]]","#.repeat(127),
        "0".to_owned() + &"]".repeat(127)
    ));
    refused(hidden, Ambiguous("nested deeper than 128 levels"));
}

#[test]
fn sec_53_half_of_a_surrogate_pair_is_refused_wherever_it_is() {
    let half = Ambiguous("half of a surrogate pair");
    for text in [
        r"\ud83d",
        r"\uD83D",
        r"\ude00",
        r"\ud83d\ud83d",
        r"\ud83dx",
        r"\ud83d\n",
        r"a\ud83d\u0041",
        r"\\\ud83d",
        r"\u0041\udfff",
        r"\ud83d\\ude00",
    ] {
        refused(
            with_params(&format!(r#""arguments":{{"a":["{text}"]}}"#)),
            half,
        );
        refused(with_params(&format!(r#""arguments":{{"{text}":1}}"#)), half);
        refused(with_members(&format!(r#""x":"{text}""#)), half);
        refused(format!(r#"{{"id":"{text}","method":"ping"}}"#), half);
    }
    for text in [
        r"\ud83d\ude00",
        r"\uD83D\uDE00\ud83d\ude00",
        r"\\ud83d",
        r"\\\\ude00",
        r"\ud7ff\ue000",
        "😀",
    ] {
        assert_eq!(
            one(&with_params(&format!(r#""arguments":"{text}""#)))
                .name
                .as_deref(),
            Some("echo"),
            "{text}"
        );
    }
}

#[test]
fn sec_53_a_name_has_no_nul() {
    for member in ["name", "uri", "taskId"] {
        refused(
            format!(r#"{{"id":1,"method":"x","params":{{"{member}":"echo\u0000x"}}}}"#),
            Ambiguous("a name with a NUL, at which some would end it"),
        );
    }
}
