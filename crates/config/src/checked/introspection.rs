//! Providers that are asked about each token (RFC 7662).

use std::path::PathBuf;
use std::time::Duration;

use super::Rules;
use crate::secret::{ProxyUrl, Secret};

/// How one provider is asked, and what its answers are judged by.
#[derive(Debug, Clone)]
pub struct Introspection {
    pub rules: Rules,
    /// https, or http on loopback.
    pub endpoint: Box<str>,
    pub client_id: Box<str>,
    pub client_secret: Secret,
    pub client_auth: IntrospectionAuth,
    /// How long an answer counts; zero: every request asks (X18).
    pub cache: Duration,
    /// How its tokens begin, where tokens of several are told apart (SEC-17).
    pub token_prefix: Option<Box<str>>,
    /// PEM file of the only roots believed for this provider's TLS.
    pub ca: Option<PathBuf>,
    /// Proxy for the back channel.
    pub proxy: Option<ProxyUrl>,
}

/// How the gateway says who it is (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionAuth {
    Basic,
    /// In the form.
    Post,
}

/// Two configurations are compared when one replaces the other. Nobody who presents a credential gets here, so time tells nothing.
impl PartialEq for Introspection {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            rules,
            endpoint,
            client_id,
            client_secret,
            client_auth,
            cache,
            token_prefix,
            ca,
            proxy,
        } = self;
        *rules == other.rules
            && *endpoint == other.endpoint
            && *client_id == other.client_id
            && client_secret.expose() == other.client_secret.expose()
            && *client_auth == other.client_auth
            && *cache == other.cache
            && *token_prefix == other.token_prefix
            && *ca == other.ca
            && *proxy == other.proxy
    }
}
