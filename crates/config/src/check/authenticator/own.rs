//! Tokens that the operator's own services sign: the kinds `shared_secret` and `public_key`.

use super::rules::{self, WrittenRules};
use crate::checked::{
    Algorithm, AudienceClaim, AuthenticatorKind, Hmac, Jwt, Rules, SharedSecret, SignedByOne,
};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::public_key::PublicKey;
use crate::raw;
use crate::scalar::name::Audience;
use crate::scalar::own::{IssuerName, SharedKey};
use crate::scalar::word::Word as _;
use crate::written::{Block, List, Text};

pub(super) fn shared_secret(
    place: &Place,
    raw: Block<raw::SharedSecret>,
    any_audience: bool,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let algorithm = notes.text_or(&place.key("algorithm"), raw.algorithm.as_ref(), Hmac::Hs256);
    let secret_place = place.key("secret");
    let secret = notes.required(&secret_place, raw.secret.as_ref());
    if let Some(SharedKey(secret)) = &secret
        && secret.expose().len() < algorithm.shortest_secret()
    {
        notes.wrong(
            &secret_place,
            Flaw::new(format!(
                "`***` has fewer than {} bytes, which {} needs (RFC 7518 §3.2)",
                algorithm.shortest_secret(),
                algorithm.name()
            ))
            .hint("make one with `openssl rand -hex 64`, and put it in by ${JWT_SECRET}"),
        );
    }
    let rules = own_rules(
        place,
        raw.issuer.as_ref(),
        raw.audiences.as_ref(),
        any_audience,
        WrittenRules {
            issuer: None,
            audiences: None,
            shared_audience: raw.shared_audience,
            leeway: raw.leeway,
            claims: raw.claims,
            scope_map: raw.scope_map,
            trust_email: raw.trust_email,
        },
        notes,
    );
    let token_types =
        rules::token_types(&place.key("token_types"), raw.token_types.as_ref(), notes);
    let longest = rules::longest(place, raw.max_token_lifetime.as_ref(), notes);
    let SharedKey(secret) = secret?;
    Some(AuthenticatorKind::SharedSecret(SharedSecret {
        jwt: Jwt {
            rules: rules?,
            issuers: Vec::new(),
            audience_claim: AudienceClaim::Aud,
            token_types,
            access_token_marks: Vec::new(),
            nonce_allowed: false,
            max_token_lifetime: longest,
        },
        algorithm,
        secret,
    }))
}

pub(super) fn public_key(
    place: &Place,
    raw: Block<raw::PublicKey>,
    any_audience: bool,
    notes: &mut Notes,
) -> Option<AuthenticatorKind> {
    let raw = notes.fields(place, raw)?;
    let key = notes.required(&place.key("pem"), raw.pem.as_ref());
    let algorithms = algorithms(
        &place.key("algorithms"),
        raw.algorithms.as_ref(),
        key.as_ref(),
        notes,
    );
    let rules = own_rules(
        place,
        raw.issuer.as_ref(),
        raw.audiences.as_ref(),
        any_audience,
        WrittenRules {
            issuer: None,
            audiences: None,
            shared_audience: raw.shared_audience,
            leeway: raw.leeway,
            claims: raw.claims,
            scope_map: raw.scope_map,
            trust_email: raw.trust_email,
        },
        notes,
    );
    let token_types =
        rules::token_types(&place.key("token_types"), raw.token_types.as_ref(), notes);
    let longest = rules::longest(place, raw.max_token_lifetime.as_ref(), notes);
    let access_token_marks = rules::access_token_marks(
        &place.key("access_token_marks"),
        raw.access_token_marks.as_ref(),
        notes,
    );
    let key = key?;
    Some(AuthenticatorKind::PublicKey(SignedByOne {
        jwt: Jwt {
            rules: rules?,
            issuers: Vec::new(),
            audience_claim: AudienceClaim::Aud,
            token_types,
            access_token_marks,
            nonce_allowed: false,
            max_token_lifetime: longest,
        },
        algorithms,
        key,
    }))
}

/// Issuers are any names here, and audiences are not left to the route: one signer's tokens are often good for many things.
fn own_rules(
    place: &Place,
    issuer: Option<&Text<IssuerName>>,
    audiences: Option<&List<Text<Audience>>>,
    any_audience: bool,
    written: WrittenRules,
    notes: &mut Notes,
) -> Option<Rules> {
    let issuer = notes.required(&place.key("issuer"), issuer);
    let audiences_place = place.key("audiences");
    let audiences = notes.set(&audiences_place, audiences);
    if !any_audience && (!audiences.present || audiences.is_written_empty()) {
        notes.missing(
            &audiences_place,
            "without it a token made for another service would be accepted; name what your tokens have in `aud`",
        );
    }
    let audiences = audiences.items.into_iter().map(|Audience(text)| text);
    let issuer = issuer.map(|IssuerName(text)| text);
    rules::with(place, issuer, audiences.collect(), written, notes)
}

fn algorithms(
    place: &Place,
    field: Option<&List<Text<Algorithm>>>,
    key: Option<&PublicKey>,
    notes: &mut Notes,
) -> Vec<Algorithm> {
    let listed = notes.set(place, field);
    if listed.is_written_empty() {
        notes.wrong(
            place,
            Flaw::new("names no algorithm").hint("leave it out for the usual one of the key"),
        );
    }
    let Some(key) = key else {
        return listed.items;
    };
    for (place, algorithm) in listed.placed(place) {
        if !key.algorithms().contains(algorithm) {
            let possible: Vec<_> = key.algorithms().iter().map(Algorithm::word).collect();
            notes.wrong(
                &place,
                Flaw::new(format!("is nothing that {} can check", key.kind()))
                    .hint(format!("it is for {}", possible.join(", "))),
            );
        }
    }
    if listed.items.is_empty() {
        return key.algorithms().iter().take(1).copied().collect();
    }
    listed.items
}

#[cfg(test)]
mod tests;
