//! Asking again while an event stream lasts (SEC-55).

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Asked, PATH};
use crate::{Clock, Failure, Gone, Renewed, Timestamp, Vigil};

impl Asked {
    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp(now.load(Ordering::Relaxed)))
    }

    async fn vigil(&self, token: &str) -> Vigil {
        let caller = self.ask(token).await.unwrap();
        let vigil = caller.vigil(Ipv4Addr::LOCALHOST.into(), &self.clock());
        vigil.unwrap()
    }
}

/// What a judgement comes to, if anything.
async fn judged(world: &Asked, vigil: &mut Vigil) -> Option<Renewed> {
    vigil.judge(Timestamp(world.now.load(Ordering::Relaxed)));
    let changed = poll_fn(|cx| vigil.poll(cx));
    tokio::time::timeout(Duration::from_secs(1), changed)
        .await
        .ok()
}

#[tokio::test]
async fn sec_55_x18_a_token_is_asked_about_again_when_its_answer_has_ended() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    let mut vigil = world.vigil(&token).await;
    world.pass(299);
    assert!(judged(&world, &mut vigil).await.is_none());
    assert_eq!(world.calls(), 1);
    world.pass(1);
    assert!(matches!(
        judged(&world, &mut vigil).await,
        Some(Renewed::Caller(_))
    ));
    assert_eq!(world.calls(), 2);
    world.pass(300);
    world.idp.revoke(&token);
    assert!(matches!(
        judged(&world, &mut vigil).await,
        Some(Renewed::Over(Gone::Failed(Failure::Inactive)))
    ));
}

#[tokio::test]
async fn sec_55_x18_where_no_answer_counts_a_token_is_asked_about_every_thirty_seconds() {
    let world = Asked::with(|settings| settings.cache = Duration::ZERO).await;
    let mut vigil = world.vigil(&world.token().opaque()).await;
    world.pass(29);
    assert!(judged(&world, &mut vigil).await.is_none());
    assert_eq!(world.calls(), 1);
    world.pass(1);
    assert!(matches!(
        judged(&world, &mut vigil).await,
        Some(Renewed::Caller(_))
    ));
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn sec_55_s3_48_a_provider_that_cannot_be_asked_is_waited_for_a_minute() {
    let world = Asked::new().await;
    let mut vigil = world.vigil(&world.token().opaque()).await;
    world.idp.answer(PATH, 400, &[], "{}");
    world.pass(300);
    for number in 0..2 {
        assert!(judged(&world, &mut vigil).await.is_none());
        assert_eq!(world.calls(), 2 + number);
        world.pass(29);
    }
    world.pass(2);
    assert!(matches!(
        judged(&world, &mut vigil).await,
        Some(Renewed::Over(Gone::Failed(
            Failure::IntrospectionFailed { .. }
        )))
    ));
}

#[tokio::test]
async fn only_tokens_that_were_asked_about_are_watched() {
    let world = crate::testing::World::new().await;
    let caller = world.ask(&world.token().sign()).await.unwrap();
    assert!(
        caller
            .vigil(Ipv4Addr::LOCALHOST.into(), &crate::testing::clock())
            .is_none()
    );
}
