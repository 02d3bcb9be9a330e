//! What browsers may do: the `Origin` check (TM-4, TL-11) and the answer to preflights.
//!
//! It stands before authentication, because a preflight carries no credentials, and what it finds goes onto refusals too, because a
//! page must be able to read the challenge.

use config::Transport;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, StatusCode};

use crate::body::{Body, own};
use crate::endpoint::Endpoint;
use crate::plan::{Plan, Site};
use crate::stage::route::Target;
use crate::stage::trust::Arrival;
use crate::stop::{Refusal, Stop};

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
/// Every header an MCP client is known to send from a page.
const ALLOW_HEADERS: &str = "Authorization, DPoP, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, X-Requested-With";
pub(crate) const OWN_METHODS: &str = "GET, HEAD, OPTIONS";
const MCP_METHODS: &str = "GET, POST, DELETE, OPTIONS";
const ALL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const EXPOSE: &str = "WWW-Authenticate, DPoP-Nonce, Mcp-Session-Id, MCP-Protocol-Version, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy";

/// Which origins a target answers to.
pub(crate) enum Origins {
    /// Documents for everybody: `*`, no credentials.
    Public,
    /// Every origin may call a route (`allowed_origins: "*"`).
    Any,
    /// Our own and these, in canonical form.
    Listed(Vec<Box<str>>),
}

/// What is added to the answer, whatever it will be.
#[derive(Default)]
pub(crate) struct Cors {
    allow_origin: Option<HeaderValue>,
    varies: bool,
}

/// How a target deals with browsers.
pub(crate) struct Manners<'p> {
    origins: &'p Origins,
    /// The methods a page is told of.
    methods: &'static str,
    /// Whether `OPTIONS` is answered here also when it is no preflight.
    answers: bool,
}

/// What is served at a path of a route.
pub(crate) fn methods(site: &Site, path: &str) -> &'static str {
    match site.transport {
        Transport::Mcp => MCP_METHODS,
        Transport::Sse if site.takes_messages_at(path) => "POST, OPTIONS",
        Transport::Sse => "GET, OPTIONS",
        Transport::Http => ALL_METHODS,
    }
}

impl Target {
    pub(crate) fn cors<'p>(&self, plan: &'p Plan, arrival: &Arrival) -> Manners<'p> {
        let (origins, methods, answers) = match self {
            Self::Own(endpoint) => (
                &Origins::Public,
                OWN_METHODS,
                *endpoint != Endpoint::Reserved,
            ),
            Self::Site(site) => (
                &plan.origins,
                methods(site, arrival.head.uri.path()),
                site.transport != Transport::Http,
            ),
        };
        Manners {
            origins,
            methods,
            answers,
        }
    }
}

/// Checks the origin and answers a preflight.
///
/// The first part of the result belongs onto every later answer, also when the second part ends the request.
pub(crate) fn judge(manners: &Manners, plan: &Plan, arrival: &Arrival) -> (Cors, Result<(), Stop>) {
    let headers = &arrival.head.headers;
    let cors = match allow(manners.origins, plan, arrival) {
        Ok(cors) => cors,
        Err(refusal) => return (Cors::default(), Err(refusal.into())),
    };
    if headers
        .get(SERVICE_WORKER)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"script"))
    {
        return (cors, Err(Refusal::ServiceWorker.into())); // SEC-37
    }
    let preflight = arrival.head.method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let options = arrival.head.method == Method::OPTIONS;
    if !(preflight || manners.answers && options) {
        return (cors, Ok(()));
    }
    let mut answer = own(StatusCode::NO_CONTENT, Body::empty());
    let into = answer.headers_mut();
    into.insert(ALLOW, HeaderValue::from_static(manners.methods));
    if preflight {
        into.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(manners.methods),
        );
        let allowed = allowed_headers(&plan.key_headers, headers);
        into.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        into.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    (cors, Err(Stop::Answer(Box::new(answer))))
}

/// The headers a page may send: our list, those of API keys, and whatever else this page names (`Mcp-Param-*` cannot be listed), since a header that a page
/// may not send is no protection: every other client may send it.
fn allowed_headers(keys: &[HeaderName], headers: &HeaderMap) -> HeaderValue {
    const ASKED: HeaderName = http::header::ACCESS_CONTROL_REQUEST_HEADERS;
    let asked = headers
        .get(ASKED)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= 1024)
        .unwrap_or_default();
    let asked = asked.split(',').map(str::trim);
    let mut all = ALLOW_HEADERS.to_owned();
    for name in keys.iter().map(HeaderName::as_str).chain(asked) {
        let mut known = all.split(", ");
        if !name.is_empty() && !known.any(|known| known.eq_ignore_ascii_case(name)) {
            all.push_str(", ");
            all.push_str(name);
        }
    }
    HeaderValue::from_str(&all).unwrap_or_else(|_| HeaderValue::from_static(ALLOW_HEADERS))
}

fn allow(origins: &Origins, plan: &Plan, arrival: &Arrival) -> Result<Cors, Refusal> {
    let mut lines = arrival.head.headers.get_all(ORIGIN).iter();
    let Some(origin) = lines.next() else {
        return Ok(Cors {
            allow_origin: None,
            varies: matches!(origins, Origins::Listed(_)),
        });
    };
    if lines.next().is_some() {
        return Err(Refusal::Ambiguous("two Origin lines"));
    }
    let refused = || Refusal::OriginNotAllowed {
        origin: String::from_utf8_lossy(origin.as_bytes())
            .chars()
            .take(128)
            .collect(),
    };
    match origins {
        Origins::Any if origin.as_bytes() == b"null" => Err(refused()),
        Origins::Public | Origins::Any => Ok(Cors {
            allow_origin: Some(HeaderValue::from_static("*")),
            varies: false,
        }),
        Origins::Listed(listed) => {
            let text = origin.to_str().map_err(|_| refused())?;
            let canonical = config::Origin::parse(text)
                .map_err(|_| refused())?
                .to_string();
            let own = plan
                .trust
                .names
                .is_own_origin(arrival.name, &canonical, &arrival.authority);
            if own || listed.iter().any(|known| **known == *canonical) {
                return Ok(Cors {
                    allow_origin: Some(origin.clone()),
                    varies: true,
                });
            }
            Err(refused())
        }
    }
}

impl Cors {
    /// Adds what is ours; what an upstream said about CORS has been removed before.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        if let Some(origin) = &self.allow_origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSE),
            );
        }
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}
