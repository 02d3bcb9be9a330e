//! What the operator reads (S3-50), and what nobody does.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::testing::{NOW, World};

/// Everything that is logged on this thread from now on, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn open() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    #[track_caller]
    fn has_line(&self, parts: &[&str]) {
        let text = self.text();
        let found = text
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "no line with {parts:?} in\n{text}");
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn s3_50_the_start_is_told_with_method_and_issuer() {
    let (log, _guard) = Log::open();
    let _world = World::new().await;
    log.has_line(&[
        "INFO",
        "authenticator initialised",
        "method=\"jwks\"",
        "issuer=\"https://issuer.example\"",
    ]);
}

#[tokio::test]
async fn s3_50_claims_are_told_at_debug_and_the_token_never() {
    let (log, _guard) = Log::open();
    let world = World::new().await;
    let good = world
        .token()
        .claim("sub", "ada\nforged line")
        .claim("scope", "mcp tools")
        .sign();
    assert_eq!(world.reason(&good).await, "ok");
    log.has_line(&[
        "DEBUG",
        "token claims",
        r#"sub="ada\nforged line""#,
        "scope=mcp tools",
    ]);
    let bad = world.token().claim("exp", NOW.0 - 100).sign();
    for token in [good.as_str(), &bad, "opaque-secret", "a.b.c"] {
        let told = world.ask(token).await.map_or_else(
            |failure| format!("{failure} {failure:?}"),
            |_| String::new(),
        );
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!told.contains(part) && !log.text().contains(part), "{part}");
        }
    }
}

#[tokio::test]
async fn s3_30_entra_groups_overage_is_told() {
    let (log, _guard) = Log::open();
    let world = World::new().await;
    let names = serde_json::json!({ "groups": "src1" });
    let caller = world
        .ask(&world.token().claim("_claim_names", names).sign())
        .await
        .unwrap();
    assert_eq!(caller.values().groups, None);
    log.has_line(&["DEBUG", "overage"]);
}
