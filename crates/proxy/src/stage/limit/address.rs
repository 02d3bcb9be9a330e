//! Whom an address stands for.

use std::net::{IpAddr, Ipv6Addr};

/// As much of an address as one customer of a provider is given: of IPv4 all of it, of IPv6 the network (SEC-70).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Net {
    V4(u32),
    /// The first 64 bits: one link, in which everybody makes up addresses as they like.
    V6Link(u64),
    /// The first 48 bits: one site, which may have 65,536 links.
    V6Site(u64),
}

impl Net {
    /// An IPv4 address whole, also one that is mapped into IPv6; an IPv6 address by its /64.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6Link(upper(address)),
        }
    }

    /// The /48 around an IPv6 address; IPv4 has nothing of the kind.
    pub(crate) fn site_of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Self::V6Site(upper(address) >> 16)),
        }
    }
}

fn upper(address: Ipv6Addr) -> u64 {
    u64::try_from(address.to_bits() >> 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, same: bool, same_site: bool) {
        let [one, other] = [one, other].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(Net::of(one) == Net::of(other), same, "{one} {other}");
        let sites = (Net::site_of(one), Net::site_of(other));
        assert_eq!(
            sites.0.is_some() && sites.0 == sites.1,
            same_site,
            "{one} {other}"
        );
    }

    #[test]
    fn sec_70_ipv4_counts_whole_and_ipv6_by_network() {
        check("192.0.2.1", "192.0.2.1", true, false);
        check("192.0.2.1", "192.0.2.2", false, false);
        check("192.0.2.1", "::ffff:192.0.2.1", true, false);
        check("::ffff:192.0.2.2", "::ffff:192.0.2.1", false, false);
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true, true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false, true);
        check("2001:db8:1:2::1", "2001:db8:2:2::1", false, false);
        assert_ne!(
            Net::V6Link(7),
            Net::V6Site(7),
            "a /64 is not the /48 of the same number"
        );
    }
}
