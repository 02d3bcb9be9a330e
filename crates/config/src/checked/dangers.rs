//! What is dangerous about an authenticator, in the one form in which it is offered.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// Nothing, unless somebody asked for it by name (`dangerous`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dangers {
    /// Peers that check signatures in our place (X2); empty: nobody does.
    pub checked_by: Vec<IpNet>,
    /// How long after `exp` a token with `iat` counts; at most 24 h (X3).
    pub expiry_grace: Option<Duration>,
    /// Tokens count whomever they are made for (X21).
    pub any_audience: bool,
}

impl Dangers {
    /// Whether this peer is known to have checked the signature of what it brings. Beyond this machine an address proves
    /// nothing: there the peer has to have shown a client certificate that was verified.
    pub fn vouches(&self, peer: IpAddr, has_certificate: bool) -> bool {
        let peer = peer.to_canonical();
        (peer.is_loopback() || has_certificate)
            && self
                .checked_by
                .iter()
                .any(|network| network.contains(&peer))
    }

    /// Their names, as in `dangerous`.
    pub fn names(&self) -> Vec<&'static str> {
        let Self {
            checked_by,
            expiry_grace,
            any_audience,
        } = self;
        [
            (!checked_by.is_empty(), "signature_checked_by_peer"),
            (expiry_grace.is_some(), "expired_tokens"),
            (*any_audience, "any_audience"),
        ]
        .into_iter()
        .filter_map(|(wanted, name)| wanted.then_some(name))
        .collect()
    }
}
