//! What the stages of a decision found, told to whoever explains one (`portcullis explain`).
//!
//! The stages tell it themselves, so that an explanation cannot say what the gateway does not do. For requests nobody listens, and
//! then nothing is put into words; credentials that were verified before come by no place where anything is told.

use std::cell::RefCell;
use std::future::Future;

use crate::failure::Stage;

tokio::task_local! {
    static NOTES: RefCell<Notes>;
}

/// What is told of a signature that a peer has checked (X2).
pub(crate) const VOUCHED: &str =
    "not looked at: the peer is in checked_by (signature_checked_by_peer)";

/// What was told while somebody listened.
#[derive(Default)]
pub struct Notes {
    /// What was passed, in order.
    pub(crate) passed: Vec<(Stage, String)>,
    /// What is known of a credential that was verified and is refused all the same.
    pub(crate) known: Vec<(Stage, String)>,
}

/// What a stage of an explanation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The decision went on.
    Passed,
    /// It ended there.
    Refused,
    /// Nothing was decided: something to know.
    Told,
}

/// One stage of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub stage: &'static str,
    pub mark: Mark,
    /// What was expected and found. Text of a stranger in it is escaped and cut; no token, no secret.
    pub text: String,
}

/// Listens while `work` is done in this task.
pub async fn observe<T>(work: impl Future<Output = T>) -> (T, Notes) {
    let listened = async {
        let done = work.await;
        (done, NOTES.with(RefCell::take))
    };
    NOTES.scope(RefCell::default(), listened).await
}

/// A stage is passed.
pub(crate) fn passed(stage: Stage, text: impl FnOnce() -> String) {
    if heard() {
        let text = text();
        let _heard = NOTES.try_with(|notes| notes.borrow_mut().passed.push((stage, text)));
    }
}

/// A credential that was verified is refused all the same, and this is known of it.
pub(crate) fn known(all: impl FnOnce() -> Vec<(Stage, String)>) {
    if heard() {
        let all = all();
        let _heard = NOTES.try_with(|notes| notes.borrow_mut().known = all);
    }
}

/// Whether anybody listens.
pub(crate) fn heard() -> bool {
    NOTES.try_with(|_| ()).is_ok()
}
