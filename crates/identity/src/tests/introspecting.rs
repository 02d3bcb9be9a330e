//! Tokens that a provider is asked about (RFC 7662).

mod answers;
mod failing;
mod remembering;
mod selecting;
mod watching;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config::{AuthenticatorKind, IntrospectionAuth, Rules, Secret};
use serde_json::{Value, json};
use testbed::Idp;
use testbed::idp::TokenBuilder;

use crate::testing::{self, NOW, RESOURCE, config, rules};
use crate::{Authenticators, Caller, Failure, RouteAuthenticator, Timestamp};

const PATH: &str = "/introspect";

/// A provider that is asked, and one route.
struct Asked {
    idp: Idp,
    now: Arc<AtomicU64>,
    all: Arc<Authenticators>,
    route: RouteAuthenticator,
}

/// Settings as a configuration file has them when it says what it must.
fn settings(idp: &Idp) -> config::Introspection {
    config::Introspection {
        rules: Rules {
            issuer: idp.issuer().into(),
            ..rules()
        },
        endpoint: idp.url(PATH).into(),
        client_id: "svc".into(),
        client_secret: Secret::new("svc-secret"),
        client_auth: IntrospectionAuth::Basic,
        cache: Duration::from_mins(5),
        token_prefix: None,
        ca: None,
        proxy: None,
    }
}

/// A provider that knows this time.
async fn provider(now: &Arc<AtomicU64>) -> Idp {
    let now = Arc::clone(now);
    let clock = Arc::new(move || now.load(Ordering::Relaxed));
    Idp::builder().clock(clock).start().await.unwrap()
}

impl Asked {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut config::Introspection)) -> Self {
        let now = Arc::new(AtomicU64::new(NOW.0));
        let idp = provider(&now).await;
        let mut settings = settings(&idp);
        change(&mut settings);
        let config = config(vec![(
            "central",
            AuthenticatorKind::Introspection(settings),
        )]);
        let time = Arc::clone(&now);
        let clock: crate::Clock = Arc::new(move || Timestamp(time.load(Ordering::Relaxed)));
        let all = Authenticators::start(&config, clock).await.unwrap();
        let route = all.for_route(&[0], &[], &[RESOURCE.into()], &[]);
        Self {
            idp,
            now,
            all,
            route,
        }
    }

    /// A token for the route.
    fn token(&self) -> TokenBuilder {
        self.idp.token().audience(RESOURCE)
    }

    async fn ask(&self, token: &str) -> Result<Caller, Failure> {
        let now = Timestamp(self.now.load(Ordering::Relaxed));
        testing::ask(&self.route, token, now).await
    }

    async fn reason(&self, token: &str) -> &'static str {
        match self.ask(token).await {
            Ok(_) => "ok",
            Err(failure) => failure.reason(),
        }
    }

    /// What is told of a token of which the provider says this.
    async fn told(&self, answer: &Value) -> Result<Caller, Failure> {
        self.idp.answer(PATH, 200, &[], answer.to_string());
        // nobody has seen this one
        self.ask(&format!("token-{}", self.calls())).await
    }

    fn calls(&self) -> usize {
        self.idp.fetches(PATH)
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// An answer that is good in every way.
    fn good(&self) -> Value {
        json!({
            "active": true,
            "iss": self.idp.issuer(),
            "sub": "ada",
            "aud": RESOURCE,
            "client_id": "app",
            "scope": "mcp",
            "exp": NOW.0 + 600,
        })
    }

    /// The same, with other members; `null` takes one out.
    fn but(&self, changes: Value) -> Value {
        let mut answer = self.good();
        let Value::Object(changes) = changes else {
            panic!("members")
        };
        for (name, value) in changes {
            if value.is_null() {
                answer.as_object_mut().unwrap().remove(&name);
            } else {
                answer[name] = value;
            }
        }
        answer
    }
}
