use std::time::Duration;

use super::*;
use crate::client::{Client, send_raw};

#[tokio::test]
async fn a_request_is_kept_as_it_came() {
    let upstream = Recorder::start().await;
    let head = "POST /a?b=%2F HTTP/1.1\r\nHOST: x\r\nx-B: 1\r\nX-a: 2\r\nx-b:3\r\nContent-Length: 3\r\n\r\n";
    let answer = send_raw(upstream.address(), format!("{head}abc").as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.is(200).json(), json!({"recorded": true}));
    let request = upstream.last();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/a?b=%2F")
    );
    assert_eq!(request.raw_head, head);
    assert_eq!(
        request.headers.names(),
        ["HOST", "x-B", "X-a", "x-b", "Content-Length"]
    );
    assert_eq!(request.headers.all("X-B"), ["1", "3"]);
    assert_eq!(request.body, b"abc");
    assert!(request.complete);
}

#[tokio::test]
async fn what_is_scripted_is_what_comes() {
    let upstream = Recorder::start().await;
    let client = Client::new(upstream.address());
    let get = async || client.get("/").send().await;

    upstream.answer(Reply::status(401).header("WWW-Authenticate", "Bearer scope=\"x\""));
    upstream.answer_once(Reply::json(&json!(1)).trailer("Sum", "1"));
    let first = get().await;
    assert_eq!(
        (first.is(200).json(), first.trailers.get("sum")),
        (json!(1), Some("1"))
    );
    get().await.refused(401, None);

    upstream.answer_once(Reply::half(100, "abc"));
    let half = get().await;
    assert_eq!((half.complete, half.text().as_str()), (false, "abc"));

    upstream.answer_once(Reply::raw(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ));
    let mut upgraded = client.get("/").open().await;
    assert_eq!(upgraded.status, 101);
    assert!(upgraded.is_silent_for(Duration::from_millis(50)).await);

    upstream.answer_once(Reply::close());
    assert!(
        send_raw(upstream.address(), &client.get("/").to_bytes())
            .await
            .is_none()
    );

    upstream.answer_with(|request| Reply::status(200).body(request.body.clone()));
    assert_eq!(client.post("/").body("echo").send().await.text(), "echo");
    assert_eq!(upstream.requests(), 6);
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_body() {
    let upstream = Recorder::start().await;
    upstream.answer(Reply::status(413).early());
    let mut connection = Client::new(upstream.address()).connect().await;
    connection
        .write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    assert_eq!(connection.answer().await.unwrap().status, 413);
    assert!(!upstream.last().complete);
    connection.write(b"def").await;
    assert_eq!(upstream.wait_for(1).await[0].body, b"abcdef");
}

#[tokio::test]
async fn events_come_one_by_one_on_many_streams() {
    let upstream = Recorder::start().await;
    upstream.answer(Reply::events());
    let client = Client::new(upstream.address());
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for number in 0..20 {
        readers.push(client.get(&format!("/{number}")).open().await);
        writers.push(upstream.stream().await);
    }
    for (number, (reader, writer)) in readers.iter_mut().zip(&writers).enumerate() {
        assert_eq!(writer.request().target, format!("/{number}"));
        for text in ["first", "second"] {
            writer.event(text).await;
            assert_eq!(reader.event().await.unwrap().data, text);
        }
    }
    writers.pop().unwrap().end().await;
    assert!(readers.pop().unwrap().finish().await.complete);
    drop(writers.pop());
    assert!(!readers.pop().unwrap().finish().await.complete);
}

#[tokio::test]
async fn a_peer_that_leaves_is_noticed() {
    let upstream = Recorder::start().await;
    let client = Client::new(upstream.address());
    upstream.answer(Reply::events());
    let reader = client.get("/").open().await;
    let writer = upstream.stream().await;
    assert!(!writer.is_closed());
    drop(reader);
    writer.closed().await;

    upstream.answer(Reply::silence());
    let mut waiting = client.connect().await;
    waiting.write(&client.get("/").to_bytes()).await;
    upstream.wait_for(2).await;
    assert!(!upstream.is_closed(1));
    drop(waiting);
    upstream.closed(1).await;
}

#[tokio::test]
async fn connections_are_counted() {
    let upstream = Recorder::start().await;
    let client = Client::new(upstream.address());
    let mut connection = client.connect().await;
    for _ in 0..2 {
        connection.write(&client.get("/").to_bytes()).await;
        connection.answer().await.unwrap().is(200);
    }
    client.get("/").send().await;
    let connections: Vec<_> = upstream
        .recorded()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 0, 1]);
}
