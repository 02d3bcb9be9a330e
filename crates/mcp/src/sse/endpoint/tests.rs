use proptest::prelude::*;

use super::*;

const ORIGINS: &[&str] = &["http://127.0.0.1:9101", "http://tools.internal"];

fn open(stream: &[u8]) -> Result<Option<Opened>, Unusable> {
    in_parts(stream, usize::MAX)
}

fn in_parts(stream: &[u8], cut: usize) -> Result<Option<Opened>, Unusable> {
    let mut opening = Opening::new();
    let mut parts = stream.chunks(cut);
    while let Some(part) = parts.next() {
        match opening.take(part)? {
            Progress::Searching(again) => opening = again,
            Progress::Opened(mut opened) => {
                opened.after.extend(parts.flatten());
                return Ok(Some(opened));
            }
        }
    }
    Ok(None)
}

#[track_caller]
fn check(stream: &str, expected: &str) {
    let opened = open(stream.as_bytes()).unwrap().expect("an endpoint event");
    let uri = opened.uri().unwrap().to_owned();
    let rewritten = String::from_utf8(opened.with("NEW")).unwrap();
    assert_eq!((&*uri, &*rewritten), ("/m?s=1", expected));
}

#[test]
fn sse_2_trap_6_the_data_of_the_first_endpoint_event_is_replaced_and_nothing_else() {
    check(
        "event: endpoint\ndata: /m?s=1\n\n",
        "event: endpoint\ndata: NEW\n\n",
    );
    check(
        "event: endpoint\r\ndata: /m?s=1\r\n\r\n",
        "event: endpoint\r\ndata: NEW\r\n\r\n",
    );
    check(
        "event:endpoint\rdata:/m?s=1\r\r",
        "event:endpoint\rdata: NEW\r\r",
    );
    check(
        "data: /m?s=1\nevent: endpoint\n\n",
        "data: NEW\nevent: endpoint\n\n",
    );
    check(
        "\u{feff}event: endpoint\ndata: /m?s=1\n\n",
        "\u{feff}event: endpoint\ndata: NEW\n\n",
    );
    check(
        ": hello\n\nretry: 500\n\nid: 1\nevent: endpoint\nfurther: x\n: y\ndata: /m?s=1\n\nevent: message\ndata: {}\n\n",
        ": hello\n\nretry: 500\n\nid: 1\nevent: endpoint\nfurther: x\n: y\ndata: NEW\n\nevent: message\ndata: {}\n\n",
    );
    let two = "event: endpoint\ndata: /m?s=1\n\nevent: endpoint\ndata: /m?s=1\n\n";
    check(
        two,
        "event: endpoint\ndata: NEW\n\nevent: endpoint\ndata: /m?s=1\n\n",
    );
}

#[test]
fn sse_2_what_is_no_endpoint_event_to_a_client_is_none_here() {
    for before in [
        "data: /evil\n\n",
        "event: message\ndata: /evil\n\n",
        "event: endpoint\n\n",
        "event: endpoint\nevent: message\ndata: /evil\n\n",
        "event: endpoint \ndata: /evil\n\n",
        "event:  endpoint\ndata: /evil\n\n",
        "Event: endpoint\ndata: /evil\n\n",
        " event: endpoint\ndata: /evil\n\n",
        ":event: endpoint\ndata: /evil\n\n",
        "event: endpoint\nData: /evil\n\n",
    ] {
        let stream = format!("{before}event: message\nevent: endpoint\ndata: /m?s=1\n\n");
        check(
            &stream,
            &format!("{before}event: message\nevent: endpoint\ndata: NEW\n\n"),
        );
    }
}

#[test]
fn sec_56_an_event_that_is_not_complete_is_none_yet() {
    for stream in [
        "",
        ":",
        "event: endpoint\n",
        "event: endpoint\ndata: /m\n",
        "event: endpoint\r\ndata: /m\r\n",
    ] {
        assert!(open(stream.as_bytes()).unwrap().is_none(), "{stream:?}");
    }
}

#[test]
fn sec_56_what_cannot_be_the_event_ends_the_search() {
    let fails = |stream: &str| open(stream.as_bytes()).unwrap_err();
    let long = |length| format!("event: endpoint\ndata: {}\n\n", "x".repeat(length));
    let uri = |stream: &str| {
        let opened = open(stream.as_bytes()).unwrap().unwrap();
        opened.uri().map(str::len)
    };
    assert_eq!(uri(&long(URI_LIMIT)), Ok(URI_LIMIT));
    assert_eq!(uri(&long(URI_LIMIT + 1)), Err(Unusable::TooLong));
    assert_eq!(fails(&long(SEARCH_LIMIT)), Unusable::Missing);
    let ping = ": ping\n\n".repeat(SEARCH_LIMIT / 8);
    assert!(open(ping.as_bytes()).unwrap().is_none());
    assert_eq!(fails(&format!("{ping}: ping\n\n")), Unusable::Missing);
    assert_eq!(
        fails(&format!("{ping}event: endpoint\ndata: /m\n\n")),
        Unusable::Missing
    );
    let opened = open(b"event: endpoint\ndata: \xff\n\n").unwrap().unwrap();
    assert_eq!(opened.uri(), Err(Unusable::NoUri));
    let opened = open(b"event: endpoint\ndata: /a\ndata: /b\n\n")
        .unwrap()
        .unwrap();
    assert_eq!(
        resolve(opened.uri().unwrap(), "/sse", ORIGINS),
        Err(Unusable::NoUri)
    );
}

