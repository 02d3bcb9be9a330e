//! Inbound headers that never reach an upstream (SEC-34): proofs, hop-by-hop headers, and every spelling in which somebody but the gateway
//! might announce an identity, an address, a host or a client certificate.

use std::collections::HashSet;

use config::IdentityHeaders;
use foldhash::fast::RandomState;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};

use crate::plan::site;
use crate::stop::Refusal;

/// Inbound headers that never pass, for all routes together.
pub(crate) struct Stripping {
    exact: HashSet<Box<str>, RandomState>,
}

/// Names that are removed whatever a route says: proofs, hop-by-hop headers, and every spelling in which somebody else might announce
/// an address, a host or a client certificate.
const ALWAYS: &[&str] = &[
    "authorization",
    "dpop",
    "proxy-authorization",
    "proxy-connection",
    "proxy-authenticate",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "host",
    "origin",
    "forwarded",
    "content-length",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-request-id",
];
const PREFIXES: &[&str] = &[
    "x-auth-",
    "x-forwarded-",
    "client-cert",
    "x-ssl-client-",
    "x-client-cert",
    // ingress-nginx, AWS, Azure, and others that end TLS
    "ssl-client-",
    "x-tls-client-",
    "x-amzn-mtls-",
    "x-arr-clientcert",
    // what other gateways call an identity that they vouch for: Google IAP, AWS ALB, Azure App Service, Cloudflare Access, Pomerium,
    // Tailscale, Grafana's auth proxy
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-amzn-oidc-",
    "x-ms-client-principal",
    "x-ms-token-",
    "cf-access-",
    "x-pomerium-",
    "tailscale-user-",
    "x-webauth-",
];

/// What the gateway judges or sets under this very name. Another spelling never passes, and `Connection` may not name it: a server that
/// folds characters together would take it for what was judged.
const JUDGED: &[&str] = &[
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "last-event-id",
    "via",
];
const JUDGED_PREFIX: &str = "mcp-";

fn is_judged(name: &str) -> bool {
    JUDGED.contains(&name) || name.starts_with(JUDGED_PREFIX)
}

impl Stripping {
    /// The union over all presets, all routes and all API keys: a header one route believes may not be sent to another by a caller.
    pub(crate) fn of(config: &config::Config) -> Self {
        let mut exact: HashSet<Box<str>, RandomState> =
            ALWAYS.iter().map(|&name| name.into()).collect();
        let told = config.server.client_certificate.as_ref();
        exact.extend(told.map(|told| dashed(&told.header).into_boxed_str()));
        exact.extend(super::AUTHELIA.iter().map(|&(name, _)| name.into()));
        let keys = site::key_headers(config.authenticators.iter());
        exact.extend(keys.into_iter().map(|name| dashed(name).into_boxed_str()));
        for identity in config.routes.iter().map(|route| &route.identity) {
            exact.extend(
                identity
                    .strip
                    .iter()
                    .map(|name| dashed(name).into_boxed_str()),
            );
            if let IdentityHeaders::Map(map) = &identity.headers {
                exact.extend(map.iter().map(|(name, _)| dashed(name).into_boxed_str()));
            }
        }
        Self { exact }
    }

    /// Removes everything that must not pass, and what `Connection` names.
    pub(super) fn strip(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        remove_named_by_connection(self, headers)?;
        let doomed: Vec<HeaderName> = headers
            .keys()
            .filter(|name| self.takes(name.as_str()))
            .cloned()
            .collect();
        for name in &doomed {
            headers.remove(name);
        }
        Ok(())
    }

    /// Whether a header must not pass. Servers differ in which characters they fold together, so every character that is neither letter
    /// nor digit counts as `-`, and a name with `_` never passes.
    fn takes(&self, name: &str) -> bool {
        if name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return self.takes_dashed(name);
        }
        if name.contains('_') {
            return true;
        }
        let dashed = dashed(name);
        // of what is judged only the one spelling is; in the name of an argument (`Mcp-Param-*`) anything may stand
        let is_respelt = is_judged(&dashed) && !name.starts_with("mcp-param-");
        is_respelt || self.takes_dashed(&dashed)
    }

    fn takes_dashed(&self, name: &str) -> bool {
        PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || self.exact.contains(name)
    }
}

fn dashed(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}

/// `Connection` may name headers that end here (RFC 9110 section 7.6.1), but none that the gateway judges or sets: naming `Mcp-Session-Id`
/// or `Authorization` there is an attempt to have it vanish between two readers (SEC-33).
fn remove_named_by_connection(
    stripping: &Stripping,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let harmless = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    if headers.get_all(CONNECTION).iter().all(harmless) {
        return Ok(());
    }
    let mut named = Vec::new();
    for line in headers.get_all(CONNECTION) {
        let line = line
            .to_str()
            .map_err(|_| Refusal::Ambiguous("Connection is not ASCII"))?;
        named.extend(
            line.split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty()),
        );
    }
    for name in named {
        match name.as_str() {
            "close" | "keep-alive" | "te" | "upgrade" | "http2-settings" => {}
            name if is_judged(name) || stripping.takes(name) => {
                return Err(Refusal::Ambiguous(
                    "Connection names a header that the gateway judges or sets",
                ));
            }
            other => {
                headers.remove(other);
            }
        }
    }
    Ok(())
}
