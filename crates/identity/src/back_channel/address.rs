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
