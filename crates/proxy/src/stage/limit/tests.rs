use super::*;

fn budgets() -> (Budgets, Instant) {
    let now = Instant::now();
    (Budgets::new(now), now)
}

const TWO: Budget = Budget {
    quota: 2,
    period: Duration::from_mins(1),
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn sec_70_addresses_of_one_link_share_a_budget() {
    let (budgets, now) = budgets();
    for (address, good) in [
        ("2001:db8::1", true),
        ("2001:db8::2", true),
        ("2001:db8::3", false),
        ("2001:db8:0:1::1", true),
        ("192.0.2.1", true),
        ("::ffff:192.0.2.1", true),
        ("192.0.2.1", false),
        ("192.0.2.2", true),
    ] {
        let spent = spend(&budgets, ip(address), TWO, now);
        assert_eq!(spent.is_ok(), good, "{address}");
    }
}

#[test]
fn sec_70_a_site_has_ten_times_the_budget_of_a_link() {
    let (budgets, now) = budgets();
    let address = |link: u16, host: u16| ip(&format!("2001:db8:7:{link:x}::{host:x}"));
    for link in 0..20 {
        assert!(spend(&budgets, address(link, 1), TWO, now).is_ok());
    }
    let Err(Exceeded::Failures { budget, wait }) = spend(&budgets, address(99, 1), TWO, now) else {
        panic!("every link is new, and the site has had its twenty");
    };
    assert_eq!((budget.quota, wait), (20, Duration::from_secs(3)));
    // a link that was turned away for its site has paid nothing
    let later = now + Duration::from_secs(6);
    assert!(spend(&budgets, address(99, 1), TWO, later).is_ok());
    assert!(spend(&budgets, address(99, 1), TWO, later).is_ok());
    // and one that has used up its own does not use up the site's
    let much_later = later + Duration::from_mins(2);
    for _ in 0..100 {
        let _ = spend(&budgets, address(1, 1), TWO, much_later);
    }
    assert!(spend(&budgets, address(2, 1), TWO, much_later).is_ok());
}

fn shown(exceeded: &Exceeded) -> [String; 2] {
    let mut headers = HeaderMap::new();
    exceeded.apply(&mut headers);
    ["ratelimit", "ratelimit-policy"].map(|name| headers[name].to_str().unwrap().to_owned())
}

#[test]
fn sec_70_the_fields_are_those_of_the_draft() {
    let wait = Duration::from_millis(1500);
    assert_eq!(
        shown(&Exceeded::Failures { budget: TWO, wait }),
        ["\"failures\";r=0;t=2", "\"failures\";q=2;w=60"]
    );
    assert_eq!(
        shown(&Exceeded::StreamsOfCaller(64)),
        [
            "\"streams-of-caller\";r=0",
            "\"streams-of-caller\";q=64;qu=\"concurrent-requests\""
        ]
    );
    assert_eq!(
        shown(&Exceeded::StreamsOfAddress(1000)),
        [
            "\"streams-of-address\";r=0",
            "\"streams-of-address\";q=1000;qu=\"concurrent-requests\""
        ]
    );
}

#[test]
fn s0_60_rlim_the_fields_of_a_rate_say_what_is_left_of_what_and_for_how_long() {
    let now = Instant::now();
    let windows = Windows::new(now);
    let rate = Rate {
        window: Duration::from_mins(1),
        requests: Some(100),
        calls: Some(50),
    };
    let deeds = |requests, calls| window::Deeds { requests, calls };
    let party = windows.party("alice");
    assert_eq!(windows.take(party, rate, deeds(0, 47), now), Ok(()));
    let later = now + Duration::from_millis(17_001);
    let full = windows.take(party, rate, deeds(0, 4), later).unwrap_err();
    assert_eq!(
        Exceeded::Rate(full).to_string(),
        "more tool calls of this caller on this route than 50 in 60s, 3 were left"
    );
    assert_eq!(
        whole_seconds(Exceeded::Rate(full).retry_after()),
        43,
        "rounded up"
    );
    assert_eq!(
        shown(&Exceeded::Rate(full)),
        ["\"tool-calls\";r=3;t=43", "\"tool-calls\";q=50;w=60"]
    );
    let full = windows.take(party, rate, deeds(101, 0), later).unwrap_err();
    assert_eq!(
        shown(&Exceeded::Rate(full)),
        ["\"requests\";r=100;t=43", "\"requests\";q=100;w=60"]
    );
}

#[test]
fn sec_70_the_wait_is_never_told_too_short() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
        assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
    }
}

#[test]
fn sec_55_a_stream_is_asked_for_in_any_case_and_company() {
    for (accept, asked) in [
        ("text/event-stream", true),
        ("application/json, Text/Event-Stream;q=0.5", true),
        ("application/json", false),
        ("*/*", false),
        ("", false),
    ] {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(asks_for_events(&headers), asked, "{accept}");
    }
    assert!(!asks_for_events(&HeaderMap::new()));
}
