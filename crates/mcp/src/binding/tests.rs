use proptest::prelude::*;

use super::*;

/// Not secret and not short of collisions by design, but every byte counts: enough to see what goes in.
fn mac(message: &[u8]) -> Mac {
    let mut state = [0_u8; 32];
    for (i, byte) in message.iter().enumerate() {
        let before = state[(i + 31) % 32];
        state[i % 32] = state[i % 32]
            .wrapping_mul(31)
            .wrapping_add(byte.rotate_left(3))
            .wrapping_add(before)
            .wrapping_add(1);
    }
    state
}

fn verify(message: &[u8], tag: &Mac) -> bool {
    mac(message) == *tag
}

const ANN: Holder<'_> = Holder {
    issuer: "https://idp.example",
    kind: "user",
    subject: "ann",
    client_id: Some("editor"),
};

const TERMS: Terms<'_> = Terms {
    of: Use::Session,
    route: "/mcp",
    holder: Some(ANN),
    server: [1, 2, 3, 4, 5, 6],
    id: b"5f3c",
};

fn handed_out(terms: &Terms<'_>) -> String {
    join(&terms.seal([7, 8, 9], mac), terms.id).unwrap()
}

/// Whether a text from a client is this one's id.
fn is_of(text: &[u8], terms: &Terms<'_>) -> bool {
    split(text).is_some_and(|(seal, id)| {
        let (server, known) = (seal.server, seal.key == [7, 8, 9]);
        known
            && seal.fits(
                &Terms {
                    server,
                    id,
                    ..*terms
                },
                verify,
            )
    })
}

#[test]
fn sec_54_an_id_is_a_seal_a_dot_and_what_the_upstream_calls_it() {
    let text = handed_out(&TERMS);
    assert_eq!(text.len(), 56 + 1 + 4);
    assert!(text.starts_with("AQcICQECAwQFB"), "{text}"); // 1, 7 8 9, 1 2 3 4 5 6
    assert_eq!(&text[56..], ".5f3c");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "TL-3");
    assert_eq!(handed_out(&TERMS), text, "however often it is handed out");
    let (seal, id) = split(text.as_bytes()).unwrap();
    assert_eq!(
        (seal.key, seal.server, id),
        ([7, 8, 9], TERMS.server, &b"5f3c"[..])
    );
    assert!(seal.fits(&TERMS, verify));
    assert_eq!(format!("{seal:?}"), "Seal(…)");
}

#[test]
fn sec_54_a_seal_is_for_everything_that_it_was_made_of() {
    let holder = |holder: Holder<'static>| Terms {
        holder: Some(holder),
        ..TERMS
    };
    let others = [
        (
            "use",
            Terms {
                of: Use::Messages,
                ..TERMS
            },
        ),
        (
            "route",
            Terms {
                route: "/mcp2",
                ..TERMS
            },
        ),
        (
            "nobody",
            Terms {
                holder: None,
                ..TERMS
            },
        ),
        (
            "issuer",
            holder(Holder {
                issuer: "https://idp.example/",
                ..ANN
            }),
        ),
        (
            "kind",
            holder(Holder {
                kind: "client",
                ..ANN
            }),
        ),
        (
            "subject",
            holder(Holder {
                subject: "Ann",
                ..ANN
            }),
        ),
        (
            "client",
            holder(Holder {
                client_id: Some("browser"),
                ..ANN
            }),
        ),
        (
            "no client",
            holder(Holder {
                client_id: None,
                ..ANN
            }),
        ),
        (
            "empty client",
            holder(Holder {
                client_id: Some(""),
                ..ANN
            }),
        ),
        (
            "id",
            Terms {
                id: b"5f3d",
                ..TERMS
            },
        ),
        (
            "server",
            Terms {
                server: [1, 2, 3, 4, 5, 7],
                ..TERMS
            },
        ),
    ];
    let seal = TERMS.seal([7, 8, 9], mac);
    for (name, other) in others {
        assert!(!seal.fits(&other, verify), "{name}");
        assert_ne!(other.message(), TERMS.message(), "{name}");
    }
    let (none, empty) = (&others[7].1, &others[8].1);
    assert_ne!(
        none.message(),
        empty.message(),
        "no client is not an empty one"
    );
}

