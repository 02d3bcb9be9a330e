//! What kinds of authenticators have in common.

use std::time::Duration;

use crate::checked::{Algorithm, Claims, Rules, TokenType};
use crate::claim_path::ClaimPath;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::Scalar as _;
use crate::scalar::name::{Audience, Scope};
use crate::scalar::url::Issuer;
use crate::written::{Block, List, Table, Text};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// What is written about tokens in every kind that has an issuer.
#[derive(Default)]
pub(super) struct WrittenRules {
    pub(super) issuer: Option<Text<Issuer>>,
    pub(super) audiences: Option<List<Text<Audience>>>,
    pub(super) shared_audience: Option<Text<bool>>,
    pub(super) leeway: Option<Text<Duration>>,
    pub(super) claims: Option<Block<raw::Claims>>,
    pub(super) scope_map: Option<Table<List<Text<Scope>>>>,
    pub(super) trust_email: Option<Text<bool>>,
}

/// `None` without an issuer; whatever else is wrong is noted.
pub(super) fn rules(place: &Place, raw: WrittenRules, notes: &mut Notes) -> Option<Rules> {
    let issuer = notes.required(&place.key("issuer"), raw.issuer.as_ref());
    let audiences = notes
        .set(&place.key("audiences"), raw.audiences.as_ref())
        .items;
    let issuer = issuer.map(|Issuer(url)| url.text);
    let audiences = audiences.into_iter().map(|Audience(text)| text);
    with(place, issuer, audiences.collect(), raw, notes)
}

/// The same with an issuer and audiences that were read in another way.
pub(super) fn with(
    place: &Place,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    raw: WrittenRules,
    notes: &mut Notes,
) -> Option<Rules> {
    let shared_place = place.key("shared_audience");
    let rules = Rules {
        issuer: issuer.clone().unwrap_or_default(),
        audiences,
        shared_audience: notes.text_or(&shared_place, raw.shared_audience.as_ref(), false),
        leeway: notes.duration(
            &place.key("leeway"),
            raw.leeway.as_ref(),
            30 * SECOND,
            Duration::ZERO..=60 * SECOND,
        ),
        claims: claims(&place.key("claims"), raw.claims, notes),
        scope_map: scope_map(&place.key("scope_map"), raw.scope_map, notes),
        trust_email: notes.text_or(&place.key("trust_email"), raw.trust_email.as_ref(), false),
    };
    issuer.map(|_| rules)
}

/// `max_token_lifetime`.
pub(super) fn longest(
    place: &Place,
    field: Option<&Text<Duration>>,
    notes: &mut Notes,
) -> Option<Duration> {
    let place = place.key("max_token_lifetime");
    field.map(|field| notes.duration(&place, Some(field), DAY, SECOND..=3650 * DAY))
}

pub(super) fn algorithms(
    place: &Place,
    field: Option<&List<Text<Algorithm>>>,
    notes: &mut Notes,
) -> Vec<Algorithm> {
    let listed = notes.set(place, field);
    if listed.is_written_empty() {
        notes.wrong(
            place,
            Flaw::new("names no algorithm").hint("leave it out for RS256 and ES256"),
        );
    }
    if listed.items.is_empty() {
        return vec![Algorithm::Rs256, Algorithm::Es256];
    }
    listed.items
}

pub(super) fn token_types(
    place: &Place,
    field: Option<&List<Text<TokenType>>>,
    notes: &mut Notes,
) -> Vec<TokenType> {
    let listed = notes.list(place, field);
    if listed.is_written_empty() {
        notes.wrong(
            place,
            Flaw::new("names no token type").hint("leave it out for at+jwt, JWT and absent"),
        );
    }
    if listed.items.is_empty() {
        return vec![TokenType::AtJwt, TokenType::Jwt, TokenType::Absent];
    }
    let mut types = Vec::new();
    for one in listed.items {
        // `at+jwt` and `application/at+jwt` are one.
        if !types.contains(&one) {
            types.push(one);
        }
    }
    types
}

/// Claims that other tokens have, too, and that would let those in.
const NO_MARKS: [&str; 12] = [
    "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash",
    "events",
];

pub(super) fn access_token_marks(
    place: &Place,
    field: Option<&List<Text<ClaimPath>>>,
    notes: &mut Notes,
) -> Vec<ClaimPath> {
    let listed = notes.list(place, field);
    for (place, mark) in listed.placed(place) {
        if NO_MARKS.contains(&mark.as_str()) {
            notes.wrong(
                &place,
                Flaw::new("is in other tokens, too")
                    .hint("name a claim that this provider writes into access tokens alone"),
            );
        }
    }
    listed.items
}

fn claims(place: &Place, raw: Option<Block<raw::Claims>>, notes: &mut Notes) -> Claims {
    let raw = notes.block(place, raw);
    let scopes_place = place.key("scopes");
    let scopes = notes.one_or_many(&scopes_place, raw.scopes.as_ref());
    if scopes.is_written_empty() {
        notes.wrong(
            &scopes_place,
            Flaw::new("names no claim").hint("leave it out for scope, scopes, scp"),
        );
    }
    let mut one = |name: &str, field: Option<&Text<ClaimPath>>, default: &str| {
        let read = notes.text(&place.key(name), field);
        read.unwrap_or_else(|| claim(default))
    };
    Claims {
        subject: one("subject", raw.subject.as_ref(), "sub"),
        email: one("email", raw.email.as_ref(), "email"),
        name: one("name", raw.name.as_ref(), "name"),
        groups: one("groups", raw.groups.as_ref(), "groups"),
        scopes: if scopes.items.is_empty() {
            ["scope", "scopes", "scp"].map(claim).into()
        } else {
            scopes.items
        },
    }
}

fn claim(name: &str) -> ClaimPath {
    ClaimPath::parse(name).expect("the names of our defaults are claim paths")
}

pub(super) fn scope_map(
    place: &Place,
    raw: Option<Table<List<Text<Scope>>>>,
    notes: &mut Notes,
) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let entries = notes.table(place, raw);
    let mut map = Vec::with_capacity(entries.len());
    for (name, implied) in entries {
        let place = place.key(&name);
        if let Err(flaw) = Scope::read(&name) {
            notes.wrong(&place, flaw);
        }
        let implied = notes.set(&place, Some(&implied)).items;
        map.push((
            name.into(),
            implied.into_iter().map(|Scope(scope)| scope).collect(),
        ));
    }
    map
}
