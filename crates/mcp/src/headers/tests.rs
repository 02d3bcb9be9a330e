use super::Contradiction::{Ambiguous, Mismatch};
use super::*;
use crate::message::read;

mod properties;

const CALL: &str = r#"{"id":1,"method":"tools/call","params":{"name":"echo"}}"#;

/// A body with the version in `_meta`, and perhaps a name, URI or task.
fn modern(method: &str, member: &str) -> String {
    format!(
        r#"{{"id":1,"method":"{method}","params":{{{member}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#
    )
}

/// The header lines as they come; several of one name are several lines.
fn compared(lines: &[(&str, &str)], body: &str) -> Result<(), Contradiction> {
    let of = |name: &str| {
        let lines = lines.iter().filter(|line| line.0 == name);
        lines.map(|line| line.1.as_bytes()).collect()
    };
    let mirrored = Mirrored {
        version: of("version"),
        method: of("method"),
        name: of("name"),
    };
    compare(&mirrored, &read(body.as_bytes()).unwrap())
}

const VERSION: (&str, &str) = ("version", "2026-07-28");
const METHOD: (&str, &str) = ("method", "tools/call");

#[track_caller]
fn named(value: &str, body: &str, expected: Result<(), Contradiction>) {
    assert_eq!(
        compared(&[VERSION, METHOD, ("name", value)], body),
        expected,
        "{value} with {body}"
    );
}

