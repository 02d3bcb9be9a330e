use std::collections::BTreeSet;
use std::io;
use std::sync::{Condvar, Mutex};

use http::{HeaderValue, Method};
use serde_json::Value;

use super::*;

mod lines;
mod places;
mod promises;

/// A sink in our hands. Clones are the same one.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    /// What was written to the sink that is open, and to those before it.
    text: String,
    before: Vec<String>,
    /// Bytes that still have room; `None` is no limit.
    room: Option<usize>,
    /// Whether a write takes for ever.
    hangs: bool,
    /// Whether what was written stays.
    is_pipe: bool,
    /// Whether the next look finds another file.
    rotated: bool,
    attempts: usize,
}

impl Disk {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until it is so.
    #[track_caller]
    fn until(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().unwrap();
        let waited = self
            .0
            .1
            .wait_timeout_while(state, LONG, |state| !is_so(state));
        assert!(!waited.unwrap().1.timed_out());
    }

    fn lines(&self) -> Vec<Value> {
        let state = self.0.0.lock().unwrap();
        let lines = state.text.lines().map(serde_json::from_str::<Value>);
        lines
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {}", state.text))
    }
}

impl Sink for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        state.attempts += 1;
        self.0.1.notify_all();
        let mut state = self.0.1.wait_while(state, |state| state.hangs).unwrap();
        let count = state.room.unwrap_or(usize::MAX).min(bytes.len());
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - count);
        state
            .text
            .push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        self.0.1.notify_all();
        Ok(count)
    }

    fn take_back(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        if state.is_pipe {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let whole = state.text.len() - bytes.len();
        assert_eq!(
            state.text.as_bytes()[whole..],
            *bytes,
            "only the last bytes are taken back"
        );
        state.text.truncate(whole);
        Ok(())
    }

    fn look_after(&mut self, _: bool) -> io::Result<bool> {
        let mut state = self.0.0.lock().unwrap();
        if !std::mem::take(&mut state.rotated) {
            return Ok(false);
        }
        let old = std::mem::take(&mut state.text);
        state.before.push(old);
        self.0.1.notify_all();
        Ok(true)
    }
}

fn settings(level: AuditLevel, on_full: OnFull) -> config::Audit {
    config::Audit {
        sink: AuditSink::Stdout,
        level,
        on_full,
        queue: 16,
    }
}

fn begin(on_full: OnFull) -> (Audit, Disk) {
    let disk = Disk::default();
    let opened = Opened {
        settings: settings(AuditLevel::Info, on_full),
        sink: Box::new(disk.clone()),
    };
    let wall: WallClock = || Duration::from_secs(1);
    let listeners = ["127.0.0.1:80".parse().unwrap()];
    let audit = opened
        .begin(&listeners, wall, &Metrics::new(identity::Timestamp(0)))
        .unwrap();
    (audit, disk)
}

fn request(outcome: Outcome, reason: &'static str, reference: &str) -> Event {
    Event::Request(Box::new(Decision {
        reference: HeaderValue::from_str(reference).unwrap(),
        route: RouteName::Other("none"),
        client: "192.0.2.7".parse().unwrap(),
        caller: None,
        heard: None,
        method: Method::POST,
        outcome,
        reason,
        needed: None,
        rehearsed: None,
        detail: (!reason.is_empty()).then(|| "so\nit is".into()),
        status: Some(200),
        duration: Duration::from_millis(3),
    }))
}

async fn allowed(audit: &Audit, reference: &str) -> Result<(), Unaccountable> {
    let place = audit.place().await?;
    audit.record(place, request(Outcome::Allowed, "", reference));
    Ok(())
}

async fn refused(audit: &Audit, reference: &str) {
    let place = audit.place_of_refusal().await;
    audit.record(place, request(Outcome::Refused, "expired", reference));
}

fn references(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["reference"].as_str())
        .collect()
}

