use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use config::{Clients, Pair};
use identity::Timestamp;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

/// 2030-01-01.
const NOW: u64 = 1_893_456_000;

fn pair(folder: &Path, name: &str, names: &[&str]) -> Pair {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2029, 1, 1), date_time_ymd(2031, 1, 1));
    let key = KeyPair::generate().unwrap();
    let path = |extension: &str| folder.join(format!("{name}.{extension}"));
    fs::write(path("crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(path("key"), key.serialize_pem()).unwrap();
    Pair {
        place: format!("place of {name}").into(),
        certificate: path("crt"),
        private_key: path("key"),
    }
}

fn settings(pairs: Vec<Pair>) -> config::Tls {
    config::Tls {
        pairs,
        min_version: TlsVersion::V1_2,
        clients: None,
    }
}

fn at(now: u64) -> Clock {
    Arc::new(move || Timestamp(now))
}

#[test]
fn sec_30_a_name_gets_its_own_certificate_then_a_wildcard_then_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(
        &settings(vec![
            pair(folder.path(), "a", &["a.example"]),
            pair(folder.path(), "b", &["B.example", "*.a.example"]),
            pair(folder.path(), "c", &["x.a.example", "a.example"]),
        ]),
        1,
        at(NOW),
    )
    .unwrap();
    let set = tls.set();
    for (name, index) in [
        ("a.example", 0),
        ("A.EXAMPLE", 0),
        ("b.example", 1),
        ("y.a.example", 1),
        ("x.a.example", 2),
        ("z.y.a.example", 0),
        ("*.a.example", 1),
        ("b.example.", 0),
        ("", 0),
        (".a.example", 1),
        ("example", 0),
    ] {
        assert_eq!(set.choose(name), index, "{name}");
    }
    let session = Session {
        set,
        served: 1,
        client: None,
    };
    for (host, good) in [
        ("b.example", true),
        ("B.example:8443", true),
        ("y.a.example:443", true),
        ("a.example", false),
        ("[::1]:443", false),
        ("[::1]", false),
    ] {
        assert_eq!(session.is_for(host), good, "{host}");
    }
}

#[test]
fn a_certificate_that_nobody_would_get_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let first = pair(folder.path(), "a", &[]);
    let second = pair(folder.path(), "b", &[]);
    let error = Tls::load(&settings(vec![first.clone(), second]), 1, at(NOW)).err();
    let error = error.unwrap().to_string();
    assert!(error.starts_with("place of b.certificate: has no DNS name"));
    assert!(Tls::load(&settings(vec![first]), 1, at(NOW)).is_ok());
}

#[test]
fn times_are_judged_by_the_clock_that_is_handed_in() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(vec![pair(folder.path(), "a", &["a.example"])]);
    let year = 365 * 24 * 60 * 60;
    for (now, told) in [
        (NOW - 2 * year, Some("is not valid before")),
        (NOW, None),
        (NOW + year, Some("has expired")), // at that very second
    ] {
        let error = Tls::load(&settings, 1, at(now)).err();
        let said = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            told.map_or(said.is_empty(), |told| said.contains(told)),
            "{said}"
        );
    }
    let time = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&time);
    let tls = Tls::load(
        &settings,
        1,
        Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))),
    );
    let tls = tls.unwrap();
    let (place, expires) = tls
        .set()
        .expiries()
        .next()
        .map(|(p, e)| (p.to_owned(), e))
        .unwrap();
    assert_eq!(place, "place of a");
    let left = i64::try_from(year).unwrap();
    assert_eq!(tls.seconds_left(expires), left);
    time.fetch_add(year + 5, Ordering::Relaxed);
    assert_eq!(tls.seconds_left(expires), -5);
}

#[test]
fn sessions_outlive_certificates_but_not_the_roots_of_clients() {
    let folder = tempfile::tempdir().unwrap();
    let first = pair(folder.path(), "a", &["a.example"]);
    let roots = pair(folder.path(), "roots", &[]).certificate;
    let mut settings = settings(vec![first]);
    settings.clients = Some(Clients {
        ca: roots,
        auth: ClientAuth::Optional,
    });
    let tls = Tls::load(&settings, 1, at(NOW)).unwrap();
    let settings = Arc::clone(&tls.current.load().settings);
    let tickets = || Arc::clone(&tls.current.load().tickets);
    let before = tickets();
    pair(folder.path(), "a", &["a.example"]);
    tls.replace(&settings, &Files::read(&settings).unwrap())
        .unwrap();
    assert!(Arc::ptr_eq(&before, &tickets()));
    pair(folder.path(), "roots", &[]);
    tls.replace(&settings, &Files::read(&settings).unwrap())
        .unwrap();
    let after = tickets();
    assert!(!Arc::ptr_eq(&before, &after));
    // Whoever came without a certificate while none was needed must not come back without one.
    let mut stricter = config::Tls::clone(&settings);
    stricter.clients.as_mut().unwrap().auth = ClientAuth::Required;
    tls.take(tls.prepare(&stricter).unwrap());
    assert!(!Arc::ptr_eq(&after, &tickets()));
}

#[test]
fn other_settings_are_taken_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let first = settings(vec![pair(folder.path(), "a", &["a.example"])]);
    let tls = Tls::load(&first, 1, at(NOW)).unwrap();
    let same = tls.prepare(&first).unwrap();
    assert!(Arc::ptr_eq(&same, &tls.current.load()), "nothing is new");
    let broken = Pair {
        certificate: folder.path().join("nowhere"),
        ..first.pairs[0].clone()
    };
    assert!(tls.prepare(&settings(vec![broken])).is_err());
    let second = settings(vec![pair(folder.path(), "b", &["b.example"])]);
    let prepared = tls.prepare(&second).unwrap();
    let place = || tls.set().expiries().next().unwrap().0.to_owned();
    assert_eq!(place(), "place of a", "prepared is not yet taken");
    // A change of the old files that is noticed only now is older than the new settings.
    let stale = Arc::clone(&tls.current.load().settings);
    tls.take(prepared);
    tls.replace(&stale, &Files::read(&stale).unwrap()).unwrap();
    assert_eq!(place(), "place of b");
}

#[test]
fn files_have_a_limit_and_roots_must_be_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(vec![pair(folder.path(), "a", &["a.example"])]);
    let ca = folder.path().join("ca.pem");
    settings.clients = Some(Clients {
        ca: ca.clone(),
        auth: ClientAuth::Optional,
    });
    for (text, told) in [
        (String::new(), "server.tls.client_ca: "),
        (
            " ".repeat(1 << 21),
            "server.tls.client_ca: is larger than 1 MiB",
        ),
    ] {
        fs::write(&ca, text).unwrap();
        let error = Tls::load(&settings, 1, at(NOW)).err().unwrap().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}
