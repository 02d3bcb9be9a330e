//! What the upstream receives: the caller's request without the caller's proof, with the gateway's word about who it is.
//!
//! Removing ends before adding begins, on every route and for anonymous callers too (SEC-34), so nothing a client sends can stand where
//! a header of ours stands.

pub(crate) mod strip;

use config::{Identity, IdentityHeaders};
use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use http_body::Body as _;
use identity::IdentityValues;

use crate::body::Upload;
use crate::observe::trace::Trace;
use crate::plan::{Plan, Site};
use crate::stage::authorize::Granted;
use crate::stage::trust::Arrival;
use crate::stop::Refusal;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// By what the upstream can find a request in our log and our traces.
#[derive(Clone, Copy)]
pub(crate) struct Marks<'r> {
    pub(crate) reference: &'r HeaderValue,
    /// Without one, what the caller says of its trace passes like any other header.
    pub(crate) trace: Option<&'r Trace>,
}

/// A request that may go to the upstream. Only [`outbound`] makes one, and only from a permit.
pub(crate) struct Outbound {
    request: Request<Upload>,
}

impl Outbound {
    pub(crate) fn into_request(self) -> Request<Upload> {
        self.request
    }
}

const OAUTH2_PROXY: [(&str, Part); 4] = [
    ("x-forwarded-user", Part::Subject),
    ("x-forwarded-email", Part::Email),
    ("x-forwarded-groups", Part::Groups),
    ("x-forwarded-preferred-username", Part::Name),
];
const AUTHELIA: [(&str, Part); 4] = [
    ("remote-user", Part::Subject),
    ("remote-email", Part::Email),
    ("remote-groups", Part::Groups),
    ("remote-name", Part::Name),
];
const DEFAULT: [(&str, Part); 9] = [
    ("x-auth-subject", Part::Subject),
    ("x-auth-issuer", Part::Issuer),
    ("x-auth-kind", Part::Kind),
    ("x-auth-email", Part::Email),
    ("x-auth-name", Part::Name),
    ("x-auth-groups", Part::Groups),
    ("x-auth-scopes", Part::Scopes),
    ("x-auth-client", Part::Client),
    ("x-auth-method", Part::Method),
];

/// A part of an identity that a header may carry.
#[derive(Debug, Clone, Copy)]
enum Part {
    Subject,
    Issuer,
    Kind,
    Email,
    Name,
    Groups,
    Scopes,
    Client,
    Method,
    /// The n-th claim of the route's own map.
    Extra(usize),
}

/// How one route tells its upstream who calls; made when the plan is built.
pub(crate) struct Injection {
    headers: Vec<(HeaderName, Part)>,
    /// Whether anonymous callers are announced (`X-Auth-Method: anonymous`).
    announces: bool,
    pub(crate) body_limit: u64,
    pub(crate) body_deadline: std::time::Duration,
}

impl Injection {
    pub(crate) fn of(
        identity: &Identity,
        limits: &config::Limits,
        timeouts: &config::Timeouts,
    ) -> Self {
        let parts: Vec<(&str, Part)> = match &identity.headers {
            IdentityHeaders::Default => DEFAULT.to_vec(),
            IdentityHeaders::Oauth2Proxy => OAUTH2_PROXY.to_vec(),
            IdentityHeaders::Authelia => AUTHELIA.to_vec(),
            IdentityHeaders::None => Vec::new(),
            IdentityHeaders::Map(map) => map
                .iter()
                .enumerate()
                .map(|(i, (header, _))| (&**header, Part::Extra(i)))
                .collect(),
        };
        let headers = parts
            .into_iter()
            .filter_map(|(name, part)| Some((HeaderName::try_from(name).ok()?, part)))
            .collect();
        let announces = matches!(identity.headers, IdentityHeaders::Default);
        Self {
            headers,
            announces,
            body_limit: limits.body_bytes,
            body_deadline: timeouts.request_body,
        }
    }
}

