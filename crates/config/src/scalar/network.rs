//! Networks, in which somebody is believed.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::Scalar;
use crate::problem::Flaw;

/// The widest network of public addresses that anybody may be believed in, as the length of its prefix. No proxy, CDN or cloud announces
/// more than a /8 of IPv4 (the largest that was ever given to one organisation) or a /16 of IPv6 (registries themselves get a /12). What is
/// wider holds strangers, and two halves of the internet are all of it, as /0 is.
const WIDEST: [u8; 2] = [8, 16];

/// Networks that are wider and that nobody from the internet comes from: unique local addresses (RFC 4193), link-local ones, and class E,
/// from which some clouds number their pods.
const NOT_ROUTED: [&str; 3] = ["fc00::/7", "fe80::/10", "240.0.0.0/4"];

impl Scalar for IpNet {
    const EXPECTED: &'static str = "a network like 10.0.0.0/8";

    fn read(text: &str) -> Result<Self, Flaw> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| {
                Flaw::new("is not a network")
                    .hint("it is written 10.0.0.0/8, fd00::/8, or as one address")
            })?,
        };
        let network = canonical(network.trunc());
        if network.prefix_len() == 0 {
            return Err(Flaw::new("would believe everybody")
                .hint("name the networks that the TLS terminator connects from"));
        }
        let [v4, v6] = WIDEST;
        let widest = match network {
            IpNet::V4(_) => v4,
            IpNet::V6(_) => v6,
        };
        if network.prefix_len() < widest && !is_not_routed(&network) {
            return Err(
                Flaw::new("is so wide that strangers are in it, who would be believed").hint(
                    format!(
                        "a network of public addresses is a /{v4} at most, of IPv6 a /{v6}; name those that the TLS terminator connects from, one by one"
                    ),
                ),
            );
        }
        Ok(network)
    }
}

/// Peers are compared as what they are: an IPv4 address that is written as IPv6 is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6
        .prefix_len()
        .checked_sub(96)
        .zip(v6.network().to_ipv4_mapped());
    let v4 = mapped.and_then(|(prefix, address)| Ipv4Net::new(address, prefix).ok());
    v4.map_or(network, IpNet::V4)
}

fn is_not_routed(network: &IpNet) -> bool {
    let outer = NOT_ROUTED.iter().filter_map(|outer| outer.parse().ok());
    outer
        .into_iter()
        .any(|outer: IpNet| outer.contains(network))
}

/// Peers that are believed: a network, or a word for several.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proxies(pub(crate) Vec<IpNet>);

/// Loopback and the networks that nobody routes on the internet (RFC 1918, RFC 4193).
const PRIVATE: [&str; 6] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
];

/// `true` and `false` are what a variable like `TRUST_PROXY` says (X6).
impl Scalar for Proxies {
    const EXPECTED: &'static str = "a network like 10.0.0.0/8, or `private`";
    const TAKES_BOOL: bool = true;

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "private" | "true" => {
                let networks = PRIVATE.iter().map(|network| IpNet::read(network));
                Ok(Self(networks.collect::<Result<_, _>>()?))
            }
            "false" => Ok(Self(Vec::new())),
            network => Ok(Self(vec![IpNet::read(network)?])),
        }
    }

    fn schema() -> Value {
        json!({ "type": ["string", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(text: &str, reason: &str) {
        assert_eq!(IpNet::read(text).unwrap_err().reason, reason, "{text}");
    }

    #[track_caller]
    fn read(text: &str, expected: &str) {
        assert_eq!(IpNet::read(text).unwrap().to_string(), expected, "{text}");
    }

    #[test]
    fn networks() {
        read("10.1.2.3/8", "10.0.0.0/8");
        read("10.1.2.3", "10.1.2.3/32");
        read("fd00::/8", "fd00::/8");
        refused("0.0.0.0/0", "would believe everybody");
        refused("::/0", "would believe everybody");
        refused("private", "is not a network");
    }

    #[test]
    fn x6_sec_38_no_network_is_believed_that_holds_strangers() {
        let wide = "is so wide that strangers are in it, who would be believed";
        for text in [
            "0.0.0.0/1",
            "128.0.0.0/1",
            "0.0.0.0/7",
            "104.0.0.0/7",
            "10.0.0.0/7",
            "224.0.0.0/3",
            "::/1",
            "8000::/1",
            "2000::/3",
            "2000::/15",
            "f800::/5",
            "fc00::/6",
        ] {
            refused(text, wide);
        }
        // What is there: private networks, pods in class E, the widest of a CDN, a whole organisation's.
        for text in [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "240.0.0.0/4",
            "104.16.0.0/13",
            "17.0.0.0/8",
            "fc00::/7",
            "fd00::/8",
            "fe80::/10",
            "2400:cb00::/32",
            "2630::/16",
        ] {
            read(text, text);
        }
    }

    /// Peers are compared by their IPv4 address, so that these networks would hold nobody, and the widest of them everybody.
    #[test]
    fn x6_a_network_of_ipv4_that_is_written_as_ipv6_is_one_of_ipv4() {
        read("::ffff:10.1.2.3", "10.1.2.3/32");
        read("::ffff:10.0.0.0/104", "10.0.0.0/8");
        refused("::ffff:0.0.0.0/96", "would believe everybody");
        refused(
            "::ffff:128.0.0.0/97",
            "is so wide that strangers are in it, who would be believed",
        );
        read("::1", "::1/128");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = (IpNet::read(&text), Proxies::read(&text));
        }
    }
}
