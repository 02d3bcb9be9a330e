use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
const REQUEST: Deeds = Deeds {
    requests: 1,
    calls: 0,
};
const CALL: Deeds = Deeds {
    requests: 0,
    calls: 1,
};

/// The numbers of the guide.
const GUIDE: Rate = Rate {
    window: MINUTE,
    requests: Some(100),
    calls: Some(50),
};

fn rate(seconds: u64, requests: u32) -> Rate {
    Rate {
        window: Duration::from_secs(seconds),
        requests: Some(requests),
        calls: None,
    }
}

impl Windows {
    fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|one| one.lock().unwrap().len())
            .sum()
    }
}

/// One request, of which this many are tool calls, as the pipeline takes it: first the request, then the calls.
fn ask(windows: &Windows, who: &str, calls: u32, now: Instant) -> Result<(), Full> {
    let party = windows.party(who);
    windows.take(party, GUIDE, REQUEST, now)?;
    windows.take(party, GUIDE, Deeds { requests: 0, calls }, now)
}

#[test]
fn s0_60_the_51st_call_is_refused_lists_pass_to_100_and_after_the_window_all_is_well() {
    let start = Instant::now();
    let windows = Windows::new(start);
    for _ in 0..50 {
        assert_eq!(ask(&windows, "alice", 1, start), Ok(()));
    }
    let half = start + MINUTE / 2;
    let full = ask(&windows, "alice", 1, half).unwrap_err();
    assert_eq!(full.counted, Counted::Calls);
    assert_eq!((full.most, full.left), (50, 0));
    assert_eq!((full.window, full.wait), (MINUTE, MINUTE / 2));
    for _ in 51..100 {
        assert_eq!(ask(&windows, "alice", 0, half), Ok(()));
    }
    for calls in [0, 1] {
        let full = ask(&windows, "alice", calls, half).unwrap_err();
        assert_eq!(
            (full.counted, full.most, full.left),
            (Counted::Requests, 100, 0)
        );
    }
    assert_eq!(
        ask(&windows, "bob", 1, half),
        Ok(()),
        "others have their own"
    );
    let last = start + Duration::from_nanos(59_999_999_999);
    assert!(ask(&windows, "alice", 1, last).is_err());
    for _ in 0..50 {
        assert_eq!(ask(&windows, "alice", 1, start + MINUTE), Ok(()));
    }
    assert!(ask(&windows, "alice", 1, start + MINUTE).is_err());
}

#[test]
fn s0_60_a_window_opens_with_its_first_request_and_not_by_the_clock() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let (party, two) = (windows.party("alice"), rate(60, 2));
    let first = start + Duration::from_secs(59);
    assert_eq!(windows.take(party, two, REQUEST, first), Ok(()));
    let second = start + Duration::from_secs(61);
    assert_eq!(windows.take(party, two, REQUEST, second), Ok(()));
    let full = windows.take(party, two, REQUEST, second).unwrap_err();
    assert_eq!(full.wait, Duration::from_secs(58));
    assert_eq!(windows.take(party, two, REQUEST, first + MINUTE), Ok(()));
}

#[test]
fn bat_2_what_is_asked_for_together_is_taken_whole_or_not_at_all() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let party = windows.party("alice");
    let five = |requests| Deeds { requests, calls: 5 };
    for _ in 0..9 {
        assert_eq!(windows.take(party, GUIDE, five(10), start), Ok(()));
    }
    let full = windows.take(party, GUIDE, five(11), start).unwrap_err();
    assert_eq!((full.counted, full.left), (Counted::Requests, 10));
    let six = Deeds {
        requests: 10,
        calls: 6,
    };
    let full = windows.take(party, GUIDE, six, start).unwrap_err();
    assert_eq!((full.counted, full.left), (Counted::Calls, 5));
    assert_eq!(
        windows.take(party, GUIDE, five(10), start),
        Ok(()),
        "neither has taken anything"
    );
    let stranger = windows.party("bob");
    let all = Deeds {
        requests: 0,
        calls: 51,
    };
    let full = windows.take(stranger, GUIDE, all, start).unwrap_err();
    assert_eq!(
        (full.left, full.wait),
        (50, MINUTE),
        "it never fits, and opens nothing"
    );
    assert_eq!(windows.len(), 1);
}

