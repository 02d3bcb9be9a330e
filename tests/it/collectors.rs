//! Collectors of traces that are away, slow or busy: spans may be lost, and counted, but nobody waits.

use std::time::{Duration, Instant};

use testbed::{Reply, World};

use crate::support::call;
use crate::traces::{counted, spans, traced, wait_for_count};

/// Requests with a collector in this state; every answer must come as quickly as without one.
async fn nobody_waits(world: &World) {
    let begun = Instant::now();
    for _ in 0..40 {
        call(world).send().await.is(200);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "40 requests took {took:?}");
}

#[tokio::test]
async fn traces_a_collector_that_is_down_or_refuses_costs_spans_alone() {
    let (world, collector) = traced(|launch| launch).await;
    collector.answer(Reply::status(500));
    nobody_waits(&world).await;
    wait_for_count(&world, "failed", 80.0).await;
    assert!(counted(&world, "exported").await < 0.1);
    let told = world.gateway.log();
    let told = told
        .iter()
        .filter(|line| line.contains("traces are not exported"));
    assert_eq!(told.count(), 1, "once, not for each batch");
    drop(collector); // now nobody listens there
    nobody_waits(&world).await;
}

#[tokio::test]
async fn traces_a_collector_that_never_answers_fills_a_queue_that_has_an_end() {
    let (mut world, collector) = traced(|launch| {
        launch
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "8")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")
    })
    .await;
    collector.answer(Reply::silence());
    nobody_waits(&world).await;
    assert!(counted(&world, "dropped").await > 10.0);
    world.gateway.terminate().await;
    let (code, took) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert!(
        took < Duration::from_secs(5),
        "the end does not wait: {took:?}"
    );
}

#[tokio::test]
async fn traces_a_busy_collector_is_asked_again() {
    let (world, collector) = traced(|launch| launch).await;
    collector.answer_once(Reply::status(503));
    call(&world).send().await.is(200);
    let twice = |requests: &[testbed::recorder::Recorded]| {
        requests.iter().filter(|request| request.complete).count() == 2
    };
    let both = collector.wait_until("a second attempt", twice).await;
    assert_eq!(both[0].body, both[1].body);
    wait_for_count(&world, "exported", 2.0).await;
}

#[tokio::test]
async fn traces_spans_that_a_collector_does_not_want_are_counted() {
    let (world, collector) = traced(|launch| launch).await;
    // partial_success { rejected_spans: 1, error_message: "no" }
    let answer = Reply::status(200).body(b"\x0a\x06\x08\x01\x12\x02no".to_vec());
    collector.answer(answer.header("Content-Type", "application/x-protobuf"));
    call(&world).send().await.is(200);
    wait_for_count(&world, "failed", 1.0).await;
    wait_for_count(&world, "exported", 1.0).await;
}

#[tokio::test]
async fn traces_the_last_spans_are_sent_at_the_end() {
    let (mut world, collector) =
        traced(|launch| launch.env("OTEL_BSP_SCHEDULE_DELAY", "60000")).await;
    call(&world).send().await.is(200);
    assert_eq!(collector.requests(), 0);
    world.gateway.terminate().await;
    let (code, _) = world.gateway.wait_exit().await;
    assert_eq!(code, Some(0));
    assert_eq!(spans(&collector).len(), 2);
}
