use super::*;
use Standing::{Ejected, Returning, Serving};

/// Fails until it is ejected; for how many milliseconds.
fn eject(health: &Health, now: u64) -> u64 {
    for _ in 0..FAILURES {
        if let Some(length) = health.failed(now, now) {
            return u64::try_from(length.as_millis()).unwrap();
        }
    }
    panic!("not ejected after {FAILURES} failures");
}

/// How often each of these is taken in 10,000 requests.
fn shares(candidates: &[(Standing, usize)]) -> Vec<usize> {
    let mut shares = vec![0; candidates.len()];
    for chance in 0..10_000_u64 {
        let chance = mix(chance, 7);
        let index = choose(candidates.iter().copied(), Tried::default(), chance).unwrap();
        shares[index] += 1;
    }
    shares
}

#[test]
fn three_failures_in_a_row_eject_and_fewer_do_not() {
    let health = Health::default();
    for _ in 0..10 {
        assert_eq!(health.failed(1_000, 1_000), None);
        assert_eq!(health.failed(1_000, 1_000), None);
        health.succeeded(1_000, 1_000);
    }
    assert_eq!(health.standing(1_000), Serving);
    assert_eq!(eject(&health, 1_000), FIRST_EJECTION);
    assert_eq!(health.standing(1_000), Ejected);
    assert_eq!(health.standing(2_999), Ejected);
    assert_eq!(health.standing(3_000), Returning(5));
}

#[test]
fn each_ejection_is_twice_as_long_up_to_an_end_and_good_service_starts_anew() {
    let health = Health::default();
    let mut now = 1_000;
    let mut lengths = Vec::new();
    for _ in 0..9 {
        let length = eject(&health, now);
        lengths.push(length / 1_000);
        now += length;
    }
    assert_eq!(lengths, [2, 4, 8, 16, 32, 64, 120, 120, 120]);
    now += LONGEST_EJECTION + 1;
    assert_eq!(eject(&health, now), FIRST_EJECTION);
}

#[test]
fn while_it_returns_one_failure_is_enough() {
    let health = Health::default();
    let length = eject(&health, 1_000);
    let back = 1_000 + length;
    assert_eq!(health.standing(back + RETURN / 2), Returning(50));
    let now = back + RETURN / 2;
    assert_eq!(
        health.failed(now, now),
        Some(Duration::from_millis(2 * FIRST_EJECTION))
    );
    let now = now + 2 * FIRST_EJECTION + RETURN;
    assert_eq!(health.standing(now), Serving);
    assert_eq!(
        health.failed(now, now),
        None,
        "afterwards it takes three again"
    );
}

#[test]
fn what_was_asked_before_the_return_is_not_held_against_it() {
    let health = Health::default();
    let length = eject(&health, 1_000);
    for _ in 0..100 {
        assert_eq!(
            health.failed(500, 1_500),
            None,
            "asked before, failed while out"
        );
        assert_eq!(health.failed(1_500, 1_000 + length + 1), None);
    }
    assert_eq!(health.standing(1_000 + length), Returning(5));
}

#[test]
fn an_answer_while_it_is_out_brings_it_back() {
    let health = Health::default();
    eject(&health, 1_000);
    health.succeeded(900, 1_200);
    assert_eq!(
        health.standing(1_200),
        Ejected,
        "that was asked before it failed"
    );
    health.succeeded(1_300, 1_400);
    assert_eq!(health.standing(1_400), Returning(5));
}

#[test]
fn the_one_with_the_fewest_requests_is_taken() {
    let all = [(Serving, 3), (Serving, 1), (Serving, 2)];
    assert_eq!(shares(&all), [0, 10_000, 0]);
}

#[test]
fn those_alike_are_taken_alike() {
    for share in shares(&[(Serving, 1), (Serving, 5), (Serving, 1), (Serving, 1)]) {
        assert!(share == 0 || (3_100..3_570).contains(&share), "{share}");
    }
}

#[test]
fn one_that_returns_gets_a_growing_share() {
    let mut last = 0;
    for percent in [5, 25, 50, 75, 99] {
        let share = shares(&[(Serving, 0), (Returning(percent), 0)])[1];
        let expected = usize::from(percent) * 50;
        assert!(share.abs_diff(expected) < 300, "{percent}: {share}");
        assert!(share > last);
        last = share;
    }
}

#[test]
fn the_set_is_never_empty() {
    assert_eq!(shares(&[(Ejected, 0), (Serving, 900)]), [0, 10_000]);
    let all_out = shares(&[(Ejected, 1), (Ejected, 1)]);
    assert!(all_out.iter().all(|share| (4_700..5_300).contains(share)));
    assert_eq!(shares(&[(Ejected, 0), (Returning(5), 9)]), [0, 10_000]);
}

#[test]
fn each_is_tried_once() {
    let all = [(Serving, 0), (Ejected, 0), (Serving, 1)];
    let mut tried = Tried::default();
    let mut order = Vec::new();
    while let Some(index) = choose(all.iter().copied(), tried, 42) {
        tried.add(index);
        order.push(index);
    }
    assert_eq!(order, [0, 2, 1]);
}
