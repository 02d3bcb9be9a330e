//! Event streams: nothing is lost, how they are cut changes nothing, and a client sees what is found here.

use mcp::sse::{Boundary, KEEPALIVE, Splitter};

/// The first eight bytes say where the rest is cut.
pub(crate) fn check(input: &[u8]) {
    let Some((cuts, stream)) = input.split_at_checked(8) else {
        return;
    };
    let whole = split(&[stream]);
    let chunks = chunks(cuts, stream);
    let pieces = split(&chunks);
    assert_eq!(pieces.raw, stream, "nothing is lost");
    assert_eq!(whole.raw, stream);
    assert_eq!(pieces.events, whole.events, "cutting changes nothing");
    assert_eq!(whole.events, understood(stream));

    let mut boundary = Boundary::new();
    boundary.observe(stream);
    let mut cut = Boundary::new();
    let mut with_keepalives = Vec::new();
    for chunk in &chunks {
        if cut.is_between_events() {
            with_keepalives.extend_from_slice(KEEPALIVE);
        }
        cut.observe(chunk);
        with_keepalives.extend_from_slice(chunk);
    }
    assert_eq!(boundary.is_between_events(), cut.is_between_events());
    // a mark is one only as the very first thing
    if !stream.starts_with(b"\xEF") {
        assert_eq!(
            understood(&with_keepalives),
            whole.events,
            "keepalives disturb no event"
        );
    }
    capped(cuts, &chunks);
}

#[derive(Debug, PartialEq)]
struct Event {
    name: Vec<u8>,
    data: Vec<u8>,
}

struct Pieces {
    raw: Vec<u8>,
    events: Vec<Event>,
}

fn split(chunks: &[&[u8]]) -> Pieces {
    let mut splitter = Splitter::new(usize::MAX);
    let (mut raw, mut events) = (Vec::new(), Vec::new());
    for chunk in chunks {
        splitter.push(chunk);
        while let Some(piece) = splitter.event().expect("no piece is too long") {
            let begins_stream = raw.is_empty();
            raw.extend_from_slice(piece.raw());
            if let Some(data) = piece.data() {
                events.push(Event {
                    name: piece.name().to_vec(),
                    data: data.to_vec(),
                });
                let other = piece.with_data(b"x\ny");
                let begins = if begins_stream {
                    &other[..]
                } else {
                    &[b"\n", &other[..]].concat()
                };
                let [again] = &understood(begins)[..] else {
                    panic!("one event: {other:?}")
                };
                assert_eq!(
                    (&again.data[..], &again.name[..]),
                    (&b"x\ny"[..], piece.name())
                );
            }
        }
    }
    raw.extend(splitter.into_bytes());
    Pieces { raw, events }
}

/// With a limit a stream comes to the same pieces or to an error, and no more than the limit and a chunk is kept.
fn capped(cuts: &[u8], chunks: &[&[u8]]) {
    let cap = usize::from(cuts.first().copied().unwrap_or_default());
    let mut splitter = Splitter::new(cap);
    for chunk in chunks {
        splitter.push(chunk);
        loop {
            match splitter.event() {
                Ok(None) => break,
                Ok(Some(piece)) => assert!(piece.raw().len() <= cap),
                Err(_) => return assert!(splitter.event().is_err(), "an error stays one"),
            }
        }
    }
}

fn chunks<'s>(cuts: &[u8], stream: &'s [u8]) -> Vec<&'s [u8]> {
    let mut rest = stream;
    let mut chunks = Vec::new();
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at(rest.len().min(1 + usize::from(*cut) % 24));
        chunks.push(chunk);
        rest = more;
    }
    chunks
}

/// What a client understands (WHATWG HTML section 9.2.6), as plainly as can be; also events whose data is empty, which prime a stream.
fn understood(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut before = 0;
    for &byte in stream {
        match (before, byte) {
            (b'\r', b'\n') => {}
            (_, b'\r' | b'\n') => lines.push(Vec::new()),
            _ => lines.last_mut().expect("one at least").push(byte),
        }
        before = byte;
    }
    lines.pop(); // never complete
    let mut events = Vec::new();
    let (mut name, mut data) = (Vec::new(), None::<Vec<u8>>);
    for line in lines {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut name), data.take());
            events.extend(data.map(|data| Event { name, data }));
            continue;
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => name = value.to_vec(),
            b"data" => match &mut data {
                None => data = Some(value.to_vec()),
                Some(data) => data.extend([b"\n", value].concat()),
            },
            _ => {}
        }
    }
    events
}
