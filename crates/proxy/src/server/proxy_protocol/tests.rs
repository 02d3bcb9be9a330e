use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

/// Judges these bytes with something behind them; a header must be found whole and without a byte of that.
#[track_caller]
fn whole(header: &[u8]) -> Source {
    let sent = [header, b"\x16\x03\x01 PROXY \r\n"].concat();
    match find(&sent) {
        Ok(Found::Whole { length, source }) => {
            assert_eq!(length, header.len());
            source
        }
        other => panic!("{other:?}"),
    }
}

fn address(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

/// A binary header.
fn header(version_and_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [BINARY, &[version_and_command, family], &length, block].concat()
}

const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 1, 187];

fn v6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &[0; 16], &[0x12, 0x34, 1, 187]].concat()
}

#[test]
fn lines_of_version_1() {
    for (line, source) in [
        ("TCP4 192.0.2.7 10.0.0.1 56324 443", "192.0.2.7:56324"),
        ("TCP4 0.0.0.0 255.255.255.255 0 65535", "0.0.0.0:0"),
        ("TCP6 2001:db8::7 ::1 1 2", "[2001:db8::7]:1"),
        ("TCP6 ::ffff:192.0.2.7 ::1 1 2", "192.0.2.7:1"),
        (
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ),
    ] {
        let line = format!("PROXY {line}\r\n");
        assert_eq!(whole(line.as_bytes()), address(source), "{line}");
    }
    for rest in ["", " ", " whatever it is", " ::1 ::1 1 1"] {
        let line = format!("PROXY UNKNOWN{rest}\r\n");
        assert_eq!(whole(line.as_bytes()), Source::Peer, "{line}");
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert_eq!(whole(longest.as_bytes()), Source::Peer);
}

#[test]
fn lines_that_are_not_of_version_1() {
    for line in [
        "",
        "TCP4",
        "TCP4 192.0.2.7 10.0.0.1 1",
        "TCP4 192.0.2.7 10.0.0.1 1 2 3",
        "TCP4 192.0.2.7 10.0.0.1 1 2 ",
        "TCP4  192.0.2.7 10.0.0.1 1 2",
        "TCP4 192.0.2.7 10.0.0.1\t1 2",
        "TCP4 192.0.2.007 10.0.0.1 1 2",
        "TCP4 192.0.2.256 10.0.0.1 1 2",
        "TCP4 192.0.2 10.0.0.1 1 2",
        "TCP4 ::1 ::1 1 2",
        "TCP4 192.0.2.7 ::1 1 2",
        "TCP4 localhost 10.0.0.1 1 2",
        "TCP6 192.0.2.7 10.0.0.1 1 2",
        "TCP6 [::1] ::1 1 2",
        "TCP6 fe80::1%eth0 ::1 1 2",
        "TCP4 192.0.2.7 10.0.0.1 01 2",
        "TCP4 192.0.2.7 10.0.0.1 1 02",
        "TCP4 192.0.2.7 10.0.0.1 +1 2",
        "TCP4 192.0.2.7 10.0.0.1 -1 2",
        "TCP4 192.0.2.7 10.0.0.1  2",
        "TCP4 192.0.2.7 10.0.0.1 65536 2",
        "TCP4 192.0.2.7 10.0.0.1 1 65536",
        "tcp4 192.0.2.7 10.0.0.1 1 2",
        "UDP4 192.0.2.7 10.0.0.1 1 2",
        "UNKNOWNS",
        "unknown",
        "TCP4 192.0.2.7 10.0.0.1 1 2\r",
        "TCP4 192.0.2.7 10.0.0.1 1 \u{662}",
    ] {
        let sent = format!("PROXY {line}\r\nGET / HTTP/1.1\r\n");
        assert!(find(sent.as_bytes()).is_err(), "{sent:?}");
    }
    for sent in [
        "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\nGET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY\tTCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        " PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY \n",
        "GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02",
    ] {
        assert!(find(sent.as_bytes()).is_err(), "{sent:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 15));
    assert_eq!(find(long.as_bytes()), Err(Flaw::TooLong));
    assert_eq!(find(&long.as_bytes()[..107]), Err(Flaw::TooLong));
    assert_eq!(find(&long.as_bytes()[..106]), Ok(Found::Part));
}

#[test]
fn headers_of_version_2() {
    let extended = [V4, &[0x04; 200]].concat(); // not even well-formed: nobody reads them
    let largest = [V4, &vec![0; LONGEST - 16 - V4.len()]].concat();
    for block in [V4, &extended, &largest] {
        let header = header(0x21, 0x11, block);
        assert_eq!(whole(&header), address("192.0.2.7:4660"));
    }
    for (source, expected) in [
        ("2001:db8::7", "[2001:db8::7]:4660"),
        ("::ffff:192.0.2.7", "192.0.2.7:4660"),
    ] {
        let header = header(0x21, 0x21, &v6(source));
        assert_eq!(whole(&header), address(expected));
    }
    for (command, family, block) in [
        (0x20, 0x00, &b""[..]),
        (0x20, 0x00, b"\x04\0\x01x"),
        (0x20, 0x11, V4),
        (0x20, 0x31, &[0; 216]),
        (0x20, 0xff, b"x"),
        (0x21, 0x00, b""),
        (0x21, 0x00, V4),
    ] {
        assert_eq!(whole(&header(command, family, block)), Source::Peer);
    }
}

#[test]
fn headers_that_are_not_of_version_2() {
    for (command, family, block) in [
        (0x11, 0x11, V4),
        (0x31, 0x11, V4),
        (0x01, 0x11, V4),
        (0x22, 0x11, V4),
        (0x2f, 0x11, V4),
        (0x21, 0x11, &V4[..11]),
        (0x21, 0x11, b""),
        (0x21, 0x21, &v6("::1")[..35]),
        (0x21, 0x21, V4),
        (0x21, 0x01, b""),
        (0x21, 0x10, V4),
        (0x21, 0x12, V4),
        (0x21, 0x22, &v6("::1")),
        (0x21, 0x31, &[0; 216]),
        (0x21, 0x32, &[0; 216]),
        (0x21, 0x41, V4),
    ] {
        let header = header(command, family, block);
        assert!(find(&header).is_err(), "{command:#x} {family:#x}");
    }
    let large = header(0x21, 0x11, &[0; LONGEST - 15]);
    assert_eq!(find(&large), Err(Flaw::TooLong));
    assert_eq!(find(&large[..16]), Err(Flaw::TooLong), "without waiting");
}

/// What a connection could begin with: headers, headers with damage, anything.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    let anything = || prop::collection::vec(any::<u8>(), 0..300);
    let line = "PROXY (TCP4|TCP6|UNKNOWN) [0-9a-f.:]{1,20} [0-9.:]{1,20} [0-9]{1,5} [0-9]{1,5}\r\n";
    let good = (any::<[u8; 4]>(), any::<u16>()).prop_map(|(address, port)| {
        format!(
            "PROXY TCP4 {} 10.0.0.1 {port} 443\r\n",
            Ipv4Addr::from(address)
        )
        .into_bytes()
    });
    let text = prop_oneof![
        line.prop_map(String::into_bytes),
        good,
        anything().prop_map(|rest| [TEXT, &rest].concat()),
    ];
    let family = prop::sample::select(vec![0x00, 0x11, 0x12, 0x21, 0x31]);
    let binary = (prop::sample::select(vec![0x20, 0x21]), family, anything())
        .prop_map(|(command, family, block)| header(command, family, &block));
    let odd =
        (any::<[u8; 4]>(), anything()).prop_map(|(start, rest)| [BINARY, &start, &rest].concat());
    let begun = prop_oneof![text, binary, odd, anything()];
    (
        begun,
        anything(),
        any::<prop::sample::Index>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(mut begun, behind, at, byte, damage)| {
            if damage && !begun.is_empty() {
                let at = at.index(begun.len());
                begun[at] = byte;
            }
            begun.extend_from_slice(&behind);
            begun
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However the bytes come: the same end, never a byte too many, and no header that is longer than any may be.
    #[test]
    fn a_header_is_found_at_its_last_byte_and_never_later(bytes in beginnings()) {
        for length in 1..=bytes.len() {
            match find(&bytes[..length]) {
                Ok(Found::Part) => prop_assert!(length < LONGEST),
                Ok(Found::Whole { length: taken, source }) => {
                    prop_assert_eq!(taken, length, "as soon as it is there");
                    prop_assert_eq!(find(&bytes), Ok(Found::Whole { length, source }));
                    return Ok(());
                }
                Err(_) => {
                    prop_assert!(find(&bytes).is_err(), "more bytes do not make it better");
                    return Ok(());
                }
            }
        }
    }

    #[test]
    fn an_announced_address_is_read_as_it_was_written(ip in any::<IpAddr>(), port in any::<u16>()) {
        let written = SocketAddr::new(ip, port);
        let expected = Source::Client(SocketAddr::new(ip.to_canonical(), port));
        let (line, header) = match ip {
            IpAddr::V4(ip) => {
                let block = [&ip.octets()[..], &[0; 4], &port.to_be_bytes(), &[0; 2]].concat();
                (format!("PROXY TCP4 {ip} 0.0.0.0 {port} 0\r\n"), header(0x21, 0x11, &block))
            }
            IpAddr::V6(ip) => {
                let block = [&ip.octets()[..], &[0; 16], &port.to_be_bytes(), &[0; 2]].concat();
                (format!("PROXY TCP6 {ip} :: {port} 0\r\n"), header(0x21, 0x21, &block))
            }
        };
        prop_assert_eq!(whole(line.as_bytes()), expected, "{}", written);
        prop_assert_eq!(whole(&header), expected);
    }
}
