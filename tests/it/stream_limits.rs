//! How many event streams one caller, and one address, may have open.

use std::time::Duration;

use testbed::client::Request;
use testbed::{Reply, World};

use crate::limits::{A, B, call, from, limited, limited_to};
use crate::support::{MCP, WEB};

/// A stream from this address.
fn listen(world: &World, address: &str, token: &str) -> Request {
    let request = world.client().get("/mcp").bearer(token);
    from(request.header("Accept", "text/event-stream"), address)
}

#[tokio::test]
async fn sec_55_streams_of_one_caller_are_bounded_on_each_route() {
    let route = |path: &str| {
        let path = format!("path: {path}, streams: {{ per_caller: 2 }}");
        MCP.replace("path: /mcp", &path)
    };
    let world = limited("", &[&route("/mcp"), &route("/other")]).await;
    world.server.answer(Reply::events());
    let ada = world.token().subject("ada").sign();
    let first = listen(&world, A, &ada).open().await;
    let upstream = world.server.stream().await;
    // from elsewhere, with another token: the same caller
    let again = world.token().subject("ada").claim("jti", "2").sign();
    let second = listen(&world, B, &again).open().await;
    assert_eq!((first.status, second.status), (200, 200));
    let policy = "\"streams-of-caller\";q=2;qu=\"concurrent-requests\"";
    let limit = "\"streams-of-caller\";r=0";
    limited_to(&world, listen(&world, A, &ada), limit, policy).await;
    // a call whose answer may be a stream is turned away before it is made
    limited_to(&world, call(&world, A).bearer(&ada), limit, policy).await;
    let bob = world.token().subject("bob").sign();
    assert_eq!(listen(&world, A, &bob).open().await.status, 200);
    let there = world.token_for("/other").subject("ada").sign();
    let elsewhere = world.client().get("/other").bearer(there).open().await;
    assert_eq!(elsewhere.status, 200);
    drop(first);
    upstream.closed().await;
    for _ in 0..500 {
        let stream = listen(&world, A, &ada).open().await;
        if stream.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a place was freed");
}

#[tokio::test]
async fn sec_55_a_get_that_brings_no_stream_keeps_no_place() {
    let route = MCP.replace("path: /mcp", "path: /mcp, streams: { per_caller: 1 }");
    let world = limited("", &[&route]).await;
    world.server.answer(Reply::status(405));
    let token = world.token().sign();
    for _ in 0..5 {
        assert_eq!(listen(&world, A, &token).send().await.status, 405);
    }
}

#[tokio::test]
async fn sec_55_calls_that_answer_with_streams_count_and_are_not_cut_off() {
    let route = MCP.replace("path: /mcp", "path: /mcp, streams: { per_caller: 1 }");
    let world = limited("", &[&route]).await;
    let token = world.token().sign();
    // two calls under way: neither is a stream yet, so both may pass
    let slow = |reply: Reply| reply.after(Duration::from_secs(2));
    world.server.answer_once(slow(Reply::events()));
    world.server.answer_once(slow(Reply::events()));
    let (one, other) = tokio::join!(
        call(&world, A).bearer(&token).open(),
        call(&world, A).bearer(&token).open()
    );
    assert_eq!(
        (one.status, other.status),
        (200, 200),
        "what was done is answered"
    );
    let policy = "\"streams-of-caller\";q=1;qu=\"concurrent-requests\"";
    let limit = "\"streams-of-caller\";r=0";
    limited_to(&world, listen(&world, A, &token), limit, policy).await;
    limited_to(&world, call(&world, A).bearer(&token), limit, policy).await;
    let end = world.client().delete("/mcp").bearer(&token);
    from(end, A).send().await.is(200); // opens nothing
}

#[tokio::test]
async fn sec_55_streams_of_one_address_are_bounded() {
    let world = limited("streams_per_address: 2", &[MCP]).await;
    world.server.answer(Reply::events());
    let token = |subject: &str| world.token().subject(subject).sign();
    let link = "2001:db8::";
    let first = listen(&world, &format!("{link}1"), &token("a"))
        .open()
        .await;
    let second = listen(&world, &format!("{link}2"), &token("b"))
        .open()
        .await;
    assert_eq!((first.status, second.status), (200, 200));
    let policy = "\"streams-of-address\";q=2;qu=\"concurrent-requests\"";
    let limit = "\"streams-of-address\";r=0";
    let third = listen(&world, &format!("{link}3"), &token("c"));
    limited_to(&world, third, limit, policy).await;
    assert_eq!(listen(&world, A, &token("c")).open().await.status, 200);
}

#[tokio::test]
async fn sec_55_pages_of_web_applications_are_not_streams() {
    let web = WEB.replace(
        "transport: http",
        "transport: http, streams: { per_caller: 1 }",
    );
    let world = limited("streams_per_address: 1", &[&web]).await;
    world.server.answer_once(Reply::events());
    let page = |accept: &str| from(world.client().get("/page").header("Accept", accept), A);
    let stream = page("text/event-stream").open().await;
    assert_eq!(stream.status, 200);
    for _ in 0..5 {
        page("text/html").send().await.is(200);
        from(world.client().post("/form"), A).send().await.is(200);
    }
    let policy = "\"streams-of-address\";q=1;qu=\"concurrent-requests\"";
    let limit = "\"streams-of-address\";r=0";
    limited_to(&world, page("text/event-stream"), limit, policy).await;
    // one that did not say that it wants a stream, and gets one
    world.server.answer_once(Reply::events());
    let answer = page("*/*").send().await;
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    assert_eq!(answer.status, 429);
}
