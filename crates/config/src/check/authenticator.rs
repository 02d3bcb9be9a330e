//! Who may vouch for a caller.

mod api_keys;
mod dangers;
mod introspection;
mod keys;
mod own;
mod rules;

pub use api_keys::expired_keys;

use std::time::Duration;

use crate::check::file;
use crate::checked::{
    Algorithm, AudienceClaim, Authenticator, AuthenticatorKind, Fetch, Jwt, Rules, Server, Start,
};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::name::is_authenticator_name;
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
    /// Credentials that the operator hands out.
    Jwt,
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
    pub(super) fn rules(&self) -> Option<&Rules> {
        self.checked.as_ref()?.kind.rules()
    }

    pub(super) fn takes_any_audience(&self) -> bool {
        let checked = self.checked.as_ref();
        checked.is_some_and(|checked| checked.dangers.any_audience)
    }

    pub(super) fn jwt(&self) -> Option<&Jwt> {
        self.checked.as_ref()?.kind.jwt()
    }
}

pub(super) fn check_all(
    raw: Option<Table<Block<raw::Authenticator>>>,
    server: &Server,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Vec<Entry> {
    let place = Place::root().key("authenticators");
    let entries = notes.table(&place, raw);
    entries
        .into_iter()
        .map(|(name, raw)| entry(&place.key(&name), name, raw, server, sources, notes))
        .collect()
}

fn entry(
    place: &Place,
    name: String,
    raw: Block<raw::Authenticator>,
    server: &Server,
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
    let mut raw = fields.unwrap_or_default();
    let danger_names = raw.dangerous.take();
    let mut kinds = WrittenKind::all(raw);
    let kind = kinds.pop();
    let mut kind = match (kind, kinds.is_empty()) {
        (Some(kind), true) => Some(kind),
        (Some(_), false) => {
            notes.wrong(
                place,
                Flaw::new("has more than one kind").hint("give each a name of its own"),
            );
            None
        }
        (None, _) => {
            if readable && !notes.has_unknown_keys(place) {
                notes.wrong(place, Flaw::new("has no kind").hint(KINDS));
            }
            None
        }
    };
    let family = kind.as_ref().map(WrittenKind::family);
    let kind_place = kind
        .as_ref()
        .map_or_else(|| place.clone(), |kind| place.key(kind.key()));
    let dangers = dangers::check(place, danger_names.as_ref(), kind.as_mut(), server, notes);
    let any = dangers.any_audience;
    let kind = kind.and_then(|kind| kind.check(&kind_place, any, sources, notes));
    let sound = notes.problems.len() == before;
    Entry {
        family,
        checked: kind.filter(|_| sound).map(|kind| Authenticator {
            name: name.as_str().into(),
            kind,
            dangers,
        }),
        place: kind_place,
        name,
    }
}

/// The block of a kind, as it was written.
enum WrittenKind {
    Oidc(Block<raw::Jwt>),
    Jwks(Block<raw::Jwt>),
    Introspection(Block<raw::Introspection>),
    SharedSecret(Block<raw::SharedSecret>),
    PublicKey(Block<raw::PublicKey>),
    ApiKeys(Block<raw::ApiKeys>),
}

/// What an authenticator without one is told.
const KINDS: &str = "exactly one of oidc (discovery), jwks (keys by URL or file), introspection (the provider is asked), shared_secret, public_key (tokens you sign yourself) and api_keys (keys you hand out)";

impl WrittenKind {
    /// Every kind that is there; more than one is one too many.
    fn all(raw: raw::Authenticator) -> Vec<Self> {
        let raw::Authenticator {
            oidc,
            jwks,
            introspection,
            shared_secret,
            public_key,
            api_keys,
            dangerous: _,
        } = raw;
        [
            oidc.map(Self::Oidc),
            jwks.map(Self::Jwks),
            introspection.map(Self::Introspection),
            shared_secret.map(Self::SharedSecret),
            public_key.map(Self::PublicKey),
            api_keys.map(Self::ApiKeys),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn key(&self) -> &'static str {
        match self {
            Self::Oidc(_) => "oidc",
            Self::Jwks(_) => "jwks",
            Self::Introspection(_) => "introspection",
            Self::SharedSecret(_) => "shared_secret",
            Self::PublicKey(_) => "public_key",
            Self::ApiKeys(_) => "api_keys",
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::Oidc(_) | Self::Jwks(_) | Self::Introspection(_) => Family::Oauth,
            Self::SharedSecret(_) | Self::PublicKey(_) | Self::ApiKeys(_) => Family::Jwt,
        }
    }

    fn check(
        self,
        place: &Place,
        any_audience: bool,
        sources: &dyn Sources,
        notes: &mut Notes,
    ) -> Option<AuthenticatorKind> {
        match self {
            Self::Oidc(block) => oidc(place, block, sources, notes),
            Self::Jwks(block) => jwks(place, block, sources, notes),
            Self::Introspection(block) => {
                introspection::introspection(place, block, sources, notes)
            }
            Self::SharedSecret(block) => own::shared_secret(place, block, any_audience, notes),
            Self::PublicKey(block) => own::public_key(place, block, any_audience, notes),
            Self::ApiKeys(block) => api_keys::check(place, block, notes),
        }
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
    let (jwt, algorithms, fetch) = provider(place, raw, sources, notes)?;
    Some(AuthenticatorKind::Oidc {
        jwt,
        algorithms,
        fetch,
    })
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
    let provider = provider(place, raw, sources, notes);
    let (jwt, algorithms, fetch) = provider?;
    Some(AuthenticatorKind::Jwks {
        jwt,
        algorithms,
        fetch,
        keys: source?,
    })
}

/// What `oidc` and `jwks` have in common.
fn provider(
    place: &Place,
    raw: raw::Jwt,
    sources: &dyn Sources,
    notes: &mut Notes,
) -> Option<(Jwt, Vec<Algorithm>, Fetch)> {
    let written = rules::WrittenRules {
        issuer: raw.issuer,
        audiences: raw.audiences,
        shared_audience: raw.shared_audience,
        leeway: raw.leeway,
        claims: raw.claims,
        scope_map: raw.scope_map,
        trust_email: raw.trust_email,
    };
    let rules = rules::rules(place, written, notes);
    let further = issuers(place, rules.as_ref(), raw.issuers.as_ref(), notes);
    let cache = notes.duration(
        &place.key("cache"),
        raw.cache.as_ref(),
        900 * SECOND,
        SECOND..=7 * DAY,
    );
    let max_token_lifetime = rules::longest(place, raw.max_token_lifetime.as_ref(), notes);
    let nonce_place = place.key("nonce_allowed");
    let claim_place = place.key("audience_claim");
    let audience_claim = raw.audience_claim.as_ref();
    let audience_claim = notes.text_or(&claim_place, audience_claim, AudienceClaim::Aud);
    let token_types =
        rules::token_types(&place.key("token_types"), raw.token_types.as_ref(), notes);
    let nonce_allowed = notes.text_or(&nonce_place, raw.nonce_allowed.as_ref(), false);
    let access_token_marks = rules::access_token_marks(
        &place.key("access_token_marks"),
        raw.access_token_marks.as_ref(),
        notes,
    );
    let algorithms = rules::algorithms(&place.key("algorithms"), raw.algorithms.as_ref(), notes);
    let fetch = Fetch {
        cache,
        max_stale: notes.duration(
            &place.key("max_stale"),
            raw.max_stale.as_ref(),
            3600 * SECOND,
            Duration::ZERO..=7 * DAY,
        ),
        start: notes.text_or(&place.key("start"), raw.start.as_ref(), Start::Required),
        ca: file::certificates(
            &place.key("ca"),
            raw.ca.as_ref(),
            "it holds the root certificates believed for this provider, and nothing else is believed then",
            sources,
            notes,
        ),
        proxy: notes.text(&place.key("proxy"), raw.proxy.as_ref()),
    };
    let jwt = Jwt {
        rules: rules?,
        issuers: further,
        audience_claim,
        token_types,
        nonce_allowed,
        access_token_marks,
        max_token_lifetime,
    };
    Some((jwt, algorithms, fetch))
}

fn issuers(
    place: &Place,
    rules: Option<&Rules>,
    field: Option<&List<Text<Issuer>>>,
    notes: &mut Notes,
) -> Vec<Box<str>> {
    let place = place.key("issuers");
    let further = notes.set(&place, field).items;
    let mut further: Vec<Box<str>> = further.into_iter().map(|Issuer(url)| url.text).collect();
    if let Some(rules) = rules
        && further.contains(&rules.issuer)
    {
        // two variables may well say the same
        if field.is_some_and(List::is_given) {
            further.retain(|issuer| *issuer != rules.issuer);
        } else {
            notes.wrong(&place, "names the issuer itself");
        }
    }
    further
}

#[cfg(test)]
mod tests;
