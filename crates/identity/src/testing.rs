//! A small world for tests: providers whose keys lie in files, and tokens signed by them.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{
    Admin, Algorithm, AudienceClaim, Auth, Authenticator, AuthenticatorKind, ClaimPath, Claims,
    Config, Cors, Deny, Fetch, Identity, IdentityHeaders, Jwt, KeySource, Level, Limits, LogFormat,
    Logging, Member, Origin, Route, Rules, Server, Start, Streams, Timeouts, TokenType, Transport,
    Upstream, UpstreamTls,
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::{Authenticators, Caller, Evidence, Failure, Presented, RouteAuthenticator, Timestamp};

/// The moment at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";

/// A private key, and what is published of it.
pub(crate) enum TestKey {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key with a `kid`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.bare_jwk();
        jwk["kid"] = kid.into();
        jwk
    }

    /// The public key without a `kid`.
    pub(crate) fn bare_jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero();
                let e = public.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": text(n), "e": text(e) })
            }
        }
    }

    /// Signs exactly this text as header and payload.
    pub(crate) fn sign_text(&self, alg: &str, header: &str, payload: &str) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", text(header.as_bytes()), text(payload.as_bytes()));
        let random = SystemRandom::new();
        let message = signed.as_bytes();
        let signature = match self {
            Self::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = if alg == "PS256" {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                pair.sign(padding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        };
        format!("{signed}.{}", text(&signature))
    }

    fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }
}

/// A token in the making: good in every way until something is changed.
pub(crate) struct Token<'k> {
    key: &'k TestKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'k> Token<'k> {
    pub(crate) fn new(key: &'k TestKey) -> Self {
        let Value::Object(header) = json!({ "alg": key.alg(), "kid": "k1", "typ": "at+jwt" })
        else {
            unreachable!()
        };
        let Value::Object(claims) = json!({
            "iss": ISSUER,
            "sub": "ada",
            "aud": RESOURCE,
            "client_id": "app",
            "scope": "mcp",
            "iat": NOW.0 - 60,
            "exp": NOW.0 + 600,
            "jti": "1",
        }) else {
            unreachable!()
        };
        Self {
            key,
            header,
            claims,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    pub(crate) fn no_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn no_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// These claims and no others.
    pub(crate) fn only(mut self, claims: Value) -> Self {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        self.claims = claims;
        self
    }

    pub(crate) fn sign(self) -> String {
        let header = Value::Object(self.header);
        let alg = header["alg"].as_str().unwrap_or_default().to_owned();
        self.key.sign_text(
            &alg,
            &header.to_string(),
            &Value::Object(self.claims).to_string(),
        )
    }
}

/// What a configuration says of a provider that publishes its keys.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) jwt: Jwt,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) fetch: Fetch,
}

impl Settings {
    pub(crate) fn jwks(self, keys: KeySource) -> AuthenticatorKind {
        let Self {
            jwt,
            algorithms,
            fetch,
        } = self;
        AuthenticatorKind::Jwks {
            jwt,
            algorithms,
            fetch,
            keys,
        }
    }

    pub(crate) fn oidc(self) -> AuthenticatorKind {
        let Self {
            jwt,
            algorithms,
            fetch,
        } = self;
        AuthenticatorKind::Oidc {
            jwt,
            algorithms,
            fetch,
        }
    }
}

/// Most of what tests change is in there.
impl Deref for Settings {
    type Target = Jwt;

    fn deref(&self) -> &Jwt {
        &self.jwt
    }
}

impl DerefMut for Settings {
    fn deref_mut(&mut self) -> &mut Jwt {
        &mut self.jwt
    }
}

/// Rules as a configuration file has them when it says nothing.
pub(crate) fn rules() -> Rules {
    let path = |text: &str| ClaimPath::parse(text).unwrap();
    Rules {
        issuer: ISSUER.into(),
        audiences: Vec::new(),
        shared_audience: false,
        leeway: Duration::from_secs(30),
        claims: Claims {
            subject: path("sub"),
            scopes: vec![path("scope"), path("scopes"), path("scp")],
            email: path("email"),
            name: path("name"),
            groups: path("groups"),
        },
        scope_map: Vec::new(),
        trust_email: false,
    }
}

/// The same for a provider that publishes its keys.
pub(crate) fn settings() -> Settings {
    let jwt = Jwt {
        rules: rules(),
        issuers: Vec::new(),
        audience_claim: AudienceClaim::Aud,
        token_types: vec![TokenType::AtJwt, TokenType::Jwt, TokenType::Absent],
        nonce_allowed: false,
        access_token_marks: Vec::new(),
        max_token_lifetime: None,
    };
    let fetch = Fetch {
        cache: Duration::from_mins(15),
        max_stale: Duration::from_hours(1),
        start: Start::Required,
        ca: None,
        proxy: None,
    };
    Settings {
        jwt,
        algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
        fetch,
    }
}

