//! Whether a token is an access token at all (SEC-13, R9068).
//!
//! The same provider signs ID tokens, logout tokens and refresh tokens with the same keys, often for the same audience.

use config::{Jwt, TokenType};
use serde_json::{Map, Value};

use crate::failure::{Failure, excerpt};

/// Which kind of `typ` the header has; an error for kinds that the authenticator does not take.
pub(crate) fn typ(header: Option<&str>, taken: &[TokenType]) -> Result<TokenType, Failure> {
    // media types are compared without regard to case (RFC 2045 section 5.1)
    let kind = match header {
        None => Some(TokenType::Absent),
        Some(typ) if is(typ, &["at+jwt", "application/at+jwt"]) => Some(TokenType::AtJwt),
        Some(typ) if is(typ, &["jwt"]) => Some(TokenType::Jwt),
        Some(_) => None,
    };
    kind.filter(|kind| taken.contains(kind)).ok_or_else(|| {
        let typ = header.map_or("(absent)".into(), excerpt);
        Failure::TokenTypeNotAllowed(format!("typ {typ}").into())
    })
}

/// Which marks count of a token that does not call itself an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// It needs one of its own, and has none of other tokens.
    All,
    /// It has none of other tokens.
    Foreign,
}

/// What makes it an access token, for whoever explains it.
pub(crate) fn words(header: Option<&str>) -> String {
    match header {
        Some(typ) => format!("typ {}, and the claims of an access token", excerpt(typ)),
        None => "no typ, and the claims of an access token".into(),
    }
}

/// A token that does not call itself an access token must look like one and not like anything else.
pub(crate) fn judge(
    token_type: TokenType,
    jwt: &Jwt,
    marks: Marks,
    claims: &Map<String, Value>,
) -> Result<(), Failure> {
    match token_type {
        TokenType::AtJwt => return Ok(()),
        TokenType::Jwt | TokenType::Absent => {}
    }
    judge_foreign(claims)?;
    if !jwt.nonce_allowed && claims.contains_key("nonce") {
        return Err(Failure::TokenTypeNotAllowed(
            "nonce is no claim of an access token".into(),
        ));
    }
    let says = |claim: &str, words: &[&str]| {
        claims
            .get(claim)
            .and_then(Value::as_str)
            .is_some_and(|word| is(word, words))
    };
    if says("token_use", &["id", "refresh", "offline"]) {
        return Err(Failure::TokenTypeNotAllowed("token_use says so".into()));
    }
    if says("typ", &["id", "refresh", "offline", "logout"]) {
        return Err(Failure::TokenTypeNotAllowed(
            "the payload's typ says so".into(),
        ));
    }
    let marked = ["scope", "scp", "scopes", "client_id", "cid"]
        .iter()
        .any(|mark| claims.get(*mark).is_some_and(|value| !value.is_null()))
        || jwt
            .access_token_marks
            .iter()
            .any(|mark| mark.find(claims).is_some_and(|value| !value.is_null()))
        || says("token_use", &["access"])
        || says("typ", &["bearer"]);
    if marked || marks == Marks::Foreign {
        Ok(())
    } else {
        Err(Failure::TokenTypeNotAllowed(
            "neither typ at+jwt nor a claim that only access tokens have (access_token_marks names further ones)"
                .into(),
        ))
    }
}

/// Refuses what has claims that only ID tokens and events have.
pub(crate) fn judge_foreign(claims: &Map<String, Value>) -> Result<(), Failure> {
    for foreign in ["at_hash", "c_hash", "s_hash", "events"] {
        if claims.contains_key(foreign) {
            return Err(Failure::TokenTypeNotAllowed(
                format!("{foreign} is no claim of an access token").into(),
            ));
        }
    }
    Ok(())
}

fn is(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}
