//! What it costs to read a body: `cargo test --release -p mcp --test cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// A call whose arguments are repetitions of this, until the body has 100 KB.
fn call(before: &str, repeated: &str, after: &str) -> String {
    let head = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"x":"#;
    let tail = r#"},"_meta":{"progressToken":1}}}"#;
    let room = 100_000 - head.len() - tail.len() - before.len() - after.len();
    let middle = repeated.repeat(room / repeated.len());
    format!("{head}{before}{middle}{after}{tail}")
}

/// The quickest of many tries: everything else only adds.
fn quickest(body: &str) -> Duration {
    let one = || {
        let begun = Instant::now();
        black_box(mcp::message::read(black_box(body.as_bytes()))).expect("a call");
        begun.elapsed()
    };
    (0..2000).map(|_| one()).min().expect("2000 tries")
}

#[test]
#[ignore = "a measurement: needs a build for release and a quiet machine"]
fn a_body_of_100_kb_is_read_in_100_microseconds() {
    let small = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"x":"y"}}}"#;
    println!(
        "{:>9.2?}  {} bytes, a small call",
        quickest(small),
        small.len()
    );
    let shapes = [
        ("text", call("\"", "The quick brown fox. ", "\"")),
        (
            "text in Cyrillic",
            call("\"", "Съешь ещё этих мягких ", "\""),
        ),
        (
            "base64",
            call("\"", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", "\""),
        ),
        (
            "source text",
            call(
                "\"",
                r#"    if let Some(x) = y { return \"\u00e9\"; }\n"#,
                "\"",
            ),
        ),
        (
            "records",
            call(
                "[",
                r#"{"id":12345,"title":"some title","tags":["a","b"],"done":false,"at":1.5},"#,
                "0]",
            ),
        ),
        ("numbers", call("[", "1234567,", "0]")),
    ];
    let long = Duration::from_micros(200);
    for (shape, body) in shapes {
        // many small values cost the grammar more than long strings do
        let most = if shape == "records" { long } else { long / 2 };
        let took = quickest(&body);
        println!("{took:>9.2?}  {} bytes, {shape}", body.len());
        assert!(took < most, "{shape}: {took:?}");
    }
}
