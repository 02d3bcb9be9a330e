//! A reload that the operator asks for over the admin listener, and what became of the last one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use identity::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Whoever loads configurations has 10 s for the files and 30 s for the rest.
const PATIENCE: Duration = Duration::from_secs(45);
/// Of the reason why a configuration was not taken, this much is kept.
const CAUSE_CHARACTERS: usize = 4096;

/// Somebody waits for a reload, and for what becomes of it.
pub struct Ask(oneshot::Sender<Result<(), String>>);

impl Ask {
    /// Says what became of it.
    pub fn answer(self, result: Result<(), String>) {
        let _nobody_waits = self.0.send(result);
    }
}

/// Asks are heard one at a time: everybody who asks meanwhile is told to come again.
pub(crate) struct Reloads {
    asks: mpsc::Sender<Ask>,
    heard: tokio::sync::Mutex<mpsc::Receiver<Ask>>,
    last: Mutex<Option<Last>>,
}

/// What became of the last reload.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    pub(crate) at: Timestamp,
    /// Why it was refused.
    pub(crate) refused: Option<Box<str>>,
}

/// Nobody loads a configuration now: another reload is under way, or nobody is there who could.
#[derive(Debug)]
pub(crate) struct Busy;

impl Reloads {
    pub(crate) fn new() -> Self {
        let (asks, heard) = mpsc::channel(1);
        Self {
            asks,
            heard: tokio::sync::Mutex::new(heard),
            last: Mutex::default(),
        }
    }

    /// Has the configuration read again, and waits for what comes of it.
    pub(crate) async fn ask(&self) -> Result<Result<(), String>, Busy> {
        let (told, answer) = oneshot::channel();
        self.asks.try_send(Ask(told)).map_err(|_| Busy)?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }

    pub(super) async fn asked(&self) -> Ask {
        match self.heard.lock().await.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await, // not while `asks` is there
        }
    }

    pub(super) fn note(&self, at: Timestamp, refused: Option<String>) {
        let cut = |text: String| text.chars().take(CAUSE_CHARACTERS).collect();
        let last = Last {
            at,
            refused: refused.map(cut),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// `None` before the first.
    pub(crate) fn last(&self) -> Option<Last> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
