use super::Unreadable::{Ambiguous, NotJson};
use super::*;
use crate::operation::{Called, Operation};

mod ambiguous;
mod properties;

fn one(body: &str) -> Message<'_> {
    let read = read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert!(!read.batch, "{body}");
    let [message] = <[_; 1]>::try_from(read.messages).unwrap();
    message
}

#[track_caller]
fn refused(body: impl AsRef<[u8]>, expected: Unreadable) {
    let body = body.as_ref();
    assert_eq!(
        read(body),
        Err(expected),
        "{}",
        String::from_utf8_lossy(body)
    );
}

/// A call with these members in `params` besides the name.
fn with_params(members: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo",{members}}}}}"#
    )
}

/// A call with these members besides its own.
fn with_members(members: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo"}},{members}}}"#
    )
}

/// A call with these members in `_meta`.
fn with_meta(members: &str) -> String {
    with_params(&format!(r#""_meta":{{{members}}}"#))
}

#[test]
fn a_call_is_read() {
    let call = one(
        r#" {"jsonrpc":"2.0","id": 7 ,"method":"tools/call","params":{"name":"echo","arguments":{"name":"other"},"_meta":
        {"progressToken":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}
        "#,
    );
    assert_eq!(
        call,
        Message {
            kind: Kind::Request,
            method: "tools/call".into(),
            id: Some("7"),
            name: Some("echo".into()),
            uri: None,
            task_id: None,
            version: Some("2026-07-28".into()),
        }
    );
    assert_eq!(call.operation(), Operation::Call(Called::Tool("echo")));
}

#[test]
fn nothing_is_copied_but_what_has_escapes() {
    let plain = one(r#"{"id":"a","method":"tools/call","params":{"name":"echo"}}"#);
    assert!(matches!(plain.method, Cow::Borrowed(_)));
    assert!(matches!(plain.name, Some(Cow::Borrowed(_))));
    let escaped = one(
        r#"{"id":"\u0061","m\u0065thod":"tools\/call","par\u0061ms":{"n\u0061me":"\u0065cho"}}"#,
    );
    assert_eq!(escaped.method, "tools/call");
    assert_eq!(escaped.name.as_deref(), Some("echo"));
    assert_eq!(escaped.id, Some(r#""\u0061""#), "as it stands in the body");
}

#[test]
fn requests_notifications_and_responses_are_told_apart() {
    assert_eq!(one(r#"{"id":1,"method":"ping"}"#).kind, Kind::Request);
    assert_eq!(one(r#"{"id":null,"method":"ping"}"#).kind, Kind::Request);
    assert_eq!(one(r#"{"method":"ping"}"#).kind, Kind::Notification);
    refused(r#"{"id":1}"#, Ambiguous("neither a request nor a response"));
    refused("{}", Ambiguous("neither a request nor a response"));
    refused(
        with_members(r#""result":{}"#),
        Ambiguous("a request and a response at once"),
    );
    refused(
        with_members(r#""error":null"#),
        Ambiguous("a request and a response at once"),
    );
}

#[test]
fn tl_12_a_posted_response_is_legal_and_no_call() {
    for body in [
        r#"{"jsonrpc":"2.0","id":3,"result":{"method":"tools/call","params":{"name":"echo"}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"no"}}"#,
    ] {
        let response = one(body);
        assert_eq!(response.kind, Kind::Response, "{body}");
        assert_eq!(response.method, "");
        assert_eq!(response.operation(), Operation::Response);
    }
}

#[test]
fn params_and_meta_may_be_null_which_is_none() {
    let ping = one(r#"{"id":1,"method":"ping","params":null}"#);
    assert_eq!((ping.name, ping.version), (None, None));
    assert_eq!(one(&with_params(r#""_meta":null"#)).version, None);
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    for id in [
        "0",
        "-1",
        "1.50",
        "1e3",
        "123456789012345678901234567890",
        r#""""#,
        r#""a\n\u00e9é""#,
        "null",
    ] {
        assert_eq!(
            one(&format!(r#"{{"id":{id},"method":"ping"}}"#)).id,
            Some(id)
        );
    }
    let longest = format!("\"{}\"", "x".repeat(510));
    assert_eq!(
        one(&format!(r#"{{"id":{longest},"method":"ping"}}"#)).id,
        Some(&*longest)
    );
    refused(
        format!(r#"{{"id":"{}","method":"ping"}}"#, "x".repeat(511)),
        Ambiguous("an `id` of more than 512 bytes"),
    );
}

#[test]
fn bat_1_a_batch_is_read_in_order_and_never_initializes() {
    let body = r#"[{"id":1,"method":"ping"},{"method":"notifications/x"},{"id":2,"result":{}},{"id":3,"method":"tools/call","params":{"name":"a"}}]"#;
    let batch = read(body.as_bytes()).unwrap();
    assert!(batch.batch);
    let kinds: Vec<_> = batch.messages.iter().map(|message| message.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Request,
            Kind::Notification,
            Kind::Response,
            Kind::Request
        ]
    );
    assert_eq!(batch.messages[3].name.as_deref(), Some("a"));
    refused(
        r#"[{"id":1,"method":"ping"},{"id":2,"method":"initialize","params":{}}]"#,
        Ambiguous("`initialize` within a batch"),
    );
    refused(
        r#"[{"id":2,"method":"initi\u0061lize"}]"#,
        Ambiguous("`initialize` within a batch"),
    );
}

#[test]
fn bat_2_a_batch_is_flat_bounded_and_not_empty() {
    refused("[]", Ambiguous("an empty batch"));
    for element in ["[]", r#"[{"id":1,"method":"ping"}]"#, "1", "null", r#""x""#] {
        refused(
            format!(r#"[{{"id":1,"method":"ping"}},{element}]"#),
            Ambiguous("an element of a batch is not an object"),
        );
    }
    let many = |count| format!("[{}]", vec![r#"{"method":"ping"}"#; count].join(","));
    assert_eq!(read(many(100).as_bytes()).unwrap().messages.len(), 100);
    refused(many(101), Ambiguous("a batch of more than 100 messages"));
    // each element is judged, not the first alone
    refused(
        r#"[{"id":1,"method":"ping"},{"id":2,"method":"tools/call"}]"#,
        Ambiguous("a call without `params.name`"),
    );
}

#[test]
fn x11_one_json_text_in_utf_8_and_nothing_else() {
    let call = r#"{"id":1,"method":"tools/call","params":{"name":"echo"}}"#;
    refused(format!("\u{FEFF}{call}"), Ambiguous("a byte order mark"));
    for after in [
        "x", "0", "\0", "{}", "\n{}", call, "\u{FEFF}", "//", "/**/", ",", ";", "]",
    ] {
        refused(format!("{call}{after}"), Ambiguous("bytes after the value"));
    }
    assert_eq!(
        one(&format!("\r\n\t {call} \n")).name.as_deref(),
        Some("echo")
    );
    let utf_16: Vec<u8> = call.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(utf_16, NotJson("a syntax error"));
    refused(
        [b"\xFF\xFE", call.as_bytes()].concat(),
        NotJson("not UTF-8"),
    );
    refused(
        b"{\"id\":1,\"method\":\"tools\xC0\xAFcall\"}",
        NotJson("not UTF-8"),
    );
    refused(b"\x1F\x8B\x08\0\0", NotJson("not UTF-8"));
    refused("", NotJson("it ends within a value"));
    refused(" ", NotJson("it ends within a value"));
    refused(
        "{\"id\":1,\"method\":\"ping\"",
        NotJson("it ends within a value"),
    );
    for body in [
        "method=tools%2Fcall&name=echo",
        "+AHs-",
        "{'id':1}",
        "{id:1}",
        "{\"id\":1,}",
        "{\"id\":01}",
        "{\"id\":NaN}",
        "{\"id\":.5}",
        "// a\n{}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
    ] {
        refused(body, NotJson("a syntax error"));
    }
}

#[test]
fn memory_is_bounded_whatever_the_body() {
    refused(
        format!("[{}{{}}]", "{},".repeat(1_400_000)),
        Ambiguous("neither a request nor a response"),
    );
    let keys: Vec<_> = (0..100_000).map(|n| format!(r#""k{n}":0"#)).collect();
    refused(
        with_params(&keys.join(",")),
        Ambiguous("an object with more than 128 other members"),
    );
    assert_eq!(
        one(&with_params(&keys[..128].join(","))).name.as_deref(),
        Some("echo")
    );
}