#[test]
fn hdr_3_what_agrees_passes() {
    for (method, member, name) in [
        ("tools/call", r#""name":"echo","#, Some("echo")),
        ("prompts/get", r#""name":"p","#, Some("p")),
        (
            "resources/read",
            r#""uri":"file:///a b","#,
            Some("file:///a b"),
        ),
        ("tasks/get", r#""taskId":"t-1","#, Some("t-1")),
        ("tasks/update", r#""taskId":"t-1","#, Some("t-1")),
        ("tasks/cancel", r#""taskId":"t-1","#, Some("t-1")),
        ("tools/list", "", None),
        ("server/discover", "", None),
        (
            "subscriptions/listen",
            r#""name":"not a name that is repeated","#,
            None,
        ),
    ] {
        let mut lines = vec![VERSION, ("method", method)];
        lines.extend(name.map(|name| ("name", name)));
        assert_eq!(
            compared(&lines, &modern(method, member)),
            Ok(()),
            "{method}"
        );
    }
    // the version of the header counts where the body has none
    assert_eq!(compared(&[VERSION, METHOD, ("name", "echo")], CALL), Ok(()));
}

#[test]
fn hdr_3_what_is_missing_is_refused() {
    let call = modern("tools/call", r#""name":"echo","#);
    let name = ("name", "echo");
    assert_eq!(
        compared(&[METHOD, name], &call),
        Err(Mismatch("MCP-Protocol-Version is missing"))
    );
    for body in [CALL, &*call] {
        assert_eq!(
            compared(&[VERSION, name], body),
            Err(Mismatch("Mcp-Method is missing"))
        );
        for absent in [
            &[VERSION, METHOD][..],
            &[VERSION, METHOD, ("name", "")],
            &[VERSION, METHOD, ("name", " \t")],
        ] {
            assert_eq!(compared(absent, body), Err(Mismatch("Mcp-Name is missing")));
        }
    }
    for (method, member) in [
        ("prompts/get", r#""name":"p","#),
        ("resources/read", r#""uri":"u:","#),
        ("tasks/get", r#""taskId":"t","#),
        ("tasks/update", r#""taskId":"t","#),
        ("tasks/cancel", r#""taskId":"t","#),
    ] {
        assert_eq!(
            compared(&[VERSION, ("method", method)], &modern(method, member)),
            Err(Mismatch("Mcp-Name is missing")),
            "{method}"
        );
    }
}

#[test]
fn hdr_3_what_differs_is_refused() {
    let call = modern(
        "tools/call",
        r#""name":"echo","uri":"other","taskId":"third","#,
    );
    assert_eq!(
        compared(
            &[VERSION, ("method", "tools/list"), ("name", "echo")],
            &call
        ),
        Err(Mismatch("Mcp-Method is not the method"))
    );
    for name in [
        "delete",
        "other",
        "third",
        "echo2",
        "ech",
        "echo echo",
        "\"echo\"",
    ] {
        named(
            name,
            &call,
            Err(Mismatch("Mcp-Name is not what the body names")),
        );
    }
    assert_eq!(
        compared(
            &[("version", "2026-07-29"), METHOD, ("name", "echo")],
            &call
        ),
        Err(Mismatch("MCP-Protocol-Version is not the one in `_meta`"))
    );
    assert_eq!(
        compared(
            &[("version", "2025-06-18"), METHOD, ("name", "echo")],
            &call
        ),
        Err(Mismatch("MCP-Protocol-Version is not the one in `_meta`"))
    );
    // a name for a body that has none
    assert_eq!(
        compared(
            &[VERSION, ("method", "tasks/get"), ("name", "t")],
            &modern("tasks/get", "")
        ),
        Err(Mismatch("Mcp-Name names what the body does not"))
    );
    assert_eq!(
        compared(
            &[VERSION, ("method", "tasks/get")],
            &modern("tasks/get", "")
        ),
        Ok(()),
        "what the body lacks the server tells"
    );
}

#[test]
fn trap_5_hdr_6_a_header_that_names_something_harmless_does_not_help() {
    let call = modern("tools/call", r#""name":"delete_everything","#);
    named(
        "echo",
        &call,
        Err(Mismatch("Mcp-Name is not what the body names")),
    );
}

#[test]
fn hdr_7_values_are_case_sensitive_and_trimmed() {
    named(
        "Echo",
        CALL,
        Err(Mismatch("Mcp-Name is not what the body names")),
    );
    for method in ["Tools/Call", "TOOLS/CALL"] {
        assert_eq!(
            compared(&[VERSION, ("method", method), ("name", "echo")], CALL),
            Err(Mismatch("Mcp-Method is not the method"))
        );
    }
    named("  echo\t ", CALL, Ok(()));
    assert_eq!(
        compared(
            &[
                ("version", " 2026-07-28"),
                ("method", "tools/call\t"),
                ("name", "echo")
            ],
            CALL
        ),
        Ok(())
    );
    let spaces = modern("tools/call", r#""name":" echo ","#);
    named(
        " echo ",
        &spaces,
        Err(Mismatch("Mcp-Name is not what the body names")),
    );
    named("=?base64?IGVjaG8g?=", &spaces, Ok(()));
}

#[test]
fn hdr_7_a_name_in_base64_is_decoded_first() {
    named("=?base64?ZWNobw==?=", CALL, Ok(()));
    let other = modern("tools/call", r#""name":"tööl","#);
    named("=?base64?dMO2w7Zs?=", &other, Ok(()));
    named(
        "=?base64?dMO2w7Z?=",
        &other,
        Err(Mismatch("Mcp-Name is ill-formed")),
    );
    named(
        "=?base64?ZGVsZXRl?=",
        CALL,
        Err(Mismatch("Mcp-Name is not what the body names")),
    );
    for ill_formed in [
        "=?base64?ZWNobw?=",    // no padding
        "=?base64?ZWNobw=?=",   // half of it
        "=?base64?ZWNobx==?=",  // bits that say nothing
        "=?base64?ZWN obw==?=", // white space
        "=?base64?ZWN!bw==?=",  // another character
        "=?base64?ZWNobw==ZWNobw==?=",
        "tööl", // only printable ASCII stands for itself
        "ec\u{7F}ho",
    ] {
        named(ill_formed, CALL, Err(Mismatch("Mcp-Name is ill-formed")));
    }
    // without both markers, byte for byte, a value stands for itself
    for literal in [
        "=?BASE64?ZWNobw==?=",
        "=?base64?ZWNobw==",
        "ZWNobw==?=",
        "=?base64?=",
        "x=?base64?ZWNobw==?=",
    ] {
        named(
            literal,
            CALL,
            Err(Mismatch("Mcp-Name is not what the body names")),
        );
        named(literal, &CALL.replace("echo", literal), Ok(()));
    }
}

#[test]
fn trap_8_an_empty_name_is_compared_like_any_other() {
    named(
        "=?base64??=",
        CALL,
        Err(Mismatch("Mcp-Name is not what the body names")),
    );
    named("=?base64??=", &CALL.replace("echo", ""), Ok(()));
    named(
        "",
        &CALL.replace("echo", ""),
        Err(Mismatch("Mcp-Name is missing")),
    );
    assert_eq!(
        compared(
            &[VERSION, ("method", "tasks/cancel"), ("name", "=?base64??=")],
            &modern("tasks/cancel", r#""taskId":"t","#)
        ),
        Err(Mismatch("Mcp-Name is not what the body names"))
    );
}

#[test]
fn hdr_10_two_lines_of_one_header_are_refused_in_every_version() {
    for name in ["version", "method", "name"] {
        for version in ["2024-11-05", "2025-11-25", "2026-07-28"] {
            let mut lines = vec![("version", version), METHOD, ("name", "echo")];
            let once = *lines.iter().find(|line| line.0 == name).unwrap();
            lines.push(once); // the same value as well: whoever joins lines sees another
            let refused = compared(&lines, CALL).unwrap_err();
            let is_mismatch = matches!(refused, Mismatch(_));
            assert_eq!(
                is_mismatch,
                name != "version" && version == "2026-07-28",
                "{refused}"
            );
            assert!(refused.to_string().contains("two lines of M"), "{refused}");
        }
    }
    let lines = [VERSION, VERSION, METHOD, ("name", "echo")];
    assert_eq!(
        compared(&lines, &modern("tools/call", r#""name":"echo","#)),
        Err(Mismatch("two lines of MCP-Protocol-Version"))
    );
}

#[test]
fn hdr_11_older_requests_with_these_headers_are_left_alone() {
    let wrong = [("method", "prompts/list"), ("name", "=?base64?!?=")];
    for version in [
        "2024-11-05",
        "2025-03-26",
        "2025-06-18",
        "2025-11-25",
        "2026-07-27",
    ] {
        let lines = [&wrong[..], &[("version", version)]].concat();
        assert_eq!(compared(&lines, CALL), Ok(()), "{version}");
    }
    assert_eq!(compared(&wrong, CALL), Ok(()));
    assert_eq!(compared(&[], CALL), Ok(()));
}

#[test]
fn ver_7_a_version_that_is_no_date_is_left_to_the_server() {
    for version in [
        "",
        "2026",
        "2026-7-28",
        "2026-07-28x",
        "draft",
        "DRAFT-2026-v1",
        "9999-99-9",
        "2026-07-28, 2026-07-28",
        "٢٠٢٦-07-28",
    ] {
        assert_eq!(compared(&[("version", version)], CALL), Ok(()), "{version}");
    }
    assert_eq!(
        compared(&[("version", "2031-01-01")], CALL),
        Err(Mismatch("Mcp-Method is missing")),
        "later versions have what this one has"
    );
}

#[test]
fn open_7_a_notification_needs_none_of_them_but_must_not_contradict() {
    let note = modern("notifications/cancelled", "").replace(r#""id":1,"#, "");
    assert_eq!(compared(&[], &note), Ok(()));
    assert_eq!(compared(&[VERSION], &note), Ok(()));
    let call = CALL.replace(r#""id":1,"#, "");
    assert_eq!(compared(&[VERSION], &call), Ok(()));
    assert_eq!(
        compared(&[VERSION, METHOD], &note),
        Err(Mismatch("Mcp-Method is not the method"))
    );
    assert_eq!(
        compared(&[VERSION, ("name", "other")], &call),
        Err(Mismatch("Mcp-Name is not what the body names"))
    );
}

#[test]
fn tl_12_a_response_has_nothing_to_repeat() {
    let response = r#"{"id":1,"result":{}}"#;
    assert_eq!(compared(&[("version", "2025-11-25")], response), Ok(()));
    assert_eq!(compared(&[VERSION], response), Ok(()));
    assert_eq!(
        compared(&[VERSION, METHOD], response),
        Err(Mismatch("Mcp-Method is not the method"))
    );
}

#[test]
fn bat_2_there_are_no_batches_in_these_versions() {
    let batch = format!("[{CALL}]");
    assert_eq!(compared(&[("version", "2025-03-26")], &batch), Ok(()));
    assert_eq!(
        compared(&[VERSION, METHOD, ("name", "echo")], &batch),
        Err(Ambiguous("a batch in a version that has none"))
    );
    let second = format!("[{CALL},{}]", modern("tools/list", ""));
    assert!(compared(&[], &second).is_err());
}
