//! Credentials that the operator hands out: random keys in a header of their own, of which the configuration has the SHA-256 alone.
//!
//! What a key means is worked out when the configuration is loaded, so a request costs one digest and one look into a table. The
//! table is found by the digest: how long that takes tells nothing about the keys in it, because nobody can choose a digest, and what
//! is found is compared in constant time.

mod format;

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use config::{API_KEY_ISSUER, ActsFor, ApiKeys, ClaimPath, Claims, KeyHolder, Rules};
use foldhash::fast::RandomState;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use oauth::Scopes;
use serde_json::{Map, Value, json};

use crate::caller::{Kind, Timestamp};
use crate::credential::{Audience, Credential, Life};
use crate::failure::Failure;
use crate::provider::Provider;
use crate::values::{self, IdentityValues};

pub use format::{ApiKey, KeyError, encryption_key};

/// One authenticator's keys.
pub(crate) struct KeyTable {
    header: HeaderName,
    /// By the first bytes of the SHA-256. Two with the same ones are improbable and no trouble.
    holders: HashMap<u64, Vec<Entry>, RandomState>,
}

struct Entry {
    sha256: [u8; 32],
    holder: Arc<Credential>,
}

/// What only keys have.
pub(crate) struct OfKey {
    /// Whose token the key may come with (SEC-2).
    pub(crate) acts_for: Option<ActsFor>,
}

/// All keys that one route takes.
#[derive(Default)]
pub(crate) struct KeyRing(Vec<OfHeader>);

struct OfHeader {
    header: HeaderName,
    tables: Vec<Arc<KeyTable>>,
}

impl KeyTable {
    /// `None` if the header has no name, which the configuration has made sure of.
    pub(crate) fn new(provider: &Arc<Provider>, keys: &ApiKeys) -> Option<Self> {
        let header = HeaderName::from_str(&keys.header).ok()?;
        let mut holders: HashMap<u64, Vec<Entry>, RandomState> = HashMap::default();
        for holder in &keys.keys {
            let credential = Arc::new(credential(provider, holder));
            for sha256 in &holder.hashes {
                holders.entry(place(sha256)).or_default().push(Entry {
                    sha256: *sha256,
                    holder: Arc::clone(&credential),
                });
            }
        }
        Some(Self { header, holders })
    }

    /// Whose key has this digest.
    fn find(&self, sha256: &[u8; 32]) -> Option<&Arc<Credential>> {
        let mut found = None;
        for entry in self.holders.get(&place(sha256)).into_iter().flatten() {
            if crate::constant_time_eq(&entry.sha256, sha256) {
                found = Some(&entry.holder);
            }
        }
        found
    }
}

impl KeyRing {
    /// Those of several authenticators may come in one header.
    pub(crate) fn new(tables: impl Iterator<Item = Arc<KeyTable>>) -> Self {
        let mut ring: Vec<OfHeader> = Vec::new();
        for table in tables {
            match ring.iter_mut().find(|of| of.header == table.header) {
                Some(of) => of.tables.push(table),
                None => ring.push(OfHeader {
                    header: table.header.clone(),
                    tables: vec![table],
                }),
            }
        }
        Self(ring)
    }

    /// Who presents a key, if anybody does. The expiry is another question.
    pub(crate) fn presented(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Credential>>, Failure> {
        let mut found = None;
        for OfHeader { header, tables } in &self.0 {
            let mut lines = headers.get_all(header).iter();
            let Some(line) = lines.next() else { continue };
            if lines.next().is_some() {
                return Err(Failure::MalformedApiKey("more than one line of it"));
            }
            if found.is_some() {
                return Err(Failure::MalformedApiKey("more than one key"));
            }
            found = Some(holder(tables, line.as_bytes())?);
        }
        Ok(found)
    }
}

/// All tables are looked into, whichever has it.
fn holder(tables: &[Arc<KeyTable>], key: &[u8]) -> Result<Arc<Credential>, Failure> {
    if key.is_empty() {
        return Err(Failure::MalformedApiKey("empty"));
    }
    if key.len() > format::LONGEST {
        return Err(Failure::MalformedApiKey("over 512 bytes"));
    }
    if !key.iter().all(u8::is_ascii_graphic) {
        return Err(Failure::MalformedApiKey("not one word of visible ASCII"));
    }
    let sha256 = format::sha256(key);
    let mut found = None;
    for table in tables {
        found = found.or(table.find(&sha256));
    }
    match found {
        Some(holder) => Ok(Arc::clone(holder)),
        None => Err(Failure::UnknownApiKey(hint(key))),
    }
}

/// What the operator may be told about a key that nobody has.
fn hint(key: &[u8]) -> &'static str {
    let text = std::str::from_utf8(key).unwrap_or_default();
    if text.starts_with(config::API_KEY_PREFIX) && !format::is_ours(text) {
        "; its checksum is wrong: it was not copied whole"
    } else if text.starts_with("sha256:") {
        "; it is the stored form of one"
    } else if text.starts_with("ey") && text.matches('.').count() == 2 {
        "; it looks like a token, and tokens belong in Authorization: Bearer"
    } else {
        ""
    }
}

