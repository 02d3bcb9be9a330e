//! One route, compiled.

use std::sync::Arc;

use config::{
    AuditLevel, Auth, Authenticator, Config, HostPattern, IdentityHeaders, SenderConstrained,
    Transport,
};
use http::HeaderValue;
use identity::{Authenticators, RouteAuthenticator};
use oauth::challenge::{Challenge, Scheme};
use oauth::{Scopes, well_known};

use crate::PlanError;
use crate::observe::metrics::{Metrics, SiteMetrics};
use crate::plan::names::{Name, Names};
use crate::seals::{Keys, Seals};
use crate::stage::authorize::Policy;
use crate::stage::authorize::access::Access;
use crate::stage::inject::Injection;
use crate::stage::limit;
use crate::upstream::Upstream;

/// One route.
pub(crate) struct Site {
    pub(crate) name: Box<str>,
    pub(crate) host: Option<HostPattern>,
    pub(crate) path: Box<str>,
    pub(crate) subpaths: bool,
    pub(crate) transport: Transport,
    /// Where clients of HTTP+SSE post, without a slash at the end.
    pub(crate) messages: Option<Box<str>>,
    /// The same route at its `challenge_path`, where nothing is open to everybody (I-12).
    pub(crate) challenging: Option<Arc<Site>>,
    /// What the route is called under each of [`Names`], by index.
    faces: Vec<Face>,
    /// `None` on routes that ask nobody.
    pub(crate) authentication: Option<RouteAuthenticator>,
    pub(crate) policy: Policy,
    /// Whether anything that is asked of a request depends on its body.
    pub(crate) reads: bool,
    pub(crate) proofs: Proofs,
    pub(crate) injection: Injection,
    pub(crate) upstream: Upstream,
    pub(crate) streams: config::Streams,
    /// How often one caller may ask.
    pub(crate) rate: Option<limit::Rate>,
    /// What binds ids of the upstream to callers; `None` where there are no such ids, or nobody to bind them to.
    pub(crate) seals: Option<Seals>,
    pub(crate) metrics: SiteMetrics,
}

/// What a route asks of whoever presents a token, and can take.
#[derive(Clone, Copy, Default)]
pub(crate) struct Proofs {
    /// Whether tokens that are bound to nothing are refused.
    pub(crate) required: bool,
    /// Whether clients have a way to show a certificate.
    pub(crate) certificates: bool,
}

impl Proofs {
    fn of(config: &Config, route: &config::Route) -> Self {
        let server = &config.server;
        let asks = server.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        Self {
            required: match &route.auth {
                Auth::Anonymous => false,
                Auth::Required(requirement) => {
                    requirement.sender_constrained == SenderConstrained::Required
                }
            },
            certificates: asks || server.client_certificate.is_some(),
        }
    }
}

/// A route as seen under one name.
pub(crate) struct Face {
    pub(crate) bare: Form,
    pub(crate) slashed: Form,
}

/// One spelling of a resource: clients compare it with what was typed, to the slash (PRM-5).
pub(crate) struct Form {
    pub(crate) resource: Box<str>,
    /// Absolute URL of the document that describes it (RFC 9728 section 3.1).
    pub(crate) metadata_url: Box<str>,
    /// The whole challenge for a request without credentials, where tokens are taken.
    pub(crate) challenge: HeaderValue,
    /// A line for each header in which API keys are taken.
    pub(crate) key_challenges: Box<[HeaderValue]>,
    /// The same as `challenge` for tokens with proofs, where it helps.
    pub(crate) dpop: HeaderValue,
}

impl Site {
    /// The form of this route under a name, in the slash form of a path.
    pub(crate) fn form(&self, name: usize, path: &str) -> Option<&Form> {
        let face = self.faces.get(name)?;
        Some(if path.strip_suffix('/') == Some(&self.path) {
            &face.slashed
        } else {
            &face.bare
        })
    }

    /// Whether this path of the route is where clients of HTTP+SSE post their messages, and not where their stream is.
    pub(crate) fn takes_messages_at(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.messages.as_deref() == Some(path)
    }

    /// Says at start what the route is, and above all for what its tokens have to be made.
    pub(crate) fn introduce(&self) {
        let resource = self.faces.first().map_or("", |face| &face.bare.resource);
        let upstream = self.upstream.shown();
        let (route, path, protected) = (&self.name, &self.path, self.is_protected());
        tracing::info!(%route, %path, protected, %resource, %upstream, "route");
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.authentication.is_some()
    }

