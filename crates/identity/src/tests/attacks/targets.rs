//! Who is attacked: every kind of authenticator with every kind of key.

use std::sync::Arc;

use config::{Algorithm, AuthenticatorKind, KeySource};

use super::secrets::{der, pem};
use crate::testing::{ISSUER, RESOURCE, TestKey, clock, config, publish, settings};
use crate::tests::own::written;
use crate::{Authenticators, RouteAuthenticator};

/// One authenticator, and what is needed to make good tokens for it and bad ones.
pub(super) struct Target {
    pub(super) name: String,
    /// As in the configuration.
    pub(super) kind: &'static str,
    pub(super) signer: Signer,
    /// Another key of the same kind, which nobody trusts.
    pub(super) foreign: Signer,
    pub(super) route: RouteAuthenticator,
    _all: Arc<Authenticators>,
    _keys: Option<tempfile::TempDir>,
}

/// Who signs.
pub(super) enum Signer {
    Public(TestKey),
    Shared(&'static str),
}

impl Target {
    /// As in the list's `for`.
    pub(super) fn key_kind(&self) -> &'static str {
        match self.signer {
            Signer::Public(TestKey::Es256(_)) => "es256",
            Signer::Public(TestKey::Rsa(_)) => "rs256",
            Signer::Public(TestKey::Ed25519(_)) => "eddsa",
            Signer::Shared(_) => "hs256",
        }
    }

    pub(super) fn alg(&self) -> &'static str {
        match self.key_kind() {
            "es256" => "ES256",
            "rs256" => "RS256",
            "eddsa" => "EdDSA",
            _ => "HS256",
        }
    }
}

/// A key, another one of its kind, and its algorithm.
fn pairs() -> [(TestKey, TestKey, Algorithm); 3] {
    [
        (TestKey::rsa(), TestKey::rsa(), Algorithm::Rs256),
        (TestKey::es256(), TestKey::es256(), Algorithm::Es256),
        (TestKey::ed25519(), TestKey::ed25519(), Algorithm::EdDsa),
    ]
}

async fn start(kind: AuthenticatorKind) -> (Arc<Authenticators>, RouteAuthenticator) {
    let config = config(vec![("corp", kind)]);
    let all = Authenticators::start(&config, clock()).await.unwrap();
    let route = all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
    (all, route)
}

/// Key sets with one key, `k1`.
pub(super) async fn jwks() -> Vec<Target> {
    let mut targets = Vec::new();
    for (key, foreign, algorithm) in pairs() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jwks.json");
        publish(&file, &[key.jwk("k1")]);
        let mut settings = settings();
        settings.algorithms = vec![algorithm];
        let kind = settings.jwks(KeySource::File(file));
        let (all, route) = start(kind).await;
        targets.push(Target {
            name: format!("jwks, {algorithm:?}"),
            kind: "jwks",
            signer: Signer::Public(key),
            foreign: Signer::Public(foreign),
            route,
            _all: all,
            _keys: Some(directory),
        });
    }
    targets
}

/// Public keys in the configuration.
pub(super) async fn public_keys() -> Vec<Target> {
    let mut targets = Vec::new();
    for (key, foreign, algorithm) in pairs() {
        let pem = serde_json::Value::from(pem(&der(&key)));
        let kind = written(&format!(
            "public_key: {{ pem: {pem}, issuer: '{ISSUER}', audiences: ['{RESOURCE}'] }}"
        ));
        let (all, route) = start(kind).await;
        targets.push(Target {
            name: format!("public_key, {algorithm:?}"),
            kind: "public_key",
            signer: Signer::Public(key),
            foreign: Signer::Public(foreign),
            route,
            _all: all,
            _keys: None,
        });
    }
    targets
}

/// A secret in the configuration.
pub(super) async fn shared_secret() -> Target {
    const SECRET: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
    let kind = written(&format!(
        "shared_secret: {{ secret: {SECRET}, issuer: '{ISSUER}', audiences: ['{RESOURCE}'] }}"
    ));
    let (all, route) = start(kind).await;
    Target {
        name: "shared_secret".to_owned(),
        kind: "shared_secret",
        signer: Signer::Shared(SECRET),
        foreign: Signer::Shared("zR2yVw8Xn5tQm1JcKd7hLg4PfSb9Ue3A"),
        route,
        _all: all,
        _keys: None,
    }
}