/// What a bearer token is that is a key of ours in the wrong header.
pub(crate) const NO_TOKEN: &str = "an API key, which has a header of its own";

/// Whether a bearer token is a key of ours in the wrong header.
pub(crate) fn looks_like_one(token: &str) -> bool {
    token.starts_with(config::API_KEY_PREFIX)
}

fn place(sha256: &[u8; 32]) -> u64 {
    sha256
        .first_chunk()
        .map_or(0, |first| u64::from_ne_bytes(*first))
}

/// By what the provider of an authenticator's keys goes: nothing in it is ever compared with a token.
pub(crate) fn rules(authenticator: &str, keys: &ApiKeys) -> Rules {
    let claim = |name: &str| ClaimPath::parse(name).expect("these names are claim paths");
    Rules {
        issuer: format!("{API_KEY_ISSUER}{authenticator}").into(),
        audiences: Vec::new(),
        shared_audience: false,
        leeway: Duration::ZERO,
        claims: Claims {
            subject: claim("sub"),
            scopes: vec![claim("scope")],
            email: claim("email"),
            name: claim("name"),
            groups: claim("groups"),
        },
        scope_map: keys.scope_map.clone(),
        trust_email: true,
    }
}

/// What a holder's keys mean, once and for all.
fn credential(provider: &Arc<Provider>, holder: &KeyHolder) -> Credential {
    let mut scopes = Scopes::default();
    for scope in &holder.scopes {
        // the configuration is checked: each of them is a scope
        let _ = scopes.insert(scope);
    }
    provider.imply(&mut scopes);
    let issuer = provider.issuer();
    let values = IdentityValues {
        subject: values::single(&holder.id),
        issuer: values::single(issuer),
        kind: HeaderValue::from_static(Kind::Client.as_str()),
        method: HeaderValue::from_static(provider.method),
        email: holder.email.as_deref().map(values::single),
        name: holder.name.as_deref().map(values::single),
        groups: values::joined(holder.groups.iter().map(AsRef::as_ref), ","),
        scopes: values::joined(scopes.iter(), " "),
        client: None,
        too_large: false,
    };
    let claims = claims(issuer, holder, &scopes);
    Credential {
        provider: Arc::clone(provider),
        life: Life::Settings,
        issuer: issuer.into(),
        kind: Kind::Client,
        subject: holder.id.clone(),
        client_id: None,
        id: None,
        confirmation: None,
        scopes,
        expires: holder.expires.map_or(Timestamp::NEVER, Timestamp),
        not_before: None,
        issued_at: None,
        audience: Audience::Ours,
        values: values.measured(),
        extras: crate::claims::extras(provider, &claims),
        key: Some(OfKey {
            acts_for: holder.acts_for.clone(),
        }),
    }
}

/// The same in the words of a token, for routes that name claims.
fn claims(issuer: &str, holder: &KeyHolder, scopes: &Scopes) -> Map<String, Value> {
    let told = [
        ("iss", Some(json!(issuer))),
        ("sub", Some(json!(holder.id))),
        ("scope", Some(json!(scopes.to_string()))),
        ("name", holder.name.as_ref().map(|name| json!(name))),
        ("email", holder.email.as_ref().map(|email| json!(email))),
        ("groups", Some(json!(holder.groups))),
    ];
    let told = told.into_iter();
    told.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

#[cfg(test)]
mod tests;
