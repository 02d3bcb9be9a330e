//! One question about one token at a time: whoever comes while it is under way waits for the same answer.
//!
//! A question belongs to nobody: it is a task of its own, so whoever leaves takes nothing from those who stay. One that nobody waits
//! for any more is not sent at all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Questions about one provider's tokens that are under way or waiting, all together.
const MOST: usize = 4096;

/// SHA-256 of a token.
pub(crate) type Key = [u8; 32];

/// The questions under way.
pub(crate) struct Flights<T>(Mutex<Open<T>>);

struct Open<T> {
    /// For each token the latest question.
    latest: HashMap<Key, Latest<T>, foldhash::fast::RandomState>,
    next: u64,
}

struct Latest<T> {
    number: u64,
    /// Whether it has been put to the provider.
    sent: bool,
    answer: Arc<watch::Sender<Option<T>>>,
}

/// A question that begins.
pub(crate) struct Flight<T> {
    flights: Arc<Flights<T>>,
    key: Key,
    number: u64,
    answer: Arc<watch::Sender<Option<T>>>,
    /// The one before, which must end first.
    before: Option<watch::Receiver<Option<T>>>,
}

/// Whoever waits for an answer; `None` when there will be none.
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

/// What somebody who wants to know gets.
pub(crate) enum Joined<T> {
    /// The question is under way.
    Waiting(Waiter<T>),
    /// It is not: whoever came first has to put it, in a task of its own.
    First(Flight<T>, Waiter<T>),
    /// There are too many.
    Full,
}

impl<T: Clone> Flights<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Open {
            latest: HashMap::default(),
            next: 0,
        })))
    }

    /// Joins the question about this token. With `fresh` only one counts that has not been sent yet: its answer will be younger than
    /// whoever asks.
    pub(crate) fn join(self: &Arc<Self>, key: Key, fresh: bool) -> Joined<T> {
        let mut open = self.open();
        let open = &mut *open;
        let number = open.next;
        let full = open.latest.len() >= MOST;
        let (answer, waiter) = watch::channel(None);
        let answer = Arc::new(answer);
        let latest = Latest {
            number,
            sent: false,
            answer: Arc::clone(&answer),
        };
        let before = match open.latest.entry(key) {
            Entry::Occupied(known) if !(fresh && known.get().sent) => {
                return Joined::Waiting(Waiter(known.get().answer.subscribe()));
            }
            // its task goes on and answers those who wait for it
            Entry::Occupied(mut sent) => Some(sent.insert(latest).answer.subscribe()),
            Entry::Vacant(_) if full => return Joined::Full,
            Entry::Vacant(place) => {
                place.insert(latest);
                None
            }
        };
        open.next += 1;
        let flight = Flight {
            flights: Arc::clone(self),
            key,
            number,
            answer,
            before,
        };
        Joined::First(flight, Waiter(waiter))
    }

    fn open(&self) -> MutexGuard<'_, Open<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.open().latest.len()
    }
}

impl<T: Clone> Waiter<T> {
    /// As soon as it is there.
    pub(crate) async fn answer(mut self) -> Option<T> {
        let answered = self.0.wait_for(Option::is_some).await.ok()?;
        answered.clone()
    }
}

impl<T: Clone> Flight<T> {
    /// The token it is about.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Waits for the question before this one: so a token costs one call at a time, however many ask for a fresh answer.
    pub(crate) async fn turn(&mut self) {
        if let Some(mut before) = self.before.take() {
            let _ended = before.wait_for(Option::is_some).await;
        }
    }

    /// The question is put now: who needs a fresh answer and comes after this does not join any more. False if nobody waits for it.
    pub(crate) fn depart(&self) -> bool {
        let mut open = self.flights.open();
        let wanted = self.answer.receiver_count() > 0;
        if let Entry::Occupied(mut latest) = open.latest.entry(self.key)
            && latest.get().number == self.number
        {
            if wanted {
                latest.get_mut().sent = true;
            } else {
                latest.remove(); // under the same lock, or somebody could join what never departs
            }
        }
        wanted
    }

