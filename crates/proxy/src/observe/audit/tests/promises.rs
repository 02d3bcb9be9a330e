//! Requests that are under way leave the places to others, and find room for their records all the same.

use super::*;

#[tokio::test]
async fn sec_78_requests_that_are_slow_keep_nobody_from_a_record() {
    for on_full in [OnFull::Block, OnFull::Drop] {
        let (audit, disk) = begin(on_full);
        let mut slow = Vec::new();
        for _ in 0..100 {
            slow.push(audit.place().await.unwrap()); // six times the queue
        }
        allowed(&audit, "quick").await.unwrap();
        refused(&audit, "refused").await;
        for place in slow {
            audit.record(place, request(Outcome::Allowed, "", "slow"));
        }
        audit.end(LONG).await;
        let lines = disk.lines();
        let found = (references(&lines).len(), missing(&lines));
        assert_eq!(found, (102, 0), "{on_full:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sec_78_what_was_promised_is_kept_above_the_bound_and_others_wait_until_it_is_written() {
    let (audit, disk) = begin(OnFull::Block);
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(audit.place().await.unwrap());
    }
    drop(slow.split_off(90)); // some come to nothing
    disk.set(|state| state.hangs = true);
    for place in slow {
        audit.record(place, request(Outcome::Allowed, "", "slow"));
    }
    allowed(&audit, "no").await.unwrap_err();
    refused(&audit, "lost").await;
    disk.set(|state| state.hangs = false);
    tokio::time::resume(); // the writer has a clock of its own
    disk.until(|state| state.text.matches("slow").count() == 90);
    let mut places = Vec::new();
    while places.len() < 16 {
        places.extend(audit.try_place());
        std::thread::yield_now();
    }
    assert!(audit.try_place().is_none(), "as many as before");
    drop(places);
    audit.end(LONG).await;
    assert_eq!(missing(&disk.lines()), 1);
}
