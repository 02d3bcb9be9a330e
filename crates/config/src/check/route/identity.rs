//! How the upstream is told who calls.

use crate::checked::{Identity, IdentityHeaders};
use crate::claim_path::ClaimPath;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::Scalar as _;
use crate::scalar::name::{self, HeaderName};
use crate::written::{Block, WordOrTable};

pub(super) fn check(
    place: &Place,
    raw: Option<Block<raw::Identity>>,
    notes: &mut Notes,
) -> Identity {
    let raw = notes.block(place, raw);
    let headers_place = place.key("headers");
    let headers = match raw.headers {
        None => IdentityHeaders::Default,
        Some(WordOrTable::Word(word)) => {
            notes.text_or(&headers_place, Some(&word), IdentityHeaders::Default)
        }
        Some(WordOrTable::Table(entries)) => {
            if entries.is_empty() {
                notes.wrong(
                    &headers_place,
                    Flaw::new("maps nothing").hint("say `none` to tell the upstream nothing"),
                );
            }
            let mut map: Vec<(Box<str>, ClaimPath)> = Vec::with_capacity(entries.len());
            for (name, claim) in entries {
                let place = headers_place.key(&name);
                let claim = notes.text(&place, Some(&claim));
                let header = HeaderName::read(&name)
                    .and_then(|header| name::not_for_identity(&header).map_or(Ok(header), Err));
                match header {
                    Err(flaw) => notes.wrong(&place, flaw),
                    Ok(HeaderName(header)) if map.iter().any(|(other, _)| *other == header) => {
                        notes.wrong(&place, "is there already in another letter case");
                    }
                    Ok(HeaderName(header)) => map.extend(claim.map(|claim| (header, claim))),
                }
            }
            map.sort_by(|left, right| left.0.cmp(&right.0));
            IdentityHeaders::Map(map)
        }
    };
    let strip_place = place.key("strip");
    let strip = notes.set(&strip_place, raw.strip.as_ref());
    for (place, header) in strip.placed(&strip_place) {
        if name::must_stay(header) {
            notes.wrong(&place, "is a header that no request can do without");
        }
    }
    Identity {
        headers,
        strip: strip
            .items
            .into_iter()
            .map(|HeaderName(name)| name)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