#[test]
fn s0_61_a_limit_that_is_absent_is_none() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let party = windows.party("alice");
    for _ in 0..1000 {
        assert_eq!(windows.take(party, rate(60, 1), CALL, start), Ok(()));
    }
    assert_eq!(windows.take(party, rate(60, 1), REQUEST, start), Ok(()));
    assert!(windows.take(party, rate(60, 1), REQUEST, start).is_err());
}

#[test]
fn s0_60_a_changed_limit_applies_at_once_and_what_was_counted_stays() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let party = windows.party("alice");
    for _ in 0..10 {
        assert_eq!(windows.take(party, rate(60, 10), REQUEST, start), Ok(()));
    }
    let taken = |rate, at: u64| {
        let at = start + Duration::from_secs(at);
        windows.take(party, rate, REQUEST, at).map_err(|it| it.wait)
    };
    assert_eq!(taken(rate(60, 10), 20), Err(Duration::from_secs(40)));
    assert_eq!(taken(rate(60, 11), 20), Ok(()));
    assert_eq!(taken(rate(60, 5), 20), Err(Duration::from_secs(40)));
    assert_eq!(taken(rate(90, 11), 20), Err(Duration::from_secs(70)));
    assert_eq!(taken(rate(30, 11), 29), Err(Duration::from_secs(1)));
    assert_eq!(
        taken(rate(30, 1), 30),
        Ok(()),
        "a shorter window is over sooner"
    );
}

#[test]
fn s0_60_what_is_given_back_can_be_taken_again() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let party = windows.party("alice");
    assert_eq!(windows.take(party, rate(60, 1), REQUEST, start), Ok(()));
    windows.give_back(party, REQUEST);
    assert_eq!(windows.take(party, rate(60, 1), REQUEST, start), Ok(()));
    assert!(windows.take(party, rate(60, 1), REQUEST, start).is_err());
    windows.give_back(windows.party("bob"), REQUEST);
    assert_eq!(windows.len(), 1, "nothing is kept of strangers");
}

#[test]
fn sec_70_a_crowd_of_callers_does_not_grow_the_table_and_washes_nobody_clean() {
    let start = Instant::now();
    let windows = Windows::with_room(start, 4, 16);
    let ten = rate(60, 10);
    let guilty = windows.party("mallory");
    while windows.take(guilty, ten, REQUEST, start).is_ok() {}
    for stranger in 0..10_000 {
        let party = windows.party(stranger);
        assert_eq!(
            windows.take(party, ten, REQUEST, start),
            Ok(()),
            "nobody is locked out"
        );
        assert!(windows.len() <= 64);
    }
    assert!(windows.take(guilty, ten, REQUEST, start).is_err());
    // nor does one that comes from a route where more is allowed: shares are compared
    for stranger in 0..10_000 {
        let party = windows.party(("elsewhere", stranger));
        let deeds = Deeds {
            requests: 100,
            calls: 0,
        };
        assert_eq!(windows.take(party, rate(60, 1000), deeds, start), Ok(()));
    }
    assert!(windows.take(guilty, ten, REQUEST, start).is_err());
}

#[test]
fn sec_70_the_table_in_use_holds_65_536_parties_whatever_comes() {
    let start = Instant::now();
    let windows = Windows::new(start);
    for stranger in 0..100_000 {
        let party = windows.party(stranger);
        assert_eq!(windows.take(party, rate(3600, 10), REQUEST, start), Ok(()));
    }
    assert_eq!(windows.len(), 65_536);
    let room: usize = windows
        .shards
        .iter()
        .map(|one| one.lock().unwrap().capacity())
        .sum();
    assert!(room <= 256 * 448, "it has not grown beyond: {room}");
    let entry = size_of::<(Party, Window)>();
    assert!(entry <= 40, "4 MB: {entry}");
}

#[test]
fn s0_60_windows_that_have_ended_go() {
    let start = Instant::now();
    let windows = Windows::with_room(start, 1, 1000);
    let mut now = start;
    for stranger in 0..100_000 {
        now += SECOND / 10;
        let party = windows.party(stranger);
        assert_eq!(windows.take(party, rate(1, 1), REQUEST, now), Ok(()));
    }
    assert!(windows.len() < 64, "ten are alive, not {}", windows.len());
}

