//! Who is calling. Never asks whether a caller is needed: that is `authorize`.

use std::borrow::Cow;

use config::Transport;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use identity::{Caller, Evidence, Presented, Timestamp};

use crate::plan::Site;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

/// The answer of this stage.
pub(crate) enum Identified {
    /// No credential was presented, or the route looks at none.
    Anonymous,
    Proven(Caller),
}

/// Looks at every credential that is there. A bad one is never treated as absent.
pub(crate) fn presented<'a>(
    site: &Site,
    arrival: &'a Arrival,
    now: Timestamp,
) -> Result<Presented<'a>, Refusal> {
    let headers = &arrival.head.headers;
    if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Refusal::Ambiguous("two Authorization lines")); // ERR-8
    }
    let Some(authentication) = &site.authentication else {
        return Ok(Presented::Nothing);
    };
    if let Some(query) = arrival.head.uri.query() {
        credential_free(query, site.transport)?;
    }
    Ok(authentication.look(&evidence(arrival), now)?)
}

/// Whether a token is presented by the scheme that has proofs; what it is worth is another question.
pub(crate) fn is_with_proof(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|line| {
        let scheme = line.as_bytes().get(..5);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"dpop "))
    })
}

/// What of a request may say who is calling.
fn evidence(arrival: &Arrival) -> Evidence<'_> {
    let Arrival {
        head,
        public_https,
        authority,
        session,
        peer,
        client,
        ..
    } = arrival;
    Evidence {
        headers: &head.headers,
        method: &head.method,
        secure: *public_https,
        authority,
        path: head.uri.path(),
        certificate: arrival.thumbprint(),
        peer: *peer,
        client: *client,
        peer_verified: session.as_ref().is_some_and(|it| it.client().is_some()),
    }
}

/// Who it is that presents this.
pub(crate) async fn caller(
    site: &Site,
    presented: Presented<'_>,
    now: Timestamp,
) -> Result<Identified, Refusal> {
    match (presented, &site.authentication) {
        (Presented::Nothing, _) | (_, None) => Ok(Identified::Anonymous),
        (Presented::Known(caller), Some(_)) => Ok(Identified::Proven(caller)),
        (Presented::Unknown(unverified), Some(authentication)) => {
            let caller = authentication.caller(unverified, now).await?;
            Ok(Identified::Proven(caller))
        }
    }
}

/// Refuses credentials in the query, in whatever spelling, even beside a good header (S3-24, AUD-6).
pub(crate) fn credential_free(query: &str, transport: Transport) -> Result<(), Refusal> {
    let names: &[&'static str] = match transport {
        Transport::Mcp | Transport::Sse => {
            &["access_token", "token", "api_key", "x_api_key", "jwt"]
        }
        Transport::Http => &["access_token"],
    };
    for pair in query.split(['&', ';']) {
        let name = pair.split('=').next().unwrap_or_default();
        let name = decoded(name);
        if let Some(parameter) = names.iter().find(|known| is_spelled(&name, known)) {
            return Err(Refusal::TokenInQuery { parameter });
        }
    }
    Ok(())
}

/// Whether a name is this one, whatever its case and whatever joins its words: `apiKey`, `api-key`, `X-API-Key`.
fn is_spelled(name: &str, known: &str) -> bool {
    letters(name).eq(letters(known))
}

fn letters(text: &str) -> impl Iterator<Item = u8> {
    let bytes = text
        .bytes()
        .filter(|byte| !matches!(byte, b'-' | b'_' | b'.'));
    bytes.map(|byte| byte.to_ascii_lowercase())
}

/// Percent-decoded; what is no escape stays as it is.
pub(crate) fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if let ([high, low, after @ ..], b'%') = (tail, first)
            && let (Some(high), Some(low)) = (
                char::from(*high).to_digit(16),
                char::from(*low).to_digit(16),
            )
        {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = after;
            continue;
        }
        bytes.push(first);
        rest = tail;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, refused_on_mcp: bool, refused_on_http: bool) {
        assert_eq!(
            credential_free(query, Transport::Mcp).is_err(),
            refused_on_mcp,
            "mcp: {query}"
        );
        assert_eq!(
            credential_free(query, Transport::Http).is_err(),
            refused_on_http,
            "http: {query}"
        );
    }

    #[test]
    fn s3_24_x26_credentials_in_the_query_are_seen_in_every_spelling() {
        check("access_token=x", true, true);
        check("a=1&access_token", true, true);
        check("access%5Ftoken=x", true, true);
        check("%61ccess_token=x", true, true);
        check("Access_Token=x", true, true);
        check("a=1;token=x", true, false);
        check("apiKey=x", true, false);
        check("api_key=x", true, false);
        check("api-key=x", true, false);
        check("X-API-Key=x", true, false);
        check("a=1&x%2Dapi_key=x", true, false);
        check("access-token=x", true, true);
        check("jwt=x", true, false);
        check("keyapi=x&x-api=1&tokens=2", false, false);
        check("token_hint=1", false, false);
        check("q=access_token", false, false);
        check("%=1&%zz=2&%6", false, false);
        check("", false, false);
    }
}
