//! Reads the `Authorization` header.
//!
//! Absent is the only form that counts as "no credential": whatever else is there and is not exactly one token is refused
//! (SEC-2), because a header that is skipped here might be believed by something behind us.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::failure::Failure;
use crate::proof::Scheme;

/// Longest token that is looked at (SEC-17).
const MAX_TOKEN: usize = 16 * 1024;

/// The presented token and its scheme, if any.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<(Scheme, &str)>, Failure> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Failure::MalformedCredentials(
            "more than one authorization header",
        ));
    }
    read(line.as_bytes()).map(Some)
}

/// The token of a line that was read before.
pub(crate) fn value(line: &HeaderValue) -> Option<&str> {
    line.to_str().ok()?.split_once(' ').map(|(_, token)| token)
}

fn read(line: &[u8]) -> Result<(Scheme, &str), Failure> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Err(Failure::MalformedCredentials("not ASCII"));
    };
    if line.is_empty() {
        return Err(Failure::MalformedCredentials("empty"));
    }
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    let scheme = if scheme.eq_ignore_ascii_case("bearer") {
        Scheme::Bearer
    } else if scheme.eq_ignore_ascii_case("dpop") {
        Scheme::Dpop
    } else {
        return Err(Failure::MalformedCredentials("unknown scheme"));
    };
    if token.is_empty() {
        return Err(Failure::MalformedCredentials("no token"));
    }
    if token.len() > MAX_TOKEN {
        return Err(Failure::MalformedCredentials("token over 16 KiB"));
    }
    if !is_token68(token) {
        return Err(Failure::MalformedCredentials(
            "not one token of legal characters",
        ));
    }
    Ok((scheme, token))
}

/// RFC 9110 section 11.2.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // looked at to the end, without a branch: almost every token is legal, and this is done for every request
    !body.is_empty()
        && body
            .bytes()
            .fold(true, |legal, byte| legal & is_legal(byte))
}

fn is_legal(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], expected: Result<&str, &'static str>) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        let expected = expected.map_err(Failure::MalformedCredentials);
        let found = token(&headers).map(|found| found.map_or("", |(_, token)| token));
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn t_o2_no_header_is_no_credential() {
        assert_eq!(token(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn t_o20_t_o21_the_name_of_the_header_is_read_in_any_case() {
        for name in ["Authorization", "authorization", "AUTHORIZATION"] {
            let name: http::HeaderName = name.parse().unwrap();
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("Bearer abc"))]);
            assert_eq!(token(&headers), Ok(Some((Scheme::Bearer, "abc"))));
        }
    }

    #[test]
    fn err_8_the_scheme_is_read_in_any_case() {
        check(b"Bearer abc", Ok("abc"));
        check(b"bearer abc", Ok("abc"));
        check(b"BEARER a-._~+/b==", Ok("a-._~+/b=="));
    }

    #[test]
    fn r9449_the_scheme_dpop_is_known() {
        for line in ["DPoP abc", "dpop abc", "DPOP abc"] {
            let line = line.parse().unwrap();
            let headers = HeaderMap::from_iter([(AUTHORIZATION, line)]);
            assert_eq!(token(&headers), Ok(Some((Scheme::Dpop, "abc"))));
        }
    }

    #[test]
    fn err_8_two_lines_are_refused_even_if_equal() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        assert_eq!(
            token(&headers),
            Err(Failure::MalformedCredentials(
                "more than one authorization header"
            ))
        );
    }

    #[test]
    fn sec_2_t_o3_other_schemes_are_malformed_not_absent() {
        for line in [
            &b"Basic YTpi"[..],
            b"DPoPabc",
            b"Negotiate abc",
            b"Bearerabc",
            b"Bearer\tabc",
            b" Bearer abc",
            b"abc",
            b"Token abc",
        ] {
            check(line, Err("unknown scheme"));
        }
    }

    #[test]
    fn t_o18_t_o19_an_empty_credential_is_refused() {
        check(b"", Err("empty"));
        check(b"Bearer", Err("no token"));
        check(b"Bearer ", Err("no token"));
    }

    #[test]
    fn r6750_anything_but_one_token_is_refused() {
        for line in [
            &b"Bearer  abc"[..],
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer abc, Bearer def",
            b"Bearer a\tb",
            b"Bearer abc ",
            b"Bearer abc\t",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer \"abc\"",
            b"Bearer abc;x=1",
        ] {
            check(line, Err("not one token of legal characters"));
        }
        check(b"Bearer \xff", Err("not ASCII"));
    }

    #[test]
    fn sec_17_a_token_over_16_kib_is_refused() {
        let longest = "a".repeat(MAX_TOKEN);
        check(format!("Bearer {longest}").as_bytes(), Ok(&longest));
        check(
            format!("Bearer {longest}a").as_bytes(),
            Err("token over 16 KiB"),
        );
    }
}
