//! HTTP/2 as no client library speaks it: requests that are none, and frames that break the rules (R9113).

use std::time::Duration;

use testbed::World;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, Fields, HEADERS, PING, Peer, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, field, frame, good,
};
use crate::support::{MCP, OPEN, WEB, world};

const SOON: Duration = Duration::from_secs(5);
/// Sends a request on a connection of its own, in these frames behind its headers.
async fn fate(world: &World, fields: &Fields, behind: &[(u8, u8, &[u8])]) -> Fate {
    let mut peer = Peer::open(world.gateway.address(), &[]).await;
    let flags = if behind.is_empty() {
        END_HEADERS | END_STREAM
    } else {
        END_HEADERS
    };
    let mut frames = frame(HEADERS, flags, 1, &block(fields));
    for (kind, flags, payload) in behind {
        frames.extend(frame(*kind, *flags, 1, payload));
    }
    peer.send(&frames).await;
    peer.fate(1).await
}

#[tokio::test]
async fn r9113_fields_that_http_2_does_not_have_make_no_request() {
    let world = world("", &[OPEN, WEB]).await;
    for (name, value) in [
        ("connection", "close"),
        ("connection", "x-auth-subject"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("X-Upper", "a"),
        ("x-Upper", "a"),
        ("x bad", "a"),
        ("x:bad", "a"),
        ("", "a"),
        ("x\r\nhost", "a"),
        ("x", "a\r\nx-auth-subject: root"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "a\u{1}b"),
        ("x", "a\u{7f}b"),
        (":path", "/other"),
        (":method", "GET"),
        (":authority", "evil.example"),
        (":scheme", "https"),
        (":status", "200"),
        (":unknown", "a"),
        ("content-length", "x"),
        ("content-length", "-1"),
        ("content-length", "1"),
    ] {
        let mut fields = good(&world);
        fields.push(field((name, value)));
        let fate = fate(&world, &fields, &[]).await;
        assert_ne!(fate, Fate::Good, "{name:?}: {value:?}");
    }
    let mut late = good(&world);
    let path = late.remove(2);
    late.push(field(("x", "a")));
    late.push(path);
    assert_ne!(
        fate(&world, &late, &[]).await,
        Fate::Good,
        "a pseudo field behind others"
    );
    assert_eq!(world.server.requests(), 0);
    let mut kept = good(&world);
    kept.push(field(("te", "trailers")));
    assert_eq!(fate(&world, &kept, &[]).await, Fate::Good);
}

#[tokio::test]
async fn r9113_pseudo_fields_say_one_thing_or_nothing_is_asked() {
    let world = world("", &[OPEN, WEB]).await;
    let host = world.gateway.address().to_string();
    for (name, value) in [
        (":method", None),
        (":scheme", None),
        (":path", None),
        (":authority", None),
        (":authority", Some("")),
        (":authority", Some("user@HOST")),
        (":authority", Some("HOST/mcp")),
        (":authority", Some("HOST, evil.example")),
        (":authority", Some("evil.example")),
        (":authority", Some("HO ST")),
        (":path", Some("")),
        (":path", Some("mcp")),
        (":path", Some("*")),
        (":path", Some("http://evil.example/mcp")),
        (":path", Some("//evil.example/mcp")),
        (":path", Some("/mcp /x")),
        (":path", Some("/mcp\r\nx: a")),
        (":path", Some("/mcp\0")),
        (":path", Some("/../mcp")),
        (":method", Some("")),
        (":method", Some("PO ST")),
        (":method", Some("POST\r\n")),
        (":method", Some("CONNECT")),
        (":scheme", Some("ht tp")), // what a good one says is read by nobody: the connection tells
    ] {
        let mut fields = good(&world);
        fields.retain(|(known, _)| known != name.as_bytes());
        if let Some(value) = value {
            fields.insert(0, field((name, &value.replace("HOST", &host))));
        }
        let fate = fate(&world, &fields, &[]).await;
        assert_ne!(fate, Fate::Good, "{name}: {value:?}");
    }
    // RFC 8441: nobody said that it may be used
    let mut tunnel = good(&world);
    tunnel[0] = field((":method", "CONNECT"));
    tunnel.insert(1, field((":protocol", "websocket")));
    assert_ne!(fate(&world, &tunnel, &[]).await, Fate::Good);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn r9113_a_length_is_that_of_the_data() {
    let world = world("", &[OPEN]).await;
    for (lengths, data, expected) in [
        (&["5"][..], &["hello"][..], true),
        (&["5"], &["hel", "lo"], true),
        (&[], &["hello"], true),
        (&["5", "6"], &["hello"], false),
        (&["4"], &["hello"], false),
        (&["6"], &["hello"], false),
        (&["5"], &["hel", "lo!"], false),
        (&["5"], &[""], false),
    ] {
        let before = world.server.requests();
        let mut fields = good(&world);
        fields.extend(
            lengths
                .iter()
                .map(|length| field(("content-length", length))),
        );
        let last = data.len() - 1;
        let frames: Vec<_> = data
            .iter()
            .enumerate()
            .map(|(nr, data)| {
                (
                    DATA,
                    if nr == last { END_STREAM } else { 0 },
                    data.as_bytes(),
                )
            })
            .collect();
        let fate = fate(&world, &fields, &frames).await;
        assert_eq!(
            fate == Fate::Good,
            expected,
            "{lengths:?} {data:?}: {fate:?}"
        );
        let seen = world.server.recorded().split_off(before);
        let whole = seen
            .iter()
            .any(|seen| seen.complete && seen.body == b"hello");
        assert_eq!(whole, expected, "{lengths:?} {data:?}");
    }
}

#[tokio::test]
async fn sec_33_trailers_of_a_request_go_no_further() {
    let world = world("", &[OPEN]).await;
    let lie = block(&[("x-auth-subject", "root"), ("x-trailer", "1")]);
    let trailers = (HEADERS, END_HEADERS | END_STREAM, &lie[..]);
    let fields = good(&world);
    assert_eq!(
        fate(&world, &fields, &[(DATA, 0, b"hello"), trailers]).await,
        Fate::Good
    );
    let seen = world.server.last();
    assert!(seen.complete && seen.body == b"hello");
    assert_eq!(seen.trailers.names(), Vec::<&str>::new());
    assert!(!seen.headers.has("x-trailer") && !seen.headers.has("x-auth-subject"));
    // pseudo fields have no place there, and nobody looks for them
    let pseudo = block(&[(":path", "/other"), (":authority", "evil.example")]);
    let spoilt = (HEADERS, END_HEADERS | END_STREAM, &pseudo[..]);
    fate(&world, &fields, &[(DATA, 0, b"hello"), spoilt]).await;
    for seen in world.server.recorded() {
        assert_eq!((&*seen.target, seen.trailers.names().len()), ("/mcp", 0));
    }
}

#[tokio::test]
async fn sec_33_a_refusal_with_unread_body_resets_its_stream() {
    let world = world("", &[MCP]).await;
    let mut peer = Peer::open(world.gateway.address(), &[]).await;
    let head = frame(HEADERS, END_HEADERS, 1, &block(&good(&world)));
    peer.send(&[head, frame(DATA, 0, 1, b"{")].concat()).await;
    assert_eq!(peer.fate(1).await, Fate::Refused);
    assert_eq!(peer.fate(1).await, Fate::Reset(0), "the rest is not wanted");
    let again = frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&good(&world)));
    peer.send(&again).await;
    assert_eq!(peer.fate(3).await, Fate::Refused, "the connection goes on");
}

