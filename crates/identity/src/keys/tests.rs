//! When keys are fetched. Time is paused: it moves only where a test moves it or waits.

use std::sync::Mutex;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{advance, sleep};

use super::*;
use crate::testing::TestKey;

const SECOND: Duration = Duration::from_secs(1);
const PACE: Pace = Pace {
    cache: Duration::from_mins(15),
    max_stale: Duration::from_hours(1),
};

/// A source that does as it is told, and writes down when it was asked.
#[derive(Clone)]
struct Script(Arc<Mutex<Told>>);

struct Told {
    begun: Instant,
    asked: Vec<u64>,
    document: Option<String>,
    takes: Duration,
}

impl Script {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Seconds since the beginning at which a fetch began.
    fn asked(&self) -> Vec<u64> {
        self.0.lock().unwrap().asked.clone()
    }

    fn publish(&self, keys: &[serde_json::Value]) {
        self.tell(|told| told.document = Some(json!({ "keys": keys }).to_string()));
    }

    fn go_down(&self) {
        self.tell(|told| told.document = None);
    }
}

impl Source for Script {
    async fn fetch(&mut self) -> Result<Vec<u8>, Unreachable> {
        let takes = {
            let mut told = self.0.lock().unwrap();
            let at = told.begun.elapsed().as_secs();
            told.asked.push(at);
            told.takes
        };
        sleep(takes).await;
        let document = self.0.lock().unwrap().document.clone();
        document.map(String::into_bytes).ok_or(Unreachable {
            deed: "failed to fetch JWKS",
            url: "script".into(),
            cause: "down".into(),
            hints: &[],
        })
    }

    fn place(&self) -> String {
        "script".into()
    }
}

struct World {
    keys: Arc<Keys>,
    script: Script,
    task: JoinHandle<()>,
}

impl World {
    /// With one key `k1`, fetched.
    async fn new(pace: Pace) -> Self {
        let script = Script(Arc::new(Mutex::new(Told {
            begun: Instant::now(),
            asked: Vec::new(),
            document: None,
            takes: Duration::ZERO,
        })));
        script.publish(&[TestKey::es256().jwk("k1")]);
        let keys = Arc::new(Keys::new());
        let (told, first) = oneshot::channel();
        let task = tokio::spawn(keep(
            "test".into(),
            keys.clone(),
            script.clone(),
            pace,
            told,
        ));
        first.await.unwrap().unwrap();
        Self { keys, script, task }
    }

    fn has(&self, kid: &str) -> bool {
        let chosen = self
            .keys
            .current()
            .map(|set| set.choose(Some(kid), config::Algorithm::Es256));
        matches!(chosen, Some(Choice::Keys(_)))
    }
}

