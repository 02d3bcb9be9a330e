//! HTTP/2 peers that only want to cost something: floods, heads without end, windows that stay shut (R9113).

use std::time::Duration;

use testbed::Reply;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::admin::series;
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, Peer, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, good,
};
use crate::support::{MCP, OPEN, world};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn tm_11_r9113_a_head_that_never_ends_ends_the_connection() {
    let world = world("timeouts: { idle: 2s }", &[OPEN]).await;
    let filler = block(&[("x", "y".repeat(8000))]);
    for (piece, pieces) in [(&filler[..], 2000), (b"", 100_000)] {
        let mut peer = Peer::open(world.gateway.address(), &[]).await;
        let mut open = peer
            .send(&frame(HEADERS, END_STREAM, 1, &block(&good(&world))))
            .await;
        let more = frame(CONTINUATION, 0, 1, piece).repeat(10);
        for _ in 0..pieces / 10 {
            open = open && peer.send(&more).await;
        }
        assert!(peer.ends_within(SOON).await);
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn tm_11_r9113_a_peer_that_makes_us_reset_streams_is_let_go() {
    let world = world("", &[MCP]).await;
    let head = block(&good(&world));
    for spoil in [
        |id| frame(WINDOW_UPDATE, 0, id, &[0; 4]),
        |id| frame(WINDOW_UPDATE, 0, id, &0x7f_ff_ff_ff_u32.to_be_bytes()),
        |id| [frame(DATA, END_STREAM, id, b"x"), frame(DATA, 0, id, b"x")].concat(),
    ] {
        let mut peer = Peer::open(world.gateway.address(), &[]).await;
        for round in 0..100_u32 {
            let mut frames = Vec::new();
            for nr in 0..50 {
                let id = 1 + 2 * (round * 50 + nr);
                frames.extend(frame(HEADERS, END_HEADERS, id, &head));
                frames.extend(spoil(id));
            }
            if !peer.send(&frames).await {
                break;
            }
        }
        assert!(peer.ends_within(SOON).await);
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn tm_11_r9113_answers_that_nobody_takes_do_not_pile_up() {
    let world = world("timeouts: { idle: 1s }", &[OPEN]).await;
    for flood in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]),
    ] {
        let mut peer = Peer::open(world.gateway.address(), &[]).await;
        let flood = flood.repeat(10_000);
        let sent = async {
            let mut sent = 0;
            while peer.0.write_all(&flood).await.is_ok() {
                sent += flood.len();
            }
            sent
        };
        // nothing is read here: the gateway stops reading in turn, and does not wait for ever
        let sent = tokio::time::timeout(2 * SOON, sent).await.unwrap();
        assert!(sent < 64 << 20, "{sent} bytes");
    }
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn r9113_an_upstream_that_takes_nothing_holds_its_client_back() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = OPEN.replace(
        "{upstream}",
        &format!("http://{}", upstream.local_addr().unwrap()),
    );
    let limits = "limits: { body_bytes: 1GiB }, timeouts: { request_body: 1h }";
    let world = world(limits, &[&route]).await;
    let mut peer = Peer::open(world.gateway.address(), &[]).await;
    let head = frame(HEADERS, END_HEADERS, 1, &block(&good(&world)));
    assert!(peer.send(&head).await);
    let (mut taken, _) = upstream.accept().await.unwrap();
    taken.read_exact(&mut [0; 16]).await.unwrap(); // and no more of it
    let (mut stream, mut connection, mut sent) = (65_535_usize, 65_535_usize, 0);
    let data = vec![b'x'; 16_384];
    loop {
        let size = data.len().min(stream).min(connection);
        if size > 0 {
            assert!(peer.send(&frame(DATA, 0, 1, &data[..size])).await);
            (stream, connection, sent) = (stream - size, connection - size, sent + size);
            assert!(sent < 32 << 20, "it is kept somewhere");
            continue;
        }
        let Ok(next) = tokio::time::timeout(Duration::from_millis(500), peer.next()).await else {
            break; // no window, and none to come
        };
        let next = next.expect("a connection that is still there");
        match (next.kind, next.stream) {
            (WINDOW_UPDATE, id) => {
                let by = u32::from_be_bytes(next.payload.try_into().unwrap());
                let window = if id == 0 {
                    &mut connection
                } else {
                    &mut stream
                };
                *window += usize::try_from(by).unwrap();
            }
            (RST_STREAM, _) => panic!("reset after {sent} bytes"),
            _ => {}
        }
    }
    assert!(sent >= 65_535, "as much as was allowed");
}

/// A peer that opens every window and then reads nothing keeps the gateway from counting on windows: what it has asked for waits on the
/// connection, and must be little.
#[tokio::test]
async fn tm_11_r9113_answers_that_nobody_reads_stay_with_the_upstream() {
    const ANSWERS: u32 = 100;
    const LENGTH: usize = 1 << 20;
    let world = world("", &[OPEN]).await;
    let long = Reply::status(200)
        .header("Content-Type", "application/json")
        .body(vec![b' '; LENGTH]);
    world.server.answer(long);
    let taken = async || series(&world).await["process_resident_memory_bytes"];
    let before = taken().await;
    let windows = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    let mut peer = Peer::open(world.gateway.address(), &windows).await;
    let whole = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    assert!(peer.send(&whole).await);
    let head = block(&good(&world));
    for number in 0..ANSWERS {
        let ask = frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * number, &head);
        assert!(peer.send(&ask).await);
    }
    world.server.wait_for(ANSWERS as usize).await;
    let mut most = 0.0_f64;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await; // what is to pile up has to have time for it
        most = most.max(taken().await - before);
    }
    let half = f64::from(ANSWERS) * 0.5 * 1024.0 * 1024.0;
    assert!(most < half, "{most} bytes for answers of {LENGTH}");
}

