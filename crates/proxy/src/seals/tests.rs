use super::*;

const ANN: Holder<'_> = Holder {
    issuer: "https://idp.example",
    kind: "user",
    subject: "ann",
    client_id: None,
};
const BOB: Holder<'_> = Holder {
    subject: "bob",
    ..ANN
};
const SERVERS: [&str; 2] = ["http://10.0.0.1:8080", "unix:/run/mcp.sock"];

fn keys(materials: &[u8]) -> Arc<Keys> {
    let materials: Vec<_> = materials.iter().map(|byte| vec![*byte; 32]).collect();
    Keys::made(&materials, "https://mcp.example")
}

fn seals(keys: &Arc<Keys>, servers: &[&str]) -> Seals {
    Seals::new(keys, "/mcp", servers.iter().copied())
}

fn made(by: &Seals, server: usize) -> Seal {
    by.seal(Use::Session, Some(ANN), server, b"id").unwrap()
}

fn opened(by: &Seals, seal: &Seal) -> Option<Known> {
    by.open(Use::Session, Some(ANN), seal, b"id")
}

#[test]
fn sec_54_a_seal_is_its_holders_alone() {
    let seals = seals(&keys(&[1]), &SERVERS);
    let seal = made(&seals, 1);
    assert_eq!(opened(&seals, &seal), Some(Known { server: Some(1) }));
    assert_eq!(seals.open(Use::Session, Some(BOB), &seal, b"id"), None);
    assert_eq!(seals.open(Use::Session, None, &seal, b"id"), None);
    assert_eq!(seals.open(Use::Session, Some(ANN), &seal, b"ie"), None);
    assert_eq!(seals.open(Use::Messages, Some(ANN), &seal, b"id"), None);
    let other = Seals::new(&keys(&[1]), "/other", SERVERS.into_iter());
    assert_eq!(opened(&other, &seal), None);
    assert!(seals.seal(Use::Session, None, 2, b"id").is_none());
}

#[test]
fn sec_54_sec_72_keys_make_what_all_gateways_with_them_know() {
    let (one, other) = (seals(&keys(&[1]), &SERVERS), seals(&keys(&[1]), &SERVERS));
    assert_eq!(made(&one, 0).to_string(), made(&other, 0).to_string());
    let elsewhere = Keys::made(&[vec![1; 32]], "https://other.example");
    let elsewhere = Seals::new(&elsewhere, "/mcp", SERVERS.into_iter());
    assert_eq!(opened(&elsewhere, &made(&one, 0)), None);
    let own = |own: &OwnKey| seals(&Keys::made(&[own.0.to_vec()], ""), &SERVERS);
    let (mine, yours) = (OwnKey::new(), OwnKey::new());
    assert!(opened(&own(&mine), &made(&own(&mine), 0)).is_some());
    assert_eq!(opened(&own(&yours), &made(&own(&mine), 0)), None);
}

#[test]
fn sec_54_sec_72_the_first_key_makes_and_all_of_them_verify() {
    let [old, both, new] = [&[1][..], &[2, 1], &[2]].map(|of| seals(&keys(of), &SERVERS));
    let (before, after) = (made(&old, 1), made(&both, 1));
    assert_eq!(opened(&both, &before), Some(Known { server: Some(1) }));
    assert_eq!(opened(&both, &after), Some(Known { server: Some(1) }));
    assert_eq!(opened(&new, &after), Some(Known { server: Some(1) }));
    assert_eq!(opened(&new, &before), None);
    assert_eq!(opened(&old, &after), None);
    assert_ne!(before.key, after.key);
    assert_ne!(before.server, after.server, "an address cannot be followed");
}

#[test]
fn sec_54_a_server_is_known_by_its_name_and_not_by_its_place() {
    let keys = keys(&[1]);
    let seal = made(&seals(&keys, &SERVERS), 1);
    let turned = seals(&keys, &[SERVERS[1], "http://new:1", SERVERS[0]]);
    assert_eq!(opened(&turned, &seal), Some(Known { server: Some(0) }));
    let gone = seals(&keys, &SERVERS[..1]);
    assert_eq!(opened(&gone, &seal), Some(Known { server: None }));
}

#[test]
fn sec_72_what_is_derived_stays_the_same_from_one_release_to_the_next() {
    let key = Key::of(&[7; 32], "https://mcp.example");
    // as Python's hmac computes it
    let seen = (
        key.id,
        key.server("http://a:1"),
        key.mac(b"message")[..4].to_vec(),
    );
    assert_eq!(
        seen,
        (
            [130, 38, 98],
            [227, 158, 143, 251, 205, 76],
            vec![242, 72, 216, 233]
        )
    );
}
