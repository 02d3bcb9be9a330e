use proptest::prelude::*;

use super::*;

fn pieces(stream: &[u8], cuts: &[usize], cap: usize) -> Result<Vec<Event>, TooLong> {
    let mut splitter = Splitter::new(cap);
    let mut events = Vec::new();
    let mut rest = stream;
    for &cut in cuts {
        let (chunk, after) = rest.split_at(cut.min(rest.len()));
        splitter.push(chunk);
        while let Some(event) = splitter.event()? {
            events.push(event);
        }
        rest = after;
    }
    splitter.push(rest);
    while let Some(event) = splitter.event()? {
        events.push(event);
    }
    events.extend(splitter.rest());
    Ok(events)
}

fn whole(stream: &str) -> Vec<Event> {
    pieces(stream.as_bytes(), &[], 1000).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn sse_events_come_when_their_blank_line_has_come() {
    let mut splitter = Splitter::new(1024);
    splitter.push(b"event: endpoint\r\nda");
    assert_eq!(splitter.event(), Ok(None));
    splitter.push(b"ta: /messages\r\n");
    assert_eq!(splitter.event(), Ok(None));
    splitter.push(b"\r\ndata: x");
    let event = splitter.event().unwrap().unwrap();
    assert_eq!(text(event.name()), "endpoint");
    assert_eq!(text(event.data().unwrap()), "/messages");
    assert_eq!(
        text(&event.with_data(b"/other")),
        "event: endpoint\r\ndata: /other\r\n\r\n"
    );
    assert_eq!(splitter.event(), Ok(None));
    assert_eq!(text(splitter.rest().unwrap().raw()), "data: x");
}

#[track_caller]
fn check(stream: &str, raws: &[&str]) {
    let found: Vec<String> = whole(stream).iter().map(|e| text(e.raw())).collect();
    assert_eq!(found, raws);
}

#[test]
fn every_line_end_counts() {
    check("data: x\n\ndata: y\n\n", &["data: x\n\n", "data: y\n\n"]);
    check("data: x\r\rdata: y\r\r", &["data: x\r\r", "data: y\r\r"]);
    check("data: x\r\n\r\ndata: y", &["data: x\r\n\r\n", "data: y"]);
    check("data: x\r\r\ndata: y", &["data: x\r\r\n", "data: y"]);
    check("data: x\n\r\n\n", &["data: x\n\r\n", "\n"]);
}

#[test]
fn what_stands_between_events_is_a_piece_of_its_own() {
    check(
        ": a\n: b\n\ndata: x\n: c\n\n",
        &[": a\n", ": b\n", "\n", "data: x\n: c\n\n"],
    );
    check("\n\nretry: 5\n\n", &["\n", "\n", "retry: 5\n\n"]);
}

#[test]
fn an_event_that_ends_in_cr_waits_for_nothing() {
    let mut splitter = Splitter::new(100);
    splitter.push(b"data: x\r\n\r");
    assert_eq!(
        text(splitter.event().unwrap().unwrap().raw()),
        "data: x\r\n\r"
    );
    splitter.push(b"\n");
    assert_eq!(text(splitter.event().unwrap().unwrap().raw()), "\n");
    splitter.push(b"\n");
    assert_eq!(text(splitter.event().unwrap().unwrap().raw()), "\n");
    assert_eq!(splitter.event(), Ok(None));
}

#[test]
fn data_of_several_lines_is_one() {
    let events = whole("data: {\r\ndata:\"a\":1\rid: 7\ndata\ndata:  }\n\n");
    assert_eq!(events.len(), 1);
    assert_eq!(text(events[0].data().unwrap()), "{\n\"a\":1\n\n }");
    assert_eq!(text(&events[0].with_data(b"{}")), "data: {}\r\nid: 7\n\n");
    assert_eq!(
        text(&events[0].with_data(b"[\n1]")),
        "data: [\r\ndata: 1]\r\nid: 7\n\n"
    );
    assert_eq!(text(&events[0].with_data(b"")), "data: \r\nid: 7\n\n");
}

#[test]
fn sec_56_a_line_that_goes_leaves_no_half_of_a_line_end() {
    let events = whole("data: a\rdata: b\r\n\n");
    assert_eq!(
        text(&events[0].with_data(b"x\ny")),
        "data: x\rdata: y\r\r\n"
    );
    let events = whole("data: a\rid: 1\rdata: b\n\n");
    assert_eq!(text(&events[0].with_data(b"x")), "data: x\rid: 1\r\r\n");
}

#[test]
fn only_the_first_bytes_of_a_stream_are_a_bom() {
    let events = whole("\u{feff}data: x\n\n\u{feff}data: y\n\n");
    assert_eq!(events[0].data(), Some(&b"x"[..]));
    assert_eq!(events[1].data(), None, "a field of another name");
    assert_eq!(text(&events[0].with_data(b"z")), "\u{feff}data: z\n\n");
    assert_eq!(text(&events[1].with_data(b"z")), "\u{feff}data: y\n\n");
    assert_eq!(text(whole("\u{feff}: c\n")[0].raw()), "\u{feff}: c\n");
}

#[test]
fn names_are_compared_byte_for_byte_and_the_last_counts() {
    let events = whole("Data: x\nevent: a\nevent:b\n data: y\n\n");
    assert_eq!(events[0].data(), None);
    assert_eq!(events[0].name(), b"b");
}

#[test]
fn tl_9_a_priming_event_has_empty_data() {
    let events = whole("id: 1\ndata:\n\n");
    assert_eq!(events[0].data(), Some(&b""[..]));
}

#[test]
fn an_event_is_as_long_as_it_may_be_and_no_longer() {
    assert!(pieces(b"data: x\n\ndata: y\n\n", &[], 9).is_ok());
    assert_eq!(pieces(b"data: xx\n\n", &[], 9), Err(TooLong));
    assert_eq!(pieces(b"data: xxxx", &[], 9), Err(TooLong));
    assert_eq!(pieces(b"data: x\n\ndata: xx\n\n", &[3, 9], 9), Err(TooLong));
    let mut splitter = Splitter::new(4);
    splitter.push(b"data: x\n\n");
    assert_eq!(splitter.event(), Err(TooLong));
    splitter.push(b"\n\n");
    assert_eq!(splitter.event(), Err(TooLong), "nothing follows an error");
    assert_eq!(splitter.rest(), None);
}

#[test]
fn nothing_is_held_in_silence() {
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(format!("data: {}\n\n", "x".repeat(100_000)).as_bytes());
    assert!(splitter.event().unwrap().is_some());
    assert_eq!(splitter.event(), Ok(None));
    assert_eq!(splitter.held(), 0);
}

/// Streams in which line ends, colons and marks are as frequent as anything else.
fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\n", "\r", "\r\n", ":", "data: x", "data:", "event: e", "é", "\u{feff}", "id"
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// What a client understands: name and data of every event that has data.
fn understood(events: &[Event]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let told = events.iter();
    told.filter_map(|e| Some((e.name().to_vec(), e.data()?.to_vec())))
        .collect()
}

/// The same by the book, from a whole stream (WHATWG HTML section 9.2.6).
fn by_the_book(stream: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), None::<String>);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n") + "\n\n";
    for line in stream.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                let name = std::mem::take(&mut name);
                events.extend(data.take().map(|data| (name.into(), data.into())));
            }
            "event" => value.clone_into(&mut name),
            "data" => data = Some(data.map_or(value.to_owned(), |data| data + "\n" + value)),
            _ => {}
        }
    }
    events
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_how_the_stream_is_cut_changes_nothing(stream in stream(), cuts in proptest::collection::vec(0..9_usize, 0..40)) {
        let cut = pieces(stream.as_bytes(), &cuts, 1000).unwrap();
        let bytes: Vec<u8> = cut.iter().flat_map(Event::raw).copied().collect();
        prop_assert_eq!(text(&bytes), stream.clone());
        prop_assert_eq!(understood(&cut), by_the_book(&stream));
    }

    #[test]
    fn other_data_is_what_is_read_then_and_nothing_else_changes(stream in stream(), data in "[a-z {}\n]{0,8}") {
        for event in whole(&stream).iter().filter(|e| e.data().is_some()) {
            let again = Event::read(event.with_data(data.as_bytes()), event.raw().starts_with(BOM) && event.begins_stream());
            prop_assert_eq!(again.data(), Some(data.as_bytes()));
            prop_assert_eq!(again.name(), event.name());
        }
    }
}

#[test]
fn sec_57_json_in_lines_that_are_no_data_is_noticed() {
    for (stream, expected) in [
        ("event: [\nid: {\nretry: [\ndata: {}\n: {}\n\n", false),
        ("unknown: x\ndata\nid\n\n", false),
        ("{\"result\":{}}", true),
        ("[\n\n", true),
        ("data: x\n{}\n\n", true),
        (" data: {}\n\n", true),
        ("DATA: {}\n\n", true),
        ("\u{feff}data: {}\n\n", false),
        ("\u{feff}\u{feff}data: {}\n\n", true),
    ] {
        let found = whole(stream).iter().any(Event::has_json_outside);
        assert_eq!(found, expected, "{stream:?}");
    }
}