    /// The answer, for everybody who waits.
    pub(crate) fn land(self, answer: T) {
        // first out of the map, or somebody could join who never hears of it
        self.leave();
        self.answer.send_replace(Some(answer));
    }
}

impl<T> Flight<T> {
    fn leave(&self) {
        let mut open = self
            .flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(latest) = open.latest.entry(self.key)
            && latest.get().number == self.number
        {
            latest.remove();
        }
    }
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];

    fn first<T: Clone>(flights: &Arc<Flights<T>>, fresh: bool) -> (Flight<T>, Waiter<T>) {
        match flights.join(KEY, fresh) {
            Joined::First(flight, waiter) => (flight, waiter),
            Joined::Waiting(_) | Joined::Full => panic!("somebody else is first"),
        }
    }

    fn joined<T: Clone>(flights: &Arc<Flights<T>>, fresh: bool) -> Waiter<T> {
        match flights.join(KEY, fresh) {
            Joined::Waiting(waiter) => waiter,
            Joined::First(..) | Joined::Full => panic!("nothing to join"),
        }
    }

    #[tokio::test]
    async fn a_thousand_who_ask_at_once_hear_one_answer() {
        let flights = Flights::new();
        let (flight, one) = first(&flights, false);
        let others: Vec<_> = (1..1000).map(|_| joined(&flights, false)).collect();
        assert!(flight.depart());
        let late = joined(&flights, false);
        flight.land("yes");
        for waiter in others.into_iter().chain([one, late]) {
            assert_eq!(waiter.answer().await, Some("yes"));
        }
        assert_eq!(flights.len(), 0);
        first(&flights, false);
    }

    #[tokio::test]
    async fn who_leaves_takes_nothing_from_the_others() {
        let flights = Flights::new();
        let (flight, one) = first(&flights, false);
        let other = joined(&flights, false);
        drop(one);
        assert!(flight.depart());
        flight.land(1);
        assert_eq!(other.answer().await, Some(1));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_asked() {
        let flights = Flights::<()>::new();
        let (flight, one) = first(&flights, false);
        drop(one);
        assert!(!flight.depart());
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn x18_a_fresh_answer_is_of_a_question_put_after_one_came() {
        let flights = Flights::new();
        let (sent, one) = first(&flights, true);
        let two = joined(&flights, true); // not sent yet: it is younger than both
        assert!(sent.depart());
        let (mut next, three) = first(&flights, true);
        let four = joined(&flights, true);
        let patient = joined(&flights, false);
        let turn = tokio::spawn(async move {
            next.turn().await;
            next
        });
        tokio::task::yield_now().await;
        assert!(!turn.is_finished(), "one call at a time");
        sent.land("old");
        let next = turn.await.unwrap();
        let five = joined(&flights, true);
        assert!(next.depart());
        let (_, _six) = first(&flights, true);
        next.land("new");
        for (waiter, answer) in [
            (one, "old"),
            (two, "old"),
            (three, "new"),
            (four, "new"),
            (five, "new"),
            (patient, "new"),
        ] {
            assert_eq!(waiter.answer().await, Some(answer));
        }
    }

    #[tokio::test]
    async fn a_question_that_ends_without_an_answer_keeps_nobody_waiting() {
        let flights = Flights::<()>::new();
        let (flight, one) = first(&flights, false);
        flight.depart();
        drop(flight);
        assert_eq!(one.answer().await, None);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn there_are_never_more_than_so_many() {
        let flights = Flights::<()>::new();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            key
        };
        let held: Vec<_> = (0..MOST)
            .map(|number| flights.join(key(number), false))
            .collect();
        assert!(matches!(flights.join(KEY, false), Joined::Full));
        assert!(matches!(flights.join(key(0), false), Joined::Waiting(_)));
        drop(held);
        assert!(matches!(flights.join(KEY, false), Joined::First(..)));
    }
}