    /// Whether tokens open it, and not API keys alone: then there is nothing to log in for.
    pub(crate) fn takes_tokens(&self) -> bool {
        let authentication = self.authentication.as_ref();
        authentication.is_some_and(RouteAuthenticator::takes_tokens)
    }
}

pub(super) fn site(
    config: &Config,
    route: &config::Route,
    names: &Names,
    authenticators: &Arc<Authenticators>,
    metrics: &Metrics,
    upstream: Upstream,
    keys: &Arc<Keys>,
) -> Result<Site, PlanError> {
    let (authentication, required_scopes) = match &route.auth {
        Auth::Anonymous => (None, Scopes::default()),
        Auth::Required(requirement) => {
            let extra = match &route.identity.headers {
                IdentityHeaders::Map(map) => map.iter().map(|(_, claim)| claim.clone()).collect(),
                IdentityHeaders::Default
                | IdentityHeaders::Oauth2Proxy
                | IdentityHeaders::Authelia
                | IdentityHeaders::None => Vec::new(),
            };
            let own: Vec<Box<str>> = own_resources(config, route, names);
            let authentication =
                authenticators.for_route(&requirement.accept, &requirement.audiences, &own, &extra);
            let authentication = authentication.demanding(requirement);
            let scopes = Scopes::parse(&requirement.required_scopes.join(" "))
                .map_err(|_| PlanError::new(&route.name, "required_scopes"))?;
            (Some(authentication), scopes)
        }
    };
    let accepted = match &route.auth {
        Auth::Anonymous => &[][..],
        Auth::Required(requirement) => &requirement.accept,
    };
    let accepted = accepted
        .iter()
        .filter_map(|&index| config.authenticators.get(index));
    let key_headers = key_headers(accepted.clone());
    let accepted = accepted.map(|authenticator| &*authenticator.name);
    Ok(Site {
        name: route.name.clone(),
        host: route.host.clone(),
        path: route.path.clone(),
        subpaths: route.subpaths,
        transport: route.transport,
        challenging: None, // made by the plan
        messages: route.messages().map(Into::into),
        faces: names
            .iter()
            .map(|name| face(route, &name.resource_origin, &required_scopes, &key_headers))
            .collect::<Result<_, _>>()?,
        reads: reads(config, route),
        policy: Policy {
            asks: authentication.is_some(),
            access: access(route, &required_scopes)?,
            required: Arc::new(required_scopes),
        },
        seals: seals(route, keys, &upstream),
        authentication,
        proofs: Proofs::of(config, route),
        injection: Injection::of(
            &route.identity,
            &config.server.limits,
            &config.server.timeouts,
        ),
        upstream,
        streams: route.streams.clone(),
        rate: route.rate_limit.as_ref().map(limit::Rate::of),
        metrics: metrics.site(&route.name, &route.access, accepted),
    })
}

/// Only MCP has sessions, and where nobody says who they are a session is whoever's who knows it. An address of messages is sealed there
/// too, or clients could write addresses of their own.
fn seals(route: &config::Route, keys: &Arc<Keys>, upstream: &Upstream) -> Option<Seals> {
    match (route.transport, &route.auth) {
        (Transport::Mcp, Auth::Required(_)) | (Transport::Sse, _) => {
            Some(Seals::new(keys, &route.name, upstream.names()))
        }
        (Transport::Http, _) | (Transport::Mcp, Auth::Anonymous) => None,
    }
}

/// The route as it is at its `challenge_path`: the same in everything, but that all of it needs a credential (I-12).
pub(super) fn challenging(route: &config::Route) -> Option<config::Route> {
    let Auth::Required(requirement) = &route.auth else {
        return None;
    };
    let mut second = route.clone();
    second.path = requirement.challenge_path.clone()?;
    second.resource = None;
    second.access.require_authentication = true;
    // where the upstream has no path of its own, it is asked at the route's
    let path = &mut second.upstream.path;
    *path = path.take().or_else(|| Some(route.path.clone()));
    Some(second)
}

/// A body is read where the tools that it calls are judged, counted, or told of in the audit trail.
fn reads(config: &Config, route: &config::Route) -> bool {
    let speaks_mcp = match route.transport {
        Transport::Mcp | Transport::Sse => true,
        Transport::Http => false,
    };
    let counts = route.rate_limit.as_ref();
    let counts = counts.is_some_and(|limit| limit.max_tool_calls.is_some());
    let audit = config.audit.as_ref();
    let tells = audit.is_some_and(|audit| audit.level == AuditLevel::Info);
    speaks_mcp && (counts || tells || route.access != config::Access::default())
}

