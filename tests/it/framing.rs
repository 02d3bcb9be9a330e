//! Where a request ends: what front ends and back ends have read differently, and what smugglers live on (R9112).

use testbed::{Reply, World};

use crate::support::{OPEN, WEB, world as world_of};

/// A request of its own, for whoever reads the one before it to its end; for everybody else a part of that.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: HOST\r\n\r\n";

/// How something is read.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    /// Not at all: an answer or none, and the end of the connection.
    Refused,
    /// As one request with this body, and the connection ends behind its answer.
    Once(&'static str),
    /// The same, and then the next request.
    Whole(&'static str),
}
use Reading::{Once, Refused, Whole};

async fn world() -> World {
    world_of("timeouts: { request_body: 1s }", &[OPEN, WEB]).await
}

/// Sends these bytes and `NEXT` behind them, and compares what the client and the upstream got to see.
async fn check(world: &World, text: &str, expected: Reading) {
    let before = world.server.requests();
    let sent = format!("{text}{NEXT}").replace("HOST", &world.gateway.address().to_string());
    let mut connection = world.client().connect().await;
    connection.write(sent.as_bytes()).await;
    let first = connection.answer().await;
    let next = connection.answer().await;
    if expected == Refused {
        if let Some(first) = first {
            assert!(
                matches!(first.status, 400 | 408 | 501 | 505),
                "{text:?}: {}",
                first.status
            );
            assert!(first.closed, "{text:?}");
        }
        assert!(next.is_none(), "{text:?}");
        let bad =
            |seen: &testbed::recorder::Recorded| seen.complete || seen.target.contains("next");
        let seen = world.server.recorded().split_off(before);
        assert!(!seen.iter().any(bad), "{text:?}: {seen:?}");
        return;
    }
    let (Once(body) | Whole(body)) = expected else {
        return;
    };
    assert_eq!(first.map(|answer| answer.status), Some(200), "{text:?}");
    let targets: &[&str] = if let Whole(_) = expected {
        &["/mcp", "/next"]
    } else {
        &["/mcp"]
    };
    assert_eq!(next.is_some(), targets.len() == 2, "{text:?}");
    let seen = world.server.recorded().split_off(before);
    let found: Vec<_> = seen.iter().map(|request| &*request.target).collect();
    assert_eq!(found, targets, "{text:?}");
    assert_eq!(seen[0].body, body.as_bytes(), "{text:?}");
    assert!(seen[0].complete, "{text:?}");
    let lengths = seen[0].headers.all("content-length").len();
    let codings = seen[0].headers.all("transfer-encoding").len();
    assert_eq!(
        lengths + codings,
        usize::from(!body.is_empty()),
        "{text:?}: one framing"
    );
    for line in seen[0].raw_head.split(|byte| *byte == b'\n') {
        assert!(
            line.is_empty() || line.ends_with(b"\r"),
            "{text:?}: ours to the last byte"
        );
    }
}

#[tokio::test]
async fn r9112_length_beside_chunked_is_one_request_and_the_end_of_the_connection() {
    let world = world().await;
    let chunked = "Transfer-Encoding: chunked";
    for lengths in [
        "Content-Length: 4",
        "Content-Length: 0",
        "Content-Length: 1000",
        "Content-Length: 4\r\nContent-Length: 4",
    ] {
        for head in [
            format!("{lengths}\r\n{chunked}"),
            format!("{chunked}\r\n{lengths}"),
        ] {
            let text = format!(
                "POST /mcp HTTP/1.1\r\nHost: HOST\r\n{head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            );
            check(&world, &text, Once("hello")).await;
        }
    }
}

#[tokio::test]
async fn r9112_a_coding_that_is_not_chunked_alone_is_refused() {
    let world = world().await;
    for (coding, expected) in [
        (": chunked", Whole("hello")),
        (": CHUNKED", Whole("hello")),
        (":\tchunked \t", Whole("hello")),
        (": gzip, chunked", Refused),
        (": identity, chunked", Refused),
        (": chunked, chunked", Refused),
        (": chunked\r\nTransfer-Encoding: chunked", Refused),
        (": gzip\r\nTransfer-Encoding: chunked", Refused),
        (": chunked\r\nTransfer-Encoding: identity", Refused),
        (": ,chunked", Refused),
        (": chunked,", Refused),
        (": \"chunked\"", Refused),
        (": chunked;q=1", Refused),
        (": \u{b}chunked", Refused),
        (": chunked\u{c}", Refused),
        (": xchunked", Refused),
        (": identity", Refused),
        (": gzip", Refused),
        (": ", Refused),
        (" : chunked", Refused),
    ] {
        for more in ["", "Content-Length: 4\r\n"] {
            let text = format!(
                "POST /mcp HTTP/1.1\r\nHost: HOST\r\n{more}Transfer-Encoding{coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            );
            let expected = match (&expected, more) {
                (Whole(body), "") => Whole(body),
                (Whole(body), _) => Once(body),
                _ => Refused,
            };
            check(&world, &text, expected).await;
        }
    }
    for method in ["GET", "DELETE"] {
        let text = format!(
            "{method} /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        check(&world, &text, Refused).await;
    }
}

#[tokio::test]
async fn r9112_a_length_is_one_number() {
    let world = world().await;
    for (length, expected) in [
        ("5", Whole("hello")),
        ("5 ", Whole("hello")),
        ("005", Whole("hello")),
        ("5\r\nContent-Length: 5", Whole("hello")),
        ("5\r\nContent-Length: 6", Refused),
        ("5\r\ncontent-length: 05x", Refused),
        ("5, 5", Refused),
        ("5, 6", Refused),
        ("5,", Refused),
        ("+5", Refused),
        ("-5", Refused),
        ("0x5", Refused),
        ("5.0", Refused),
        ("5 0", Refused),
        ("", Refused),
        ("18446744073709551621", Refused), // 5, if a counter of 64 bits overflows
        ("99999999999999999999999999", Refused),
    ] {
        let text =
            format!("POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\n\r\nhello");
        check(&world, &text, expected).await;
    }
}

#[tokio::test]
async fn r9112_chunks_have_one_reading_or_none() {
    let world = world().await;
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", Whole("hello")),
        ("05\r\nhello\r\n000\r\n\r\n", Whole("hello")),
        ("5;a=b\r\nhello\r\n0;c\r\n\r\n", Whole("hello")),
        ("5;a=\"0;\\\"\"\r\nhello\r\n0\r\n\r\n", Whole("hello")),
        ("5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n", Whole("hello")),
        ("5\nhello\n0\n\n", Refused),
        ("5\r\nhello\n0\r\n\r\n", Refused),
        ("5\r\nhello0\r\n\r\n", Refused),
        ("5\r\nhell\r\n0\r\n\r\n", Refused),
        (" 5\r\nhello\r\n0\r\n\r\n", Refused),
        ("+5\r\nhello\r\n0\r\n\r\n", Refused),
        ("-5\r\nhello\r\n0\r\n\r\n", Refused),
        ("0x5\r\nhello\r\n0\r\n\r\n", Refused),
        ("5_0\r\nhello\r\n0\r\n\r\n", Refused),
        ("5;a\nhello\r\n0\r\n\r\n", Refused),
        ("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", Refused),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", Refused),
        ("5\rhello\r\n0\r\n\r\n", Refused),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", Refused),
        ("\r\n5\r\nhello\r\n0\r\n\r\n", Refused),
        ("5\r\nhello\r\n\r\n0\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\r\nBad Name: a\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\r\n Folded: a\r\n\r\n", Refused),
        ("5\r\nhello\r\n0\n\r\n", Refused),
        ("5\r\nhello\r\nz\r\n\r\n", Refused),
        ("5\r\nhello\r\n", Refused),
        ("", Refused),
    ] {
        let text =
            format!("POST /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        check(&world, &text, expected).await;
    }
    // what stands beside a body costs too
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(4000));
    let trailers = "X: a\r\n".repeat(5000);
    for body in [chunk.repeat(20), format!("0\r\n{trailers}\r\n")] {
        let text =
            format!("POST /mcp HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        check(&world, &text, Refused).await;
    }
}

#[tokio::test]
async fn r9112_lines_end_in_one_way_for_the_upstream_however_they_came() {
    let world = world().await;
    let rest = "Host: HOST\r\nContent-Length: 5\r\n\r\nhello";
    for (text, expected) in [
        (format!("POST /mcp HTTP/1.1\r\n{rest}"), Whole("hello")),
        // RFC 9112 section 2.2 lets a lone line feed end a line; no upstream of ours has to
        (
            "POST /mcp HTTP/1.1\nHost: HOST\nX: a\nContent-Length: 5\n\nhello".to_owned(),
            Whole("hello"),
        ),
        (
            format!("\r\n\r\nPOST /mcp HTTP/1.1\r\n{rest}"),
            Whole("hello"),
        ),
        (format!("POST  /mcp HTTP/1.1\r\n{rest}"), Refused),
        (format!("POST /mcp  HTTP/1.1\r\n{rest}"), Refused),
        (format!("POST /mcp HTTP/1.1 \r\n{rest}"), Refused),
        (format!("POST /mcp http/1.1\r\n{rest}"), Refused),
        (format!("POST /mcp HTTP/2.0\r\n{rest}"), Refused),
        (format!("POST /mcp HTTP/1.1\r{rest}"), Refused),
        (format!("POST /mcp HTTP/1.1\r\n: x\r\n{rest}"), Refused),
        (
            format!("POST /mcp HTTP/1.1\r\nX: a\x7fb\r\n{rest}"),
            Refused,
        ),
        (
            format!("POST /mcp HTTP/1.1\r\nX: a\x01b\r\n{rest}"),
            Refused,
        ),
        (
            format!("POST /mcp HTTP/1.1\r\nX: a\x00b\r\n{rest}"),
            Refused,
        ),
        (format!("POST /mcp HTTP/1.1\r\nX: a\rb\r\n{rest}"), Refused),
        (format!("POST /mcp HTTP/1.1\r\nX: a\r\r\n{rest}"), Refused),
        (
            format!("POST /mcp HTTP/1.1\r\nX: a\r\n\tb\r\n{rest}"),
            Refused,
        ),
        (format!("POST /mcp HTTP/1.1\r\n {rest}"), Refused),
        (format!("POST /mcp HTTP/1.1\r\nX : a\r\n{rest}"), Refused),
        (format!("POST /mcp HTTP/1.1\r\nX\t: a\r\n{rest}"), Refused),
    ] {
        check(&world, &text, expected).await;
    }
}

#[tokio::test]
async fn sec_33_http_1_0_knows_no_chunks_and_ends_behind_its_answer() {
    let world = world().await;
    for (head, expected) in [
        ("Content-Length: 5", Once("hello")),
        ("Transfer-Encoding: chunked", Refused),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", Refused),
        (
            "Connection: keep-alive\r\nTransfer-Encoding: chunked",
            Refused,
        ),
    ] {
        let text = format!("POST /mcp HTTP/1.0\r\nHost: HOST\r\n{head}\r\n\r\nhello");
        check(&world, &text, expected).await;
    }
}

#[tokio::test]
async fn r9112_an_answer_in_another_coding_is_no_answer() {
    let world = world().await;
    for (coding, status) in [
        ("chunked", 200),
        ("Chunked", 200),
        ("gzip, chunked", 502),
        ("chunked, chunked", 502),
        ("chunked\r\nTransfer-Encoding: chunked", 502),
        ("gzip", 502),
        ("identity", 502),
    ] {
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        );
        for path in ["/mcp", "/page"] {
            world.server.answer(Reply::raw(&*reply).then_close());
            let answer = world.client().post(path).send().await;
            assert_eq!(answer.status, status, "{coding} {path}");
        }
    }
}