fn missing(lines: &[Value]) -> u64 {
    let gaps = lines.iter().filter(|line| line["event"] == "gap");
    gaps.map(|gap| gap["records"].as_u64().unwrap()).sum()
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn s0_56_the_trail_begins_with_start_and_ends_with_stop() {
    let (audit, disk) = begin(OnFull::Block);
    allowed(&audit, "a").await.unwrap();
    refused(&audit, "b").await;
    let reload = |refused: Option<&str>| Event::Reload {
        refused: refused.map(Into::into),
    };
    audit.record(None, reload(None));
    audit.record(None, reload(Some("routes: is missing")));
    audit.end(LONG).await;
    let lines = disk.lines();
    assert_eq!(
        lines
            .iter()
            .map(|line| line["event"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["start", "request", "request", "reload", "reload", "stop"]
    );
    assert_eq!(lines[0]["listeners"], serde_json::json!(["127.0.0.1:80"]));
    assert_eq!(lines[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(lines[1]["decision"], "allowed");
    assert_eq!(lines[1].get("reason"), None);
    assert_eq!(
        (&lines[2]["decision"], &lines[2]["reason"]),
        (&"refused".into(), &"expired".into())
    );
    assert_eq!(
        (&lines[4]["decision"], &lines[4]["reason"]),
        (&"refused".into(), &"routes: is missing".into())
    );
    assert_eq!(audit.metrics.written.get(), 6);
    audit.end(LONG).await; // once is enough, and twice is no harm
    assert_eq!(disk.lines().len(), 6);
}

#[tokio::test]
async fn s0_56_fields_stand_in_the_order_of_the_contract() {
    let (audit, disk) = begin(OnFull::Block);
    refused(&audit, "a").await;
    audit.end(LONG).await;
    let text = disk.0.0.lock().unwrap().text.clone();
    assert_eq!(
        text.lines().nth(1),
        Some(
            r#"{"time":"1970-01-01T00:00:01.000Z","event":"request","reference":"a","route":"none","client_address":"192.0.2.7","method":"POST","decision":"refused","reason":"expired","detail":"so\u000ait is","status":200,"duration_ms":3}"#
        )
    );
}

#[tokio::test(start_paused = true)]
async fn sec_78_while_the_disk_is_full_nothing_is_allowed_and_every_line_stays_whole() {
    let (audit, disk) = begin(OnFull::Block);
    allowed(&audit, "before").await.unwrap();
    disk.until(|state| state.text.contains("before"));
    disk.set(|state| state.room = Some(40)); // the middle of a line
    allowed(&audit, "at-the-edge").await.unwrap(); // nobody could know
    disk.until(|state| state.attempts >= 5); // it is tried again
    assert_eq!(audit.metrics.written.get(), 2, "lines that are whole");
    assert!(!audit.is_ready());
    assert_eq!(
        references(&disk.lines()),
        ["before"],
        "no part of a line is left behind"
    );
    allowed(&audit, "no").await.unwrap_err();
    refused(&audit, "yes").await;
    assert_eq!(audit.metrics.working.get(), 0);

    disk.set(|state| state.room = None);
    disk.until(|state| state.text.contains("yes"));
    while !audit.is_ready() {
        std::thread::yield_now();
    }
    allowed(&audit, "after").await.unwrap();
    tokio::time::resume(); // the writer has a clock of its own
    audit.end(LONG).await;
    let lines = disk.lines();
    assert_eq!(
        references(&lines),
        ["before", "at-the-edge", "yes", "after"]
    );
    assert_eq!(
        missing(&lines),
        0,
        "what had a place was kept and written later"
    );
    assert_eq!(audit.metrics.working.get(), 1);
}

#[tokio::test]
async fn sec_78_who_waits_for_a_disk_that_has_room_again_in_time_goes_on() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.room = Some(0));
    allowed(&audit, "a").await.unwrap();
    disk.until(|state| state.attempts >= 3);
    while audit.is_ready() {
        std::thread::yield_now();
    }
    // the writer tries again within the two seconds
    let waiting = allowed(&audit, "b");
    let freed = async {
        disk.set(|state| state.room = None);
        disk.until(|state| state.text.contains("\"a\""));
    };
    let (waited, ()) = tokio::join!(waiting, freed);
    waited.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sec_78_a_full_queue_refuses_and_a_gap_says_what_is_missing() {
    let (audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.hangs = true);
    let mut kept = BTreeSet::new();
    for i in 0..16 {
        allowed(&audit, &i.to_string()).await.unwrap();
        kept.insert(i.to_string());
        disk.until(|state| state.attempts >= 2); // the writer is in it
    }
    let begun = Instant::now();
    allowed(&audit, "no").await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 2);
    for _ in 0..3 {
        let begun = Instant::now();
        refused(&audit, "lost").await;
        assert_eq!(begun.elapsed().as_secs(), 2);
    }
    audit.record(None, request(Outcome::ClientGone, "client_gone", "lost"));
    assert_eq!(audit.metrics.dropped.get(), 4);
    disk.set(|state| state.hangs = false);
    tokio::time::resume(); // the writer has a clock of its own
    audit.end(LONG).await;
    let lines = disk.lines();
    assert_eq!(
        references(&lines)
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>(),
        kept
    );
    let gap = lines.iter().find(|line| line["event"] == "gap").unwrap();
    assert_eq!(gap["since"], "1970-01-01T00:00:01.000Z");
    assert_eq!(gap["until"], "1970-01-01T00:00:01.000Z");
    assert_eq!(gap["records"], 4);
    assert_eq!(
        gap["missing"],
        serde_json::json!([
            { "decision": "refused", "reason": "expired", "count": 3 },
            { "decision": "client_gone", "reason": "client_gone", "count": 1 },
        ])
    );
    assert_eq!(lines.last().unwrap()["event"], "stop");
}

#[tokio::test(start_paused = true)]
async fn sec_78_with_drop_nobody_waits_and_all_are_counted() {
    let (audit, disk) = begin(OnFull::Drop);
    disk.set(|state| state.room = Some(0));
    let begun = Instant::now();
    for i in 0..50 {
        allowed(&audit, &i.to_string()).await.unwrap();
        refused(&audit, &i.to_string()).await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(audit.is_ready());
    assert_eq!(audit.metrics.dropped.get(), 84);
    disk.set(|state| state.room = None);
    tokio::time::resume(); // the writer has a clock of its own
    audit.end(LONG).await;
    let lines = disk.lines();
    assert_eq!((references(&lines).len(), missing(&lines)), (16, 84));
}

#[tokio::test(start_paused = true)]
async fn sec_78_refusals_alone_need_no_leave_and_do_not_wait_for_a_disk_that_fails() {
    let (mut audit, disk) = begin(OnFull::Block);
    disk.set(|state| state.room = Some(0));
    audit.level = AuditLevel::Refusals;
    assert!(audit.records(Outcome::Refused) && audit.records(Outcome::Failed));
    assert!(!audit.records(Outcome::Allowed) && !audit.records(Outcome::ClientGone));
    refused(&audit, "0").await;
    disk.until(|state| state.attempts >= 3);
    let begun = Instant::now();
    for i in 1..20 {
        refused(&audit, &i.to_string()).await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(audit.is_ready(), "what is allowed needs no record");
    disk.set(|state| state.room = None);
    tokio::time::resume(); // the writer has a clock of its own
    audit.end(LONG).await;
    assert_eq!(missing(&disk.lines()), 4);
}

/// What a pipe has taken it keeps.
#[test]
fn s0_56_without_its_first_line_nothing_begins() {
    let disk = Disk::default();
    disk.set(|state| state.room = Some(10));
    let opened = Opened {
        settings: settings(AuditLevel::Info, OnFull::Drop),
        sink: Box::new(disk),
    };
    let wall: WallClock = || Duration::ZERO;
    let error = opened
        .begin(&[], wall, &Metrics::new(identity::Timestamp(0)))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("the audit trail cannot be written: "),
        "{error}"
    );
}
