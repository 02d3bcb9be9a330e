//! Which addresses belong to the public internet.
//!
//! IPv6 has several ways to write an IPv4 address; each is judged by the address inside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// False for a host that is written as an address and is not a public one. Names are the resolver's business.
pub(super) fn literal_is_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        Some(Host::Domain(_)) => true,
        None => false,
    }
}

pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not among the special blocks of RFC 6890 and its successors.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0                                    // this network
        || address.is_private()
        || (a == 100 && (64..128).contains(&b)) // carrier NAT
        || address.is_loopback()
        || address.is_link_local()              // cloud metadata lives here
        || (a == 192 && b == 0 && c == 0)       // protocol assignments
        || (a == 192 && b == 88 && c == 99)     // 6to4 relays
        || address.is_documentation()
        || (a == 198 && (b == 18 || b == 19))   // benchmarks
        || a >= 224) // multicast, reserved, broadcast
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // v4-mapped
        [0, 0, 0, 0, 0, 0xffff, high, low] |
        // NAT64
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] |
        // 6to4
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, ORCHID and other protocol assignments; documentation
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // only this block is given out; loopback, local and multicast addresses, local NAT64 and the rest lie outside
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn sec_20_public_addresses() {
        check(
            true,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "100.63.255.255",
                "100.128.0.0",
                "172.15.0.1",
                "172.32.0.1",
                "192.0.1.1",
                "198.17.0.1",
                "223.255.255.255",
            ],
        );
        check(
            true,
            &[
                "2606:4700::1111",
                "2a00:1450::1",
                "2001:4860:4860::8888",
                "2001:200::1",
            ],
        );
    }

    #[test]
    fn sec_20_addresses_of_private_and_special_networks() {
        check(
            false,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "10.0.0.1",
                "100.64.0.1",
                "100.127.255.255",
                "127.0.0.1",
                "127.1.2.3",
                "169.254.169.254",
                "172.16.0.1",
                "172.31.255.255",
                "192.0.0.1",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.1.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "240.0.0.1",
                "255.255.255.255",
            ],
        );
        check(
            false,
            &[
                "::",
                "::1",
                "::127.0.0.1",
                "fc00::1",
                "fd12::1",
                "fe80::1",
                "fec0::1",
                "ff02::1",
                "100::1",
                "2001::1",
                "2001:20::1",
                "2001:db8::1",
                "3fff::1",
                "64:ff9b:1::1",
                "5f00::1",
            ],
        );
    }

    #[test]
    fn sec_20_an_address_inside_an_address_is_judged() {
        check(
            false,
            &[
                "::ffff:10.0.0.1",
                "::ffff:127.0.0.1",
                "64:ff9b::169.254.169.254",
                "2002:7f00:1::",
                "2002:c0a8:101::1",
            ],
        );
        check(
            true,
            &["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::"],
        );
    }

    #[test]
    fn sec_20_an_address_in_a_url_is_judged_in_every_spelling() {
        for (url, expected) in [
            ("https://127.1/", false),
            ("https://0x7f.1/", false),
            ("https://2130706433/", false),
            ("https://0177.0.0.1/", false),
            ("https://[::ffff:7f00:1]/", false),
            ("https://1.1.1.1/", true),
            ("https://issuer.example/", true),
        ] {
            assert_eq!(
                literal_is_public(&Url::parse(url).unwrap()),
                expected,
                "{url}"
            );
        }
    }
}
