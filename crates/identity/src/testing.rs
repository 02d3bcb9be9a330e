//! A small world for tests: providers whose keys lie in files, and tokens signed by them.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{
    Admin, Algorithm, AudienceClaim, Auth, Authenticator, AuthenticatorKind, ClaimPath, Claims,
    Config, Cors, Deny, Fetch, Identity, IdentityHeaders, Jwt, KeySource, Level, Limits, LogFormat,
    Logging, Member, Origin, Route, Rules, Server, Start, Streams, Timeouts, TokenType, Transport,
    Upstream, UpstreamTls,
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::{Authenticators, Caller, Evidence, Failure, Presented, RouteAuthenticator, Timestamp};

mod tokens;

pub(crate) use tokens::{TestKey, Token};

/// The moment at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const RESOURCE: &str = "https://mcp.example/mcp";

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
            client_certificate: None,
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
                inspect_memory: 1,
                list_bytes: 1,
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
        sessions: config::Sessions::default(),
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
        access: config::Access::default(),
        rate_limit: None,
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
        peer_verified: false,
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
    }
}

impl RouteAuthenticator {
    /// Whether a stream of this caller goes on.
    pub(crate) fn still_good(&self, caller: &Caller, now: Option<Timestamp>) -> bool {
        self.judge_again(caller, now).is_ok()
    }
}