/// The rule as one would say it: of all that was taken, what belongs to the window that is open now?
fn open_now(taken: &[(u64, Deeds)], length: u64, now: u64) -> (u64, Deeds) {
    let mut window = (now, Deeds::default());
    let mut is_first = true;
    for (at, deeds) in taken {
        if is_first || *at >= window.0 + length {
            window = (*at, Deeds::default());
            is_first = false;
        }
        window.1.requests += deeds.requests;
        window.1.calls += deeds.calls;
    }
    if is_first || now >= window.0 + length {
        (now, Deeds::default())
    } else {
        window
    }
}

proptest! {
    /// Whatever comes when and from whom, the answer is that of the rule: yes or no, which limit, what is left, how long.
    #[test]
    fn s0_60_windows_are_those_of_the_rule(
        requests in prop::option::of(0_u32..8),
        calls in prop::option::of(0_u32..8),
        length in 1_u64..20,
        asked in prop::collection::vec((0_u64..4, 0_u8..3, 0_u32..4, 0_u32..4), 1..200),
    ) {
        let start = Instant::now();
        let windows = Windows::new(start);
        let rate = Rate { window: Duration::from_secs(length), requests, calls };
        let mut taken: HashMap<u8, Vec<(u64, Deeds)>> = HashMap::new();
        let mut seconds = 0;
        for (gap, who, requests, calls) in asked {
            seconds += gap;
            let taken = taken.entry(who).or_default();
            let (opened, done) = open_now(taken, length, seconds);
            let full = |counted, most: u32, done: u32| Full {
                counted,
                most,
                left: most.saturating_sub(done),
                window: rate.window,
                wait: Duration::from_secs(opened + length - seconds),
            };
            let expected = match (rate.requests, rate.calls) {
                (Some(most), _) if requests > 0 && done.requests + requests > most => {
                    Err(full(Counted::Requests, most, done.requests))
                }
                (_, Some(most)) if calls > 0 && done.calls + calls > most => {
                    Err(full(Counted::Calls, most, done.calls))
                }
                _ => Ok(()),
            };
            let wanted = Deeds { requests, calls };
            let now = start + Duration::from_secs(seconds);
            prop_assert_eq!(windows.take(windows.party(who), rate, wanted, now), expected);
            if expected.is_ok() {
                taken.push((seconds, wanted));
            }
        }
    }

    /// Clocks of two threads may be read in one order and used in the other.
    #[test]
    fn s0_60_time_may_seem_to_go_backwards(gaps in prop::collection::vec(0_u64..5000, 1..100)) {
        let start = Instant::now();
        let windows = Windows::new(start + Duration::from_secs(2));
        let party = windows.party("alice");
        for gap in gaps {
            let now = start + Duration::from_millis(gap);
            if let Err(full) = windows.take(party, rate(3, 5), REQUEST, now) {
                prop_assert!(full.wait <= Duration::from_secs(6) && !full.wait.is_zero());
            }
        }
        prop_assert_eq!(windows.len(), 1);
    }

    #[test]
    fn sec_70_whatever_comes_the_windows_keep_their_bound(
        asked in prop::collection::vec((0_u32..5000, 0_u64..200, 1_u64..30, 1_u32..20), 1..3000),
    ) {
        let start = Instant::now();
        let windows = Windows::with_room(start, 8, 8);
        let mut now = start;
        for (who, gap, length, most) in asked {
            now += Duration::from_millis(gap);
            let _ = windows.take(windows.party(who), rate(length, most), REQUEST, now);
            prop_assert!(windows.len() <= 64);
        }
    }
}

#[test]
fn s0_60_many_threads_never_take_more_than_the_most() {
    let start = Instant::now();
    let windows = Windows::new(start);
    let party = windows.party("alice");
    let taken: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..1000)
                        .filter(|_| windows.take(party, rate(60, 100), REQUEST, start).is_ok())
                        .count()
                })
            })
            .collect();
        workers.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(taken, 100);
}
