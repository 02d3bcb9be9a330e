use std::time::Duration;

use crate::check::route::tests::{field, read, route};
use crate::testing::{good, warnings};
use crate::{RateLimit, resolved};

#[track_caller]
fn limit(fields: &str) -> RateLimit {
    read(&format!("rate_limit: {{ {fields} }}"))
        .rate_limit
        .unwrap()
}

#[test]
fn s0_60_a_window_and_two_counts() {
    assert_eq!(read("").rate_limit, None);
    assert_eq!(
        limit("window: 60s, max_requests: 100, max_tool_calls: 50"),
        RateLimit {
            window: Duration::from_mins(1),
            max_requests: Some(100),
            max_tool_calls: Some(50),
        }
    );
    assert_eq!(
        limit("window: 1d, max_requests: 1000000").max_tool_calls,
        None
    );
    assert_eq!(limit("window: 1s, max_tool_calls: 1").max_requests, None);
}

#[test]
fn s0_61_a_window_is_a_minute_and_an_absent_count_no_limit() {
    let found = limit("max_requests: 100");
    assert_eq!(found.window, Duration::from_mins(1));
    assert_eq!(found.max_tool_calls, None);
    let printed = resolved(&good(&route("rate_limit: { max_requests: 100 }")));
    assert!(
        printed.contains("rate_limit:\n    window: 1m\n    max_requests: 100\n  identity:"),
        "{printed}"
    );
}

#[test]
fn s0_60_what_limits_nothing_is_an_error() {
    for empty in ["{}", "{ window: 10s }", ""] {
        field(
            &format!("rate_limit: {empty}"),
            "rate_limit",
            "limits nothing",
        );
    }
    for (written, key, reason) in [
        (
            "window: 999ms, max_requests: 1",
            "window",
            "must be at least 1s",
        ),
        (
            "window: 25h, max_requests: 1",
            "window",
            "must be at most 1d",
        ),
        ("max_requests: 0", "max_requests", "must be at least 1"),
        (
            "max_tool_calls: 1000001",
            "max_tool_calls",
            "must be at most 1000000",
        ),
        (
            "max_requests: 1, shared: true",
            "shared",
            "is not supported yet",
        ),
    ] {
        field(
            &format!("rate_limit: {{ {written} }}"),
            &format!("rate_limit.{key}"),
            reason,
        );
    }
    field(
        "transport: http, rate_limit: { max_tool_calls: 1 }",
        "rate_limit.max_tool_calls",
        "has no effect with transport http",
    );
    assert_eq!(
        warnings(&route("rate_limit: { max_requests: 5, max_tool_calls: 6 }")),
        [
            "routes[0].rate_limit.max_tool_calls: is more than max_requests, which ends the calls before"
        ]
    );
}