#[tokio::test]
async fn sec_33_a_body_that_ends_soon_after_the_refusal_does_not_reset_its_stream() {
    let world = world("", &[MCP]).await;
    let mut peer = Peer::open(world.gateway.address(), &[]).await;
    let head = frame(HEADERS, END_HEADERS, 1, &block(&good(&world)));
    peer.send(&[head, frame(DATA, 0, 1, b"{")].concat()).await;
    assert_eq!(peer.fate(1).await, Fate::Refused);
    peer.send(&frame(DATA, END_STREAM, 1, b"}")).await;
    let again = frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&good(&world)));
    peer.send(&again).await;
    while let Some(seen) = peer.next().await {
        assert!(!(seen.kind == RST_STREAM && seen.stream == 1), "reset");
        if seen.kind == HEADERS && seen.stream == 3 {
            return;
        }
    }
    panic!("the connection must go on");
}

#[tokio::test]
async fn r9113_frames_that_break_the_rules_end_the_connection() {
    let world = world("", &[OPEN]).await;
    let head = block(&good(&world));
    let whole = END_HEADERS | END_STREAM;
    for (what, frames) in [
        ("an even stream", frame(HEADERS, whole, 2, &head)),
        ("stream 0", frame(HEADERS, whole, 0, &head)),
        (
            "a stream of the past",
            [3, 1].map(|id| frame(HEADERS, whole, id, &head)).concat(),
        ),
        ("data nobody announced", frame(DATA, 0, 1, b"x")),
        ("a frame over 16 KiB", frame(DATA, 0, 1, &vec![0; 16_385])),
        (
            "a broken header block",
            frame(HEADERS, whole, 1, &[0xff; 20]),
        ),
        (
            "a window that overflows",
            [0x7f_ff_ff_ff_u32; 2]
                .map(|by| frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes()))
                .concat(),
        ),
        ("settings of a wrong size", frame(SETTINGS, 0, 0, &[0; 5])),
        ("a ping of a wrong size", frame(PING, 0, 0, &[0; 7])),
        (
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &head),
        ),
        (
            "something between headers",
            [
                frame(HEADERS, END_STREAM, 1, &head),
                frame(PING, 0, 0, &[0; 8]),
            ]
            .concat(),
        ),
    ] {
        let mut peer = Peer::open(world.gateway.address(), &[]).await;
        peer.send(&frames).await;
        assert!(peer.ends_within(SOON).await, "{what}");
    }
    assert!(
        world.server.requests() <= 1,
        "only what came before the fault"
    );
    let mut peer = Peer::open(world.gateway.address(), &[]).await;
    peer.send(
        &[
            frame(0xbe, 0, 0, b"unknown"),
            frame(HEADERS, whole, 1, &head),
        ]
        .concat(),
    )
    .await;
    assert_eq!(
        peer.fate(1).await,
        Fate::Good,
        "frames of unknown kinds are for others"
    );
}