/// Moves time second by second, so that everything due on the way happens at its time.
async fn pass(time: Duration) {
    for _ in 0..time.as_secs() {
        advance(SECOND).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s3_14_keys_are_fetched_at_0_and_after_900_s_only() {
    let world = World::new(PACE).await;
    pass(Duration::from_secs(899)).await;
    assert_eq!(world.script.asked(), [0]);
    pass(Duration::from_secs(1000)).await;
    assert_eq!(world.script.asked(), [0, 900, 1800]);
}

#[tokio::test(start_paused = true)]
async fn s3_31_another_pace_is_kept() {
    let world = World::new(Pace {
        cache: Duration::from_mins(10),
        ..PACE
    })
    .await;
    pass(Duration::from_secs(1300)).await;
    assert_eq!(world.script.asked(), [0, 600, 1200]);
}

#[tokio::test(start_paused = true)]
async fn s4_17_a_thousand_unknown_kids_force_one_fetch_per_cooldown() {
    let world = World::new(PACE).await;
    assert_eq!(world.keys.refetch().await, Refetch::Done);
    for _ in 0..1000 {
        assert_eq!(world.keys.refetch().await, Refetch::TooSoon);
    }
    assert_eq!(world.script.asked(), [0, 0]);
    pass(Duration::from_secs(9)).await;
    assert_eq!(world.keys.refetch().await, Refetch::TooSoon);
    pass(SECOND).await;
    assert_eq!(world.keys.refetch().await, Refetch::Done);
    assert_eq!(world.keys.refetch().await, Refetch::TooSoon);
    assert_eq!(world.script.asked(), [0, 0, 10]);
}

#[tokio::test(start_paused = true)]
async fn s4_17_all_who_ask_at_once_share_one_fetch() {
    let world = World::new(PACE).await;
    world.script.tell(|told| told.takes = SECOND * 2);
    let mut waiting = JoinSet::new();
    for at in 0..100_u64 {
        let keys = world.keys.clone();
        waiting.spawn(async move {
            // some come while the fetch is under way
            sleep(Duration::from_millis(at * 15)).await;
            keys.refetch().await
        });
    }
    assert!(
        waiting
            .join_all()
            .await
            .iter()
            .all(|end| *end == Refetch::Done)
    );
    assert_eq!(world.script.asked(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn s4_17_nobody_waits_longer_than_5_s() {
    let world = World::new(PACE).await;
    world.script.tell(|told| told.takes = SECOND * 60);
    let begun = Instant::now();
    assert_eq!(world.keys.refetch().await, Refetch::Failed);
    assert_eq!(begun.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn s4_17_who_asks_during_a_scheduled_fetch_gets_one_that_began_later() {
    let world = World::new(PACE).await;
    pass(Duration::from_secs(899)).await;
    world.script.tell(|told| told.takes = SECOND * 2);
    pass(SECOND).await;
    assert_eq!(world.script.asked(), [0, 900]);
    assert_eq!(world.keys.refetch().await, Refetch::Done);
    assert_eq!(world.script.asked(), [0, 900, 902]);
}

/// Somebody asks in the very moment in which a scheduled fetch is due, his alarm set before or after that of the task.
async fn asked_when_due(alarm_first: bool) -> Vec<u64> {
    let due = Instant::now() + PACE.cache;
    let world = Arc::new(std::sync::OnceLock::<World>::new());
    let ask = {
        let world = Arc::clone(&world);
        async move {
            tokio::time::sleep_until(due).await;
            world.get().unwrap().keys.refetch().await
        }
    };
    let asking = if alarm_first {
        let asking = tokio::spawn(ask);
        tokio::task::yield_now().await;
        assert!(world.set(World::new(PACE).await).is_ok());
        asking
    } else {
        assert!(world.set(World::new(PACE).await).is_ok());
        tokio::spawn(ask)
    };
    assert_eq!(asking.await.unwrap(), Refetch::Done);
    pass(SECOND).await;
    world.get().unwrap().script.asked()
}

#[tokio::test(start_paused = true)]
async fn s4_17_who_asks_right_before_a_scheduled_fetch_is_served_by_it() {
    // one of the two comes first; who comes second gets a fetch of his own
    let both = [asked_when_due(true).await, asked_when_due(false).await];
    assert!(both.contains(&vec![0, 900]), "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn s4_17_a_rotated_key_is_there_after_the_forced_fetch() {
    let world = World::new(PACE).await;
    world.script.publish(&[TestKey::es256().jwk("k2")]);
    assert!(!world.has("k2"));
    assert_eq!(world.keys.refetch().await, Refetch::Done);
    assert!(world.has("k2") && !world.has("k1"));
    // a forced fetch counts for the schedule too
    pass(Duration::from_secs(901)).await;
    assert_eq!(world.script.asked(), [0, 0, 900]);
}

#[tokio::test(start_paused = true)]
async fn sec_19_stale_keys_serve_for_cache_and_max_stale_and_no_longer() {
    let world = World::new(PACE).await;
    let Choice::Keys(verified_by) = world
        .keys
        .current()
        .unwrap()
        .choose(Some("k1"), config::Algorithm::Es256)
    else {
        panic!("the key is there")
    };
    world.script.go_down();
    pass(Duration::from_secs(900 + 3599)).await;
    assert!(world.has("k1") && world.keys.are_there());
    assert!(verified_by[0].is_live());
    pass(Duration::from_secs(2)).await;
    assert!(world.keys.current().is_none());
    assert_eq!(world.keys.age(), None);
    // what was verified by them is not served either
    assert!(!verified_by[0].is_live());
    world.script.publish(&[TestKey::es256().jwk("k3")]);
    pass(Duration::from_secs(31)).await;
    assert!(world.has("k3"));
}

#[tokio::test(start_paused = true)]
async fn sec_19_max_stale_of_zero_leaves_time_for_the_fetch_and_no_more() {
    let pace = Pace {
        max_stale: Duration::ZERO,
        ..PACE
    };
    let world = World::new(pace).await;
    world.script.tell(|told| told.takes = SECOND * 4);
    for _ in 0..1000 {
        pass(SECOND).await;
        assert!(world.has("k1"), "{:?}", world.keys.age());
    }
    assert_eq!(world.script.asked(), [0, 900]);
    world.script.go_down();
    // fetched at 904
    pass(Duration::from_secs(904 + 900 + 11 - 1000)).await;
    assert!(world.has("k1"));
    pass(Duration::from_secs(6)).await;
    assert!(world.keys.current().is_none());
}

#[tokio::test(start_paused = true)]
async fn s3_47_a_failed_fetch_is_tried_again_with_growing_pauses() {
    let world = World::new(PACE).await;
    world.script.go_down();
    pass(Duration::from_secs(1000)).await;
    assert_eq!(
        world.script.asked(),
        [0, 900, 901, 903, 907, 915, 931, 961, 991]
    );
    world.script.publish(&[TestKey::es256().jwk("k1")]);
    pass(Duration::from_secs(1000)).await;
    assert_eq!(world.script.asked()[9..], [1021, 1921]);
}

#[tokio::test(start_paused = true)]
async fn s3_47_a_forced_fetch_that_fails_changes_neither_keys_nor_schedule() {
    let world = World::new(PACE).await;
    world.script.go_down();
    pass(Duration::from_secs(100)).await;
    assert_eq!(world.keys.refetch().await, Refetch::Failed);
    // nobody knows better a moment later
    assert_eq!(world.keys.refetch().await, Refetch::Failed);
    assert!(world.has("k1"));
    pass(Duration::from_secs(801)).await;
    assert_eq!(world.script.asked(), [0, 100, 900, 901]);
}

#[tokio::test(start_paused = true)]
async fn s3_47_a_document_that_is_none_changes_nothing() {
    let world = World::new(PACE).await;
    world
        .script
        .tell(|told| told.document = Some("<html>".into()));
    assert_eq!(world.keys.refetch().await, Refetch::Failed);
    assert!(world.has("k1"));
}

#[tokio::test(start_paused = true)]
async fn sec_12_a_set_that_is_emptied_ends_every_key() {
    let world = World::new(PACE).await;
    world.script.publish(&[]);
    assert_eq!(world.keys.refetch().await, Refetch::Done);
    assert!(!world.has("k1") && !world.keys.are_there());
}

#[tokio::test(start_paused = true)]
async fn the_age_is_that_of_the_set_and_not_of_the_last_attempt() {
    let world = World::new(PACE).await;
    pass(Duration::from_secs(100)).await;
    assert_eq!(world.keys.age(), Some(Duration::from_secs(100)));
    world.script.go_down();
    pass(Duration::from_mins(15)).await;
    assert_eq!(world.keys.age(), Some(Duration::from_secs(1000)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_after_the_task_ended() {
    let world = World::new(PACE).await;
    world.task.abort();
    pass(Duration::from_secs(2000)).await;
    assert_eq!(world.script.asked(), [0]);
    // nobody would notice that they are withdrawn
    assert!(world.keys.current().is_none());
    // and who asks then is told so in time
    assert_eq!(world.keys.refetch().await, Refetch::Failed);
}
