//! How a provider is asked about a token (RFC 7662 section 2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{IntrospectionAuth, Secret};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use url::form_urlencoded;

use crate::back_channel::{FetchError, Pool};

/// Largest answer taken. It is about one token; what a JWT may say of one fits into 16 KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The endpoint, and what it is sent with every token.
pub(super) struct Endpoint {
    pool: Pool,
    headers: HeaderMap,
    /// What follows the token in the form.
    further: Secret,
}

impl Endpoint {
    pub(super) fn new(pool: Pool, auth: IntrospectionAuth, id: &str, secret: &Secret) -> Self {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(ACCEPT, json);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let mut further = String::from("&token_type_hint=access_token");
        match auth {
            IntrospectionAuth::Basic => {
                headers.insert(AUTHORIZATION, basic(id, secret));
            }
            IntrospectionAuth::Post => {
                for (name, value) in [("client_id", id), ("client_secret", secret.expose())] {
                    further.push('&');
                    further.push_str(name);
                    further.push('=');
                    further.extend(form_urlencoded::byte_serialize(value.as_bytes()));
                }
            }
        }
        Self {
            pool,
            headers,
            further: Secret::new(further),
        }
    }

    /// What the provider says. The deadline is whoever asks'.
    pub(super) async fn ask(&self, token: &Secret) -> Result<Vec<u8>, FetchError> {
        let mut form = String::from("token=");
        form.extend(form_urlencoded::byte_serialize(token.expose().as_bytes()));
        form.push_str(self.further.expose());
        let headers = self.headers.clone();
        self.pool.post(headers, form, MAX_ANSWER).await
    }
}

/// Each part is form-encoded before they are joined, so that a colon in the id cannot move the border (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &Secret) -> HeaderValue {
    let mut pair: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.expose().as_bytes()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .expect("base64 has only characters that a header may have");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_15_id_and_secret_are_form_encoded_before_they_are_joined() {
        let value = basic("a:b", &Secret::new("p+ q%&=é"));
        assert!(value.is_sensitive());
        let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = STANDARD.decode(text).unwrap();
        assert_eq!(
            String::from_utf8(pair).unwrap(),
            "a%3Ab:p%2B+q%25%26%3D%C3%A9"
        );
    }
}
