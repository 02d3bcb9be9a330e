//! Who may vouch for a caller.

mod keys;

use std::time::Duration;

use crate::check::file;
use crate::checked::{
    Algorithm, AudienceClaim, Authenticator, AuthenticatorKind, Claims, Jwt, Start, TokenType,
};
use crate::claim_path::ClaimPath;
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::Scalar as _;
use crate::scalar::name::{Audience, Scope, is_authenticator_name};
use crate::scalar::url::Issuer;
use crate::sources::Sources;
use crate::written::{Block, List, Table, Text};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// Which routes a kind of authenticator is for (contract, "Families").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// An authorization server stands behind the token.
    Oauth,
}

/// One entry under `authenticators`, sound or not: routes may name it either way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Where its kind stands, or it itself.
    pub(super) place: Place,
    /// `None` when it cannot be told.
    pub(super) family: Option<Family>,
    /// `None` when something about it is wrong.
    pub(super) checked: Option<Authenticator>,
}

impl Entry {
    pub(super) fn jwt(&self) -> Option<&Jwt> {
        match &self.checked.as_ref()?.kind {
            AuthenticatorKind::Oidc(jwt) | AuthenticatorKind::Jwks(jwt, _) => Some(jwt),
        }
    }
}

pub(super) fn check_all(
    raw: Option<Table<Block<raw::Authenticator>>>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Vec<Entry> {
    let place = Place::root().key("authenticators");
    let entries = notes.table(&place, raw);
    entries
        .into_iter()
        .map(|(name, raw)| entry(&place.key(&name), name, raw, sources, notes))
        .collect()
}

fn entry(
    place: &Place,
    name: String,
    raw: Block<raw::Authenticator>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Entry {
    if !is_authenticator_name(&name) {
        notes.wrong(
            place,
            "is not a name of 1 to 64 letters, digits, `-` and `_`",
        );
    }
    let before = notes.problems.len();
    let fields = notes.fields(place, raw);
    let readable = fields.is_some();
    let raw = fields.unwrap_or_default();
    let mut kind_place = place.clone();
    let kind = match (raw.oidc, raw.jwks) {
        (Some(oidc), None) => {
            kind_place = place.key("oidc");
            Some(self::oidc(&kind_place, oidc, sources, notes))
        }
        (None, Some(jwks)) => {
            kind_place = place.key("jwks");
            Some(self::jwks(&kind_place, jwks, sources, notes))
        }
        (Some(_), Some(_)) => {
            notes.wrong(
                place,
                Flaw::new("has two kinds").hint("give each a name of its own"),
            );
            None
        }
        (None, None) => {
            if readable && !notes.has_unknown_keys(place) {
                notes.wrong(
                    place,
                    Flaw::new("has no kind")
                        .hint("exactly one of oidc (discovery) and jwks (keys by URL or file)"),
                );
            }
            None
        }
    };
    let sound = notes.problems.len() == before;
    Entry {
        family: kind.as_ref().map(|_| Family::Oauth),
        checked: kind.flatten().filter(|_| sound).map(|kind| Authenticator {
            name: name.as_str().into(),
            kind,
        }),
        place: kind_place,
        name,
    }
}

fn oidc(
    place: &Place,
    raw: Block<raw::Jwt>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let no_source = [
        ("jwks_uri", raw.jwks_uri.is_some()),
        ("jwks_file", raw.jwks_file.is_some()),
    ];
    for (key, present) in no_source {
        if present {
            notes.wrong(
                &place.key(key),
                Flaw::new("is not for oidc")
                    .hint("oidc finds its keys by discovery; use the kind jwks to name them"),
            );
        }
    }
    jwt(place, raw, sources, notes).map(AuthenticatorKind::Oidc)
}

fn jwks(
    place: &Place,
    raw: Block<raw::Jwt>,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let source = keys::key_source(
        place,
        raw.jwks_uri.as_ref(),
        raw.jwks_file.as_ref(),
        sources,
        notes,
    );
    let jwt = jwt(place, raw, sources, notes);
    Some(AuthenticatorKind::Jwks(jwt?, source?))
}

fn jwt(place: &Place, raw: raw::Jwt, sources: &dyn Sources, notes: &mut Notes) -> Option<Jwt> {
    let issuer = notes.required(&place.key("issuer"), raw.issuer.as_ref());
    let audiences = notes
        .set(&place.key("audiences"), raw.audiences.as_ref())
        .items;
    let cache_place = place.key("cache");
    let cache = notes.duration(
        &cache_place,
        raw.cache.as_ref(),
        900 * SECOND,
        SECOND..=7 * DAY,
    );
    let lifetime_place = place.key("max_token_lifetime");
    let max_token_lifetime = raw.max_token_lifetime.as_ref();
    let jwt = Jwt {
        issuer: issuer
            .as_ref()
            .map(|Issuer(url)| url.text.clone())
            .unwrap_or_default(),
        issuers: issuers(place, issuer.as_ref(), raw.issuers.as_ref(), notes),
        audiences: audiences.into_iter().map(|Audience(text)| text).collect(),
        shared_audience: notes.text_or(
            &place.key("shared_audience"),
            raw.shared_audience.as_ref(),
            false,
        ),
        audience_claim: notes.text_or(
            &place.key("audience_claim"),
            raw.audience_claim.as_ref(),
            AudienceClaim::Aud,
        ),
        algorithms: algorithms(&place.key("algorithms"), raw.algorithms.as_ref(), notes),
        leeway: notes.duration(
            &place.key("leeway"),
            raw.leeway.as_ref(),
            30 * SECOND,
            Duration::ZERO..=60 * SECOND,
        ),
        token_types: token_types(&place.key("token_types"), raw.token_types.as_ref(), notes),
        nonce_allowed: notes.text_or(
            &place.key("nonce_allowed"),
            raw.nonce_allowed.as_ref(),
            false,
        ),
        claims: claims(&place.key("claims"), raw.claims, notes),
        scope_map: scope_map(&place.key("scope_map"), raw.scope_map, notes),
        max_token_lifetime: max_token_lifetime
            .map(|field| notes.duration(&lifetime_place, Some(field), DAY, SECOND..=3650 * DAY)),
        cache,
        max_stale: notes.duration(
            &place.key("max_stale"),
            raw.max_stale.as_ref(),
            3600 * SECOND,
            Duration::ZERO..=7 * DAY,
        ),
        start: notes.text_or(&place.key("start"), raw.start.as_ref(), Start::Required),
        trust_email: notes.text_or(&place.key("trust_email"), raw.trust_email.as_ref(), false),
        ca: file::certificates(
            &place.key("ca"),
            raw.ca.as_ref(),
            "it holds the root certificates believed for this provider, and nothing else is believed then",
            sources,
            notes,
        ),
        proxy: notes.text(&place.key("proxy"), raw.proxy.as_ref()),
    };
    issuer.map(|_| jwt)
}

fn issuers(
    place: &Place,
    first: Option<&Issuer>,
    field: Option<&List<Text<Issuer>>>,
    notes: &mut Notes,
) -> Vec<Box<str>> {
    let place = place.key("issuers");
    let further = notes.set(&place, field).items;
    if let Some(first) = first
        && further.contains(first)
    {
        notes.wrong(&place, "names the issuer itself");
    }
    further.into_iter().map(|Issuer(url)| url.text).collect()
}

fn algorithms(
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

fn token_types(
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

fn scope_map(
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

#[cfg(test)]
mod tests;
