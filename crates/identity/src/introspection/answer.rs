//! What a provider's answer says of a token (RFC 7662 section 2.2).
//!
//! The claims of an answer are judged as those of a token whose signature is good: by the same code. What is here comes before that.

use std::sync::Arc;
use std::time::Duration;

use config::AudienceClaim;
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::failed;
use crate::caller::Timestamp;
use crate::claims::{self, Said};
use crate::credential::{Credential, Life};
use crate::failure::{Failure, excerpt};
use crate::json;
use crate::provider::{Provider, Selected};

/// Judges an answer that came with status 200 to a question that was put at `asked`.
pub(super) fn judge(
    provider: &Arc<Provider>,
    body: &[u8],
    asked: Timestamp,
    cache: Duration,
) -> Result<Credential, Failure> {
    let claims = json::object(body).map_err(|error| match error.classify() {
        // nothing that could be an answer: whose fault that is, the token cannot tell
        Category::Syntax | Category::Eof | Category::Io => {
            failed(provider, "answered with something else than JSON")
        }
        Category::Data => Failure::malformed(format!("introspection answer: {error}")),
    })?;
    match claims.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(Failure::Inactive),
        Some(_) => return Err(Failure::malformed("active is not a boolean")),
        None => return Err(Failure::malformed("active is missing")),
    }
    let issuer = match claims.get("iss") {
        Some(Value::String(iss)) => match provider.select(iss) {
            Selected::Issuer(issuer) => issuer,
            Selected::NotYetKnown | Selected::No => return Err(mismatch(provider, excerpt(iss))),
        },
        Some(_) => return Err(Failure::malformed("iss is not a string")),
        None => return Err(mismatch(provider, "none".into())),
    };
    is_access_token(&claims)?;
    if matches!(claims.get("aud"), None | Some(Value::Null)) {
        return Err(Failure::AudienceMismatch {
            expected: "one".into(),
            found: "none".into(),
        });
    }
    let said = Said {
        issuer,
        life: Life::Until(asked),
        audience: AudienceClaim::Aud,
        longest: None,
        claims: &claims,
    };
    let mut credential = claims::credential(provider, said)?;
    credential.life = Life::Until(credential.expires.min(asked.after(cache)));
    Ok(credential)
}

/// Providers that are asked about one of their other tokens say so, if at all, in one of these members (SEC-17).
fn is_access_token(claims: &Map<String, Value>) -> Result<(), Failure> {
    const OTHERS: [&str; 7] = [
        "refresh",
        "refresh_token",
        "id",
        "id_token",
        "offline",
        "offline_token",
        "logout",
    ];
    for member in ["token_type", "token_use", "typ"] {
        let Some(said) = claims::string(claims, member)? else {
            continue;
        };
        // urn:ietf:params:oauth:token-type:refresh_token (RFC 8693 section 3)
        let word = said.rsplit(':').next().unwrap_or(said);
        if OTHERS.iter().any(|other| word.eq_ignore_ascii_case(other)) {
            return Err(Failure::TokenTypeNotAllowed(
                format!("{member} says {}", excerpt(said)).into(),
            ));
        }
    }
    claims::judge_foreign(claims)?;
    // it is bound to a key, and the answer does not say to which
    let bound =
        claims::string(claims, "token_type")?.is_some_and(|said| said.eq_ignore_ascii_case("dpop"));
    if bound && !claims.contains_key("cnf") {
        return Err(Failure::ProofRequired(
            "the token is bound to a key (token_type), and the answer does not say to which (no cnf)",
        ));
    }
    let marked = ["scope", "client_id"]
        .iter()
        .any(|mark| claims.get(*mark).is_some_and(|value| !value.is_null()));
    if marked {
        Ok(())
    } else {
        Err(Failure::TokenTypeNotAllowed(
            "the answer has neither scope nor client_id".into(),
        ))
    }
}

fn mismatch(provider: &Provider, found: Box<str>) -> Failure {
    Failure::IssuerMismatch {
        expected: format!("{:?}", provider.issuer()).into(),
        found,
    }
}