fn access(route: &config::Route, required: &Scopes) -> Result<Access, PlanError> {
    let challenge = match &route.auth {
        Auth::Anonymous => None,
        Auth::Required(requirement) => Some(requirement.challenge),
    };
    Access::of(&route.access, challenge, required)
        .map_err(|_| PlanError::new(&route.name, "access.tools"))
}

/// Every resource identifier that is this route: an audience may be any of them, and nothing else (SEC-10, SEC-11).
fn own_resources(config: &Config, route: &config::Route, names: &Names) -> Vec<Box<str>> {
    // Both paths of a route are one and the same to whoever is let in.
    let mut routes = config.routes.iter();
    let first = routes.find(|it| it.name == route.name).unwrap_or(route);
    let mut own = resources(config, first, names);
    if let Some(second) = challenging(first) {
        own.extend(resources(config, &second, names));
    }
    own
}

fn resources(config: &Config, route: &config::Route, names: &Names) -> Vec<Box<str>> {
    if let Some(resource) = &route.resource {
        return vec![resource.clone()];
    }
    let takes =
        |host: &HostPattern, name: &Name| name.authority().is_some_and(|it| host.matches(it));
    // Under a name that another route of this path has for itself, this one is never reached, and tokens for there are not for here.
    let elsewhere = |name: &Name| {
        let others = config
            .routes
            .iter()
            .filter(|other| other.path == route.path);
        others
            .filter_map(|other| other.host.as_ref())
            .any(|host| takes(host, name))
    };
    names
        .iter()
        .filter(|name| name.own_resource)
        .filter(|name| match &route.host {
            Some(host) => takes(host, name),
            None => !elsewhere(name),
        })
        .map(|name| join(&name.resource_origin, &route.path).into())
        .collect()
}

fn join(origin: &str, path: &str) -> String {
    // The resource of a whole origin is written with its slash: that is how every URL type writes it (TRAP-2).
    format!("{origin}{path}")
}

/// The headers of API keys, as they are written, each once.
pub(crate) fn key_headers<'c>(
    authenticators: impl Iterator<Item = &'c Authenticator>,
) -> Vec<&'c str> {
    let mut headers: Vec<&str> = Vec::new();
    for authenticator in authenticators {
        let Some(keys) = authenticator.kind.api_keys() else {
            continue;
        };
        let header = &*keys.header;
        if !headers
            .iter()
            .any(|known| known.eq_ignore_ascii_case(header))
        {
            headers.push(header);
        }
    }
    headers
}

fn face(
    route: &config::Route,
    origin: &str,
    scopes: &Scopes,
    key_headers: &[&str],
) -> Result<Face, PlanError> {
    let bare = route
        .resource
        .as_deref()
        .map_or_else(|| join(origin, &route.path), str::to_owned);
    let slashed = if bare.ends_with('/') {
        bare.clone()
    } else {
        format!("{bare}/")
    };
    let algorithms = &*identity::PROOF_ALGORITHMS.join(" ");
    let form = |resource: String, path: &str| -> Result<Form, PlanError> {
        let metadata_url = format!("{origin}{}", well_known::protected_resource(path));
        let challenge = Challenge {
            scheme: Scheme::Bearer,
            error: None,
            description: None,
            scope: Some(scopes).filter(|s| !s.is_empty()),
            resource_metadata: Some(&metadata_url),
        };
        let dpop = Challenge {
            scheme: Scheme::Dpop { algorithms },
            ..challenge
        };
        let line = |challenge: String| {
            HeaderValue::try_from(challenge).map_err(|_| PlanError::new(&route.name, "resource"))
        };
        let (challenge, dpop) = (line(challenge.to_string())?, line(dpop.to_string())?);
        let key_challenges = key_headers.iter().map(|header| {
            let challenge = oauth::challenge::ApiKey {
                realm: &resource,
                header,
            };
            line(challenge.to_string())
        });
        Ok(Form {
            key_challenges: key_challenges.collect::<Result<_, _>>()?,
            resource: resource.into(),
            metadata_url: metadata_url.into(),
            challenge,
            dpop,
        })
    };
    let slashed_path = if route.path.ends_with('/') {
        route.path.to_string()
    } else {
        format!("{}/", route.path)
    };
    Ok(Face {
        bare: form(bare, &route.path)?,
        slashed: form(slashed, &slashed_path)?,
    })
}
