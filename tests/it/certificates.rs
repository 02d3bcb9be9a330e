//! Certificates that are renewed while the gateway runs.

use std::time::Duration;

use testbed::client::Connection;
use testbed::{Reply, World};
use tokio::time::{Instant, sleep};

use crate::https::{Authority, EXPIRED, GOOD, call, shown, world};
use crate::support::MCP;

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

async fn served(authority: &Authority, world: &World) -> Vec<u8> {
    let stream = authority.open(world, "localhost");
    shown(&stream.await)
}

/// Waits until another certificate than this one is shown.
async fn replaced(authority: &Authority, world: &World, old: &[u8]) -> Vec<u8> {
    let begun = Instant::now();
    loop {
        let now = served(authority, world).await;
        if now != old {
            return now;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it is still the old one"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_new_pair_is_seen_by_the_next_handshake_and_open_connections_go_on() {
    let authority = Authority::new();
    authority.write("main", &LOCAL, GOOD);
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let stream = authority.open(&world, "localhost");
    let stream = stream.await;
    let first = shown(&stream);
    let mut open = Connection::over(stream);
    let request = call(&world, "localhost").to_bytes();
    open.write(&request).await;
    open.answer().await.unwrap().is(200);

    authority.write("main", &LOCAL, GOOD);
    let second = replaced(&authority, &world, &first).await;
    world.gateway.wait_for_log("certificate replaced").await;
    open.write(&request).await;
    open.answer().await.unwrap().is(200);

    // once more, now that the files are others than those that were found
    authority.write("main", &LOCAL, GOOD);
    replaced(&authority, &world, &second).await;
    open.write(&request).await;
    open.answer().await.unwrap().is(200);
}

#[tokio::test]
async fn trap_13_a_mounted_secret_is_replaced_behind_its_links() {
    let authority = Authority::new();
    let path = |name: &str| authority.path(name);
    let version = |name: &str| {
        std::fs::create_dir(path(name)).unwrap();
        authority.write("fresh", &LOCAL, GOOD);
        for file in ["crt", "key"] {
            let from = path(&format!("fresh.{file}"));
            std::fs::rename(from, path(name).join(format!("main.{file}"))).unwrap();
        }
        std::os::unix::fs::symlink(name, path("..tmp")).unwrap();
        std::fs::rename(path("..tmp"), path("..data")).unwrap();
    };
    version("..1");
    for file in ["main.crt", "main.key"] {
        std::os::unix::fs::symlink(format!("..data/{file}"), path(file)).unwrap();
    }
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let first = served(&authority, &world).await;
    version("..2");
    replaced(&authority, &world, &first).await;
}

#[tokio::test]
async fn a_broken_pair_changes_nothing_and_is_told_once() {
    let authority = Authority::new();
    authority.write("main", &LOCAL, GOOD);
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let first = served(&authority, &world).await;
    std::fs::write(authority.path("main.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    world
        .gateway
        .wait_for_log("certificates not replaced")
        .await;
    assert_eq!(served(&authority, &world).await, first);
    authority.write("main", &LOCAL, EXPIRED);
    world.gateway.wait_for_log("has expired").await;
    authority.write("other", &LOCAL, GOOD);
    std::fs::copy(authority.path("other.key"), authority.path("main.key")).unwrap();
    std::fs::copy(authority.path("main.crt"), authority.path("kept.crt")).unwrap();
    assert_eq!(served(&authority, &world).await, first);
    std::fs::remove_file(authority.path("main.crt")).unwrap();
    world.gateway.wait_for_log("cannot be read").await;
    assert_eq!(served(&authority, &world).await, first);
    let told = world.gateway.log();
    let expired = told.iter().filter(|line| line.contains("has expired"));
    assert_eq!(expired.count(), 1, "{told:#?}");
    // and a good one is still taken
    authority.write("main", &LOCAL, GOOD);
    replaced(&authority, &world, &first).await;
}

#[tokio::test]
async fn the_days_that_are_left_are_a_metric_and_a_warning() {
    let authority = Authority::new();
    authority.write("main", &LOCAL, GOOD);
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let line = metrics
        .lines()
        .find_map(|line| {
            line.strip_prefix("portcullis_certificate_expiry_seconds{certificate=\"server.tls\"} ")
        })
        .unwrap_or_else(|| panic!("{metrics}"));
    let left: i64 = line.parse().unwrap();
    assert!((999..=1000).contains(&(left / 86_400)), "{left}");
    let first = served(&authority, &world).await;
    authority.write("main", &LOCAL, (-10, 13));
    let line = world.gateway.wait_for_log("expires soon").await;
    let told = world.gateway.log();
    assert!(line.contains("server.tls"), "{line}");
    assert!(
        [12, 13]
            .iter()
            .any(|days| line.contains(&format!("\"days_left\":{days},"))),
        "{line}"
    );
    let warned = told.iter().filter(|line| line.contains("expires soon"));
    assert_eq!(warned.count(), 1, "not of the one before");
    replaced(&authority, &world, &first).await;
}

#[tokio::test]
async fn an_event_stream_goes_on_over_a_change_and_ends_with_the_gateway() {
    let authority = Authority::new();
    authority.write("main", &LOCAL, GOOD);
    let mut world = world(
        &format!("timeouts: {{ drain: 1s }}, {}", authority.keys("main", "")),
        &[MCP],
    )
    .await;
    world.server.answer(Reply::events());
    let stream = authority.open(&world, "localhost").await;
    let first = shown(&stream);
    let mut connection = Connection::over(stream);
    let request = call(&world, "localhost").to_bytes();
    connection.write(&request).await;
    let mut events = connection.into_stream(false).await.unwrap();
    let upstream = world.server.stream().await;
    authority.write("main", &LOCAL, GOOD);
    replaced(&authority, &world, &first).await;
    for block in ["data: 1\n\n", "data: 2\n\n"] {
        upstream.send(block).await;
        assert_eq!(events.block().await.as_deref(), Some(block));
    }
    world.gateway.terminate().await;
    assert!(events.finish().await.complete, "it ends, and is not cut");
    assert_eq!(world.gateway.wait_exit().await.0, Some(0));
}
