//! Who a token names, and what it says about them.

use config::{ClaimPath, Rules};
use http::HeaderValue;
use oauth::Scopes;
use serde_json::{Map, Value};

use super::{Who, string};
use crate::caller::Kind;
use crate::failure::{Failure, Stage, excerpt};
use crate::provider::Provider;
use crate::steps;
use crate::values;

/// Issuer, kind and subject are the caller (SEC-1). A client never looks like a user, so a token that a provider issued to a
/// program itself is kind client even where it has a `sub`: `sub` equal to the client (RFC 9068 section 5), Auth0's `gty`,
/// Entra's `idtyp`, a job of GitHub Actions.
pub(super) fn who(subject: &ClaimPath, claims: &Map<String, Value>) -> Result<Who, Failure> {
    let client_id = match string(claims, "client_id")? {
        Some(client_id) => Some(client_id),
        None => string(claims, "azp")?,
    };
    // Okta and Entra v1 have names of their own for it; they never stand for a subject
    let known = |name: &str| claims.get(name).and_then(Value::as_str);
    let client = client_id
        .or_else(|| known("cid"))
        .or_else(|| known("appid"))
        .filter(|client| !client.is_empty());
    let subject = match subject.find(claims) {
        None => None,
        Some(Value::String(subject)) => Some(subject.as_str()),
        Some(_) => return Err(Failure::malformed("the subject is not a string")),
    };
    let (kind, subject) = match (subject, client_id) {
        (Some(""), _) | (None, None | Some("")) => return Err(Failure::MissingSubject),
        (None, Some(client)) => (Kind::Client, client),
        (Some(subject), _) => {
            let own = client == Some(subject)
                || known("gty") == Some("client-credentials")
                || known("idtyp") == Some("app")
                || known("job_workflow_ref").is_some();
            (if own { Kind::Client } else { Kind::User }, subject)
        }
    };
    Ok(Who {
        kind,
        subject: subject.into(),
        client_id: client.map(Box::from),
    })
}

/// The scopes of the first claim that is there, never of several together (SEC-16), with what they imply (SCP-5).
pub(super) fn scopes(provider: &Provider, claims: &Map<String, Value>) -> Result<Scopes, Failure> {
    let paths = &provider.rules.claims.scopes;
    let Some((path, claim)) = paths
        .iter()
        .find_map(|path| Some((path, path.find(claims)?)))
    else {
        return Ok(Scopes::default());
    };
    let read = match claim {
        Value::String(text) => Scopes::parse(text),
        Value::Array(elements) => {
            let tokens: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
            let tokens = tokens.ok_or_else(|| {
                Failure::malformed(format!(
                    "{} has an element that is not a string",
                    path.as_str()
                ))
            })?;
            Scopes::from_tokens(tokens)
        }
        _ => {
            return Err(Failure::malformed(format!(
                "{} is neither a string nor an array",
                path.as_str()
            )));
        }
    };
    let mut scopes =
        read.map_err(|error| Failure::malformed(format!("{}: {error}", path.as_str())))?;
    let said = steps::heard().then(|| scopes.clone());
    provider.imply(&mut scopes);
    steps::passed(Stage::Scopes, || {
        told(path, &said.unwrap_or_default(), &scopes)
    });
    Ok(scopes)
}

/// The scopes of a token in words: its own, and what they imply.
fn told(path: &ClaimPath, said: &Scopes, all: &Scopes) -> String {
    let mut text = format!("{}: {}", path.as_str(), excerpt(&said.to_string()));
    let implied: Vec<_> = all.iter().filter(|one| !said.contains(one)).collect();
    if !implied.is_empty() {
        text.push_str("; scope_map adds ");
        text.push_str(&excerpt(&implied.join(" ")));
    }
    text
}

/// An address counts only if the provider says that it is verified, or the operator says that the provider's always are (SEC-4).
pub(super) fn email(rules: &Rules, claims: &Map<String, Value>) -> Option<HeaderValue> {
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    (verified || rules.trust_email)
        .then(|| text(&rules.claims.email, claims))
        .flatten()
        .map(values::single)
}

/// A claim that is a text, and not an empty one.
pub(super) fn text<'c>(path: &ClaimPath, claims: &'c Map<String, Value>) -> Option<&'c str> {
    path.find(claims)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// Groups or roles: one text is one group. Elements that are no text name no group.
pub(super) fn groups(provider: &Provider, claims: &Map<String, Value>) -> Option<HeaderValue> {
    let found = provider.rules.claims.groups.find(claims);
    if found.is_none() && is_overage(claims) {
        tracing::debug!(
            authenticator = %provider.name,
            "the provider left the groups out because they are too many (Entra groups overage)"
        );
    }
    header(found?)
}

/// Entra replaces `groups` by a link to Graph when there are more than about 200.
fn is_overage(claims: &Map<String, Value>) -> bool {
    claims
        .get("_claim_names")
        .is_some_and(|names| names.get("groups").is_some())
        || claims.get("hasgroups") == Some(&Value::Bool(true))
}

/// A claim as a header value: texts, numbers and truth values, and lists of texts joined by commas.
pub(super) fn header(claim: &Value) -> Option<HeaderValue> {
    match claim {
        Value::String(text) => Some(values::single(text)),
        Value::Number(number) => Some(values::single(&number.to_string())),
        Value::Bool(truth) => Some(HeaderValue::from_static(if *truth {
            "true"
        } else {
            "false"
        })),
        Value::Array(elements) => values::joined(elements.iter().filter_map(Value::as_str), ","),
        Value::Null | Value::Object(_) => None,
    }
}