/// Turns a granted request into the one that the upstream gets.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a permit is good for one request and ends here"
)]
pub(crate) fn outbound(
    site: &Site,
    plan: &Plan,
    granted: Granted,
    arrival: Arrival,
    marks: Marks<'_>,
) -> Result<Outbound, Refusal> {
    let Arrival {
        mut head,
        body,
        read,
        to,
        client,
        client_header,
        name,
        authority,
        secure,
        public_https: _,
        session: _,
        certificate: _,
        peer: _,
    } = arrival;
    let limit = site.injection.body_limit;
    if body.size_hint().lower() > limit {
        return Err(Refusal::BodyTooLarge { limit }); // what Content-Length says is known before anything is sent
    }
    bearable(&granted)?;
    let headers = &mut head.headers;
    plan.stripping.strip(headers)?;
    join_cookies(headers);

    headers.insert(HOST, site.upstream.host.clone());
    introduce(site, &granted, headers);
    let client = client_header.or_else(|| HeaderValue::from_str(&client.to_string()).ok());
    if let Some(client) = client {
        headers.insert(X_FORWARDED_FOR, client);
    }
    headers.insert(
        X_FORWARDED_PROTO,
        HeaderValue::from_static(if secure { "https" } else { "http" }),
    );
    if let Some(host) = called(plan, name, &authority) {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.append(
        VIA,
        HeaderValue::from_static(if head.version == Version::HTTP_2 {
            "2 portcullis"
        } else {
            "1.1 portcullis"
        }),
    );
    headers.insert(X_REQUEST_ID, marks.reference.clone());
    if let Some(trace) = marks.trace {
        trace.mark(headers);
    }

    let upload = match read {
        Some(bytes) => Upload::Read(bytes),
        None => Upload::new(body, limit, site.injection.body_deadline),
    };
    let mut request = Request::new(upload);
    *request.method_mut() = head.method;
    *request.uri_mut() = match to {
        Some(uri) => uri,
        None => target(site, &head.uri)?,
    };
    *request.headers_mut() = head.headers;
    Ok(Outbound { request })
}

/// By what name the gateway was asked: the upstream is told.
pub(crate) fn called(plan: &Plan, name: usize, authority: &str) -> Option<HeaderValue> {
    let known = plan.trust.names.get(name);
    let known = known.and_then(|name| name.header.clone());
    known.or_else(|| HeaderValue::from_str(authority).ok())
}

/// Whether an upstream can be sent all of it (SEC-35).
pub(crate) fn bearable(granted: &Granted) -> Result<(), Refusal> {
    let too_large =
        |caller: &identity::Caller| caller.values().too_large || caller.extras_too_large();
    if granted.caller().is_some_and(too_large) {
        return Err(Refusal::IdentityTooLarge);
    }
    Ok(())
}

/// Says who calls.
pub(crate) fn introduce(site: &Site, granted: &Granted, headers: &mut HeaderMap) {
    let values = granted.caller().map(identity::Caller::values);
    for (name, part) in &site.injection.headers {
        if let Some(value) = granted
            .caller()
            .zip(values)
            .and_then(|(caller, values)| value(caller, values, *part))
        {
            headers.insert(name.clone(), value.clone());
        }
    }
    if granted.caller().is_none() && site.injection.announces {
        headers.insert(
            HeaderName::from_static("x-auth-method"),
            HeaderValue::from_static("anonymous"),
        );
    }
}

fn value<'c>(
    caller: &'c identity::Caller,
    values: &'c IdentityValues,
    part: Part,
) -> Option<&'c HeaderValue> {
    match part {
        Part::Subject => Some(&values.subject),
        Part::Issuer => Some(&values.issuer),
        Part::Kind => Some(&values.kind),
        Part::Email => values.email.as_ref(),
        Part::Name => values.name.as_ref(),
        Part::Groups => values.groups.as_ref(),
        Part::Scopes => values.scopes.as_ref(),
        Part::Client => values.client.as_ref(),
        Part::Method => Some(&values.method),
        Part::Extra(index) => caller.extra(index),
    }
}

/// h2 may send a cookie in crumbs; HTTP/1.1 has one line (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// The upstream's path for a path that was judged: the prefix replaced where the upstream has a path of its own, the rest byte for byte.
pub(crate) fn target(site: &Site, uri: &Uri) -> Result<Uri, Refusal> {
    let path = uri.path();
    let upstream = &site.upstream;
    if uri.query().is_none() && *path == *site.path {
        return Ok(upstream.fixed.clone());
    }
    let mut text = String::with_capacity(path.len() + uri.query().map_or(0, str::len) + 32);
    match &upstream.path {
        None => text.push_str(path),
        Some(own) => {
            let rest = path.strip_prefix(&*site.path).unwrap_or_default();
            // A slash at the end that only this route's clients write must not become another URL of the upstream.
            let rest = if rest == "/" && !site.subpaths {
                ""
            } else {
                rest
            };
            text.push_str(
                own.strip_suffix('/')
                    .filter(|_| rest.starts_with('/'))
                    .unwrap_or(own),
            );
            if !rest.is_empty() && !rest.starts_with('/') && !own.ends_with('/') {
                text.push('/'); // the route is `/`, whose prefix took the slash along
            }
            text.push_str(rest);
        }
    }
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    let whole = PathAndQuery::try_from(text).map_err(|_| Refusal::BadPath("not a path"))?;
    Ok(whole.into())
}
