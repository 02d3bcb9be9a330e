//! The message address that a client is given in the place of the upstream's.
//!
//! It carries path and query of the upstream's address behind a seal (see [`crate::binding`]), so that nothing has to be remembered, and
//! nothing but what a server has named can be reached by it. In base64url, because there is no character in it that a client would
//! write in another way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::URI_LIMIT;
use crate::binding::{SEAL_LENGTH, Seal};

/// The one parameter of the address: that of most servers, which some clients look for. It is none of the names under which
/// credentials are refused.
const PARAMETER: &str = "sessionId";

/// An address at this path of the gateway that stands for the upstream's `uri`.
pub fn address(path: &str, seal: &Seal, uri: &str) -> String {
    let uri = URL_SAFE_NO_PAD.encode(uri);
    format!("{path}?{PARAMETER}={seal}.{uri}")
}

/// The seal and the upstream's address that the query of a request carries. `None` for everything that [`address`] never made; other
/// parameters count for nothing.
pub fn carried(query: &str) -> Option<(Seal, String)> {
    let mut values = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix(PARAMETER)?.strip_prefix('='));
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (seal, uri) = value.split_at_checked(SEAL_LENGTH)?;
    let uri = URL_SAFE_NO_PAD.decode(uri.strip_prefix('.')?).ok()?;
    let uri = String::from_utf8(uri).ok();
    let uri = uri.filter(|uri| uri.starts_with('/') && uri.len() <= URI_LIMIT)?;
    Some((Seal::parse(seal.as_bytes())?, uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::{Terms, Use};

    fn seal(uri: &str) -> Seal {
        let terms = Terms {
            of: Use::Messages,
            route: "/sse",
            holder: None,
            server: [7; 6],
            id: uri.as_bytes(),
        };
        terms.seal([1, 2, 3], |_| [0xff; 32])
    }

    #[test]
    fn sse_2_an_address_carries_the_upstreams_own() {
        for uri in [
            "/messages?sessionId=1&x=a%20b",
            "/",
            &format!("/{}", "x".repeat(URI_LIMIT - 1)),
        ] {
            let address = address("/sse/message", &seal(uri), uri);
            let query = address.strip_prefix("/sse/message?").unwrap();
            assert!(
                query
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte))
            );
            assert_eq!(carried(query), Some((seal(uri), uri.to_owned())));
            assert_eq!(
                carried(&format!("a=b&{query}&x")),
                Some((seal(uri), uri.to_owned()))
            );
        }
    }

    #[test]
    fn sec_54_what_was_never_made_carries_nothing() {
        let address = address("", &seal("/m"), "/m");
        let good = address.strip_prefix("?sessionId=").unwrap();
        let (of_seal, of_uri) = good.split_once('.').unwrap();
        for bad in [
            "",
            "sessionId",
            "sessionId=",
            &format!("sessionid={good}"),
            &format!("session={good}"),
            &format!("sessionId={good}&sessionId={good}"),
            &format!("sessionId={good}="),
            &format!("sessionId={good}%3D"),
            &format!("sessionId={of_seal}"),
            &format!("sessionId={of_seal}."),
            &format!("sessionId={of_seal}{of_uri}"),
            &format!("sessionId=.{of_uri}"),
            &format!("sessionId={of_seal}.{}", URL_SAFE_NO_PAD.encode("m")),
            &format!(
                "sessionId={of_seal}.{}",
                URL_SAFE_NO_PAD.encode("http://x/m")
            ),
            &format!("sessionId={of_seal}.{}", URL_SAFE_NO_PAD.encode(b"/\xff")),
            &format!(
                "sessionId={of_seal}.{}",
                URL_SAFE_NO_PAD.encode("/".repeat(URI_LIMIT + 1))
            ),
            &format!("sessionId=B{good}"),
        ] {
            assert_eq!(carried(bad), None, "{bad}");
        }
    }
}