#[track_caller]
fn resolves(reference: &str, base: &str, expected: &str) {
    assert_eq!(
        resolve(reference, base, ORIGINS).as_deref(),
        Ok(expected),
        "{reference} at {base}"
    );
}

#[test]
fn sse_2_relative_and_absolute_references_lead_to_the_upstream() {
    resolves("/messages?sessionId=1", "/sse", "/messages?sessionId=1");
    resolves(
        "/messages/?session_id=a%20b",
        "/v1/sse?x=1",
        "/messages/?session_id=a%20b",
    );
    resolves("message?sessionId=1", "/sse", "/message?sessionId=1");
    resolves(
        "message?sessionId=1",
        "/api/v1/sse",
        "/api/v1/message?sessionId=1",
    );
    resolves(
        "message?sessionId=1",
        "/api/v1/sse/",
        "/api/v1/sse/message?sessionId=1",
    );
    resolves("?sessionId=1", "/sse?x=1", "/sse?sessionId=1");
    resolves("./a/../m?to=../x", "/b/sse", "/b/m?to=../x");
    resolves("../../../m/..", "/b/sse", "/");
    resolves("/m#part", "/sse", "/m");
    resolves("http://127.0.0.1:9101/m?s=1", "/sse", "/m?s=1");
    resolves("HTTP://Tools.Internal:80/m?s=1", "/sse", "/m?s=1");
    resolves("//tools.internal/m", "/sse", "/m");
    resolves("http://127.0.0.1:9101?s=1", "/sse", "/?s=1");
    resolves("http://127.0.0.1:9101", "/sse?x=1", "/");
    resolves("/m?to=http://x/", "/sse", "/m?to=http://x/");
}

#[test]
fn sec_56_another_origin_is_refused() {
    for (reference, origin) in [
        ("http://evil.example/m", "http://evil.example"),
        ("//evil.example/m?s=secret", "http://evil.example"),
        ("https://127.0.0.1:9101/m", "https://127.0.0.1:9101"),
        ("http://127.0.0.1/m", "http://127.0.0.1"),
        ("http://127.0.0.1:9102/m", "http://127.0.0.1:9102"),
        ("http://127.0.0.1:9101.evil.example/m", ""),
        ("http://127.0.0.1:9101@evil.example/m", ""),
        ("http://user@127.0.0.1:9101/m", ""),
        ("http://127.0.0.1:09101x/m", ""),
        ("http://127.0.0.1:99999/m", ""),
        ("http://[::1]:9101/m", "http://[::1]:9101"),
        ("http:///m", ""),
        ("///m", ""),
        ("http:/m", ""),
        ("http:m", ""),
        ("javascript:alert(1)", ""),
        ("ftp://127.0.0.1:9101/m", ""),
        ("messages:x", ""),
        ("/\\evil.example/m", ""),
        ("\\\\evil.example/m", ""),
        ("/m?a=b c", ""),
        ("/m\t", ""),
        ("/mé", ""),
        ("\u{1}/m", ""),
        ("", ""),
    ] {
        let expected = match origin {
            "" => Unusable::NoUri,
            origin => Unusable::Elsewhere(origin.to_owned()),
        };
        assert_eq!(
            resolve(reference, "/sse", ORIGINS),
            Err(expected),
            "{reference}"
        );
    }
    let long = "x".repeat(URI_LIMIT);
    assert_eq!(resolve(&long, "/sse", ORIGINS), Err(Unusable::TooLong));
}

#[test]
fn sec_56_what_is_told_of_another_origin_has_no_session_in_it() {
    let refused = resolve(
        "https://Evil.example:8443/m?sessionId=s3cret",
        "/sse",
        ORIGINS,
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        r#"its endpoint event leads to "https://evil.example:8443", which is another origin than that of the stream"#
    );
}

proptest! {
    #[test]
    fn sec_56_how_the_beginning_is_cut_changes_nothing(
        pieces in proptest::collection::vec(prop_oneof!["\n", "\r", "\r\n", "event: endpoint", "data: /m", ": x", "id"], 0..16),
        cut in 1..5_usize,
    ) {
        let stream = pieces.concat();
        let rewritten = |opened: Result<Option<Opened>, Unusable>| opened.map(|opened| opened.map(|opened| opened.with("NEW")));
        prop_assert_eq!(rewritten(in_parts(stream.as_bytes(), cut)), rewritten(open(stream.as_bytes())));
    }

    #[test]
    fn sec_56_whatever_is_written_the_path_is_one_of_the_upstream(reference in "[a-z:/?#.@\\\\\\[\\]%0-9 -]{0,24}") {
        if let Ok(path) = resolve(&reference, "/a/sse", ORIGINS) {
            prop_assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", path);
        }
    }
}