/// The body of an answer is over for the HTTP library when its last piece is handed on. It is not for whoever has to keep that piece.
#[tokio::test]
async fn tm_11_r9113_an_answer_of_which_a_byte_is_refused_is_under_way_until_the_deadline() {
    let world = world("timeouts: { idle: 1s }", &[OPEN]).await;
    let short_of_one = [0, 4, 0, 0, 0x03, 0xe7]; // 999 bytes for each stream
    let mut peer = Peer::open(world.gateway.address(), &short_of_one).await;
    let head = block(&good(&world));
    let ask = |id| frame(HEADERS, END_HEADERS | END_STREAM, id, &head);
    // an event stream that is open keeps the connection from being idle
    world.server.answer_once(Reply::events());
    assert!(peer.send(&ask(1)).await);
    let _events = world.server.stream().await;
    let answer = Reply::status(200).header("Content-Type", "application/json");
    world.server.answer(answer.body(vec![b' '; 1000]));
    assert!(peer.send(&ask(3)).await);
    let mut taken = 0;
    while taken < 999 {
        let next = peer.next().await.expect("a connection that is still there");
        if next.kind == DATA && next.stream == 3 {
            taken += next.payload.len();
        }
    }
    assert_eq!(taken, 999);
    assert!(peer.ends_within(SOON).await);
}

/// The answer behind such a byte may have nothing more to say for hours, or nothing at all.
#[tokio::test]
async fn tm_11_r9113_a_byte_that_is_refused_has_its_deadline_whatever_comes_after_it() {
    for ends in [false, true] {
        let world = world("timeouts: { idle: 1s }", &[OPEN]).await;
        let few = [0, 4, 0, 0, 0x03, 0xe7]; // 999 bytes for each stream
        let mut peer = Peer::open(world.gateway.address(), &few).await;
        world.server.answer_once(Reply::events());
        let ask = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&good(&world)));
        assert!(peer.send(&ask).await);
        let events = world.server.stream().await;
        events.send(vec![b' '; 99]).await;
        while peer.next().await.expect("an answer").kind != DATA {}
        let more = tokio::time::timeout(Duration::from_secs(3), peer.next()).await;
        assert!(more.is_err(), "all of it was taken, and nothing is due");
        events.send(vec![b' '; 901]).await;
        if ends {
            events.end().await;
        }
        assert!(peer.ends_within(SOON).await, "ends: {ends}");
    }
}