pub(crate) fn config(authenticators: Vec<(&str, AuthenticatorKind)>) -> Config {
    let loopback = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let second = Duration::from_secs(1);
    Config {
        profile: config::Profile::Development,
        server: Server {
            tls: None,
            redirect_http: None,
            hsts: None,
            listen: vec![loopback(0)],
            public_url: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            cors: Cors::Origins(Vec::new()),
            limits: Limits {
                connections: 1,
                handshakes: 1,
                connections_per_address: 1,
                streams_per_address: 1,
                failures_per_address: None,
                header_bytes: 1,
                body_bytes: 1,
                streams_per_connection: 1,
            },
            timeouts: Timeouts {
                request_head: second,
                request_body: second,
                idle: second,
                connect: second,
                response_head: second,
                drain: second,
            },
            sse_keepalive: None,
            plain_http: false,
        },
        admin: Admin {
            listen: config::AdminListen::Tcp(loopback(0)),
            token: None,
        },
        logging: Logging {
            level: Level::Info,
            format: LogFormat::Text,
        },
        audit: None,
        credential_cache: 1024 * 1024,
        deny: Deny::default(),
        authenticators: authenticators
            .into_iter()
            .map(|(name, kind)| Authenticator {
                name: name.into(),
                kind,
                dangers: config::Dangers::default(),
            })
            .collect(),
        routes: Vec::new(),
    }
}

/// A route of which only the identity headers matter here.
pub(crate) fn route(headers: IdentityHeaders) -> Route {
    Route {
        name: "/mcp".into(),
        host: None,
        path: "/mcp".into(),
        subpaths: false,
        resource: None,
        upstream: Upstream {
            members: vec![Member::Http(Origin::parse("http://127.0.0.1:1").unwrap())],
            path: None,
            tls: UpstreamTls::default(),
            host: None,
        },
        transport: Transport::Mcp,
        auth: Auth::Anonymous,
        identity: Identity {
            headers,
            strip: Vec::new(),
        },
        streams: Streams {
            end_at_expiry: true,
            max_age: Duration::from_hours(12),
            per_caller: 64,
        },
    }
}

/// Writes a key set where an authenticator finds it.
pub(crate) fn publish(file: &Path, keys: &[Value]) {
    std::fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
}

/// One provider, one route, one key `k1`.
pub(crate) struct World {
    pub(crate) key: TestKey,
    pub(crate) route: RouteAuthenticator,
    pub(crate) all: Arc<Authenticators>,
    /// Where the key set lies.
    pub(crate) file: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(TestKey::es256(), |_| {}).await
    }

    /// With this key, and other settings.
    pub(crate) async fn with(key: TestKey, change: impl FnOnce(&mut Settings)) -> Self {
        let published = [key.jwk("k1")];
        Self::publishing(key, &published, change).await
    }

    /// With another key set than the key alone.
    pub(crate) async fn publishing(
        key: TestKey,
        keys: &[Value],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jwks.json");
        publish(&file, keys);
        let mut settings = settings();
        change(&mut settings);
        let kind = settings.jwks(KeySource::File(file.clone()));
        let all = Authenticators::start(&config(vec![("corp", kind)]), clock())
            .await
            .unwrap();
        let route = all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
        Self {
            key,
            route,
            all,
            file,
            _directory: directory,
        }
    }

    pub(crate) fn token(&self) -> Token<'_> {
        Token::new(&self.key)
    }

    pub(crate) async fn ask(&self, token: &str) -> Result<Caller, Failure> {
        ask(&self.route, token, NOW).await
    }

    /// The reason for which the token is refused, or `ok`.
    pub(crate) async fn reason(&self, token: &str) -> &'static str {
        match self.ask(token).await {
            Ok(_) => "ok",
            Err(failure) => failure.reason(),
        }
    }
}

pub(crate) fn clock() -> crate::Clock {
    Arc::new(|| NOW)
}

pub(crate) async fn ask(
    route: &RouteAuthenticator,
    token: &str,
    now: Timestamp,
) -> Result<Caller, Failure> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(header::AUTHORIZATION, value);
    match route.look(&evidence(&headers), now)? {
        Presented::Nothing => panic!("a credential was presented"),
        Presented::Known(caller) => Ok(caller),
        Presented::Unknown(unverified) => route.caller(unverified, now).await,
    }
}

/// A request with these headers, and nothing else of interest.
pub(crate) fn evidence(headers: &HeaderMap) -> Evidence<'_> {
    Evidence {
        headers,
        method: &http::Method::POST,
        secure: true,
        authority: "mcp.example",
        path: "/mcp",
        certificate: None,
        client: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
    }
}
