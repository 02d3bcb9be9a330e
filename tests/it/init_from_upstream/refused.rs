//! Servers of which no rules are made.

use serde_json::{Value, json};
use testbed::{Recorder, Reply};

use super::{answer, error, failed, listing, shown, url, with_tools};

#[tokio::test]
async fn a_server_that_says_too_much_or_has_no_end_is_left() {
    let server = with_tools(json!([{ "name": "a", "description": "x".repeat(9_000_000) }])).await;
    failed(
        &shown(&url(&server), &[]).await,
        1,
        "answers with more than 8388608 bytes",
    );

    let again = json!({ "tools": [], "nextCursor": "again" });
    let server = listing(move |request| Reply::json(&answer(request, &again))).await;
    failed(
        &shown(&url(&server), &[]).await,
        1,
        "pages of them without end",
    );
    let lists = server.recorded().len();
    assert!((100..=104).contains(&lists), "{lists}");

    let tools: Vec<Value> = (0..1001)
        .map(|n| json!({ "name": format!("t{n}") }))
        .collect();
    let server = with_tools(Value::Array(tools)).await;
    let many = shown(&url(&server), &[]).await;
    failed(&many, 1, "has more than 1000 tools");
    assert!(
        many.stderr.contains("hint: write rules with patterns"),
        "{}",
        many.stderr
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let server = Recorder::start().await;
    server.answer(Reply::silence());
    let silent = shown(&url(&server), &[]).await;
    failed(&silent, 1, "has not answered within 5 s");
    let nobody = url(&server);
    drop(server);
    let gone = shown(&nobody, &[]).await;
    failed(&gone, 1, "cannot be reached");
    assert!(
        gone.stderr.contains("hint: it has to run"),
        "{}",
        gone.stderr
    );
}

#[tokio::test]
async fn what_is_no_mcp_server_with_tools_is_told() {
    let server = Recorder::start().await;
    let html = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<p>hello");
    for (reply, words) in [
        (html, "neither JSON nor an event stream"),
        (
            Reply::json(&json!({ "recorded": true })),
            "no answer to a message of JSON-RPC",
        ),
        (
            Reply::json(&json!([])),
            "no answer to a message of JSON-RPC",
        ),
        (Reply::status(404), "answers 404 Not Found"),
        (
            Reply::status(307).header("Location", "http://127.0.0.1:1/mcp"),
            "answers 307 Temporary Redirect, a redirect, and redirects are not followed",
        ),
        (Reply::close(), "cannot be reached"),
    ] {
        server.answer(reply);
        failed(&shown(&url(&server), &[]).await, 1, words);
    }
    server.answer_with(|request| Reply::json(&error(request, -1, "go\naway\u{1b}")));
    let refused = shown(&url(&server), &[]).await;
    failed(&refused, 1, "refuses initialize: go\\naway\\u{1b}");

    let none = with_tools(json!([])).await;
    failed(&shown(&url(&none), &[]).await, 1, "has no tools");
    let odd = with_tools(json!([{ "title": "x" }])).await;
    failed(&shown(&url(&odd), &[]).await, 1, "has no name");
}