#[test]
fn sec_54_a_client_that_calls_itself_nobody_is_not_nobody() {
    let nameless = Holder {
        issuer: "",
        kind: "client",
        subject: "",
        client_id: None,
    };
    let nobody = Terms {
        holder: None,
        ..TERMS
    };
    let client = Terms {
        holder: Some(nameless),
        ..TERMS
    };
    assert_ne!(nobody.message(), client.message());
}

#[test]
fn sec_54_a_byte_changed_anywhere_is_no_id() {
    let text = handed_out(&TERMS).into_bytes();
    assert!(is_of(&text, &TERMS));
    for place in 0..text.len() {
        for byte in 0..=255 {
            let mut changed = text.clone();
            changed[place] = byte;
            let same = byte == text[place];
            assert_eq!(is_of(&changed, &TERMS), same, "{place} {byte}");
        }
        let (mut shorter, mut longer) = (text.clone(), text.clone());
        shorter.remove(place);
        longer.insert(place, b'A');
        assert!(
            !is_of(&shorter, &TERMS) && !is_of(&longer, &TERMS),
            "{place}"
        );
    }
    for wrong in [&b""[..], b".", b"5f3c", b".5f3c", b"AQcI.5f3c"] {
        assert!(split(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn sec_54_tl_3_an_upstreams_id_is_one_to_512_visible_characters() {
    let seal = TERMS.seal([0; 3], mac);
    let most = [b'~'; MAX_ID];
    for good in [&b"!"[..], b"a.b.c", b"a,b;c=d", b"\"x\"", &most] {
        let text = join(&seal, good).unwrap();
        assert_eq!(split(text.as_bytes()).unwrap().1, good);
    }
    let more = [b'~'; MAX_ID + 1];
    for bad in [
        &b""[..],
        b"a b",
        b" a",
        b"a\t",
        b"a\x7f",
        "é".as_bytes(),
        b"\xff",
        &more,
    ] {
        assert!(join(&seal, bad).is_none(), "{bad:?}");
        let mut text = seal.to_string().into_bytes();
        text.push(b'.');
        text.extend_from_slice(bad);
        assert!(split(&text).is_none(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn sec_54_what_comes_in_is_what_went_out(id in "[!-~]{1,512}", subject in ".{0,40}", route in "/[a-z]{0,20}") {
        let holder = Some(Holder { subject: &subject, ..ANN });
        let terms = Terms { id: id.as_bytes(), holder, route: &route, ..TERMS };
        let text = handed_out(&terms);
        prop_assert!(is_of(text.as_bytes(), &terms));
        prop_assert_eq!(split(text.as_bytes()).unwrap().1, id.as_bytes());
    }

    /// No part can take a byte of its neighbour's without another message.
    #[test]
    fn sec_54_no_two_callers_are_the_same_when_written_down(
        one in (".{0,6}", ".{0,6}", proptest::option::of(".{0,6}"), "[!-~]{1,6}"),
        other in (".{0,6}", ".{0,6}", proptest::option::of(".{0,6}"), "[!-~]{1,6}"),
    ) {
        let message = |of: &(String, String, Option<String>, String)| {
            let (issuer, subject, client_id) = (&*of.0, &*of.1, of.2.as_deref());
            let holder = Holder { issuer, subject, client_id, kind: "user" };
            Terms { holder: Some(holder), id: of.3.as_bytes(), ..TERMS }.message()
        };
        prop_assert_eq!(message(&one) == message(&other), one == other);
    }

    #[test]
    fn sec_54_anything_may_come(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(split(&text).is_none_or(|(seal, _)| !seal.fits(&TERMS, verify)));
    }
}
