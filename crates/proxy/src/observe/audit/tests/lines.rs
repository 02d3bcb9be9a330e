//! Lines stay whole, and the last one is the last.

use super::*;

#[tokio::test]
async fn sec_78_a_request_that_is_cut_at_the_end_is_told_before_the_last_line() {
    let (audit, disk) = begin(OnFull::Block);
    let place = audit.place().await.unwrap();
    let unused = audit.place().await.unwrap();
    let audit = Arc::new(audit);
    let cut = Arc::clone(&audit);
    let cutting = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50)); // later than the end begins, which is what is tried
        drop(unused);
        cut.record(place, request(Outcome::ClientGone, "client_gone", "cut"));
    });
    audit.end(LONG).await;
    cutting.join().unwrap();
    let lines = disk.lines();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["start", "request", "stop"]);
    audit.record(None, request(Outcome::Refused, "expired", "late"));
    assert_eq!(audit.metrics.dropped.get(), 1, "nobody is left to write it");
}

#[tokio::test]
async fn sec_78_the_end_does_not_wait_for_a_place_or_a_sink_for_ever() {
    let (audit, disk) = begin(OnFull::Block);
    let _held = audit.place().await.unwrap();
    audit.end(Duration::from_millis(20)).await;
    assert_eq!(disk.lines().last().unwrap()["event"], "stop");

    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.hangs = true);
    allowed(&audit, "a").await.unwrap();
    audit.end(Duration::from_millis(20)).await;
    disk.set(|state| state.hangs = false);

    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.room = Some(5));
    allowed(&audit, "a").await.unwrap();
    audit.end(Duration::from_millis(20)).await;
    assert_eq!(
        disk.lines().len(),
        1,
        "no part of a line, and no stop that would hide the gap"
    );
}

#[tokio::test]
async fn sec_78_where_nothing_can_be_taken_back_a_line_goes_on_where_it_stopped() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| (state.is_pipe, state.room) = (true, Some(33)));
    allowed(&audit, "a").await.unwrap();
    disk.until(|state| state.attempts >= 4);
    disk.set(|state| state.room = Some(44));
    disk.until(|state| state.room == Some(0));
    disk.set(|state| state.room = None);
    audit.end(LONG).await;
    assert_eq!(references(&disk.lines()), ["a"]);
}

#[tokio::test]
async fn sec_78_a_line_that_was_begun_in_one_file_is_whole_in_the_next() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| (state.is_pipe, state.room) = (true, Some(33)));
    allowed(&audit, "a").await.unwrap();
    disk.until(|state| state.attempts >= 4);
    disk.set(|state| (state.rotated, state.room) = (true, None));
    audit.reopen();
    audit.end(LONG).await;
    let lines = disk.lines();
    assert_eq!(references(&lines), ["a"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test]
async fn s0_62_a_reopen_is_heard_by_a_writer_that_has_nothing_to_write() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.rotated = true);
    audit.reopen();
    disk.until(|state| state.before.len() == 1);
    audit.end(LONG).await;
}
