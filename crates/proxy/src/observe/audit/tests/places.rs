//! Who holds a place in the queue, and who does not.

use super::*;

#[tokio::test(start_paused = true)]
async fn sec_78_who_waits_for_the_sink_holds_no_place_that_others_need() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.room = Some(0));
    allowed(&audit, "a").await.unwrap();
    while audit.is_ready() {
        std::thread::yield_now();
    }
    let mut waiting = std::pin::pin!(audit.place());
    assert!(once(waiting.as_mut()).is_pending());
    let free: Vec<_> = std::iter::from_fn(|| audit.try_place()).collect();
    assert_eq!(
        free.len(),
        15,
        "all but that of the record that is tried again"
    );
}

fn once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
