use proptest::prelude::*;

use super::*;

const A: Net = Net::V4(1);

fn budget(quota: u32, seconds: u64) -> Budget {
    Budget {
        quota,
        period: Duration::from_secs(seconds),
    }
}

impl Budgets {
    fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|one| one.lock().unwrap().len())
            .sum()
    }
}

#[test]
fn sec_70_a_budget_is_spent_at_once_and_comes_back_steadily() {
    let start = Instant::now();
    let budgets = Budgets::new(start);
    let ten = budget(10, 60);
    for _ in 0..10 {
        assert_eq!(budgets.take(A, ten, start), Ok(()));
    }
    assert_eq!(
        budgets.take(A, ten, start),
        Err(Duration::from_secs(6)),
        "one comes back every six seconds"
    );
    assert_eq!(
        budgets.take(Net::V4(2), ten, start),
        Ok(()),
        "others have their own"
    );
    let later = start + Duration::from_secs(6);
    assert_eq!(budgets.take(A, ten, later), Ok(()));
    assert!(budgets.take(A, ten, later).is_err());
    let whole = later + Duration::from_mins(1);
    for _ in 0..10 {
        assert_eq!(budgets.take(A, ten, whole), Ok(()));
    }
    assert!(
        budgets.take(A, ten, whole).is_err(),
        "no more than once the budget is saved up"
    );
}

#[test]
fn sec_70_what_was_refused_costs_nothing() {
    let start = Instant::now();
    let budgets = Budgets::new(start);
    let one = budget(1, 60);
    assert_eq!(budgets.take(A, one, start), Ok(()));
    for _ in 0..1000 {
        assert_eq!(budgets.take(A, one, start), Err(Duration::from_mins(1)));
    }
    assert_eq!(budgets.take(A, one, start + Duration::from_mins(1)), Ok(()));
}

#[test]
fn sec_70_what_is_given_back_can_be_taken_again() {
    let start = Instant::now();
    let budgets = Budgets::new(start);
    let one = budget(1, 60);
    assert_eq!(budgets.take(A, one, start), Ok(()));
    budgets.give_back(A, one);
    assert_eq!(budgets.take(A, one, start), Ok(()));
    assert!(budgets.take(A, one, start).is_err());
    budgets.give_back(Net::V4(9), one);
    assert_eq!(budgets.len(), 1, "nothing is kept of strangers");
}

#[test]
fn sec_70_the_table_is_bounded_and_forgets_the_least_guilty() {
    let start = Instant::now();
    let budgets = Budgets::with_room(start, 4, 16);
    let ten = budget(10, 60);
    while budgets.take(A, ten, start).is_ok() {}
    for stranger in 2..10_000 {
        assert_eq!(budgets.take(Net::V4(stranger), ten, start), Ok(()));
        assert!(budgets.len() <= 64);
    }
    assert!(
        budgets.take(A, ten, start).is_err(),
        "a crowd does not wash it clean"
    );
}

#[test]
fn sec_70_entries_go_when_they_have_run_out() {
    let start = Instant::now();
    let budgets = Budgets::with_room(start, 1, 1000);
    let one = budget(1, 1);
    let mut now = start;
    for stranger in 0..100_000 {
        now += Duration::from_millis(100);
        assert_eq!(budgets.take(Net::V4(stranger), one, now), Ok(()));
    }
    assert!(budgets.len() < 64, "ten are alive, not {}", budgets.len());
}

proptest! {
    /// Whatever comes when: never more than the budget and what came back meanwhile, and after the wait that was told there is one.
    #[test]
    fn sec_70_no_window_holds_more_than_was_promised(
        quota in 1_u32..50,
        seconds in 1_u64..120,
        gaps in prop::collection::vec(0_u64..3000, 1..300),
    ) {
        let start = Instant::now();
        let (budgets, budget) = (Budgets::new(start), budget(quota, seconds));
        let mut now = start;
        let mut taken: Vec<Instant> = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(gap);
            match budgets.take(A, budget, now) {
                Ok(()) => taken.push(now),
                Err(wait) => {
                    prop_assert!(wait <= budget.period);
                    prop_assert!(!wait.is_zero());
                    now += wait;
                    prop_assert_eq!(budgets.take(A, budget, now), Ok(()), "after the wait that was told");
                    taken.push(now);
                }
            }
        }
        for (i, first) in taken.iter().enumerate() {
            for (j, last) in taken.iter().enumerate().skip(i) {
                let window = nanoseconds(*last - *first);
                let promised = u64::from(quota) + window / budget.interval() + 1;
                prop_assert!(u64::try_from(j - i + 1).unwrap() <= promised);
            }
        }
    }

    /// Clocks of two threads may be read in one order and used in the other.
    #[test]
    fn sec_70_time_may_seem_to_go_backwards(gaps in prop::collection::vec(0_u64..5000, 1..100)) {
        let start = Instant::now();
        let budgets = Budgets::new(start + Duration::from_secs(2));
        for gap in gaps {
            let _ = budgets.take(A, budget(5, 3), start + Duration::from_millis(gap));
        }
        prop_assert!(budgets.len() <= 1);
    }

    #[test]
    fn sec_70_whatever_comes_the_table_keeps_its_bound(
        nets in prop::collection::vec((0_u32..5000, 0_u64..200), 1..3000),
    ) {
        let start = Instant::now();
        let budgets = Budgets::with_room(start, 8, 8);
        let mut now = start;
        for (net, gap) in nets {
            now += Duration::from_millis(gap);
            let _ = budgets.take(Net::V4(net), budget(3, 10), now);
            prop_assert!(budgets.len() <= 64);
        }
    }
}
