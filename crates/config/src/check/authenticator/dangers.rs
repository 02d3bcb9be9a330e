//! What is dangerous about an authenticator: each thing said twice, by its name and by its bound.

use std::time::Duration;

use ipnet::IpNet;

use super::WrittenKind;
use crate::check::dangerous::dangerous;
use crate::checked::{Dangers, Server};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::{Audience, Reference};
use crate::scalar::unit::show_duration;
use crate::written::{Block, List, Text, Written};

const PEER: &str = "signature_checked_by_peer";
const EXPIRED: &str = "expired_tokens";
const ANY: &str = "any_audience";
const LONGEST_GRACE: Duration = Duration::from_hours(24);

/// The fields of a kind that are dangerous, or may be.
struct Fields<'r> {
    audiences: &'r mut Option<List<Text<Audience>>>,
    expiry_grace: Option<&'r Text<Duration>>,
    checked_by: Option<&'r List<Text<IpNet>>>,
}

impl WrittenKind {
    fn fields(&mut self) -> Option<Fields<'_>> {
        match self {
            Self::Oidc(Block::Fields(raw)) | Self::Jwks(Block::Fields(raw)) => {
                let raw::Jwt {
                    audiences,
                    expiry_grace,
                    checked_by,
                    ..
                } = &mut **raw;
                Some(Fields {
                    audiences,
                    expiry_grace: expiry_grace.as_ref(),
                    checked_by: checked_by.as_ref(),
                })
            }
            Self::SharedSecret(Block::Fields(raw)) => {
                let raw::SharedSecret {
                    audiences,
                    expiry_grace,
                    checked_by,
                    ..
                } = &mut **raw;
                Some(Fields {
                    audiences,
                    expiry_grace: expiry_grace.as_ref(),
                    checked_by: checked_by.as_ref(),
                })
            }
            Self::PublicKey(Block::Fields(raw)) => {
                let raw::PublicKey {
                    audiences,
                    expiry_grace,
                    checked_by,
                    ..
                } = &mut **raw;
                Some(Fields {
                    audiences,
                    expiry_grace: expiry_grace.as_ref(),
                    checked_by: checked_by.as_ref(),
                })
            }
            // what is no block is told elsewhere
            Self::ApiKeys(_)
            | Self::Introspection(_)
            | Self::Oidc(Block::Other(_))
            | Self::Jwks(Block::Other(_))
            | Self::SharedSecret(Block::Other(_))
            | Self::PublicKey(Block::Other(_)) => None,
        }
    }
}

/// What of it is wanted. `audiences: any` is taken out of the kind: nobody else has to know of it.
pub(super) fn check(
    place: &Place,
    names: Option<&List<Text<Reference>>>,
    kind: Option<&mut WrittenKind>,
    server: &Server,
    notes: &mut Notes,
) -> Dangers {
    let wanted = dangerous(place, names, &[PEER, EXPIRED, ANY], notes);
    let mut dangers = Dangers::default();
    let Some(kind) = kind else { return dangers };
    let block = place.key(kind.key());
    let danger = place.key("dangerous");
    let concerned = match kind {
        WrittenKind::ApiKeys(_) => Err("is about tokens, and API keys are none"),
        WrittenKind::Introspection(_) => {
            Err("is about tokens that are read here, and introspection asks about them")
        }
        WrittenKind::Oidc(_)
        | WrittenKind::Jwks(_)
        | WrittenKind::SharedSecret(_)
        | WrittenKind::PublicKey(_) => Ok(()),
    };
    if let Err(why) = concerned
        && !wanted.is_empty()
    {
        notes.wrong(
            &danger,
            Flaw::new(why).hint("take it away: this kind has nothing dangerous to offer"),
        );
    }
    let Some(fields) = kind.fields() else {
        return dangers;
    };

    let is_wanted = wanted.contains(&ANY);
    let said_any =
        matches!(fields.audiences, Some(List::Other(Written::Plain(word))) if word == "any");
    let audiences = block.key("audiences");
    if said_any {
        *fields.audiences = None; // also where the name is missing: that it is no list is not what is wrong
        dangers.any_audience = true;
    }
    if said(
        &audiences,
        ANY,
        is_wanted,
        said_any,
        "write `audiences: any`",
        notes,
    ) {
        notes.warn(
            &danger,
            "any_audience: tokens that were made for other services count here",
        );
    }

    let grace = block.key("expiry_grace");
    let hint = "how long after `exp`, at most 24h";
    let is_there = fields.expiry_grace.is_some();
    if said(
        &grace,
        EXPIRED,
        wanted.contains(&EXPIRED),
        is_there,
        hint,
        notes,
    ) {
        let read = notes.duration(
            &grace,
            fields.expiry_grace,
            LONGEST_GRACE,
            Duration::from_secs(1)..=LONGEST_GRACE,
        );
        dangers.expiry_grace = Some(read);
        notes.warn(
            &danger,
            format!(
                "expired_tokens: tokens count for {} after their end",
                show_duration(read)
            ),
        );
    }

    let peers = block.key("checked_by");
    let hint = "the networks of the peers that check them, like [127.0.0.1]";
    let is_there = fields.checked_by.is_some();
    if said(&peers, PEER, wanted.contains(&PEER), is_there, hint, notes) {
        dangers.checked_by = checked_by(&peers, fields.checked_by, server, notes);
        notes.warn(
            &danger,
            "signature_checked_by_peer: what a peer in checked_by brings is believed without a look at its signature",
        );
    }
    dangers
}

/// Whether a thing is said by its name and by its bound; one without the other is wrong.
fn said(
    place: &Place,
    name: &str,
    is_wanted: bool,
    is_there: bool,
    hint: &str,
    notes: &mut Notes,
) -> bool {
    match (is_wanted, is_there) {
        (true, true) => return true,
        (true, false) => notes.missing(place, format!("{name} needs it: {hint}")),
        (false, true) => notes.wrong(
            place,
            Flaw::new(format!("needs {name} under dangerous"))
                .hint("it stands beside the kind, and is refused with profile: production"),
        ),
        (false, false) => {}
    }
    false
}

fn checked_by(
    place: &Place,
    field: Option<&List<Text<IpNet>>>,
    server: &Server,
    notes: &mut Notes,
) -> Vec<IpNet> {
    let listed = notes.list(place, field);
    if listed.is_written_empty() {
        notes.wrong(place, "names nobody");
    }
    let certificates = server.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    for (place, network) in listed.placed(place) {
        if !certificates && !is_loopback(network) {
            notes.wrong(
                &place,
                Flaw::new("is beyond this machine, where an address proves nothing")
                    .hint("give server.tls a client_ca, so that the peer shows a certificate, or put it on this machine"),
            );
        }
    }
    listed.items
}

fn is_loopback(network: &IpNet) -> bool {
    network.network().is_loopback() && network.broadcast().is_loopback()
}

#[cfg(test)]
mod tests;
