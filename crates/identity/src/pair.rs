//! Two credentials on one request: a token, and an API key (SEC-2, X7).
//!
//! Each of them has been judged by itself; here it is asked whether they speak of the same caller, and what remains of what they
//! allow.

use std::sync::Arc;

use http::HeaderValue;
use oauth::Scopes;

use crate::caller::Timestamp;
use crate::credential::Credential;
use crate::failure::{Failure, excerpt};
use crate::values::{self, IdentityValues};

/// What an API key leaves of the token that it came with.
pub(crate) struct Pair {
    pub(crate) key: Arc<Credential>,
    /// Those that both have.
    pub(crate) scopes: Scopes,
    /// The earlier end.
    pub(crate) expires: Timestamp,
    /// The token's, with the scopes that are left.
    pub(crate) values: IdentityValues,
    pub(crate) extras: Box<[Option<HeaderValue>]>,
}

impl Pair {
    /// A user's token with a service's key disagree, unless the key was made for exactly that.
    pub(crate) fn of(token: &Credential, key: Arc<Credential>) -> Result<Self, Failure> {
        let same =
            token.issuer == key.issuer && token.kind == key.kind && token.subject == key.subject;
        let of_key = key.key.as_ref();
        let acts_for = of_key.and_then(|of| of.acts_for.as_ref());
        let acts = acts_for
            .is_some_and(|whom| *whom.issuer == *token.issuer && *whom.subject == *token.subject);
        if !same && !acts {
            let named = |credential: &Credential| {
                let (issuer, subject) = (&credential.issuer, &credential.subject);
                let kind = credential.kind.as_str();
                format!("{kind} {} of {}", excerpt(subject), excerpt(issuer)).into()
            };
            return Err(Failure::IdentitiesDisagree {
                token: named(token),
                key: named(&key),
            });
        }
        let scopes = token.scopes.common(&key.scopes);
        let header = values::joined(scopes.iter(), " ");
        let asked = token.provider.extras.iter().zip(&token.extras);
        let says_scopes = &token.provider.rules.claims.scopes;
        let extras = asked.map(|(claim, value)| {
            if says_scopes.contains(claim) {
                header.clone()
            } else {
                value.clone()
            }
        });
        Ok(Self {
            expires: token.expires.min(key.expires),
            extras: extras.collect(),
            values: IdentityValues {
                scopes: header.clone(),
                ..token.values.clone()
            },
            scopes,
            key,
        })
    }
}
